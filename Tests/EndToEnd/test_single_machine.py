"""docs/operating/single-machine.md from its first command to its last, and the recovery to a moment of backup.md after it, on a copy of
this machine's file system: mount, process, network and control-group namespaces of their own, with systemd as the first process. What
the commands change is a layer of memory over the disk, and gone afterwards."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import guides
import pytest
from harness import PROGRAMS, ROOT, wait_until

SYSTEMD = Path("/lib/systemd/systemd")
PROVIDER = "127.0.0.1:9100"

# Root is what `sudo` makes of somebody, and here everybody is.
SUDO = """#!/bin/sh
if [ "$1" = -u ]; then user=$2; shift 2; exec setpriv --reuid "$user" --regid "$user" --init-groups -- "$@"; fi
exec "$@"
"""

# What reaches beyond the copy, or has no business in it: settings of the kernel, devices, file systems of its own.
MASKED = (
    "systemd-sysctl.service", "systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount", "systemd-modules-load.service",
    "systemd-tmpfiles-setup-dev.service", "dev-hugepages.mount", "dev-mqueue.mount", "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "systemd-udevd.service", "systemd-udev-trigger.service")

# $1: an empty folder · $2: the sources · $3: the programs · the rest: units that must not run. The machine's own /dev and kernel settings are out of reach.
BOOT = """
set -euo pipefail
work=$1 sources=$2 programs=$3
shift 3
mount --make-rprivate /
mount -t tmpfs -o mode=0755 guide "$work"
mkdir "$work"/{changes,inner,root,source-changes,source-inner}
mount -t overlay guide -o "lowerdir=/,upperdir=$work/changes,workdir=$work/inner" "$work/root"
root=$work/root
mkdir -p "$root$sources" "$root/guide/programs"
mount -t overlay sources -o "lowerdir=$sources,upperdir=$work/source-changes,workdir=$work/source-inner" "$root$sources"
mount --bind "$programs" "$root/guide/programs"
mount -o remount,bind,ro "$root/guide/programs"
mount -t tmpfs -o mode=0755 dev "$root/dev"
mkdir "$root"/dev/{pts,shm}
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 pts "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
for device in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do
    read -r name major minor <<<"$device"
    mknod -m 0666 "$root/dev/$name" c "$major" "$minor"
