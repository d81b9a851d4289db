"""What the documents promise exists: commands, options, variables, paths, files, targets, metrics, codes, links with their anchors."""

import configparser
import json
import re

import guides
import pytest
import yaml
from repository import INFRASTRUCTURE, PROGRAMS, ROOT, exported_metrics, run, settings, tool, variables

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
    blocks = [block.text for block in guides.blocks(identify(page)) if block.language in ("sh", "text")]
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S))
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
    "--from-literal", "--from-file", "--secret-id", "--secret-string", "--previous", "--filter",
    "--port-offset", "--pgdata", "--checkpoint", "--silent", "--fail", "--retry", "--retry-delay",
    "--retry-all-errors", "--fail-with-body", "--ignore-not-found", "--dry-run", "--timeout", "--replicas", "--for", "--from", "--signal", "--first"}


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


@pytest.mark.parametrize("page", guides.pages())
def test_every_block_of_commands_is_run_or_says_why_not(page):
    """Tests/EndToEnd/test_guides.py holds the tests named to the pages they play."""
    for block in guides.blocks(page):
        assert block.language in ("sh", "text", "yaml", "ini", "json", "js", "python"), f"{page}:{block.line}: a block of what?"
        assert block.reason is None or block.language == "sh", f"{page}:{block.line}: the mark is for commands"
        if block.language == "text":
            assert not re.search(r"^(eclusa|make|sudo|docker|kubectl) ", block.text, re.M), f"{page}:{block.line}: commands are `sh`"
    if guides.commands(page):
        assert page in guides.PLAYED, f"{page} has commands that nobody runs: mark them (*Not run here: why.*) or play the page"
    text = re.sub(r"^ *```.*?^ *```", "", (ROOT / page).read_text(), flags=re.M | re.S)
    assert not re.search(r"^ {4,}(eclusa|make|sudo|docker|kubectl) ", text, re.M), f"{page}: commands stand in a block"
    marks = [line for line in text.splitlines() if line.strip().startswith("*Not run here")]
    assert len(marks) == len([block for block in guides.blocks(page) if block.reason]), f"{page}: a mark without a block"


def test_targets_of_blocks_of_make_can_be_made():
    for page in guides.pages():
        for block in guides.blocks(page):
            if block.language == "sh" and block.is_make:
                for target in re.findall(r"^make ([a-z-]+)", block.text, re.M):
                    done = run("make", "--dry-run", target)
                    assert done.returncode == 0, f"{page}: make {target}: {done.stderr}"


@pytest.mark.parametrize("page", guides.pages())
def test_configuration_for_other_programs_parses(page):
    for block in guides.blocks(page):
        if block.language == "yaml":
            assert list(yaml.safe_load_all(block.text)), f"{page}:{block.line}"
        elif block.language == "json":
            assert json.loads(block.text), f"{page}:{block.line}"
        elif block.language == "ini":
            parser = configparser.ConfigParser(interpolation=None)
            parser.read_string(block.text)
            assert parser.sections(), f"{page}:{block.line}"


def test_prometheus_takes_its_configuration(tmp_path):
    promtool = tool("promtool", "Debian's package prometheus")
    text, = [block.text for block in guides.blocks("docs/operating/observability.md") if "scrape_configs" in block.text]
    (tmp_path / "prometheus.yaml").write_text(text)
    for name in ("recording.yaml", "alerts.yaml"):
        (tmp_path / name).write_text((INFRASTRUCTURE / "prometheus" / name).read_text())
    done = run(promtool, "check", "config", tmp_path / "prometheus.yaml")
    assert done.returncode == 0, done.stderr + done.stdout


# Read by the benches, tests, `eclusa` and the compose files, which have no page of settings.
OTHER_READERS = ["Makefile", "ControlPlane/CommandLine", "Tests", "infrastructure/compose"]


def other_variables():
    found = set()
    for place in OTHER_READERS:
        path = ROOT / place
        files = [path] if path.is_file() else [
            file for file in path.rglob("*") if file.suffix in (".swift", ".py", ".yaml") or file.name in ("run", "litellm") and file.is_file()]
        for file in files:
            if file.name != "test_documents.py":
                found |= set(re.findall(r"\b(ECLUSA_\w+)\b", file.read_text(errors="replace")))
    return found


def test_every_variable_is_read_by_somebody():
    read = other_variables().union(*(variables(program) for program in PROGRAMS))
    for page in PAGES:
        for name in re.findall(r"(?<!\^)\b(ECLUSA_[A-Z_]+[A-Z])\b", page.read_text()):
            assert name in read, f"{identify(page)}: nobody reads {name}"


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_every_option_of_a_server_is_one_of_that_program(page):
    known = settings()
    for text in code(page):
        for program, words in re.findall(r"(?:^|sudo )(eclusa-control|eclusa-gateway|eclusa-stand-in)( [^\n|;&]*)", text, re.M):
            for option in re.findall(r"(?<![\w-])(--[a-z][a-z-]+[a-z])", words):
                assert option in known[program] or option == f"{program} has no {option}"


