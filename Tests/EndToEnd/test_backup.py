"""Yesterday's backup restored: nodes go on with the higher epoch alone, keys of the backup work, no call is counted twice."""

import base64
import re
import secrets
import subprocess

import httpx
import pytest
from harness import PROGRAMS, Eclusa, as_json, command, wait_until
from openai import OpenAI

HELLO = [{"role": "user", "content": "Is anything left?"}]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """An installation of its own, since it is restored."""
    installation = Eclusa(tmp_path_factory.mktemp("backup"))
    yield installation
    installation.close()


@pytest.fixture(scope="module")
def key(own):
    path = own.folder / "backup.key"
    path.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    return path


def eclusa(own, *words, status=0):
    environment = {"ECLUSA_DATABASE_URL": own.postgres.url, "PATH": "/usr/bin:/bin"}
    code, out, error = command(PROGRAMS / "eclusa", *words, environment=environment, timeout=60)
    assert code == status, out + error
    return out + error


def calls(own, count):
    client = OpenAI(base_url=own.base_url, api_key=own.key, max_retries=0, timeout=10)
    for _ in range(count):
        assert client.chat.completions.create(model="chat", messages=HELLO).choices[0].message.content


def restart(own):
    own.control.start()
    own.wait_ready("admin", own.control)
    own.admin.login()


def test_a_backup_by_hand_deletes_what_is_older_than_it_should_keep(own, key, tmp_path):
    """As a job does it that has nothing but this command: a name with the time, in the folder it is in."""
    for name in ("eclusa-20200101T000000Z.backup", "eclusa-20200102T000000Z.backup", "eclusa-20200102T120000Z.backup", "mine.backup"):
        (tmp_path / name).write_text("old")
    given = {"ECLUSA_DATABASE_URL": own.postgres.url, "ECLUSA_BACKUP_KEY": f"file:{key}", "ECLUSA_MASTER_KEY": f"file:{own.folder}/master.key"}

    def backup(*words):
        return subprocess.run([PROGRAMS / "eclusa", "backup", *words], cwd=tmp_path, env=given, capture_output=True, text=True, timeout=60)

    for words in (["--keep-days", "many"], ["--keep-weeks", "2"]):
        assert backup(*words).returncode == 64
    assert len(list(tmp_path.iterdir())) == 4, "a wrong word changes nothing"
    done = backup("--keep-days", "2")
    assert done.returncode == 0, done.stderr
    made = re.search(r"/(eclusa-\w+\.backup) ", done.stdout)[1]
    assert {path.name for path in tmp_path.iterdir()} == {made, "eclusa-20200102T120000Z.backup", "mine.backup"}
    assert "Deleted eclusa-20200101T000000Z.backup." in done.stderr


def test_a_backup_is_restored_and_the_node_goes_on_without_counting_twice(own, key):
    calls(own, 10)
    wait_until(lambda: own.usage()["calls"] == 10, 10, "ten calls")
    file = own.folder / "one.backup"
    out = eclusa(own, "backup", "--output", file, "--key-file", key, "--master-key-file", own.folder / "master.key")
    assert "sha256" in out
    verified = as_json(eclusa(own, "backup", "verify", file, "--key-file", key, "--by-restoring", "--json").splitlines()[0])
    assert verified["tenants"] == "1" and verified["master_key"] == "in it"

    # What happens after the backup is lost with it, but for what the node has not handed in.
    late, _ = own.new_key("after-the-backup")
    own.wait_key(late)
    calls(own, 5)
    wait_until(lambda: own.usage()["calls"] == 15, 10, "fifteen calls")
    own.control.stop()
    calls(own, 3)

    wrong = own.folder / "wrong.key"
    wrong.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    assert "key is not the one" in eclusa(own, "restore", file, "--key-file", wrong, "--replace", "--yes", status=78)
    assert "not empty" in eclusa(own, "restore", file, "--key-file", key, status=1)
    assert "epoch" in eclusa(own, "restore", file, "--key-file", key, "--replace", "--yes")

    restart(own)
    # The node takes the restored configuration, although its counter went back: the late key is gone.
    wait_until(lambda: own.models_status(late) == 401, 20, "the node to run the restored snapshot\n" + own.gateway.tail())
    own.wait_key(own.key)
    calls(own, 2)
    # Ten of the backup, three made while the control plane was away, two after: the five between are lost.
    wait_until(lambda: own.usage()["calls"] == 15, 20, f"fifteen calls\n{own.gateway.tail()}\n{own.control.tail()}")
    new, _ = own.new_key("after-the-restore")
    own.wait_key(new)


def test_the_same_backup_restored_again_is_taken_again(own, key):
    file = own.folder / "one.backup"
    own.control.stop()
    eclusa(own, "restore", file, "--key-file", key, "--replace", "--yes")
    restart(own)
    fresh, _ = own.new_key("after-the-second-restore")
    own.wait_key(fresh, seconds=20)


def test_everybody_signs_in_anew_after_a_restore(own, key):
    token = own.admin.http.headers["authorization"]
    own.control.stop()
    eclusa(own, "restore", own.folder / "one.backup", "--key-file", key, "--replace", "--yes")
    own.control.start()
    own.wait_ready("admin", own.control)
    answer = httpx.get(own.url("admin") + "/api/v1/me", headers={"authorization": token}, timeout=5)
    assert answer.status_code == 401
