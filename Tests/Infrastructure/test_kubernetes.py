"""The manifests: each overlay builds, fits the schema and the policies, and says what the programs understand."""

import json
import re

import pytest
import yaml
from repository import INFRASTRUCTURE, ROOT, checkov, run, seconds, settings, tool, variables

KUBERNETES = INFRASTRUCTURE / "kubernetes"
OVERLAYS = sorted(path.name for path in (KUBERNETES / "overlays").iterdir())
VERSION = "1.31"
# Kinds of operators: their schemas are not Kubernetes'.
CUSTOM = {"ServiceMonitor", "PrometheusRule"}
PROGRAM_OF_IMAGE = {
    "eclusa-control": "eclusa-control", "eclusa-gateway": "eclusa-gateway", "eclusa-stand-in": "eclusa-stand-in"}


def build(overlay):
    done = run(tool("kubectl", "the Kubernetes client"), "kustomize", KUBERNETES / "overlays" / overlay)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(request):
    return request.param, [thing for thing in yaml.safe_load_all(build(request.param)) if thing]


def workloads(things):
    """(name, pod specification, workload) of everything that runs pods."""
    for thing in things:
        if thing["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
            yield thing["metadata"]["name"], thing["spec"]["template"], thing
        elif thing["kind"] == "CronJob":
            yield thing["metadata"]["name"], thing["spec"]["jobTemplate"]["spec"]["template"], thing


def containers(things):
    for name, template, _ in workloads(things):
        for container in template["spec"].get("initContainers", []) + template["spec"]["containers"]:
            yield name, template, container


def one(things, kind, name):
    return next(thing for thing in things if thing["kind"] == kind and thing["metadata"]["name"].startswith(name))


def environment(things, container):
    """The variables of a container that stand in the manifests."""
    values = {}
    for source in container.get("envFrom", []):
        values |= one(things, "ConfigMap", source["configMapRef"]["name"])["data"]
    for entry in container.get("env", []):
        values[entry["name"]] = entry.get("value", "")
    return values


def program(container):
    return container["image"].rsplit("/", 1)[-1].split(":")[0].split("@")[0]


def test_it_fits_the_schema_of_kubernetes(overlay):
    import kubernetes_validate

    name, things = overlay
    for thing in things:
        if thing["kind"] not in CUSTOM:
            kubernetes_validate.validate(thing, VERSION, strict=True)


def test_everything_is_in_the_namespace(overlay):
    for thing in overlay[1]:
        if thing["kind"] != "Namespace":
            assert thing["metadata"].get("namespace") == "eclusa", thing["metadata"]["name"]


def test_every_setting_exists(overlay):
    _, things = overlay
    checked = 0
    for name, _, container in containers(things):
        known = PROGRAM_OF_IMAGE.get(program(container))
        for variable in environment(things, container):
            if known and variable.startswith("ECLUSA_"):
                assert variable in variables(known), f"{name} sets {variable}, which {known} does not read"
                checked += 1
    assert checked >= 15


def test_every_argument_is_a_flag_of_the_program(overlay):
    source = "".join((ROOT / f"ControlPlane/CommandLine/Nouns/{name}.swift").read_text() for name in ("NodeCommands", "BackupCommands"))
    commands = {"--" + option for option in re.findall(r'name: "([\w-]+)"', source)}
    for name, _, container in containers(overlay[1]):
        known = settings()[program(container)] if program(container) in PROGRAM_OF_IMAGE else commands
        for argument in container.get("args", []):
            if argument.startswith("--"):
                assert argument in known, f"{name} passes {argument}"


def test_probes_ask_paths_and_ports_that_are_served(overlay):
    operations = (ROOT / "DataPlane/Server/OperationsSurface.swift").read_text()
    admin = (ROOT / "ControlPlane/API/SystemRoutes.swift").read_text()
    _, things = overlay
    for name, template, container in containers(things):
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            request = container.get(probe, {}).get("httpGet")
            if request is None:
                continue
            served = admin if program(container) == "eclusa-control" else operations
            assert f'"{request["path"]}"' in served, f"{name}: {request['path']}"
            assert request["port"] in ports
        if program(container) in ("eclusa-control", "eclusa-gateway") and name != "eclusa-migration":
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container), name


