"""The commands of the documents, run as they stand there: whoever types them gets what the page says."""

import base64
import contextlib
import re
import secrets
import shlex
import stat
import subprocess

import guides
import httpx
import pytest
from browser import Browser
from harness import ADMIN_EMAIL, PASSWORD, PROGRAMS, ROOT, Eclusa, Postgres, Process, as_json, wait_until

HELLO = {"model": "chat", "messages": [{"role": "user", "content": "Does anybody serve?"}]}


@pytest.fixture
def own(tmp_path):
    """An installation of the page's own."""
    (tmp_path / "site").mkdir()
    installation = Eclusa(tmp_path / "site")
    yield installation
    installation.close()


@pytest.fixture
def guide(tmp_path):
    """A person's terminal: no control plane is known to it but the one they sign in to."""
    def make(eclusa, signed_in=True, environment=None, replace=None):
        shell = guides.Shell(tmp_path / "terminal", PROGRAMS, environment, replace)
        (shell.folder / "password").write_text(PASSWORD)
        if signed_in:
            eclusa_login(shell, eclusa)
        return shell

    return make


def eclusa_login(shell, eclusa):
    words = ["eclusa", "login", "--url", eclusa.url("admin"), "--email", ADMIN_EMAIL, "--password-file", shell.folder / "password"]
    done = subprocess.run(
        [PROGRAMS / words[0], *map(str, words[1:])], env=shell.environment, cwd=shell.cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def call(eclusa, key=None):
    return httpx.post(
        eclusa.base_url + "/chat/completions", headers={"authorization": f"Bearer {key or eclusa.key}"}, json=HELLO, timeout=60)


def test_every_page_with_commands_is_played_by_the_test_that_says_so():
    for page, files in guides.PLAYED.items():
        assert guides.commands(page), f"{page} has no commands that are run"
        for file in files.split():
            assert f'"{page}"' in (ROOT / "Tests/EndToEnd" / file).read_text(), f"{file} does not play {page}"


def test_readme(own, guide):
    shell = guide(own, replace={".build/release/eclusa": PROGRAMS / "eclusa"})
    printed = shell.play("README.md")
    assert re.search(r"\bek_\w+", printed) and "completion" in printed
    # The lines of Python are run with the real SDK; what the page leaves to the reader is filled in.
    code = next(block for block in guides.blocks("README.md") if block.language == "python").text
    for word, value in (("http://127.0.0.1:8080/v1", own.base_url), ("ek_…", own.key)):
        assert word in code
        code = code.replace(word, value)
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["client"].models.list().data


def test_command_line(own, guide):
    under = f"/tenants/{own.tenant}"
    provider = own.admin.post(
        under + "/providers",
        {"name": "openai", "kind": "openai", "base_url": own.url("stand_in") + "/v1", "credential": "sk-stand-in-0001"})["id"]
    own.admin.post(under + "/models", {"provider": provider, "name": "gpt-4o-mini"})
    shell = guide(own, signed_in=False, replace={
        "--url https://control.example.com": f"--url {own.url('admin')}",
        "--email ana@example.com": f"--email {ADMIN_EMAIL} --password-file password"})
    (shell.folder / "model_prices_and_context_window.json").write_text(
        '{"gpt-5-mini": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-07}}')
    printed = shell.play("docs/operating/command-line.md", stdin="y\n")
    assert re.search(r"\bek_\w+", printed)
    assert "occurred_at" in (shell.folder / "audit.csv").read_text().splitlines()[0]
    assert as_json((shell.folder / "acme.json").read_text())["workspaces"]
    twin = next(one["id"] for one in own.admin.get("/tenants")["data"] if one["name"] == "Twin")
    assert "gpt-5-mini" in [model["name"] for model in own.admin.get(under + "/models")["data"]]
    assert "fast" in [route["name"] for route in own.admin.get(f"/tenants/{twin}/routes")["data"]]


def test_limits_alerts_and_billing(own, guide, tmp_path):
    shell = guide(own)
    shell.play("docs/operating/limits.md")
    assert own.admin.get(f"/tenants/{own.tenant}/limits")["data"][0]["name"] == "monthly"
    printed = shell.play("docs/operating/alerts.md")
    assert "whsec_" in printed, "the secret is shown once"
    rule, = own.admin.get(f"/tenants/{own.tenant}/alert-rules")["data"]
    assert rule["name"] == "errors" and rule["channels"]
    shell.play("docs/operating/billing.md")
    assert own.admin.get(f"/tenants/{own.tenant}/balance")["balance"] == "21.50"


def test_content_log(own, guide):
    """Switched on, seen in a call, read and deleted."""
    shell = guide(own)
    switch, read = guides.commands("docs/operating/content-log.md")
    shell.run(switch)
    tenant = own.admin.get(f"/tenants/{own.tenant}")
    assert (tenant["content_days"], tenant["content_percent"]) == (30, 10)
    # Of all calls, so that this one is kept.
    own.admin.patch(f"/tenants/{own.tenant}", {"content_percent": 100})

    def kept():
        assert call(own).status_code == 200
        events = own.admin.get(f"/tenants/{own.tenant}/usage-events")["data"]
        return next((event["id"] for event in events if event["has_content"]), None)

    shell.replace["USAGE_EVENT"] = wait_until(kept, 60, "a call with its content")
    assert HELLO["messages"][0]["content"] in shell.run(read)


def test_tokens_that_nodes_enroll_with(own, guide):
    """What the Kubernetes guide does with eclusa."""
    shell = guide(own, signed_in=False, replace={
        "--url https://control.example.com": f"--url {own.url('admin')}", "--email you@example.com": f"--email {ADMIN_EMAIL}",
        "--password-file first-password": "--password-file password"})
    shell.play("docs/operating/kubernetes.md")
    token = as_json((shell.folder / "token.json").read_text())["secret"]
    assert token.startswith("est_")
    joined = subprocess.run(
        [PROGRAMS / "eclusa", "nodes", "join-token", "--name", "pod-1"], capture_output=True, text=True, timeout=120,
        env={"ECLUSA_URL": own.url("admin"), "ECLUSA_TOKEN": token, "HOME": "/nonexistent", "PATH": "/usr/bin:/bin"})
    assert joined.returncode == 0 and joined.stdout.startswith("eclusa-join:"), joined.stderr


def test_compose(own, guide):
    shell = guide(own, signed_in=False, replace={
        "http://127.0.0.1:7070": own.url("admin"), "--email admin@example.com": f"--email {ADMIN_EMAIL}"})
    work = shell.folder / "infrastructure/compose"
    work.mkdir(parents=True)
    for name in ("prepare", "compose.yaml"):
        (work / name).write_bytes((ROOT / "infrastructure/compose" / name).read_bytes())
    (work / "prepare").chmod(0o755)
    first, *rest = guides.commands("docs/operating/containers.md")
    shell.run(first)
    assert (work / ".env").is_file() and stat.S_IMODE((work / "secrets").stat().st_mode) == 0o700
    # The password of the control plane that runs in place of the containers.
    (work / "secrets/admin-password").chmod(0o600)
    (work / "secrets/admin-password").write_text(PASSWORD)
    for block in rest:
        shell.run(block)
    assert (work / "secrets/enrollment-token").read_text().startswith("est_")
    assert set(shell.replace) == shell.replaced


def test_key_rotation(own, guide):
    """Every drill, while the installation serves; at the end nothing of before is of use."""
    under = f"/tenants/{own.tenant}"
    provider = own.admin.post(
        under + "/providers",
        {"name": "openai", "kind": "openai", "base_url": own.url("stand_in") + "/v1", "credential": "sk-stand-in-0001"})["id"]
    model = own.admin.post(under + "/models", {"provider": provider, "name": "stand-in"})["id"]
    own.admin.post(under + f"/models/{model}/prices", {"input": "1.00", "output": "1.00"})
    own.admin.post(under + "/routes", {"name": "drill", "targets": [{"model": model}]})
    first = own.admin.get(under + f"/providers/{provider}/credentials")["data"][0]["id"]
    own.admin.patch(under + f"/providers/{provider}/credentials/{first}", {"name": "old"})
    own.new_key("checkout")
    own.admin.post("/users", {"email": "ana@example.com", "name": "Ana", "password": "a long enough " + secrets.token_hex(8)})
    account = own.admin.post(under + "/service-accounts", {"name": "ci"})["id"]
    own.admin.post(under + f"/service-accounts/{account}/tokens", {"name": "deploy"})
    shell = guide(own)
    for name in ("new.key", "newest.key"):
        (shell.folder / name).write_text("sk-stand-in-0001")
    gateways = enroll(own, "gateway-1", "gateway-3")
    try:
        for block in guides.commands("docs/operating/key-rotation.md"):
            printed = shell.run(block)
            assert call(own).status_code == 200, f"after the drill of line {block.line}"
            if "platform-audit-events verify" in block.text:
                assert re.search(r"holds\s+true", printed), printed
    finally:
        for gateway in gateways:
            gateway.stop()
    assert (shell.folder / "join.bundle").read_text().startswith("eclusa-join:")
    listed = {node["name"]: node["status"] for node in own.admin.get("/nodes")["data"]}
    assert listed["gateway-1"] == listed["gateway-3"] == "revoked"
    names = [one["name"] for one in own.admin.get(under + f"/providers/{provider}/credentials")["data"]]
    assert names == ["newest"]
    # What is left goes on with the newest of everything.
    wait_until(lambda: route_is_there(own, "drill"), 60, "the route on the node")
    assert httpx.post(
        own.base_url + "/chat/completions", headers={"authorization": f"Bearer {own.key}"}, json={**HELLO, "model": "drill"},
        timeout=60).status_code == 200


def test_settings_are_taken_back_and_go_out_again(own, guide):
    """A route that should not be there leaves the nodes by the rollback, and is back after `resume`; a key made meanwhile works at once."""
    before = str(own.admin.get("/rollout")["version"])
    under = f"/tenants/{own.tenant}"
    model = own.admin.get(under + "/models")["data"][0]["id"]
    route = own.admin.post(under + "/routes", {"name": "wrong", "targets": [{"model": model}]})["id"]
    wait_until(lambda: route_is_there(own, "wrong"), 60, "the route on the node")
    after = str(own.admin.get("/rollout")["version"])
    shell = guide(own, replace={"1.42": after, "1.41": before})
    back, again = guides.commands("docs/operating/upgrades.md")
    assert route in shell.run(back)
    wait_until(lambda: not route_is_there(own, "wrong"), 60, "the route to leave the node")
    made, _ = own.new_key("made-meanwhile")
    own.wait_key(made, seconds=60)
    shell.run(again)
    assert set(shell.replace) == shell.replaced
    wait_until(lambda: route_is_there(own, "wrong"), 60, "the route to come back")
    assert call(own).status_code == 200


def route_is_there(own, name):
    answer = httpx.get(own.base_url + "/models", headers={"authorization": f"Bearer {own.key}"}, timeout=60)
    return name in [model["id"] for model in answer.json()["data"]]


def enroll(own, *names):
    """More nodes of an installation; each listens where it is given a port."""
    gateways = []
    for name in names:
        join = own.admin.post("/join-tokens", {"node_name": name})["bundle"]
        (own.folder / name).mkdir(mode=0o700)
        gateways.append(own.part(
            name, "eclusa-gateway",
            ["--listen-address", "127.0.0.1:0", "--operations-listen-address", "127.0.0.1:0", "--data-directory", own.folder / name,
             "--allow-egress", own.egress, "--loops", "1"], {"ECLUSA_JOIN": join}))

    def connected():
        listed = {node["name"]: node["connected"] for node in own.admin.get("/nodes")["data"]}
        return all(listed.get(name) for name in names)

    wait_until(connected, 60, f"{names} to join")
    return gateways


def test_backup_and_restore(own, guide):
    """By hand and back again; the recovery to a moment is played where Postgres runs as on the page, in test_single_machine.py."""
    sections = {"The backup key", "By hand", "Restore"}
    shell = guide(own, replace={"postgresql://eclusa@%2Frun%2Fpostgresql/eclusa": own.postgres.url})
    (shell.folder / "master.key").write_text((own.folder / "master.key").read_text())
    *before, restore = guides.commands("docs/operating/backup.md", sections)
    printed = "".join(shell.run(block) for block in before)
    assert "Whole, and restored without a fault." in printed
    late, _ = own.new_key("after-the-backup")
    own.wait_key(late, seconds=60)
    own.control.stop()
    assert "Restored the backup" in shell.run(restore)
    own.control.start()
    own.wait_ready("admin", own.control)
    wait_until(lambda: own.models_status(late) == 401, 60, "the node to take the restored configuration")
    own.wait_key(own.key, seconds=60)
    assert call(own).status_code == 200


def test_disaster_recovery(own, guide, tmp_path):
    """The site is gone: another Postgres, the backup, its key. The node finds the new place by the name it knows."""
    (tmp_path / "elsewhere").mkdir()
    elsewhere = Postgres(tmp_path / "elsewhere")
    elsewhere.sql("postgres", "drop database eclusa with (force)")
    shell = guide(own, signed_in=False, environment={"PGHOST": str(elsewhere.home), "PGUSER": "eclusa"}, replace={
        "postgresql://eclusa@%2Frun%2Fpostgresql/eclusa": elsewhere.url,
        "https://control-nodes.example.com:7071": f"https://{own.address('node')}",
        "eclusa login --email you@example.com":
            f"eclusa login --url {own.url('admin')} --email {ADMIN_EMAIL} --password-file password"})
    (shell.folder / "backup.key").write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    made = subprocess.run(
        [PROGRAMS / "eclusa", "backup", "--output", shell.folder / "eclusa.backup", "--key-file", shell.folder / "backup.key",
         "--master-key-file", own.folder / "master.key", "--database-url", own.postgres.url], capture_output=True, text=True, timeout=180)
    assert made.returncode == 0, made.stderr
    own.control.stop()
    own.postgres.stop()
    restore, serve, look = guides.commands("docs/operating/disaster-recovery.md")
    with contextlib.ExitStack() as parts:
        parts.callback(elsewhere.remove)
        assert call(own).status_code == 200, "nothing here stops a node that runs"
        shell.run(restore)
        program, *words = shlex.split(shell.text(serve))
        assert program == "eclusa-control" and (shell.folder / "master.key").is_file()
        words += ["--admin-listen-address", own.address("admin"), "--node-listen-address", own.address("node")]
        words[words.index("master.key")] = str(shell.folder / "master.key")
        control = Process("control-elsewhere", [PROGRAMS / program, *words], tmp_path, {"ECLUSA_DATABASE_URL": elsewhere.url})
        parts.callback(control.stop)
        own.wait_ready("admin", control)
        own.admin.login()
        epoch = str(own.admin.get("/rollout")["version"]).split(".")[0]

        def follows():
            listed, = own.admin.get("/nodes")["data"]
            return listed["connected"] and str(listed["running_version"]).split(".")[0] == epoch

        wait_until(follows, 60, f"the node to run epoch {epoch}\n{control.tail()}")
        printed = shell.run(look)
        assert re.search(r"holds\s+true", printed) and f"{epoch}." in printed, printed
        assert call(own).status_code == 200
    assert set(shell.replace) == shell.replaced


IN_A_PAGE = """
const done = arguments[arguments.length - 1], given = arguments[0];
const {session, tenant, workspace, key, messages} = given;
let shown = '';
const show = text => { shown += text; };
(async () => { %s; return %s; })().then(answer => done({answer}), error => done({error: String(error?.stack ?? error)}));
"""


def test_front_end_guide_in_a_browser(eclusa):
    """Its two scripts in a page of the console's origin, which the gateway lets call."""
    admin, calls = [block.text for block in guides.blocks("docs/guides/front-end.md") if block.language == "js"]
    for word in ("https://control.example.com", "https://gateway.example.com", "model: 'fast'"):
        assert word in admin + calls
    admin = admin.replace("https://control.example.com", eclusa.url("admin"))
    calls = calls.replace("https://gateway.example.com", eclusa.url("gateway")).replace("model: 'fast'", "model: 'chat'")
    given = {
        "session": {"access_token": eclusa.admin.http.headers["authorization"].split()[1]}, "tenant": eclusa.tenant,
        "workspace": eclusa.workspace, "key": eclusa.key, "messages": HELLO["messages"]}
    browser = Browser(eclusa.url("admin"))
    try:
        browser.driver.get(eclusa.url("admin") + "/console/")
        browser.driver.set_script_timeout(60)
        made = browser.driver.execute_async_script(IN_A_PAGE % (admin, "await created.json()"), given)
        assert made.get("answer", {}).get("secret", "").startswith("ek_"), made
        answered = browser.driver.execute_async_script(IN_A_PAGE % (calls, "shown"), given)
        assert len(answered.get("answer", "")) > 5, answered
        refused = browser.driver.execute_async_script(IN_A_PAGE % (admin, "created"), {**given, "workspace": "ws_none"})
        assert "error" in refused, "a refusal is thrown"
    finally:
        browser.close()


def named_commands():
    """Every `eclusa …` of the documents, in blocks and between backticks: (page, its words)."""
    for page in guides.pages():
        text = (ROOT / page).read_text()
        pieces = [re.sub(r"\\\n\s*", " ", block.text) for block in guides.blocks(page) if block.language == "sh"]
        pieces += re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S))
        for line in "\n".join(pieces).splitlines():
            line = re.sub(r"\s#.*", "", line)
            for words in re.findall(r"(?:^|&& |[;|(] ?|sudo |\$\(|^\.build/release/|as_eclusa )eclusa ((?:[a-z]|--)[^|;&<>)]*)", line):
                yield page, words.split()