done
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for number in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${number%:*}" "$root/dev/${number#*:}"; done
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sys "$root/sys"
mount -t cgroup2 cgroup "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=0755 run "$root/run"
ip link set lo up
cp "$work/../sudo" "$root/usr/local/bin/sudo"
chmod 0755 "$root/usr/local/bin/sudo"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
# Nothing of the machine's own services: what the guide starts runs, and the journal.
units=$root/etc/systemd/system
rm -rf "$units"/*.wants "$root/etc/eclusa" "$root/var/lib/eclusa-control" "$root/var/lib/eclusa-gateway"
for unit in "$@"; do ln -sf /dev/null "$units/$unit"; done
printf '[Unit]\\nDescription=What the guide starts\\nWants=systemd-journald.service\\nAfter=systemd-journald.service\\n' > "$units/guide.target"
# Not chroot: nobody may make user namespaces from there, which the units want (PrivateUsers).
cd "$root"
pivot_root . .
umount -l .
# As every machine has it: what systemd mounts for a unit, its credentials among it, shows where it belongs.
mount --make-rshared /
exec env -i container=guide PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=guide.target --show-status=no
"""

pytestmark = pytest.mark.slow


class Machine:
    """The copy; `run` is a shell in it."""

    def __init__(self, folder):
        (folder / "work").mkdir()
        (folder / "sudo").write_text(SUDO)
        # Of its own, so that systemd finds itself at the top of what it can see.
        self.group = control_groups() / f"eclusa-guide-{os.getpid()}"
        self.group.mkdir()
        self.log = open(folder / "boot.log", "wb")
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", "bash", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', self.group,
             "unshare", "--mount", "--pid", "--fork", "--kill-child", "--net", "--uts", "--ipc", "--cgroup",
             "bash", "-c", BOOT, "boot", folder / "work", ROOT, PROGRAMS, *MASKED],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.folder = folder
        self.words = None
        try:
            wait_until(self.is_up, 90, "systemd")
        except BaseException:
            print(self.boot_log())
            self.close()
            raise

    def is_up(self):
        assert self.process.poll() is None, self.boot_log()
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        if not children:
            return False
        first = children[0]
        if Path(f"/proc/{first}/comm").read_text().strip() != "systemd":
            return False
        self.words = ["nsenter", "--target", first, "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--"]
        return self.ask("systemctl is-active guide.target").stdout.strip() == "active"

    def boot_log(self):
        return (self.folder / "boot.log").read_text(errors="replace")[-4000:]

    def ask(self, text, seconds=180):
        return subprocess.run(
            [*self.words, "env", "-i", "HOME=/root", "LC_ALL=C.UTF-8", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
             "bash", "-euxo", "pipefail", "-c", f"cd '{ROOT}'\n{text}"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)

    def run(self, text, what=""):
        done = self.ask(text)
        assert done.returncode == 0, f"{what} ended with {done.returncode}:\n{done.stderr}\n{done.stdout}\n{self.journal()}"
        return done.stdout

    def journal(self):
        return self.ask("journalctl --no-pager -o cat -n 60").stdout

    def close(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()
        wait_until(self.is_empty, 30, "its processes to end")

    def is_empty(self):
        """Takes the control groups away, the innermost first; they stay as long as somebody is in them."""
        for path, _, _ in os.walk(self.group, topdown=False):
            try:
                os.rmdir(path)
            except OSError:
                return False
        return not self.group.exists()


def control_groups():
    """Where the unified hierarchy is mounted; None: nowhere."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    return None


def can_have_one():
    """Why there cannot be such a copy here; None: there can."""
    if os.geteuid() != 0:
        return "only root can make one"
    for name in ("unshare", "nsenter", "setpriv", "ip", "adduser", "pg_createcluster", "curl", "openssl"):
        if shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
            return f"no {name} on this machine"
    if not SYSTEMD.exists():
        return "no systemd on this machine"
    if control_groups() is None or not os.access(control_groups(), os.W_OK):
        return "no control groups that one may make"
    overlay = "mount -t tmpfs t /mnt && mkdir /mnt/{u,w,m} && mount -t overlay o -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/m"
    tried = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--net", "--cgroup", "bash", "-c", f"{overlay} && mount -t cgroup2 c /mnt/m/mnt"],
        capture_output=True, text=True, timeout=30)
    return None if tried.returncode == 0 else f"mounting is not permitted: {tried.stderr.strip()}"


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    reason = can_have_one()
    if reason:
        pytest.skip(f"SKIPPED LOUDLY: the guide is not run: {reason}")
    one = Machine(tmp_path_factory.mktemp("machine"))
    # What the first block installs brings a cluster, as Debian's package makes it.
    version = max(int(path.name) for path in Path("/usr/lib/postgresql").iterdir() if path.name.isdigit())
    assert version == 15, "the guide says 15/main"
    one.run(
        "pg_dropcluster --stop 15 main >/dev/null 2>&1 || true\nrm -rf /var/lib/postgresql/15/main /etc/postgresql/15/main\n"
        "pg_createcluster 15 main -- --no-sync\nsystemctl daemon-reload\nsystemctl start postgresql@15-main")
    yield one
    one.close()


def prepare(machine):
    """The stand-in in the provider's place; addresses of this machine have to be allowed as providers."""
    machine.run(
        f"systemd-run --quiet --unit=provider /guide/programs/eclusa-stand-in --listen-address {PROVIDER}\n"
        f"for file in control gateway; do echo ECLUSA_ALLOW_EGRESS={PROVIDER} >> /etc/eclusa/$file.env; done\n"
        "echo sk-stand-in-0001 > openai.key")


def text_of(block, **replace):
    text = block.text.replace(".build/release/", "/guide/programs/").replace(
        "https://api.openai.com/v1", f"http://{PROVIDER}/v1").replace("gpt-4o-mini", "stand-in")
    for word, value in replace.items():
        text = text.replace(word, value)
    return text


def test_the_guide_gives_an_installation_that_serves(machine):
    printed = []
    for block in guides.commands("docs/operating/single-machine.md"):
        if "enable --now eclusa-control" in block.text:
            prepare(machine)
        printed.append(machine.run(text_of(block), f"{block.page}:{block.line}"))
    assert any('"content"' in text for text in printed), printed
    machine.run("curl --silent --fail http://127.0.0.1:7070/console/ >/dev/null")
    assert "BOOTSTRAP" not in machine.run("cat /etc/eclusa/control.env")

    def made():
        return re.search(r"\bdone\b|\bsucceeded\b|\bverified\b", machine.run("eclusa backups"))

    wait_until(made, 60, "a backup by the unit")


def test_programs_run_as_nobody_and_write_json_to_the_journal(machine):
    for unit in ("eclusa-control", "eclusa-gateway"):
        assert machine.run(f"ps -o user= -p $(systemctl show -p MainPID --value {unit})").strip() == "eclusa"
        lines = machine.run(f"journalctl -u {unit} -o cat --no-pager").splitlines()
        assert [line for line in lines if line.startswith('{"ts"') or '"message"' in line], lines[:5]


def test_a_node_comes_back_after_it_was_stopped(machine):
    """Though its join bundle is of no use any more."""
    machine.run(
        "systemctl stop eclusa-gateway\n"
        '[ "$(systemctl show -p Result --value eclusa-gateway)" = success ]\n'
        "systemctl start eclusa-gateway\n"
        "curl --silent --fail --retry 30 --retry-delay 1 --retry-all-errors http://127.0.0.1:8081/health/ready")


def test_the_libraries_the_guide_installs_are_those_the_programs_load(machine):
    guide = (ROOT / "docs/operating/single-machine.md").read_text()
    named = set(re.search(r"apt-get install --yes (.*)", guide)[1].split())
    # A debug build loads Swift's own libraries besides, which are in no package.
    owners = machine.run(
        "ldd /usr/bin/eclusa /usr/bin/eclusa-control /usr/bin/eclusa-gateway | sed -n 's#.*=> .*/\\([^/ ]*\\) .*#*/\\1#p' | sort -u"
        " | xargs dpkg-query -S 2>/dev/null || true")
    loaded = {line.split(":")[0] for line in owners.splitlines()}
    assert {"libpq5", "libsqlite3-0"} <= loaded
    depended = set(machine.run(
        "apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "
        + " ".join(sorted(named & loaded)) + " | grep '^[a-z]'").split())
    base = {"libc6", "libgcc-s1", "libstdc++6"}
    assert loaded <= named | depended | base, loaded - named - depended - base


