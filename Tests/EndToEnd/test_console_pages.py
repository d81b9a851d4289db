"""Every page of the console in a real Chromium: in two sizes, languages and themes, without serious findings of axe-core."""

import base64
import http.server
import json
import re
import threading
import urllib.parse

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from browser import Browser
from harness import ADMIN_EMAIL, ROOT, wait_until

CONSOLE = ROOT / "ControlPlane" / "Console"
TENANT_PAGES = ["dashboard", "usage", "calls", "refusals", "guardrails", "guardrails/new", "playground", "keys", "keys/new", "routes", "routes/new", "models", "models/new", "providers",
                "providers/new", "members", "members/new", "invitations", "invitations/new", "groups", "groups/new", "roles",
                "roles/new", "bindings", "bindings/new", "service-accounts", "service-accounts/new", "identity-providers",
                "identity-providers/new", "workspaces",
                "workspaces/new", "alerts", "alert-rules", "alert-rules/new", "alert-channels", "alert-channels/new",
                "alert-deliveries", "limits", "limits/new", "report-schedules", "report-schedules/new", "activity", "settings"]
PLATFORM_PAGES = ["dashboard", "usage?span=24h", "tenants", "tenants/new", "users", "users/new", "bindings", "bindings/new", "service-accounts",
                  "service-accounts/new", "identity-providers", "identity-providers/new", "providers",
                  "providers/new", "models", "models/new", "nodes", "join-tokens", "join-tokens/new", "rollouts", "activity",
                  "alerts", "alert-rules", "alert-rules/new", "alert-channels", "alert-channels/new", "alert-deliveries",
                  "mails", "backups", "settings"]
ACCOUNT_PAGES = ["profile", "security", "sessions", "activity"]
LOOKS = [(1440, "en", False), (360, "pt-BR", True)]


@pytest.fixture(scope="module")
def pages(eclusa, called):
    """Every page there is, with something on it."""
    under = f"/tenants/{eclusa.tenant}"
    things = [f"{under}/keys/{eclusa.key_id}", f"{under}/keys/{eclusa.key_id}/edit", f"{under}/providers/{eclusa.provider}",
              f"{under}/providers/{eclusa.provider}/edit", f"{under}/models/{eclusa.models['stand-in']}",
              f"{under}/workspaces/{eclusa.workspace}", f"/platform/tenants/{eclusa.tenant}",
              f"/platform/tenants/{eclusa.tenant}/edit"]
    route = eclusa.admin.get(under + "/routes")["data"][0]["id"]
    things += [f"{under}/routes/{route}", f"{under}/routes/{route}/edit"]
    things += [f"/platform/nodes/{eclusa.admin.get('/nodes')['data'][0]['id']}"]
    things += [f"/platform/users/{eclusa.admin.get('/users')['data'][0]['id']}"]
    permissions = {name for role in eclusa.admin.get("/roles")["data"] for name in role["permissions"]}
    if "ledger:read" in permissions:
        things += [f"{under}/{page}" for page in ["billing", "ledger", "payments", "payments/new", "invoices", "invoices/new", "reratings",
                                                  "reratings/new"]]
        things += [f"/platform/{page}" for page in ["billing", "reconciliations", "reconciliations/new", "ledger-proofs"]]
    limit = eclusa.admin.post(under + "/limits", {
        "name": "month", "metric": "cost", "amount": "50", "period": "month", "thresholds": [80]})["id"]
    channel = eclusa.admin.post(under + "/alert-channels", {
        "name": "hook", "kind": "webhook", "url": eclusa.url("webhook") + "/",
        "quiet_hours": {"from": "22:00", "to": "07:00", "time_zone": "Europe/Lisbon"}})["channel"]["id"]
    guardrail = eclusa.admin.post(under + "/guardrails", {
        "name": "names", "kind": "webhook", "sides": ["output"], "mode": "observe", "webhook": {"url": eclusa.url("judge") + "/judge"},
        "webhook_secret": "whsec_" + base64.b64encode(bytes(32)).decode()})["id"]
    things += [f"{under}/guardrails/{guardrail}", f"{under}/guardrails/{guardrail}/edit"]
    rule = eclusa.admin.post(under + "/alert-rules", {
        "name": "errors", "kind": "error_rate", "threshold": 5, "minimum_calls": 1, "channels": [channel]})["id"]
    eclusa.admin.post(f"{under}/alert-channels/{channel}/test")
    wait_until(lambda: eclusa.admin.get(under + "/alerts")["data"], 60, "the failed call to be told")
    for noun in ("alerts", "alert-deliveries"):
        things.append(f"{under}/{noun}/{eclusa.admin.get(f'{under}/{noun}')['data'][0]['id']}")
    report = eclusa.admin.post(under + "/report-schedules", {"name": "spending", "recipients": ["finance@example.com"]})["id"]
    things += [f"{under}/report-schedules/{report}", f"{under}/report-schedules/{report}/edit", f"{under}/usage?by=status&span=24h",
               f"{under}/usage?by=user&span=12m", f"{under}/limits/{limit}", f"{under}/limits/{limit}/edit", f"{under}/alert-channels/{channel}",
               f"{under}/alert-channels/{channel}/edit", f"{under}/alert-rules/{rule}", f"{under}/alert-rules/{rule}/edit"]
    yield ([f"{under}/{page}" for page in TENANT_PAGES] + [f"/platform/{page}" for page in PLATFORM_PAGES]
           + [f"/account/{page}" for page in ACCOUNT_PAGES] + things)
    # A budget binds every call of the tests that come.
    eclusa.admin.login()
    for thing in (f"/limits/{limit}", f"/alert-rules/{rule}", f"/alert-channels/{channel}", f"/report-schedules/{report}", f"/guardrails/{guardrail}"):
        eclusa.admin.http.delete("/api/v1" + under + thing).raise_for_status()


