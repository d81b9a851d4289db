"""SCIM against a client of its own: scim2-tester, which checks a server by RFC 7643 and 7644."""

import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

from identity import ControlPlane


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    """An identity provider's client, with a management token that may do nothing but this."""
    control = ControlPlane(tmp_path_factory.mktemp("scim"), ["--address-rate", "0", "--user-rate", "0"])
    tenant = control.admin.post("/tenants", {"slug": "acme", "name": "Acme"})["id"]
    base = f"/tenants/{tenant}"
    account = control.admin.post(base + "/service-accounts", {"name": "provider"})["id"]
    role = control.admin.post(base + "/roles", {"name": "provisioning", "permissions": ["scim:provision"]})["id"]
    control.admin.post(base + "/bindings", {"service_account": account, "role": role})
    token = control.admin.post(f"{base}/service-accounts/{account}/tokens", {"name": "t"})["secret"]
    http = httpx2.Client(
        base_url=f"{control.url}/api/v1{base}/scim/v2", headers={"authorization": f"Bearer {token}"}, timeout=20)
    client = SyncSCIMClient(http)
    client.discover()
    yield client
    http.close()
    control.close()


def is_otherwise(result):
    """What the tester wants and the service does in another way."""
    return (
        # Searching several kinds of resources at once is optional (RFC 7644 §3.4.3), and not there.
        result.title == "search_with_attributes"
        # A user without the attribute is active, and is shown as what they are.
        or result.reason == "PATCH modify() did not remove attribute 'active'"
        # The only address is the primary one, whatever was said of it.
        or "value for 'emails'" in result.reason and "primary=False" in result.reason)


def test_a_tester_of_scim_servers_finds_nothing_wrong(provider):
    results = check_server(provider)
    assert sum(r.status == Status.SUCCESS for r in results) > 30, [(r.title, r.reason) for r in results]
    wrong = [r for r in results if r.status in (Status.ERROR, Status.CRITICAL) and not is_otherwise(r)]
    assert not wrong, "\n".join(f"{r.title}: {r.reason}" for r in wrong)
