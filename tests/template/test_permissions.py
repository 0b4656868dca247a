"""Does every policy say exactly what is allowed, and on what?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.template.code import folder_of, table_actions
from tests.template.reading import Node, Template, listed, load, walk

ROOT = Path(__file__).resolve().parents[2]
KEEPING = sorted(
    role
    for role, each in load(ROOT / "template.yaml").functions().items()
    if "STATE_TABLE" in each.get("Environment", {}).get("Variables", {})
)

# (resource, action): why nothing narrower than everything is offered.
EVERYTHING = {
    **dict.fromkeys(
        [
            ("TracePolicy", action)
            for action in (
                "xray:PutTraceSegments",
                "xray:PutTelemetryRecords",
                "xray:GetSamplingRules",
                "xray:GetSamplingTargets",
            )
        ],
        "X-Ray knows no resources for traces",
    ),
    ("MonitorHealthRole", "cloudwatch:GetMetricData"): "CloudWatch knows no resources for reading metrics",
    **dict.fromkeys(
        [
            ("EnrichmentRole", f"logs:{action}")
            for action in (
                "CreateLogDelivery",
                "GetLogDelivery",
                "UpdateLogDelivery",
                "DeleteLogDelivery",
                "ListLogDeliveries",
                "PutResourcePolicy",
                "DescribeResourcePolicies",
                "DescribeLogGroups",
            )
        ],
        "Step Functions sets up its log delivery; CloudWatch Logs knows no resources for that",
    ),
    **dict.fromkeys(
        [
            ("DataKey", f"kms:{action}")
            for action in (
                "*",
                "Encrypt",
                "Decrypt",
                "ReEncryptFrom",
                "ReEncryptTo",
                "GenerateDataKey",
                "DescribeKey",
            )
        ],
        "in a key's policy * is this key",
    ),
    (
        "ApplicationRole",
        "cloudwatch:PutMetricData",
    ): "CloudWatch knows no resources for metrics; the namespace is fixed",
    ("ApplicationRole", "logs:DescribeLogGroups"): "asked for without a name",
}
# (resource, action): why what the modules behind a function can do is not needed by it.
NEVER_CALLED = {("AdviseRole", "dynamodb:UpdateItem"): "takes two names from the delivery, which makes the claims"}
# (resource, action): why a whole service.
WHOLE_SERVICES = {
    ("DataKey", "kms:*"): "the account itself: without it nobody could ever change the key's policy (AWS's default)",
}


def grants(*templates: Template) -> list[tuple[str, str, Node]]:
    """(resource id, action, statement) of everything that is allowed."""
    return [
        (name, action, statement)
        for template in templates
        for name, statement in template.statements()
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
    ]


def test_no_action_stands_for_a_whole_service(template: Template, chat_template: Template) -> None:
    """A star allows what AWS adds next year."""
    found = {(name, action) for name, action, _ in grants(template, chat_template) if "*" in action}
    assert found == set(WHOLE_SERVICES)


def test_everything_is_allowed_only_where_aws_offers_nothing_narrower(
    template: Template, chat_template: Template
) -> None:
    """Each exception is written down with its reason, and each reason still has its exception."""
    found = {
        (name, action) for name, action, it in grants(template, chat_template) if "*" in listed(it.get("Resource"))
    }
    assert found == set(EVERYTHING)


def test_nothing_is_granted_by_exclusion(template: Template, chat_template: Template) -> None:
    """NotAction and NotResource grow by themselves."""
    inverted = {"NotAction", "NotResource", "NotPrincipal"}
    statements = [*template.statements(), *chat_template.statements()]
    assert [name for name, statement in statements if inverted & set(statement)] == []


def test_no_policy_of_aws_is_attached(template: Template, chat_template: Template) -> None:
    """A managed policy of AWS is wider than one function's need, and AWS widens it."""
    roles = {**template.of_type("AWS::IAM::Role"), **chat_template.of_type("AWS::IAM::Role")}
    attached = [arn for role in roles.values() for arn in role.get("ManagedPolicyArns", ())]
    assert [arn for arn in attached if arn.get("Ref") not in template.of_type("AWS::IAM::ManagedPolicy")] == []