FOLDERS = ("infrastructure", "docs", "Tests", "Shared", "ControlPlane", "DataPlane", ".ci")


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_every_file_that_is_named_exists(page):
    """With the tests in them: `Tests/Folder/file.py::test_name`."""
    for text in code(page):
        for word in re.findall(rf"(?<![\w/.-])((?:{'|'.join(re.escape(name) for name in FOLDERS)})/[^\s`'\"(),;]*)", text):
            path, _, test = word.rstrip(".:").partition("::")
            if re.search(r"NNNN|<|…|\{", path):
                continue
            found = list(ROOT.glob(path)) if "*" in path else [ROOT / path] if (ROOT / path).exists() else []
            assert found or path.startswith("infrastructure/compose/secrets"), f"there is no {path}"
            assert not test or f"def {test}(" in found[0].read_text(), f"{path} has no {test}"


def test_every_error_code_is_one_with_that_status():
    codes = dict(re.findall(r"^\| `(\w+)` \| (\d+)", (ROOT / "docs/errors.md").read_text(), re.M))
    assert len(codes) > 50
    for page in PAGES:
        for status, name in re.findall(r"\b([45]\d\d) `([a-z]+(?:_[a-z]+)*)`", page.read_text()):
            assert codes.get(name) == status, f"{identify(page)}: {status} {name} is no error"


def test_every_endpoint_and_field_of_the_data_plane_is_in_the_reference():
    page = (ROOT / "docs/api/endpoints.md").read_text()
    sources = [
        "DataPlane/Relay/CallPlace.swift", "DataPlane/Relay/Passage.swift", "DataPlane/Server/OperationsSurface.swift",
        "Shared/Contract/NodeProtocol.swift"]
    served = re.findall(
        r'"(/(?:v1|v1beta|api|openai|passthrough|node/v1|health|metrics|debug)[\w/]*)"', "\n".join((ROOT / name).read_text() for name in sources))
    assert len(served) > 25
    operations = re.findall(r'case \w+ = "([a-z]+/[a-z]+)"', (ROOT / "DataPlane/Dialects/CallWork.swift").read_text())
    assert len(operations) >= 6
    for path in [*served, *(f"/v1/{name}" for name in operations)]:
        # A prefix of several, whose rest the page spells out.
        assert path.rstrip("/") in page or path == "/v1beta/tunedModels/", f"docs/api/endpoints.md lacks {path}"
    fields = {
        name for path in (ROOT / "DataPlane").rglob("*.swift") for name in re.findall(r'"(x-eclusa-[a-z-]+)"', path.read_text())}
    assert len(fields) > 10
    for name in fields:
        assert f"`{name}`" in page, f"docs/api/endpoints.md lacks {name}"


def test_tables_that_a_distributed_engine_must_treat_apart_are_named():
    text = (ROOT / "Tests/StoreTests/DistributionTests.swift").read_text()
    named = re.search(r"uniqueBeyondTenants: Set<String> = \[(.*?)\]", text, re.S)[1]
    keyless = re.search(r"keyedOtherwise: Set<String> = \[(.*?)\]", text, re.S)[1]
    page = (ROOT / "docs/operating/scale-out.md").read_text()
    for table in re.findall(r'"(\w+)"', named + keyless):
        assert f"`{table}`" in page, f"docs/operating/scale-out.md does not say what becomes of {table}"


def reached(first):
    """Every page that links lead to from a page."""
    found, waiting = set(), [first]
    while waiting:
        page = waiting.pop()
        if page in found:
            continue
        found.add(page)
        for target in re.findall(r"\]\(([^)#\s]+\.md)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target and (page.parent / target).exists():
                waiting.append((page.parent / target).resolve())
    return found


def test_every_page_is_reached_from_the_readme():
    assert not set((ROOT / "docs").rglob("*.md")) - reached(ROOT / "README.md")


DECISIONS = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))


def test_decisions_are_numbered_listed_and_say_why():
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    index = (ROOT / "docs/adr/README.md").read_text()
    for path in DECISIONS:
        text = path.read_text()
        title = re.match(rf"# {int(path.name[:4])}\. (.+)\n", text)
        assert title, f"{path.name} does not begin with its number and title"
        assert f"]({path.name})" in index, f"{path.name} is not in docs/adr/README.md"
        for part in ("Context", "Decision", "When to revisit"):
            assert re.search(rf"^(## |\*\*){part}", text, re.M), f"{path.name} has no part {part}"


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
