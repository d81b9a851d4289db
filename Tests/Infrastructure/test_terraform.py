"""The Terraform modules, without a cloud: formatted, whole, documented, least privilege, encrypted, closed.

With ECLUSA_TERRAFORM_PLUGINS set to a folder of provider plugins (a filesystem mirror that holds hashicorp/aws), the examples are
also validated and planned.
"""

import fnmatch
import json
import os
import re
import shutil
from pathlib import Path

import hcl2
import pytest
from repository import INFRASTRUCTURE, ROOT, checkov, run, tool, variables

TERRAFORM = INFRASTRUCTURE / "terraform"
MODULES = sorted(path for path in (TERRAFORM / "modules").iterdir())
EXAMPLES = sorted(path for path in (TERRAFORM / "examples").iterdir())
FOLDERS = MODULES + EXAMPLES


def parse(path):
    with open(path) as file:
        return plain(hcl2.load(file))


def plain(value):
    """Without the list that the parser (checkov's own hcl2) puts around every attribute and block."""
    if isinstance(value, dict):
        return {
            key: plain(entry[0] if isinstance(entry, list) and len(entry) == 1 else entry)
            for key, entry in value.items() if not str(key).startswith("__")}
    return [plain(entry) for entry in value] if isinstance(value, list) else value


def blocks(folder, kind):
    """Named blocks of a kind in a folder: ("aws_lb", "this") or ("name",) → body."""
    found = {}
    for path in sorted(folder.glob("*.tf")):
        for block in as_list(parse(path).get(kind, [])):
            names, body = [], block
            depth = {"resource": 2, "data": 2, "variable": 1, "output": 1, "module": 1}[kind]
            for _ in range(depth):
                (name, body), = body.items()
                names.append(name)
            found[tuple(names)] = body[0] if isinstance(body, list) else body
    return found


def text(folder):
    return "\n".join(path.read_text() for path in sorted(folder.glob("*.tf")) + sorted(folder.glob("*.tftpl")))


def policies():
    for folder in MODULES:
        for (kind, name), body in blocks(folder, "data").items():
            if kind == "aws_iam_policy_document":
                for statement in as_list(body["statement"]):
                    yield folder.name, name, statement


def as_list(value):
    return value if isinstance(value, list) else [value]


def identify(path):
    return f"{path.parent.name}/{path.name}"


def test_it_is_formatted():
    terraform = tool("terraform", "the Terraform command")
    environment = {"PATH": os.environ["PATH"]}
    done = run(terraform, "fmt", "-check", "-recursive", TERRAFORM, env=environment)
    assert done.returncode == 0, "run terraform fmt -recursive: " + done.stdout


@pytest.mark.parametrize("folder", FOLDERS, ids=identify)
def test_every_reference_is_to_something_that_is_there(folder):
    body = re.sub(r"#.*", "", text(folder))
    known = {f"var.{name}" for name, in blocks(folder, "variable")}
    known |= {f"{kind}.{name}" for kind, name in blocks(folder, "resource")}
    known |= {f"data.{kind}.{name}" for kind, name in blocks(folder, "data")}
    known |= {f"module.{name}" for name, in blocks(folder, "module")}
    for path in folder.glob("*.tf"):
        for block in as_list(parse(path).get("locals", [])):
            known |= {f"local.{name}" for name in block}
    used = set(re.findall(r"\b(?:var|local|module)\.\w+|\bdata\.\w+\.\w+|(?<![.\w\"])aws_\w+\.\w+", body))
    used = {name for name in used if not name.startswith("aws.")}
    assert used - known == set()


@pytest.mark.parametrize("folder", FOLDERS, ids=identify)
def test_variables_and_outputs_say_what_they_are_and_are_used(folder):
    body = text(folder)
    for (name,), variable in blocks(folder, "variable").items():
        assert variable.get("description", "").endswith("."), f"{name} has no description"
        assert variable.get("type"), f"{name} has no type"
        assert f"var.{name}" in body, f"{name} is not used"
    for (name,), output in blocks(folder, "output").items():
        assert output.get("description", "").endswith("."), f"{name} has no description"


@pytest.mark.parametrize("folder", EXAMPLES, ids=identify)
def test_modules_get_what_they_need_and_nothing_else(folder):
    special = {"source", "providers", "version", "depends_on", "count", "for_each"}
    for (name,), body in blocks(folder, "module").items():
        source = (folder / body["source"]).resolve()
        declared = {name: variable for (name,), variable in blocks(source, "variable").items()}
        given = set(body) - special
        assert given <= set(declared), f"{name}: {given - set(declared)}"
        required = {name for name, variable in declared.items() if "default" not in variable}
        assert required <= given, f"{name} lacks {required - given}"
        outputs = {name for name, in blocks(source, "output")}
        assert set(re.findall(rf"module\.{name}\.(\w+)", text(folder))) <= outputs