def entering(template: Template) -> dict[str, list[tuple[Node, Node, str]]]:
    """By role of ours: (effect, methods, path) of each statement of the domain's own policy."""
    found: dict[str, list[tuple[Node, Node, str]]] = {}
    for it in template.resources["Domain"]["Properties"]["AccessPolicies"]["Statement"]:
        if set(it) == {"Fn::If"}:  # people's, below
            continue
        path = it["Resource"]["Fn::Sub"].partition(":domain/*")[2]
        for each in listed(it["Principal"]["AWS"]):
            found.setdefault(each["Fn::GetAtt"][0], []).append((it["Effect"], listed(it["Action"]), path))
    return found


def granted(template: Template) -> dict[str, list[tuple[Node, Node, str]]]:
    """The same of the policies that are attached to the roles."""
    found: dict[str, list[tuple[Node, Node, str]]] = {}
    for name, policy in template.of_type("AWS::IAM::ManagedPolicy").items():
        for it in policy["PolicyDocument"]["Statement"] if name.endswith("SearchPolicy") else ():
            path = it["Resource"]["Fn::Sub"][0].partition("${DomainArn}")[2]
            for each in policy["Roles"]:
                found.setdefault(each["Ref"], []).append((it["Effect"], listed(it["Action"]), path))
    return found


def test_only_roles_reach_the_domain(template: Template) -> None:
    """A domain on the internet that anybody may call is read by anybody."""
    statements = [it for name, it in template.statements() if name == "Domain"]
    callers = [each for it in statements for each in listed(it["Principal"]["AWS"])]
    roles = template.of_type("AWS::IAM::Role")
    people = {"Ref": "DashboardsRoleArn"}
    assert [each for each in callers if each != people and each["Fn::GetAtt"][0] not in roles] == []
    assert ":role/" in template.parameters["DashboardsRoleArn"]["AllowedPattern"]


def test_people_reach_the_dashboards_and_nothing_else(template: Template) -> None:
    """What they may see there, roles inside the domain say; its other paths are the functions' own."""
    (statement,) = [
        it for name, it in template.statements() if name == "Domain" and "Ref" in str(it["Principal"]["AWS"])
    ]
    assert statement["Resource"]["Fn::Sub"].partition(":domain/*")[2] == "/_dashboards*"
    last = template.resources["Domain"]["Properties"]["AccessPolicies"]["Statement"][-1]
    assert last == {"Fn::If": ["PeopleLook", statement, {"Ref": "AWS::NoValue"}]}


def test_each_role_has_the_methods_and_paths_of_its_class(template: Template) -> None:
    """Who searches must not write, and only the set-up and who forgets delete."""
    readers = {"DetectRole", "EstimateCostRole", "FindEvidenceRole", "MonitorHealthRole", "RedriveRole", "RollUpRole"}
    writers = {"IngestRole", "RecordAnomalyRole", "RedriveRole"}
    for role, statements in entering(template).items():
        ways = {(method.removeprefix("es:ESHttp"), path) for _, methods, path in statements for method in methods}
        allowed = set[tuple[str, str]]()
        if role in readers:
            allowed |= {("Get", ""), ("Head", ""), ("Post", "/usage-*/_search")}
        if role == "DetectRole":
            allowed |= {("Post", "/opensearch-ad-plugin-result-usage*/_search")}
        if role in writers:
            allowed |= {("Post", "/_bulk"), ("Post", "/usage-*"), ("Put", "/usage-*")}
        if role in ("DetectRole", "RollUpRole"):
            allowed |= {("Post", "/usage-profiles/_*"), ("Put", "/usage-profiles/_*")}
        if role == "RollUpRole":
            allowed |= {("Post", "/_bulk"), ("Delete", "/usage-*")}
        if role == "ConfigureSearchRole":
            allowed |= {(method, "") for method in ("Delete", "Get", "Head", "Post", "Put")}
        assert ways == allowed, role


def test_the_domain_allows_a_role_what_its_own_policy_allows(template: Template) -> None:
    """In one account the two add up: what either allows too much, the other does not take back."""
    ours = {
        role: sorted((effect, methods, path.removesuffix("/*")) for effect, methods, path in statements)
        for role, statements in granted(template).items()
    }
    assert {role: sorted(statements) for role, statements in entering(template).items()} == ours