def test_a_recovery_to_a_moment(machine):
    """What was made after the moment is gone, what was made before it is there, and the node follows into the new epoch."""
    archive, back, epoch = guides.commands("docs/operating/backup.md", {"Point in time"})
    machine.run(text_of(archive), f"{archive.page}:{archive.line}")
    ready = "curl --silent --fail --retry 60 --retry-delay 1 --retry-all-errors http://127.0.0.1:7070/health/ready >/dev/null\n"
    machine.run(ready + "eclusa keys create --name before-the-moment")
    moment = machine.run("sudo -u postgres psql -qtAc 'select now()'").strip()
    time.sleep(1)  # a recovery stops between transactions: the next one has to be of another moment
    machine.run("eclusa keys create --name after-the-moment")
    version = node_version(machine)
    assert "2026-03-09 14:31:00+00" in back.text
    machine.run(text_of(back, **{"2026-03-09 14:31:00+00": moment}), f"{back.page}:{back.line}")
    machine.run(text_of(epoch), f"{epoch.page}:{epoch.line}")
    machine.run(ready + "eclusa login --email you@example.com --password-file first-password")
    keys = machine.run("eclusa keys")
    assert "before-the-moment" in keys and "after-the-moment" not in keys
    wait_until(lambda: int(node_version(machine).split(".")[0]) > int(version.split(".")[0]), 90, "the node to run the new epoch")
    printed = machine.run("key=$(eclusa keys create --name new --json | sed -n 's/.*\"secret\": *\"\\([^\"]*\\)\".*/\\1/p')\n"
                          "curl --silent --fail --retry 20 --retry-delay 1 --retry-all-errors http://127.0.0.1:8080/v1/models -H \"Authorization: Bearer $key\"")
    assert "chat" in printed


