"""Does every function have what the house asks for: a folder, a log group, a role, its settings, a way to fail?"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.template.code import folder_of, settings_of
from tests.template.reading import Template, load, walk

ROLES = sorted(load(Path(__file__).resolve().parents[2] / "template.yaml").functions())
# Invoked asynchronously, without a failure destination, and why not.
NOTHING_TO_KEEP = {
    "Detect": "a tick holds nothing; the next one, a minute later, takes up where the cursor stands",
    "MonitorHealth": "a tick holds nothing; the health score is missing then, which is an alarm",
    "Redrive": "a tick holds nothing; what it works on stays in the bucket",
    "RollUp": "a run holds nothing; the next one, an hour later, takes up where it stopped",
    "ConfigureSearch": "CloudFormation waits five minutes for its answer and then fails the deployment",
}
ASYNCHRONOUS = {"Ingest", *NOTHING_TO_KEEP}


def test_every_folder_is_a_function_and_every_function_a_folder(root: Path, template: Template) -> None:
    """A folder that no template names is dead code; a function without one fails to deploy."""
    folders = {app.parent.name for app in (root / "functions").glob("*/app.py")}
    assert {folder_of(role) for role in template.functions()} == folders
    assert {each["CodeUri"] for each in template.functions().values()} == {f"functions/{name}" for name in folders}


@pytest.mark.parametrize("role", ROLES)
def test_log_group_is_ours_kept_for_a_time_and_encrypted(template: Template, role: str) -> None:
    """A log group that Lambda makes by itself keeps everything for ever, and outlives the stack."""
    group = template.resources[f"{role}LogGroup"]["Properties"]
    assert group == {"RetentionInDays": {"Ref": "LogRetentionDays"}, "KmsKeyId": {"Fn::GetAtt": ["DataKey", "Arn"]}}
    assert template.functions()[role]["LoggingConfig"] == {"LogGroup": {"Ref": f"{role}LogGroup"}}


@pytest.mark.parametrize("role", ROLES)
def test_function_runs_under_a_role_of_its_own(template: Template, role: str) -> None:
    """What one function may do, another must not get along with it."""
    assert template.functions()[role]["Role"] == {"Fn::GetAtt": [f"{role}Role", "Arn"]}
    logs = {"Fn::GetAtt": [f"{role}LogGroup", "Arn"]}
    own = template.resources[f"{role}Role"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    assert own[0] == {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": logs}


@pytest.mark.parametrize("role", ROLES)
def test_environment_is_what_the_code_reads(root: Path, template: Template, role: str) -> None:
    """A variable that is missing stops the function; one that nobody reads misleads whoever sets it."""
    given = set(template.functions()[role].get("Environment", {}).get("Variables", {}))
    shared = set(template.whole["Globals"]["Function"]["Environment"]["Variables"])
    read = settings_of(root / "functions" / folder_of(role) / "app.py")
    assert given == read - shared


@pytest.mark.parametrize("role", sorted(ASYNCHRONOUS))
def test_a_payload_that_fails_is_kept_where_there_is_one(template: Template, role: str) -> None:
    """Lambda forgets an asynchronous payload after its last attempt; usage in it would be lost."""
    config = template.resources.get(f"{role}EventInvokeConfig", {}).get("Properties", {})
    kept = [each for each in walk(config) if each == {"Fn::GetAtt": ["FailureBucket", "Arn"]}]
    assert bool(kept) is (role not in NOTHING_TO_KEEP)


def test_every_schedule_and_subscription_is_known_to_the_rule_above(template: Template) -> None:
    """A new asynchronous function has to say where its failures go."""
    scheduled = {role for role, each in template.functions().items() if "Events" in each}
    subscribed = [each["DestinationArn"] for each in template.of_type("AWS::Logs::SubscriptionFilter").values()]
    assert subscribed == [{"Fn::GetAtt": ["IngestFunction", "Arn"]}]
    assert scheduled | {"Ingest", "ConfigureSearch"} == ASYNCHRONOUS


def test_sam_builds_no_function(template: Template) -> None:
    """Code only: what is third-party lies in the layer, so that no Python of Lambda's version is needed to build."""
    metadata = [each.get("Metadata") for each in template.resources.values() if each["Type"].endswith("::Function")]
    assert metadata == [{"SkipBuild": True}] * len(ROLES)


def test_monitor_health_watches_every_other_function(template: Template) -> None:
    """A function that nobody watches fails in silence."""
    names = template.functions()["MonitorHealth"]["Environment"]["Variables"]["FUNCTION_NAMES"]["Fn::Join"][1]
    others = {f"{folder_of(role)}=${{{role}Function}}" for role in ROLES if role != "MonitorHealth"}
    assert {each["Fn::Sub"] for each in names} == others


@pytest.mark.parametrize("role", ROLES)
def test_who_asks_for_accounts_may_ask(root: Path, template: Template, role: str) -> None:
    """Refused, it judges every account by the limits of staging, and nothing fails."""
    asks = "ORGANIZATION_ROLE_ARN" in settings_of(root / "functions" / folder_of(role) / "app.py")
    attached = template.resources[f"{role}Role"]["Properties"]["ManagedPolicyArns"]
    assert ({"Ref": "ReadAccountsPolicy"} in attached) is asks


def test_cloudformation_waits_a_little_longer_than_set_up_may_take(template: Template) -> None:
    """Shorter, and a set-up that would succeed fails the deployment; without a limit a lost answer hangs it for an hour."""
    waits = int(template.resources["SearchSetup"]["Properties"]["ServiceTimeout"])
    assert 0 < waits - template.functions()["ConfigureSearch"]["Timeout"] <= 30