@pytest.fixture(scope="module")
def called(eclusa):
    """Some calls, so that there is something to show."""
    for route in ("chat", "chat", "stand-in-chunks-50", "stand-in-error-500"):
        httpx.post(eclusa.base_url + "/chat/completions", headers={"authorization": f"Bearer {eclusa.key}"}, timeout=20,
                   json={"model": route, "messages": [{"role": "user", "content": "Hello"}]})
    wait_until(lambda: eclusa.usage()["calls"] >= 4, 15, "the calls to be counted")


@pytest.mark.parametrize(("width", "language", "is_dark"), LOOKS)
def test_every_page_is_whole(eclusa, pages, width, language, is_dark):
    browser = Browser(eclusa.url("admin"), width, language, is_dark)
    try:
        browser.open("/")
        assert browser.findings() == []
        browser.shoot("sign-in")
        browser.enter()
        problems = []
        for path in pages:
            browser.open(path)
            problems += [f"{path}: {found}" for found in browser.findings()]
            if browser.overflow() > 0:
                problems.append(f"{path}: {browser.overflow()} px wider than the screen")
            problems += [f"{path}: {said}" for said in browser.complaints()]
            if browser.run("return [...document.querySelectorAll('main [role=alert]')].some((one) => one.checkVisibility())"):
                problems.append(f"{path}: {browser.text()}")
            browser.shoot(re.sub(r"_[0-9a-z]{26}", "", path).strip("/").replace("/", "-"))
        assert not problems, "\n".join(problems)
        assert browser.run("return document.documentElement.lang") == language
    finally:
        browser.close()


def test_the_entrance_opens_in_every_look(eclusa):
    for width, language, is_dark in [(360, "en", False), (1440, "pt-BR", True)]:
        browser = Browser(eclusa.url("admin"), width, language, is_dark)
        try:
            for path in ("/", "/forgot-password", "/sign-up", "/accept-invitation#token=x", "/reset-password#token=x"):
                browser.open(path)
                assert browser.findings() == [] and browser.overflow() <= 0, path
        finally:
            browser.close()


def first_view(browser, path):
    """What the browser measured of a page that it had never seen."""
    browser.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
    browser.open(path)
    return browser.driver.execute_async_script("""
        const done = arguments[0];
        const shift = new PerformanceObserver(() => {});
        shift.observe({ type: "layout-shift", buffered: true });
        new PerformanceObserver((list) => {
            const resources = performance.getEntriesByType("resource").filter((one) => !one.name.includes("/api/"));
            const navigation = performance.getEntriesByType("navigation")[0];
            done({
                bytes: navigation.encodedBodySize + resources.reduce((sum, one) => sum + one.encodedBodySize, 0),
                plain: resources.reduce((sum, one) => sum + one.decodedBodySize, 0),
                largest: list.getEntries().at(-1).startTime, interactive: navigation.domInteractive,
                shift: shift.takeRecords().filter((one) => !one.hadRecentInput).reduce((sum, one) => sum + one.value, 0),
            });
        }).observe({ type: "largest-contentful-paint", buffered: true });""")