# Amazon's command, as far as the script asks it.
AWS = """#!/bin/sh
[ "$1 $2" = "secretsmanager get-secret-value" ] && sed 's/.*"secret": *"\\([^"]*\\)".*/\\1/' /run/token.json
"""


def test_the_first_boot_of_a_node_of_the_terraform_module(machine):
    """Its script, with the secret from a file: the unit joins under the machine's name and serves, and again after it was stopped."""
    script = (ROOT / "infrastructure/terraform/modules/gateway/start-node.sh.tftpl").read_text()
    settings = {
        "ECLUSA_LISTEN_ADDRESS": "127.0.0.1:8080", "ECLUSA_OPERATIONS_LISTEN_ADDRESS": "127.0.0.1:8081",
        "ECLUSA_JOIN": "file:/etc/eclusa/join.bundle", "ECLUSA_ALLOW_EGRESS": PROVIDER}
    module = (ROOT / "infrastructure/terraform/modules/gateway/main.tf").read_text()
    assert "file:/etc/eclusa/join.bundle" in module
    lines = "\n".join(f"{name}={value}" for name, value in settings.items()) + "\n"
    script = re.sub(r"%\{ for .*?%\{ endfor ~\}\n", lambda _: lines, script, flags=re.S)
    for name, value in {"region": "eu-central-1", "region_name": "eu-central-1", "secret": "token", "control_url": "http://127.0.0.1:7070", "stop_seconds": "355"}.items():
        assert f"${{{name}}}" in script
        script = script.replace(f"${{{name}}}", value)
    machine.run(
        "eclusa platform-service-accounts create --name node-enroller\n"
        "eclusa platform-bindings create --service-account node-enroller --role node-enroller\n"
        "eclusa platform-service-accounts create-token node-enroller --name aws --json > /run/token.json\n"
        "systemctl disable --now eclusa-gateway\n"
        "rm -rf /var/lib/eclusa-gateway /etc/eclusa/gateway.env /etc/eclusa/join.bundle\n"
        f"cat > /usr/local/bin/aws <<'END'\n{AWS}END\nchmod 0755 /usr/local/bin/aws\n"
        f"cat > /run/start-node <<'END'\n{script}END\nbash /run/start-node")
    ready = "curl --silent --fail --retry 60 --retry-delay 1 --retry-all-errors http://127.0.0.1:8081/health/ready\n"
    machine.run(ready)
    assert machine.run("systemctl show -p TimeoutStopUSec --value eclusa-gateway").strip() == "5min 55s", "it may drain as long as it was told"
    name = re.sub(r"[A-Z.]", lambda found: found[0].lower().replace(".", "-"), machine.run("hostname").strip())[:63]
    assert f'"name":"{name}"' in machine.run("eclusa nodes --json").replace('": "', '":"')
    machine.run("systemctl restart eclusa-gateway\n" + ready)


def node_version(machine):
    found = re.search(r'"running_version": *"?(\d+\.\d+)', machine.run("eclusa nodes --json"))
    assert found, machine.run("eclusa nodes --json")
    return found[1]
