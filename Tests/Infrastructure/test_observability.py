"""Rules and dashboards: they parse, pass their own tests, and name metrics that are exported."""

import json
import re

import pytest
import yaml
from repository import INFRASTRUCTURE, ROOT, exported_metrics, run, tool

PROMETHEUS = INFRASTRUCTURE / "prometheus"
RULES = ["recording.yaml", "alerts.yaml"]
DASHBOARDS = sorted((INFRASTRUCTURE / "grafana").glob("*.json"))
# Made by Prometheus itself.
BUILT_IN = {"up", "eclusa_metric_overflows_total"}
WORDS = {
    "sum", "by", "rate", "increase", "max", "min", "and", "or", "on", "le", "absent", "time", "scalar", "topk", "avg", "unless",
    "histogram_quantile", "predict_linear", "without"}


def rules():
    for file in RULES:
        for group in yaml.safe_load((PROMETHEUS / file).read_text())["groups"]:
            yield from group["rules"]


def recorded():
    return {rule["record"] for rule in rules() if "record" in rule}


def names(expression):
    """Metric names of an expression, without labels, strings, durations and functions."""
    bare = re.sub(r'"(\\.|[^"\\])*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", bare)
    bare = re.sub(r"\b(by|on|without)\s*\([^)]*\)", " ", bare)
    return {word for word in re.findall(r"(?<![\w.])[a-zA-Z_][a-zA-Z0-9_:]*", bare) if word not in WORDS}


def check(expression):
    metrics = exported_metrics()
    for name in names(expression):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        known = name in metrics or name in recorded() or name in BUILT_IN or metrics.get(base) == "histogram"
        assert known, f"{name} is no metric: {expression}"
        # What is counted at a start may be read as it is, with the start beside it.
        if name in metrics and metrics[name] == "counter" and "process_start_time_seconds" not in expression:
            assert re.search(r"(rate|increase)\([^()]*" + name, expression), f"a bare counter: {expression}"


def panels():
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                yield pytest.param(target["expr"], id=f"{path.stem}: {panel['title']} {target['refId']}")


def test_the_rules_parse_and_pass_their_tests():
    promtool = tool("promtool", "Debian's package prometheus")
    done = run(promtool, "check", "rules", *RULES, cwd=PROMETHEUS)
    assert done.returncode == 0, done.stderr + done.stdout
    done = run(promtool, "test", "rules", "tests.yaml", "tests-days.yaml", cwd=PROMETHEUS)
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.mark.parametrize("rule", list(rules()), ids=lambda rule: rule.get("record") or rule["alert"])
def test_a_rule_names_metrics_that_are_exported(rule):
    check(rule["expr"])


@pytest.mark.parametrize("rule", [rule for rule in rules() if "alert" in rule], ids=lambda rule: rule["alert"])
def test_an_alert_says_how_urgent_it_is_and_what_to_do(rule):
    assert rule["labels"]["severity"] in ("page", "ticket")
    path, anchor = rule["annotations"]["runbook"].split("#")
    headings = re.findall(r"^#+ (.*)$", (ROOT / path).read_text(), re.M)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert anchor in anchors, f"{path} has no #{anchor}"


def test_every_alert_is_shown_to_fire():
    files = [yaml.safe_load((PROMETHEUS / name).read_text()) for name in ("tests.yaml", "tests-days.yaml")]
    shown = {
        alert["alertname"] for file in files for test in file["tests"] for alert in test["alert_rule_test"] if alert["exp_alerts"]}
    assert shown == {rule["alert"] for rule in rules() if "alert" in rule}


def test_every_panel_expression_parses(tmp_path):
    """As recording rules, because that is how promtool reads expressions."""
    promtool = tool("promtool", "Debian's package prometheus")
    entries = [
        {"record": f"panel:{index}", "expr": re.sub(r"\$__rate_interval", "5m", parameter.values[0]).replace("$job", ".*").replace("$instance", ".*")}
        for index, parameter in enumerate(panels())]
    assert len(entries) > 60
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": entries}]}))
    done = run(promtool, "check", "rules", tmp_path / "panels.yaml")
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.mark.parametrize("expression", list(panels()))
def test_a_panel_names_metrics_that_are_exported(expression):
    check(expression)


# For joins, and for whoever looks at one process.
UNWATCHED = {"eclusa_build_info", "eclusa_telemetry_sent_total"}


def test_every_metric_is_in_a_rule_or_on_a_dashboard():
    watched = {name for rule in rules() for name in names(rule["expr"])}
    watched |= {name for parameter in panels() for name in names(parameter.values[0])}
    watched |= {re.sub(r"_(bucket|sum|count)$", "", name) for name in watched}
    assert set(exported_metrics()) - watched == UNWATCHED


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_what_its_source_makes(path, tmp_path):
    before = path.read_text()
    done = run(INFRASTRUCTURE / "dev/dashboards")
    after = path.read_text()
    path.write_text(before)
    assert done.returncode == 0 and before == after, "run infrastructure/dev/dashboards"


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_can_be_imported_anywhere(path):
    board = json.loads(path.read_text())
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}" and panel["fieldConfig"]["defaults"]["unit"]
        place = panel["gridPos"]
        assert 0 <= place["x"] and place["x"] + place["w"] <= 24
