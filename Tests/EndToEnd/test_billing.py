"""A prepaid tenant calls for what it paid, to the nano-dollar, and the books prove it."""

from decimal import Decimal

import httpx
import pytest
from harness import wait_until

CALL = {"model": "paid", "messages": [{"role": "user", "content": "How deep is the lock?"}], "max_tokens": 16}


@pytest.fixture(scope="module")
def prepaid(eclusa):
    """(path of the tenant, secret of its key): a tenant that calls a shared provider, and has nothing yet."""
    admin = eclusa.admin
    provider = admin.post("/providers", {
        "name": "prepaid", "kind": "openai", "base_url": eclusa.url("stand_in") + "/v1", "credential": "sk-stand-in-0001"})
    model = admin.post("/models", {"provider": provider["id"], "name": "stand-in"})
    admin.post(f"/models/{model['id']}/prices", {"input": "1000", "output": "2000"})
    tenant = admin.post("/tenants", {"slug": "prepaid", "name": "Prepaid"})
    base = f"/tenants/{tenant['id']}"
    workspace = admin.post(base + "/workspaces", {"slug": "default", "name": "Default"})
    admin.post(base + "/routes", {"name": "paid", "targets": [{"model": model["id"]}]})
    admin.post(base + "/billing-mode", {"mode": "prepaid"})
    key = admin.post(base + "/keys", {"name": "app", "workspace": workspace["id"]})
    eclusa.wait_key(key["secret"])
    return base, key["secret"]


def call(eclusa, secret):
    return httpx.post(eclusa.base_url + "/chat/completions", json=CALL, timeout=10,
                      headers={"authorization": f"Bearer {secret}"})


def test_a_prepaid_tenant_is_refused_at_nothing_served_after_paying_and_refused_again_at_its_end(eclusa, prepaid):
    base, secret = prepaid
    wait_until(lambda: call(eclusa, secret).status_code == 402, 15, "a call to be refused: nothing was paid")
    eclusa.admin.post(base + "/payments", {"provider": "bank", "event": "1", "amount": "2.00"})
    wait_until(lambda: call(eclusa, secret).status_code == 200, 15, "a call to be served: there is money")
    answers = []
    for _ in range(400):
        answers.append(call(eclusa, secret))
        if answers[-1].status_code == 402:
            break
    assert answers[-1].status_code == 402, "the money came to an end"
    assert answers[-1].json()["error"]["code"] == "budget_exceeded"

    def settled():
        balance = eclusa.admin.get(base + "/balance")
        usage = eclusa.admin.get(base + "/usage")["total"]
        calls = sum(answer.status_code == 200 for answer in answers) + 1
        return balance if usage["calls"] >= calls and usage["cost"] == balance["usage"] else None

    balance = wait_until(settled, 15, "all usage to be in the books")
    assert Decimal(balance["balance"]) == Decimal("2.00") - Decimal(balance["usage"])
    worst = Decimal("0.001") * 400 + Decimal("0.002") * 16  # what one call may cost at most
    assert 0 <= Decimal(balance["balance"]) < worst
    proof = eclusa.admin.post("/ledger-proofs", {"from": "1970-01-01T00:00:00Z"})
    assert proof["holds"], proof["findings"]