def test_the_first_view_is_small_quick_and_still(eclusa, called):
    browser = Browser(eclusa.url("admin"))
    try:
        browser.enter()
        path = f"/tenants/{eclusa.tenant}/dashboard"
        views = [first_view(browser, path)]
        # How long it takes is the page's and the machine's: of some views the quickest counts.
        while len(views) < 12 and not any(view["largest"] < 1000 and view["interactive"] < 1000 for view in views):
            views.append(first_view(browser, path))
        figures = min(views, key=lambda view: max(view["largest"], view["interactive"]))
        print(f"\nfirst view of the dashboard: {figures['bytes'] / 1000:.0f} kB compressed of {figures['plain'] / 1000:.0f} kB, "
              f"largest paint {figures['largest']:.0f} ms, interactive {figures['interactive']:.0f} ms, shift {figures['shift']:.3f}")
        assert figures["largest"] < 1000 and figures["interactive"] < 1000, views
        assert all(view["bytes"] < 150_000 and view["shift"] < 0.1 for view in views), views
    finally:
        browser.close()


def test_every_file_is_served_safely(eclusa):
    base = eclusa.url("admin")
    files = [str(path.relative_to(CONSOLE)) for path in CONSOLE.rglob("*") if path.is_file()]
    assert len(files) > 20
    for file in [*files, "", "libraries/chart.js", "libraries/qrcode.js", "configuration.json", "any/page/there/is"]:
        answer = httpx.get(f"{base}/console/{file}")
        assert answer.status_code == 200, file
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        again = httpx.get(str(answer.url), headers={"if-none-match": answer.headers["etag"]})
        assert again.status_code == 304
    page = (CONSOLE / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=|https?://", page)
    for script in CONSOLE.rglob("*.js"):
        assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", script.read_text()), script


def test_both_languages_have_the_same_words_and_all_that_are_asked_for():
    words = {path.stem: json.loads(path.read_text()) for path in (CONSOLE / "locales").glob("*.json")}
    assert set(words) == {"en", "pt-BR"}
    assert set(words["en"]) == set(words["pt-BR"])
    for key, text in words["en"].items():
        assert text and words["pt-BR"][key], key
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", words["pt-BR"][key])), key
    asked = set()
    for script in CONSOLE.rglob("*.js"):
        asked |= set(re.findall(r"""\bt\("([^"$]+)\"""", script.read_text()))
    assert len(asked) > 200
    assert asked - set(words["en"]) == set()


# What is said elsewhere than in the noun's own form.
SAID_OTHERWISE = {
    # Rules of the platform are about nodes and keys, not about calls; its bindings are of everything.
    *(("platform", "alert-rules", "create", name) for name in (
        "limit", "minimum_calls", "percentile", "route", "window_minutes", "workspace")),
    *(("platform", "alert-rules", "update", name) for name in ("minimum_calls", "percentile", "window_minutes")),
    *(("platform", "bindings", "create", name) for name in ("group", "workspace")),
    # In its list of credentials; as a table.
    ("tenant", "providers", "update", "credential"), ("platform", "providers", "update", "credential"),
    ("platform", "reconciliations", "create", "rows"),
}


def test_nouns_say_what_the_api_says(eclusa):
    """Paths of the nouns are the API's, and every field of a form is a field of the API's body."""
    browser = Browser(eclusa.url("admin"))
    try:
        browser.enter()
        nouns = browser.driver.execute_async_script("""
            const done = arguments[0];
            import("/console/pages/map.js").then(({ all }) => all()).then((all) => done([["{tenant}", all.tenant], [null, all.platform]].flatMap(
                ([tenant, list]) => list.map((noun) => {
                    const context = { tenant, at: "" };
                    const fields = (noun.fields?.(context) ?? []).filter((field) => !field.local);
                    const names = (verb) => fields.filter((field) => (field.on ?? verb) === verb).map((field) => field.name);
                    return {
                        name: noun.name, path: "/api/v1" + noun.path(context), create: noun.permissions.create !== undefined,
                        update: noun.permissions.update !== undefined, remove: noun.permissions.delete !== undefined,
                        read: noun.permissions.read, page: noun.hasPage !== false, isTranslated: noun.toCreate !== undefined,
                        created: names("create"), updated: names("update"),
                    };
                }))));""")
    finally:
        browser.close()
    description = httpx.get(eclusa.url("admin") + "/api/openapi.json", timeout=10).json()

    def fields(operation):
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        if "$ref" in schema:
            schema = description["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        return set(schema["properties"])

    permissions = set(description["components"]["schemas"]["BuiltInRole"]["properties"]["permissions"]["items"]["enum"])
    # Nobody is shown what no permission of this API leads to.
    nouns = [noun for noun in nouns if noun["read"] is None or noun["read"] in permissions]
    assert len(nouns) > 20
    unsaid = set()
    for noun in nouns:
        place = "tenant" if "{tenant}" in noun["path"] else "platform"
        collection = description["paths"][noun["path"]]
        assert "get" in collection, noun["name"]
        one = next((operations for path, operations in description["paths"].items()
                    if re.fullmatch(re.escape(noun["path"]) + r"/\{\w+\}", path)), {})
        if noun["page"]:
            assert "get" in one, noun["name"]
        assert ("patch" in one) >= noun["update"] and ("delete" in one) >= noun["remove"], noun["name"]
        # What the API can do, the console can do.
        assert ("patch" in one) == noun["update"], f"{noun['name']} can be changed"
        if noun["create"] and not noun["isTranslated"] and noun["created"]:
            assert set(noun["created"]) <= fields(collection["post"]), noun["name"]
        if noun["update"]:
            assert set(noun["updated"]) <= fields(one["patch"]), noun["name"]
        # What the API takes, a form can say.
        if noun["create"] and not noun["isTranslated"] and noun["created"]:
            unsaid |= {(place, noun["name"], "create", name) for name in fields(collection["post"]) - set(noun["created"])}
        if noun["update"]:
            unsaid |= {(place, noun["name"], "update", name) for name in fields(one["patch"]) - set(noun["updated"])}
    assert unsaid == SAID_OTHERWISE, f"no form says {sorted(unsaid - SAID_OTHERWISE)}, one does say {sorted(SAID_OTHERWISE - unsaid)}"


def test_the_page_about_the_api_works(eclusa):
    if not (ROOT / ".api-docs").is_dir():
        pytest.skip("the page's files are not installed")
    browser = Browser(eclusa.url("admin"))
    try:
        browser.enter()
        browser.driver.get(eclusa.url("admin") + "/api/docs")
        browser.find("#operations-tag-me").click()
        browser.find("[data-path='/api/v1/me']").click()
        browser.find(".opblock.is-open .execute").click()
        # Whoever is signed in to the console tries it out as themselves.
        browser.wait(lambda: ADMIN_EMAIL in browser.run("return document.body.innerText"), "the profile")
        browser.shoot("api-docs")
        assert browser.complaints() == []
    finally:
        browser.close()


class Grafana(http.server.BaseHTTPRequestHandler):
    """A page that may be embedded, and what it was asked for."""

    asked = []

    def do_GET(self):
        self.asked.append(self.path)
        body = b"<!doctype html><html lang=en><title>Board</title><p>The board.</p>"
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def claims(token, keys):
    """What a token says, after its signature was checked with the published key it names."""
    head, body, signature = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    key = next(key for key in keys if key["kid"] == json.loads(head)["kid"])
    public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key["x"] + "=="))
    public.verify(signature, token.rsplit(".", 1)[0].encode())
    return json.loads(body)


