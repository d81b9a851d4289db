"""A key's life, seen from both planes."""

import time

from harness import wait_until


def test_a_new_key_works_soon_and_a_revoked_one_stops_within_a_second(eclusa):
    key, key_id = eclusa.new_key("short-lived")
    eclusa.wait_key(key, seconds=5)
    eclusa.admin.post(f"/tenants/{eclusa.tenant}/keys/{key_id}/revoke")
    answered = time.monotonic()
    wait_until(lambda: eclusa.models_status(key) == 401, 1, "the refusal")
    print(f"revoked key refused {1000 * (time.monotonic() - answered):.0f} ms after the REST answer")


def test_a_key_is_shown_once_and_never_again(eclusa):
    key, key_id = eclusa.new_key("shown-once")
    under = f"/tenants/{eclusa.tenant}/keys"
    assert key not in str(eclusa.admin.get(f"{under}/{key_id}"))
    assert key not in str(eclusa.admin.get(under))


def test_secrets_stand_in_no_log(eclusa):
    for log in eclusa.folder.glob("*.log"):
        text = log.read_text(errors="replace")
        assert eclusa.key not in text and "sk-stand-in-0001" not in text, log.name