def test_no_policy_allows_more_than_named_actions_on_named_things():
    checked = 0
    for module, name, statement in policies():
        checked += 1
        for action in as_list(statement["actions"]):
            if module == "key" and action == "kms:*":
                # A key's own policy: without its account it could never be managed again.
                assert ":root" in json.dumps(statement["principals"])
                continue
            assert "*" not in action, f"{module}/{name}: {action}"
        resources = as_list(statement.get("resources", []))
        if "*" in resources:
            assert module == "key", f"{module}/{name} is about everything"
        for principal in as_list(statement.get("principals", [])):
            assert "*" not in principal["identifiers"], f"{module}/{name} is for everybody"
    assert checked >= 10


def resources(kind):
    for folder in MODULES:
        for (found, name), body in blocks(folder, "resource").items():
            if found == kind:
                yield f"{folder.name}/{name}", body


def test_everything_at_rest_is_encrypted():
    for name, database in resources("aws_db_instance"):
        assert database["storage_encrypted"] is True and database["kms_key_id"] and database["performance_insights_kms_key_id"], name
        assert database["manage_master_user_password"] is True, "a password in the state"
    for name, secret in resources("aws_secretsmanager_secret"):
        assert secret["kms_key_id"], name
    for name, group in resources("aws_cloudwatch_log_group"):
        assert group["kms_key_id"] and group["retention_in_days"], name
    for name, template in resources("aws_launch_template"):
        for device in as_list(template["block_device_mappings"]):
            assert as_list(device["ebs"])[0]["encrypted"] is True, name
    for name, key in resources("aws_kms_key"):
        assert key["enable_key_rotation"] is True, name
    assert not list(resources("aws_secretsmanager_secret_version")), "values do not belong in a state"


def test_nothing_is_public_but_load_balancers():
    for name, database in resources("aws_db_instance"):
        assert database["publicly_accessible"] is False, name
    for name, service in resources("aws_ecs_service"):
        network = as_list(service["network_configuration"])[0]
        assert network["assign_public_ip"] is False and "private" in network["subnets"]
    for name, group in resources("aws_autoscaling_group"):
        assert "private" in group["vpc_zone_identifier"], name
    for name, subnet in resources("aws_subnet"):
        assert subnet.get("map_public_ip_on_launch", False) is False, name
    for name, rule in resources("aws_vpc_security_group_ingress_rule"):
        if "cidr_ipv4" in rule:
            assert "balancer" in rule["security_group_id"], f"{name} opens something that is no load balancer"
            assert "0.0.0.0" not in rule["cidr_ipv4"]
    for name, balancer in resources("aws_lb"):
        assert "public" in balancer["subnets"] and balancer["enable_deletion_protection"] is True, name
    for name, listener in resources("aws_lb_listener"):
        assert listener["protocol"] == "HTTPS" and "TLS13" in listener["ssl_policy"] or listener["port"] == "${local.node_port}", name


def test_machines_answer_metadata_only_with_a_token():
    for name, template in resources("aws_launch_template"):
        metadata = as_list(template["metadata_options"])[0]
        assert metadata["http_tokens"] == "required" and metadata["http_put_response_hop_limit"] == 1


@pytest.mark.parametrize("folder", EXAMPLES, ids=identify)
def test_settings_given_to_a_module_exist_and_the_console_finds_the_gateway(folder):
    given = {"control": set(), "gateway": set()}
    for (name,), body in blocks(folder, "module").items():
        kind = name.split("_")[0]
        if kind in given:
            given[kind] |= set(re.findall(r"ECLUSA_\w+", json.dumps(body.get("settings", {}))))
    assert given["control"] <= variables("eclusa-control") and "ECLUSA_GATEWAY_URL" in given["control"]
    assert given["gateway"] <= variables("eclusa-gateway") and "ECLUSA_CORS_ORIGINS" in given["gateway"]


@pytest.mark.parametrize("module, program", [("control", "eclusa-control"), ("gateway", "eclusa-gateway")])
def test_every_setting_exists_and_every_health_path_is_served(module, program):
    body = text(TERRAFORM / "modules" / module)
    named = set(re.findall(r"\bECLUSA_\w+", body)) - {"ECLUSA_URL", "ECLUSA_TOKEN"}
    assert named and named <= variables(program)
    assert set(re.findall(r'path\s+= "(/health/\w+)"', body)) == {"/health/ready"}
    source = (ROOT / "ControlPlane/CommandLine/Nouns/NodeCommands.swift").read_text()
    for flag in re.findall(r"nodes join-token (.*(?:\\\n.*)?)", body):
        for option in re.findall(r"--([\w-]+)", flag):
            assert f'name: "{option}"' in source


def test_a_node_may_drain_before_it_is_taken_away():
    group = dict(resources("aws_lb_target_group"))["gateway/this"]
    assert group["deregistration_delay"] == "${var.drain_seconds}"
    module = text(TERRAFORM / "modules/gateway")
    assert "ECLUSA_DRAIN_TIME" in module
    # systemd must not kill it before; its disk goes with the machine.
    assert "stop_seconds = local.drain_delay_seconds + var.drain_seconds + " in module and "TimeoutStopSec=%s" in module


