"""Can two stacks live in one account and region, and does a stack refuse half an answer?"""

from __future__ import annotations

from typing import Any

import pytest
from tests.template.reading import Node, Template, walk

# A physical name, and why it is there. Each carries the stack's name, so that no two stacks share it.
NAMED = {
    "DomainLogPolicy": "PolicyName",
    "EnrichmentLogGroup": "LogGroupName",
    "TrailSubscription": "FilterName",
}
NAMES = {
    "BucketName", "DomainName", "FunctionName", "LayerName", "LogGroupName", "ManagedPolicyName", "Name", "QueueName",
    "RoleName", "StateMachineName", "TableName", "TopicName", "AlarmName", "AliasName", "FilterName", "PolicyName",
}  # fmt: skip
NAMES_OF_OTHERS = {
    ("AWS::Lambda::Permission", "FunctionName"),
    ("AWS::Lambda::EventInvokeConfig", "FunctionName"),
    ("AWS::Logs::SubscriptionFilter", "LogGroupName"),
}


def test_no_resource_has_a_fixed_name(template: Template) -> None:
    """The second stack in an account, or a replacement within one, would fail on a name that is taken."""
    named = {
        (name, key)
        for name, each in template.resources.items()
        for key in NAMES & set(each.get("Properties", {}))
        if (each["Type"], key) not in NAMES_OF_OTHERS
    }
    assert named == set(NAMED.items())
    for name, key in NAMED.items():
        assert "${AWS::StackName}" in template.resources[name]["Properties"][key]["Fn::Sub"]


def test_schedules_leave_their_name_to_aws(template: Template) -> None:
    """SAM names a schedule after its logical id, in every stack alike."""
    events = [event for each in template.functions().values() for event in each.get("Events", {}).values()]
    assert {event["Type"] for event in events} == {"ScheduleV2"}
    assert all(event["Properties"]["OmitName"] is True for event in events)


def test_metrics_of_two_stacks_stay_apart(template: Template) -> None:
    """The dimension `service` is the stack: one stack's trouble must not raise the other's alarm."""
    shared = template.whole["Globals"]["Function"]["Environment"]["Variables"]
    assert shared["POWERTOOLS_SERVICE_NAME"] == {"Ref": "AWS::StackName"}


def test_calls_of_every_role_of_ours_are_left_out(template: Template) -> None:
    """By the exact names: a prefix also hides the roles of a stack whose name begins with ours, or of an attacker."""
    roles = sorted(template.of_type("AWS::IAM::Role"))
    for function in ("Ingest", "Redrive"):
        comma, names = template.functions()[function]["Environment"]["Variables"]["OWN_ROLES"]["Fn::Join"]
        assert comma == ","
        assert sorted(each["Ref"] for each in names) == roles, function


def holds(condition: Node, given: dict[str, str]) -> bool:
    """Whether a rule's condition holds for these parameters, as CloudFormation would say."""
    ((name, operands),) = condition.items()
    if name == "Fn::Equals":
        left, right = (given[each["Ref"]] if isinstance(each, dict) else each for each in operands)
        return bool(left == right)
    if name == "Fn::Contains":
        return given[operands[1]["Ref"]] in operands[0]
    inner = [holds(each, given) for each in operands]
    return {"Fn::Not": lambda: not inner[0], "Fn::And": lambda: all(inner), "Fn::Or": lambda: any(inner)}[name]()


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ({}, True),
        ({"OpenSearchDomainEndpoint": "https://search"}, False),
        ({"OpenSearchDomainArn": "arn"}, False),
        ({"OpenSearchDomainEndpoint": "https://search", "OpenSearchDomainArn": "arn"}, True),
        ({"SearchAuth": "none"}, False),
        (
            {"SearchAuth": "none", "OpenSearchDomainEndpoint": "http://127.0.0.1:9200", "OpenSearchDomainArn": "arn"},
            True,
        ),
        ({"OpenSearchVolumeGib": "200"}, True),
        ({"OpenSearchVolumeGib": "500"}, False),
        ({"OpenSearchVolumeGib": "500", "OpenSearchInstanceType": "r7g.large.search"}, True),
        ({"EnableQBusiness": "true"}, False),
        ({"EnableQBusiness": "true", "IdentityCenterInstanceArn": "arn"}, True),
    ],
)
def test_half_an_answer_is_refused_before_anything_is_made(
    template: Template, given: dict[str, str], accepted: bool
) -> None:
    """A stack that fails after twenty minutes of making a domain costs an hour; a rule costs a second."""
    defaults: dict[str, Any] = {name: str(each.get("Default", "")) for name, each in template.parameters.items()}
    values = defaults | given
    kept = [
        holds(assertion["Assert"], values)
        for rule in template.whole["Rules"].values()
        if "RuleCondition" not in rule or holds(rule["RuleCondition"], values)
        for assertion in rule["Assertions"]
    ]
    assert all(kept) is accepted


def test_every_parameter_is_used_grouped_and_explained(template: Template) -> None:
    """A parameter that does nothing is a promise broken on the first form the reader fills in."""
    groups = template.whole["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert grouped == list(template.parameters)
    assert [name for name, each in template.parameters.items() if not each.get("Description")] == []
    used = {
        each["Ref"]
        for part in ("Resources", "Conditions", "Globals", "Rules")
        for each in walk(template.whole[part])
        if isinstance(each, dict) and set(each) == {"Ref"}
    }
    inside = " ".join(str(each) for each in walk(template.whole["Resources"]) if isinstance(each, str))
    assert [name for name in template.parameters if name not in used and f"${{{name}}}" not in inside] == []