def test_ports_listened_on_are_ports_that_are_declared(overlay):
    _, things = overlay
    for name, template, container in containers(things):
        if name in ("eclusa-control", "eclusa-gateway") and "ports" in container:
            values = environment(things, container)
            listened = {
                int(value.rsplit(":", 1)[1]) for key, value in values.items() if key.endswith("LISTEN_ADDRESS")}
            assert listened == {port["containerPort"] for port in container["ports"]}, name
            assert all("127.0.0.1" not in value for key, value in values.items() if key.endswith("LISTEN_ADDRESS"))


def test_services_find_pods_and_their_ports(overlay):
    _, things = overlay
    pods = {name: template for name, template, _ in workloads(things)}
    for service in (thing for thing in things if thing["kind"] == "Service"):
        wanted = service["spec"]["selector"]
        found = [pod for pod in pods.values() if wanted.items() <= pod["metadata"]["labels"].items()]
        assert found, service["metadata"]["name"]
        names = {port["name"] for pod in found for container in pod["spec"]["containers"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names
    for ingress in (thing for thing in things if thing["kind"] == "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                ports = one(things, "Service", backend["name"])["spec"]["ports"]
                assert backend["port"]["name"] in {port["name"] for port in ports}


def test_the_whole_admin_api_is_offered_to_the_outside_and_nothing_else(overlay):
    """Neither metrics nor health."""
    served = json.loads((ROOT / "docs/openapi/openapi.json").read_text())["paths"]
    for ingress in (thing for thing in overlay[1] if thing["kind"] == "Ingress" and "control" in thing["metadata"]["name"]):
        paths = [path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]
        offered = {
            name for name in served
            for path in paths if name == path["path"] or path["pathType"] == "Prefix" and name.startswith(path["path"].rstrip("/") + "/")}
        assert set(served) - offered == {"/metrics", "/health/live", "/health/ready"}


def test_a_pod_has_time_to_drain(overlay):
    _, things = overlay
    for name in ("eclusa-control", "eclusa-gateway"):
        template = next(template for known, template, _ in workloads(things) if known == name)
        values = environment(things, template["spec"]["containers"][0])
        first = template["spec"]["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        needed = first + seconds(values["ECLUSA_DRAIN_DELAY"]) + seconds(values["ECLUSA_DRAIN_TIME"])
        assert template["spec"]["terminationGracePeriodSeconds"] >= needed + 5, name


def test_no_secret_stands_in_the_manifests(overlay):
    _, things = overlay
    assert not [thing for thing in things if thing["kind"] == "Secret"]
    for name, _, container in containers(things):
        for variable, value in environment(things, container).items():
            if any(word in variable for word in ("PASSWORD", "KEY", "TOKEN", "DSN")):
                assert value == "" or value.startswith(("file:", "/run/secrets/")), f"{name}: {variable}"


def test_references_are_to_things_that_exist_or_are_documented(overlay):
    """Config maps are built here; secrets are the operator's, and the guide names each with its keys."""
    _, things = overlay
    guide = (ROOT / "docs/operating/kubernetes.md").read_text()
    for name, template, _ in workloads(things):
        for volume in template["spec"].get("volumes", []):
            if "secret" in volume:
                assert f"`{volume['secret']['secretName']}`" in guide, volume["secret"]["secretName"]
                for item in volume["secret"].get("items", []):
                    assert f"`{item['key']}`" in guide, item["key"]
    for name, _, container in containers(things):
        for entry in container.get("env", []):
            reference = entry.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                assert f"`{reference['name']}`" in guide and f"`{reference['key']}`" in guide
    for ingress in (thing for thing in things if thing["kind"] == "Ingress"):
        for entry in ingress["spec"]["tls"]:
            assert f"`{entry['secretName']}`" in guide


def test_a_node_keeps_its_identity_and_usage(overlay):
    """A pod that is killed must come back with its outbox: a volume of its own, kept when the set shrinks."""
    node = one(overlay[1], "StatefulSet", "eclusa-gateway")
    claims = {claim["metadata"]["name"] for claim in node["spec"]["volumeClaimTemplates"]}
    pod = node["spec"]["template"]["spec"]
    directory = environment(overlay[1], pod["containers"][0])["ECLUSA_DATA_DIRECTORY"]
    mounts = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts[directory] in claims
    assert node["spec"]["persistentVolumeClaimRetentionPolicy"]["whenScaled"] == "Retain"
    arguments = pod["initContainers"][0]["args"]
    assert arguments[arguments.index("--unless-joined") + 1] == directory
    bundle = arguments[arguments.index("--output") + 1]
    assert environment(overlay[1], pod["containers"][0])["ECLUSA_JOIN"] == f"file:{bundle}"


def test_what_scales_names_a_metric_that_is_exported(overlay):
    from repository import exported_metrics

    scaler = one(overlay[1], "HorizontalPodAutoscaler", "eclusa-gateway")
    target = scaler["spec"]["scaleTargetRef"]
    assert one(overlay[1], target["kind"], target["name"])
    for metric in scaler["spec"]["metrics"]:
        if metric["type"] == "Pods":
            assert exported_metrics()[metric["pods"]["metric"]["name"]] == "gauge"


@pytest.mark.parametrize("name", ["eclusa-control", "eclusa-gateway"])
def test_pods_are_spread_and_one_at_a_time_is_taken_away(overlay, name):
    overlay_name, things = overlay
    template, workload = next((template, workload) for known, template, workload in workloads(things) if known == name)
    labels = template["metadata"]["labels"]
    spread = {entry["topologyKey"]: entry["labelSelector"]["matchLabels"] for entry in template["spec"]["topologySpreadConstraints"]}
    assert set(spread) == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    budget = one(things, "PodDisruptionBudget", name)["spec"]
    assert budget["maxUnavailable"] == 1
    for selector in [*spread.values(), budget["selector"]["matchLabels"]]:
        assert selector.items() <= labels.items()
    least = workload["spec"].get("replicas") or one(things, "HorizontalPodAutoscaler", name)["spec"]["minReplicas"]
    assert least >= 2 or overlay_name == "development", "somebody is there while one is away"


def test_gateways_are_scaled_by_processor_and_by_open_streams(overlay):
    name, things = overlay
    scaler = one(things, "HorizontalPodAutoscaler", "eclusa-gateway")["spec"]
    by = {metric["type"]: metric.get("resource", metric.get("pods")) for metric in scaler["metrics"]}
    assert by["Resource"]["name"] == "cpu" and scaler["minReplicas"] < scaler["maxReplicas"]
    if name != "development":
        assert by["Pods"]["metric"]["name"] == "eclusa_streams_open"
    # Else every `apply` would take the number of pods back.
    assert "replicas" not in one(things, "StatefulSet", "eclusa-gateway")["spec"]


def test_prometheus_finds_each_program_once_under_the_name_rules_use_and_may_reach_it(overlay):
    name, things = overlay
    monitors = [thing for thing in things if thing["kind"] == "ServiceMonitor"]
    assert len(monitors) == (0 if name == "development" else 2)
    for monitor in monitors:
        wanted = monitor["spec"]["selector"]["matchLabels"]
        endpoint, = monitor["spec"]["endpoints"]
        service, = [
            thing for thing in things if thing["kind"] == "Service" and wanted.items() <= thing["metadata"].get("labels", {}).items()
            and endpoint["port"] in {port["name"] for port in thing["spec"]["ports"]}]
        job = service["metadata"]["labels"][monitor["spec"]["jobLabel"]]
        assert f'job="{job}"' in (INFRASTRUCTURE / "prometheus/alerts.yaml").read_text()
        port, = [port["port"] for port in service["spec"]["ports"] if port["name"] == endpoint["port"]]
        policy = one(things, "NetworkPolicy", job)
        assert any(
            {"port": port} in rule["ports"]
            and {"namespaceSelector": {"matchLabels": {"eclusa.dev/role": "monitoring"}}} in rule["from"] for rule in policy["spec"]["ingress"])


def test_the_console_finds_the_gateway_and_is_let_call_it(overlay):
    name, things = overlay
    control, gateway = (
        environment(things, next(template for known, template, _ in workloads(things) if known == program)["spec"]["containers"][0])
        for program in ("eclusa-control", "eclusa-gateway"))
    assert gateway["ECLUSA_CORS_ORIGINS"] == control["ECLUSA_PUBLIC_URL"]
    if name != "development":
        for program, url in (("eclusa-control", control["ECLUSA_PUBLIC_URL"]), ("eclusa-gateway", control["ECLUSA_GATEWAY_URL"])):
            rule, = one(things, "Ingress", program)["spec"]["rules"]
            assert url == f"https://{rule['host']}"


def test_the_ingress_controllers_word_about_the_caller_is_taken(overlay):
    """Else all callers have one address: that of the controller."""
    for name, _, container in containers(overlay[1]):
        if name in ("eclusa-control", "eclusa-gateway") and "ports" in container:
            assert environment(overlay[1], container)["ECLUSA_TRUSTED_PROXIES"], name


def test_every_pod_is_under_a_network_policy_and_a_default_denies(overlay):
    _, things = overlay
    policies = [thing for thing in things if thing["kind"] == "NetworkPolicy"]
    assert any(policy["spec"]["podSelector"] == {} and not policy["spec"].get("egress") for policy in policies)
    for name, template, _ in workloads(things):
        labels = template["metadata"]["labels"]
        assert any(
            (wanted := policy["spec"]["podSelector"].get("matchLabels")) and wanted.items() <= labels.items()
            for policy in policies), name


def test_the_rules_for_the_operator_are_the_rules():
    files = [yaml.safe_load((INFRASTRUCTURE / "prometheus" / name).read_text()) for name in ("recording.yaml", "alerts.yaml")]
    wrapped = yaml.safe_load((KUBERNETES / "components/monitoring/rules.yaml").read_text())
    assert wrapped["spec"]["groups"] == [group for file in files for group in file["groups"]], "run infrastructure/dev/rules"


def test_every_overlay_with_data_of_worth_backs_it_up(overlay, tmp_path):
    name, things = overlay
    jobs = [thing for thing in things if thing["kind"] == "CronJob"]
    assert len(jobs) == (0 if name == "development" else 1)
    for job in jobs:
        pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        container, = pod["containers"]
        assert container["args"][0] == "backup" and program(container) == "eclusa-tools"
        volume = next(mount["name"] for mount in container["volumeMounts"] if mount["mountPath"] == container["workingDir"])
        claim = next(entry["persistentVolumeClaim"]["claimName"] for entry in pod["volumes"] if entry["name"] == volume)
        assert one(things, "PersistentVolumeClaim", claim)
        rule = one(things, "PrometheusRule", job["metadata"]["name"])
        assert f'cronjob="{job["metadata"]["name"]}"' in json.dumps(rule["spec"]).replace("\\", "")
        (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rule["spec"]))
        done = run(tool("promtool", "Debian's package prometheus"), "check", "rules", tmp_path / "rules.yaml")
        assert done.returncode == 0, done.stdout + done.stderr


# Each with the reason it does not apply. Everything else is a failure.
ACCEPTED = {
    "CKV_K8S_15": "development runs images of this machine",
    "CKV_K8S_43": "images are yours: you pin them by digest, as the overlay says",
}


def test_the_policy_scan_finds_nothing_else(tmp_path):
    for name in OVERLAYS:
        (tmp_path / f"{name}.yaml").write_text(build(name))
    done = run(checkov(), "--framework", "kubernetes", "--directory", tmp_path, "--output", "json", "--quiet", "--compact")
    report = json.loads(done.stdout)
    report = report[0] if isinstance(report, list) else report
    assert report["summary"]["passed"] > 100
    left = {
        (failed["check_id"], failed["check_name"], failed["resource"])
        for failed in report["results"]["failed_checks"] if failed["check_id"] not in ACCEPTED}
    assert not left
