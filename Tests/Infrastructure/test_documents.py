"""What the documents promise exists: commands, options, paths, targets, metrics, links with their anchors."""

import json
import re

import pytest
from repository import ROOT, exported_metrics, settings

PAGES = sorted(
    path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    if path.name not in ("CHANGELOG.md", "settings.md", "errors.md"))
API = json.loads((ROOT / "docs/openapi/openapi.json").read_text())
OPERATIONS = {operation["operationId"] for path in API["paths"].values() for method, operation in path.items() if method != "parameters"}
SOURCES = "\n".join(path.read_text() for path in (ROOT / "ControlPlane/CommandLine").rglob("*.swift"))


def identify(path):
    return str(path.relative_to(ROOT))


def code(page):
    """What stands in blocks and between backticks."""
    text = page.read_text()
    blocks = re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.M | re.S)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    return blocks + spans


def commands():
    """Commands written by hand, by their words."""
    return {tuple(re.findall(r'"([\w-]+)"', words)) for words in re.findall(r"words: \[([^\]]*)\]", SOURCES)}


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_every_command_of_eclusa_exists(page):
    nouns = {operation.rsplit(".", 1)[0] for operation in OPERATIONS}
    by_hand = commands()
    for text in code(page):
        for words in re.findall(r"(?:^|&& |[;|(] ?|sudo |\$\()eclusa ((?:[a-z][\w-]*)(?: [a-z][\w-]*)?)", text, re.M):
            noun, _, verb = words.partition(" ")
            known = (
                (noun,) in by_hand or (noun, verb) in by_hand or f"{noun}.{verb}" in OPERATIONS
                # A noun alone lists; what follows is its argument then.
                or noun in nouns and (not verb or f"{noun}.list" in OPERATIONS and verb not in ("create", "delete", "update"))
                or noun in ("completion", "verb", "noun"))
            assert known, f"there is no command: eclusa {words}"


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_every_make_target_exists(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    for text in code(page):
        for target in re.findall(r"^make ([a-z][a-z-]+)", text, re.M):
            assert target in targets, f"there is no target {target}"


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_every_path_of_the_admin_api_exists(page):
    known = [re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path)) + "$") for path in API["paths"]]
    for text in code(page):
        for path in re.findall(r"(/api/v1/[\w{}./…-]*[\w}])", text):
            if "…" in path:
                continue
            assert any(pattern.match(path) for pattern in known), f"there is no path {path}"


OPERATING = [page for page in PAGES if "operating" in str(page) or "guides" in str(page)]


@pytest.mark.parametrize("page", OPERATING, ids=identify)
def test_every_metric_exists(page):
    metrics = set(exported_metrics()) | {"eclusa_metric_overflows_total"}
    roles = {"eclusa_app", "eclusa_ingest", "eclusa_publisher", "eclusa_reports"}
    for name in re.findall(r"\b(eclusa_[a-z_]+)\b", "\n".join(code(page))):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        assert name in metrics | roles or base in metrics, f"there is no metric {name}"


# Options of others' programs that the pages name.
FOREIGN = {
    "--createdb", "--pwprompt", "--owner", "--build", "--system", "--group", "--no-create-home", "--now", "--build-arg", "--target", "--tool",
    "--from-literal", "--from-file", "--secret-id", "--secret-string", "--previous", "--explicit-target-dependency-import-check", "--filter",
    "--tests", "--port-offset", "--scratch-path", "--version"}


@pytest.mark.parametrize("page", OPERATING, ids=identify)
def test_every_option_exists(page):
    known = {flag for program in settings().values() for flag in program} | FOREIGN
    known |= {f"{flag}-file" for flag in known}
    known |= {"--" + name for name in re.findall(r'name: "([\w-]+)"', SOURCES)}
    benches = [*ROOT.glob("Tests/Benchmarks/*.swift"), *ROOT.glob("Tests/SnapshotBenchmarks/*.swift")]
    known |= {option for path in benches for option in re.findall(r'"(--[\w-]+)"', path.read_text())}
    members = re.findall(r'"([a-z][a-z_]*)":', json.dumps(API["components"]["schemas"]))
    known |= {"--" + name.replace("_", "-") for name in members}
    known |= {f"--{name.replace('_', '-')}-file" for name in members}
    known |= {"--" + parameter["name"].replace("_", "-") for path in API["paths"].values() for operation in path.values()
              if isinstance(operation, dict) for parameter in operation.get("parameters", []) if "name" in parameter}
    for text in code(page):
        for option in re.findall(r"(?<![\w-])(--[a-z][a-z-]+[a-z])", text):
            assert option in known or option.startswith("--no-") and "--" + option[5:] in known, f"there is no option {option}"


def anchors(page):
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S), re.M)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_every_link_leads_to_its_heading(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", text):
        if target.startswith(("http://", "https://")):
            continue
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), f"{target} leads nowhere"
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there), f"{target}#{anchor}: no such heading"


def test_every_guide_is_reached_from_the_index():
    index = (ROOT / "docs/operating/README.md").read_text()
    for page in (ROOT / "docs/operating").glob("*.md"):
        if page.name != "README.md":
            assert f"]({page.name})" in index, f"{page.name} is not linked from docs/operating/README.md"


def test_guides_say_what_was_not_run():
    """A guide for a place that is not this machine says which of its commands nobody has run."""
    for name in ("kubernetes", "aws", "google-cloud", "azure", "render", "multi-region", "scale-out"):
        text = (ROOT / f"docs/operating/{name}.md").read_text()
        assert re.search(r"[Nn](ot|either was) run here", text), name


def named_fault_tests():
    """`Folder/File: the beginning of a test's sentence` and `Folder/file.py: test_name`, as the page of faults names them."""
    page = (ROOT / "docs/operating/reliability.md").read_text()
    return re.findall(r"`(\w+/\w+)(\.py)?: ([^`]+)`", page)


@pytest.mark.parametrize("place, suffix, name", named_fault_tests(), ids=lambda value: value)
def test_every_test_of_a_fault_exists(place, suffix, name):
    file = ROOT / "Tests" / (place + (suffix or ".swift"))
    assert file.is_file(), f"there is no {file}"
    wanted = f"def {name}(" if suffix else f'"{name}'
    assert wanted in file.read_text(), f"{place} has no test {name}"


def test_most_faults_have_a_test():
    page = (ROOT / "docs/operating/reliability.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and " | " in line]
    assert len(named_fault_tests()) > 45 and len(rows) > 45
