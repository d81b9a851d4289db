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


def test_a_rotated_key_keeps_its_old_secret_until_the_overlap_ends(eclusa):
    old, key_id = eclusa.new_key("rotating")
    eclusa.wait_key(old, seconds=5)
    under = f"/tenants/{eclusa.tenant}/keys/{key_id}"
    new = eclusa.admin.post(f"{under}/rotate", {})["secret"]
    wait_until(lambda: eclusa.models_status(new) == 200, 2, "the new secret")
    assert eclusa.models_status(old) == 200
    eclusa.admin.post(f"{under}/end-overlap")
    wait_until(lambda: eclusa.models_status(old) == 401, 2, "the end of the old secret")
    assert eclusa.models_status(new) == 200


def test_a_key_held_to_other_addresses_is_refused_here(eclusa):
    key, key_id = eclusa.new_key("elsewhere")
    eclusa.wait_key(key, seconds=5)
    under = f"/tenants/{eclusa.tenant}/keys/{key_id}"
    eclusa.admin.patch(under, {"ip_ranges": ["192.0.2.0/24"]})
    wait_until(lambda: eclusa.models_status(key) == 403, 2, "the refusal by address")
    eclusa.admin.patch(under, {"ip_ranges": ["127.0.0.0/8", "::1"]})
    wait_until(lambda: eclusa.models_status(key) == 200, 2, "the way back")