def test_every_option_is_one_of_its_command():
    """By the help of the very command, so that an option of another noun does not pass."""
    helps, checked = {}, 0
    done = subprocess.run([PROGRAMS / "eclusa", "--help"], capture_output=True, text=True, timeout=120)
    everywhere = set(re.findall(r"--[a-z][\w-]*", done.stdout)) | {"--help", "--json", "--profile", "--version"}
    for page, words in named_commands():
        leading = [word for word in words[:3] if re.fullmatch(r"[a-z][a-z-]*", word)]
        text = None
        # The longest beginning that is a command; what follows are its arguments.
        while leading and text is None:
            key = tuple(leading)
            if key not in helps:
                shown = subprocess.run([PROGRAMS / "eclusa", *key, "--help"], capture_output=True, text=True, timeout=120)
                is_one = shown.returncode == 0 and f"Usage: eclusa {' '.join(key)}" in shown.stdout
                helps[key] = shown.stdout if is_one else None
            text = helps[key]
            leading = leading[:-1] if text is None else leading
        for word in words:
            option = re.match(r"--[a-z][\w-]*", word)
            if option:
                known = set(re.findall(r"--[a-z][\w-]*", text or "")) | everywhere
                assert option[0] in known, f"{page}: eclusa {' '.join(words)}: {option[0]} is none of its options"
                checked += 1
    assert checked > 60
