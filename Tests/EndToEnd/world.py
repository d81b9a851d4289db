"""A provider of every kind at the stand-in, routes to what it can do, and the matrices measured over them."""

import os
from pathlib import Path

import httpx
from harness import ROOT, wait_until

PROVIDERS = {"openai": "/v1", "anthropic": "", "gemini": "", "ollama": "", "bedrock": "", "vertex": ""}
OPTIONS = {"bedrock": {"region": "eu-central-1"}, "vertex": {"project": "stand-in", "location": "europe-west4"}}
PAGE = Path(ROOT) / "docs" / "api" / "compatibility.md"


def route(suite, provider, behaviour=""):
    return f"{suite}-{provider}{behaviour}"


def credential(eclusa, kind):
    """What the stand-in takes where a provider of this kind is asked for."""
    if kind == "bedrock":
        return "AKIDSTANDIN:stand-in/secret+key"
    if kind == "vertex":
        return httpx.get(eclusa.url("stand_in") + "/stand-in/service-account").text
    return "sk-stand-in-0001"


def make_world(eclusa, suite, behaviours):
    """A provider of each kind, and a route to each behaviour of it, known to the node."""
    under = f"/tenants/{eclusa.tenant}"
    for kind, path in PROVIDERS.items():
        provider = eclusa.admin.post(under + "/providers", {
            "name": f"{suite}-{kind}", "kind": kind, "base_url": eclusa.url("stand_in") + path,
            "credential": credential(eclusa, kind), "options": OPTIONS.get(kind, {})})["id"]
        for behaviour in behaviours:
            model = eclusa.admin.post(under + "/models", {"provider": provider, "name": "stand-in" + behaviour})["id"]
            eclusa.admin.post(under + f"/models/{model}/prices", {"input": "1.00", "output": "2.00"})
            eclusa.admin.post(under + "/routes", {"name": route(suite, kind, behaviour), "targets": [{"model": model}]})
    last = route(suite, list(PROVIDERS)[-1], behaviours[-1])
    url, fields = eclusa.base_url + "/models", {"authorization": f"Bearer {eclusa.key}"}
    wait_until(
        lambda: last in {model["id"] for model in httpx.get(url, headers=fields).json()["data"]}, 30, "the routes to reach the node")
    return eclusa


def settle(world, calls=None):
    """Waits until no more usage of earlier calls comes in, or so many calls are in; the totals then."""
    if calls is not None:
        wait_until(lambda: world.usage()["calls"] >= calls, 15, "the usage to arrive")
        return world.usage()
    seen = []

    def is_quiet():
        seen.append(world.usage()["calls"])
        return len(seen) > 60 and len(set(seen[-60:])) == 1

    wait_until(is_quiet, 20, "usage of earlier calls")
    return world.usage()


def record(config, name, cells, rows, results, versions):
    """Prints a matrix, one line for each way in and out; with ECLUSA_RECORD=1 also into the page of compatibility."""
    lines = ["| in → out | " + " | ".join(rows) + " |", "|---" * (len(rows) + 1) + "|"]
    for way in cells:
        marks = [results.get((row, *way)) for row in rows]
        lines.append(f"| {way[0]} → {way[1]} | " + " | ".join("yes" if mark else "–" if mark is None else "NO" for mark in marks) + " |")
    text = f"Measured with {versions}.\n\n" + "\n".join(lines)
    config.pluginmanager.get_plugin("terminalreporter").write_line(f"\n{text}")
    if os.environ.get("ECLUSA_RECORD") == "1":
        start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, _, rest = PAGE.read_text().partition(start)
        PAGE.write_text(f"{before}{start}\n{text}\n{end}{rest.partition(end)[2]}")
