"""The services of compose.yaml, each in the root folder its image is made of: read-only, as the user of the image, with the variables,
secrets, volumes and names the file gives, in namespaces of their own. What an engine does besides (networks, limits) is not played."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from harness import PROGRAMS, ROOT, Postgres, wait_until

COMPOSE = ROOT / "infrastructure/compose"
PROGRAM = {"control": "eclusa-control", "gateway": "eclusa-gateway", "tools": "eclusa"}

# $1: the root folder · $2: the volume or nothing · $3: secrets · $4: the folder of Postgres' socket · then variables, --, the program and its words
SERVICE = """
set -euo pipefail
root=$1 volume=$2 secrets=$3 socket=$4
shift 4
variables=()
while [ "$1" != -- ]; do variables+=("$1"); shift; done
shift
mkdir -p "$root/run/secrets" "$root/var/lib/eclusa"
printf '127.0.0.1 localhost control-1 balancer\\n' > "$root/etc/hosts"
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
# An engine gives every container its devices.
mkdir -p "$root/dev"
touch "$root/dev/null"
mount --bind /dev/null "$root/dev/null"
mkdir -p "$root$socket"
mount --bind "$socket" "$root$socket"
mount --bind "$secrets" "$root/run/secrets"
[ -z "$volume" ] || mount --bind "$volume" "$root/var/lib/eclusa"
mount -o remount,bind,ro "$root"
cd /
exec env -i "${variables[@]}" /usr/sbin/chroot --userspec=65532:65532 "$root" "$@"
"""

pytestmark = pytest.mark.slow


class Engine:
    """Starts services of the file in namespaces that they share, but for their mounts."""

    def __init__(self, folder, services):
        self.folder, self.services, self.running = folder, services, []
        self.postgres = Postgres(folder)
        self.postgres.home.chmod(0o755)  # the containers' user goes through it to the socket
        shutil.copytree(COMPOSE, folder / "compose", ignore=shutil.ignore_patterns("secrets", ".env"))
        subprocess.run([folder / "compose/prepare"], check=True, capture_output=True)
        self.secrets = folder / "compose/secrets"
        self.secrets.chmod(0o755)  # the engine reaches the files for them
        self.holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "bash", "-c",
             "mount --make-rprivate / && mount -t proc proc /proc && ip link set lo up && exec sleep infinity"])
        wait_until(self.is_up, 30, "the namespaces")

    def is_up(self):
        children = Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text().split()
        if not children or Path(f"/proc/{children[0]}/comm").read_text().strip() != "sleep":
            return False
        self.inside = ["nsenter", "--target", children[0], "--mount", "--net", "--pid", "--"]
        return True

    def start(self, name):
        """A service of the file as a process whose output is in a log."""
        service = self.services[name]
        program = PROGRAM[service["build"]["target"]]
        root = self.folder / f"root-{name}"
        subprocess.run([ROOT / "infrastructure/containers/assemble-root", root, PROGRAMS / program], check=True)
        values = {"DATABASE_URL": self.postgres.url, "ADMIN_EMAIL": "admin@example.com"}
        variables = {"PATH": "/usr/bin", "ECLUSA_CONSOLE_FOLDER": "/usr/share/eclusa/console"} if "control" in program else {"PATH": "/usr/bin"}
        for variable, value in service.get("environment", {}).items():
            variables[variable] = re.sub(r"\$\{(\w+)[^}]*\}", lambda found: values[found[1]], str(value))
        volume = ""
        for mount in service.get("volumes", []):
            volume = self.folder / ("volume-" + mount.split(":")[0])
            volume.mkdir(exist_ok=True)
            os.chown(volume, 65532, 65532)
        log = open(self.folder / f"{name}.log", "ab")
        process = subprocess.Popen(
            [*self.inside, "unshare", "--mount", "bash", "-c", SERVICE, name, root, volume, self.secrets, self.postgres.home,
             *(f"{key}={value}" for key, value in variables.items()), "--", f"/usr/bin/{program}", *service.get("command", [])],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.running.append(process)
        return process

    def ask(self, *words, environment=None):
        return subprocess.run(
            [*self.inside, *map(str, words)], capture_output=True, text=True, timeout=120,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.folder), **(environment or {})})

    def serves(self, url):
        return self.ask("curl", "--silent", "--fail", "--output", "/dev/null", url).returncode == 0

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()[-2000:]

    def close(self):
        self.holder.send_signal(signal.SIGKILL)
        self.holder.wait()
        for process in self.running:
            process.wait(30)
        self.postgres.remove()


@pytest.mark.skipif(os.geteuid() != 0, reason="SKIPPED LOUDLY: only root can change its root folder")
def test_the_services_start_enroll_and_serve(tmp_path):
    yaml = pytest.importorskip("yaml")
    engine = Engine(tmp_path, yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"])
    try:
        assert engine.start("migration").wait(120) == 0, engine.log("migration")
        control = engine.start("control-1")
        wait_until(lambda: engine.serves("http://127.0.0.1:7070/health/ready"), 90, f"the control plane\n{engine.log('control-1')}")
        assert engine.serves("http://127.0.0.1:7070/console/")
        eclusa = [PROGRAMS / "eclusa"]
        signed_in = engine.ask(*eclusa, "login", "--email", "admin@example.com", "--password-file", engine.secrets / "admin-password")
        assert signed_in.returncode == 0, signed_in.stderr
        for words in (["platform-service-accounts", "create", "--name", "node-enroller"],
                      ["platform-bindings", "create", "--service-account", "node-enroller", "--role", "node-enroller"]):
            assert engine.ask(*eclusa, *words).returncode == 0
        # Made as soon as there is none, proved by restoring it, with what the image holds.
        wait_until(lambda: re.search(r'"status": *"done"', listed := engine.ask(*eclusa, "backups", "--json").stdout)
                   and re.search(r'"checked_at": *"', listed) and not re.search(r'"check_problem": *"', listed), 60,
                   f"a backup\n{engine.log('control-1')}")
        assert list((tmp_path / "volume-backups").glob("eclusa-*.backup"))
        made = engine.ask(*eclusa, "platform-service-accounts", "create-token", "node-enroller", "--name", "compose", "--json")
        token = engine.secrets / "enrollment-token"
        token.chmod(0o644)
        token.write_text(re.search(r'"secret": *"([^"]+)"', made.stdout)[1])
        assert engine.start("enroll-1").wait(120) == 0, engine.log("enroll-1")
        gateway = engine.start("gateway-1")
        wait_until(lambda: engine.serves("http://127.0.0.1:8081/health/ready"), 90, f"the gateway\n{engine.log('gateway-1')}")
        # Asked to stop they end by themselves.
        for name, process in (("gateway-1", gateway), ("control-1", control)):
            # nsenter stays, the program is its child.
            inner, = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(int(inner), signal.SIGTERM)
            assert process.wait(120) == 0, engine.log(name)
    finally:
        engine.close()