def test_dashboards_are_embedded_with_a_sign_in_and_the_theme(eclusa):
    Grafana.asked.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", eclusa.ports["grafana"]), Grafana)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    browser = Browser(eclusa.url("admin"), is_dark=True)

    def asked(path, theme):
        pages = [urllib.parse.urlsplit(page) for page in Grafana.asked]
        return next((query for page in pages if page.path == path
                     for query in [dict(urllib.parse.parse_qsl(page.query))] if query["theme"] == theme), None)

    try:
        browser.enter("/platform/dashboards")
        browser.wait(lambda: asked("/d/eclusa-gateway", "dark"), "the dashboard of the gateway in the dark theme")
        keys = httpx.get(eclusa.url("admin") + "/.well-known/jwks.json").json()["keys"]
        said = claims(asked("/d/eclusa-gateway", "dark")["auth_token"], keys)
        assert (said["iss"], said["aud"], said["role"], said["email"]) == ("eclusa", "grafana", "Viewer", ADMIN_EMAIL)
        browser.find("button[aria-label='Light colours']").click()
        browser.wait(lambda: asked("/d/eclusa-gateway", "light"), "the same in the light theme")
        browser.find("#board").send_keys("Control plane")
        browser.wait(lambda: asked("/d/eclusa-control", "light"), "the dashboard of the control plane")
        browser.driver.switch_to.frame(browser.find("iframe"))
        assert "The board." in browser.driver.page_source
        browser.driver.switch_to.default_content()
        assert browser.findings() == [] and browser.complaints() == []
        browser.shoot("platform-dashboards")
    finally:
        browser.close()
        server.shutdown()