def test_what_may_search_reaches_the_domain_and_nothing_else_does(template: Template) -> None:
    """A function that is told where the domain is and may not enter fails at its first call."""
    told = {
        f"{role}Role"
        for role, each in template.functions().items()
        if "SEARCH_ENDPOINT" in each.get("Environment", {}).get("Variables", {})
    }
    assert set(entering(template)) == told == set(granted(template))


def test_detect_may_read_the_one_parameter_of_limits_and_no_other(template: Template) -> None:
    """Other parameters hold secrets; and where no limits are set, the right to read any is not needed."""
    (found,) = [it for _, action, it in grants(template) if action.startswith("ssm:")]
    place = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${LimitsParameter}"
    assert (found["Action"], found["Resource"]) == ("ssm:GetParameter", {"Fn::Sub": place})
    own = template.resources["DetectRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    assert {"Fn::If": ["TakeLimits", found, {"Ref": "AWS::NoValue"}]} in own
    pattern = re.compile(template.parameters["LimitsParameter"]["AllowedPattern"])
    names = ("", "/usage-anomaly/limits", "limits", "/*", "/a b", "arn:aws:ssm:eu-central-1:1:parameter/a")
    assert [bool(pattern.fullmatch(name)) for name in names] == [True, True, False, False, False, False]


def test_stored_things_are_encrypted_with_our_key(template: Template) -> None:
    """Who may read the disks must not thereby read who did what in which account."""
    keyed = ("AWS::SNS::Topic", "AWS::SQS::Queue", "AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::Logs::LogGroup")
    stores = {
        name: it for kind in (*keyed, "AWS::OpenSearchService::Domain") for name, it in template.of_type(kind).items()
    }
    ours = ({"Ref": "DataKey"}, {"Fn::GetAtt": ["DataKey", "Arn"]})
    assert [name for name, it in stores.items() if not any(each in ours for each in walk(it))] == []


def test_services_that_publish_know_the_key(template: Template) -> None:
    """An alarm on a topic whose key does not know CloudWatch goes nowhere, and nothing says so."""
    policy = template.resources["DataKey"]["Properties"]["KeyPolicy"]["Statement"]
    publishers = next(each for each in policy if each["Sid"] == "PublishersToTheTopics")
    services = {"cloudwatch.amazonaws.com", "events.amazonaws.com", "sns.amazonaws.com"}
    assert set(publishers["Principal"]["Service"]) == services


def test_bucket_and_topics_refuse_plain_text_lines(template: Template) -> None:
    """TLS only: payloads hold records."""
    for policy in ("FailureBucketPolicy", "TopicPolicy"):
        denied = [it for name, it in template.statements() if name == policy and it["Effect"] == "Deny"]
        assert [it["Condition"] for it in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]
    block = template.resources["FailureBucket"]["Properties"]["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}


def test_what_cannot_be_brought_back_outlives_the_stack_but_not_a_failed_start(template: Template) -> None:
    """A first deployment that fails ten times would otherwise leave ten domains to pay for."""
    for name in ("DataKey", "FailureBucket", "Domain"):
        kept = template.resources[name]
        assert (kept["DeletionPolicy"], kept["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain"), name


def test_table_forgets_what_expires_and_can_be_put_back(template: Template) -> None:
    """Claims and caches end by themselves; what was told can be restored to any second."""
    table = template.resources["StateTable"]["Properties"]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    (index,) = table["GlobalSecondaryIndexes"]
    assert [each["AttributeName"] for each in index["KeySchema"]] == ["work", "at"]


@pytest.mark.parametrize("role", KEEPING)
def test_a_function_may_do_with_the_table_what_its_code_does(template: Template, role: str) -> None:
    """A call that is refused ends a run after its writes: of a tick, news that are judged again for ever."""
    allowed = {action for name, action, _ in grants(template) if name == f"{role}Role"}
    lacking = table_actions(ROOT / "functions" / folder_of(role) / "app.py") - allowed
    assert lacking == {action for name, action in NEVER_CALLED if name == f"{role}Role"}