@pytest.mark.parametrize("name", ["control", "gateway"])
def test_the_load_balancers_word_about_the_caller_is_taken(name):
    assert re.search(r"ECLUSA_TRUSTED_PROXIES\s+= var.vpc_cidr", text(TERRAFORM / "modules" / name))


def test_the_whole_admin_api_is_offered_to_the_outside_and_nothing_else():
    rule = dict(resources("aws_lb_listener_rule"))["control/admin"]
    patterns = as_list(rule["condition"])[0]["path_pattern"]["values"]
    served = json.loads((ROOT / "docs/openapi/openapi.json").read_text())["paths"]
    offered = {name for name in served for pattern in patterns if fnmatch.fnmatchcase(name, pattern)}
    assert set(served) - offered == {"/metrics", "/health/live", "/health/ready"}


# Each with the reason it does not apply. Everything else is a failure.
ACCEPTED = {
    "CKV_AWS_144": "access logs need no copy in another region",
    "CKV_AWS_145": "load balancers can write to buckets encrypted with S3's own keys alone",
    "CKV_AWS_18": "the access logs' bucket would log into itself",
    "CKV2_AWS_62": "nobody waits for access logs",
    "CKV2_AWS_57": "the master key is replaced by the program's own procedure, the token by hand (key-rotation.md)",
    "CKV_AWS_109": "a key's own policy names its account's administrators",
    "CKV_AWS_111": "the same",
    "CKV_AWS_356": "the same",
    "CKV2_AWS_28": "a firewall for web applications is the operator's choice; bodies are prompts, which its rules misread",
    "CKV_AWS_378": "TLS ends at the load balancer; inside the VPC the admin API speaks HTTP",
}


def test_the_policy_scan_finds_nothing_else():
    done = run(checkov(), "--framework", "terraform", "--directory", TERRAFORM / "modules", "--output", "json", "--quiet", "--compact",
               "--download-external-modules", "false")
    report = json.loads(done.stdout)
    report = report[0] if isinstance(report, list) else report
    assert report["summary"]["passed"] > 80
    left = {
        (failed["check_id"], failed["check_name"], failed["resource"])
        for failed in report["results"]["failed_checks"] if failed["check_id"] not in ACCEPTED}
    assert not left


PLUGINS = os.environ.get("ECLUSA_TERRAFORM_PLUGINS")
OFFLINE = "SKIPPED LOUDLY: set ECLUSA_TERRAFORM_PLUGINS to a folder with the AWS provider to validate and plan"


@pytest.fixture
def initialised(tmp_path, request):
    terraform = tool("terraform", "the Terraform command")
    shutil.copytree(TERRAFORM, tmp_path / "terraform", ignore=shutil.ignore_patterns(".terraform*"))
    folder = tmp_path / "terraform/examples" / request.param.name
    done = run(terraform, "init", "-backend=false", "-input=false", f"-plugin-dir={Path(PLUGINS).resolve()}", cwd=folder)
    assert done.returncode == 0, done.stderr
    return terraform, folder


@pytest.mark.skipif(not PLUGINS, reason=OFFLINE)
@pytest.mark.parametrize("initialised", EXAMPLES, ids=identify, indirect=True)
def test_an_example_is_valid(initialised):
    terraform, folder = initialised
    done = run(terraform, "validate", "-json", cwd=folder)
    assert json.loads(done.stdout)["valid"], done.stdout


@pytest.mark.skipif(not PLUGINS, reason=OFFLINE)
@pytest.mark.parametrize("initialised", EXAMPLES, ids=identify, indirect=True)
def test_a_plan_has_the_shape_it_should(initialised, tmp_path):
    """With a provider that asks nobody: every lookup is mocked by Terraform's own test framework."""
    terraform, folder = initialised
    digest = "registry.example.com/eclusa-control@sha256:" + "0" * 64
    regions = ["eu-central-1"] + (["us-east-1", "ap-southeast-1"] if folder.name == "multi-region" else [])
    maps = "\n".join(f'      "{region}" = "x"' for region in regions)
    mocks = "\n".join(
        f'mock_provider "aws" {{\n{alias}  mock_data "aws_availability_zones" {{\n    defaults = {{ names = ["a", "b", "c"] }}\n  }}\n}}'
        for alias in ["", *(f'  alias = "{label}"\n' for label in (["us", "ap"] if len(regions) > 1 else []))])
    (folder / "shape.tftest.hcl").write_text(f"""
{mocks}
run "shape" {{
  command = plan
  variables {{
    domain                  = "example.com"
    control_image           = "{digest}"
    control_certificate_arn = "x"
    admin_cidrs             = ["203.0.113.0/24"]
    node_images = {{
{maps}
    }}
    gateway_certificate_arns = {{
{maps}
    }}
  }}
  assert {{
    condition     = length(output.names.gateway) == {len(regions)}
    error_message = "a gateway for each region"
  }}
}}
""")
    done = run(terraform, "test", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
