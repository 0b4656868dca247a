"""Does every policy say exactly what is allowed, and on what?"""

from __future__ import annotations

from tests.template.reading import Node, Template, listed, walk

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


def test_only_roles_reach_the_domain(template: Template) -> None:
    """A domain on the internet that anybody may call is read by anybody."""
    (statement,) = template.resources["Domain"]["Properties"]["AccessPolicies"]["Statement"]
    assert all(each["Fn::GetAtt"][0].endswith("Role") for each in statement["Principal"]["AWS"])


def test_what_may_search_reaches_the_domain_and_nothing_else_does(template: Template) -> None:
    """A function that is told where the domain is and may not enter fails at its first call."""
    domain = template.resources["Domain"]["Properties"]["AccessPolicies"]["Statement"][0]
    entering = {each["Fn::GetAtt"][0] for each in domain["Principal"]["AWS"]}
    told = {
        f"{role}Role"
        for role, each in template.functions().items()
        if "SEARCH_ENDPOINT" in each.get("Environment", {}).get("Variables", {})
    }
    allowed = {
        each["Ref"]
        for name, policy in template.of_type("AWS::IAM::ManagedPolicy").items()
        if name.endswith("SearchPolicy")
        for each in policy["Roles"]
    }
    assert entering == told == allowed


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


def test_domain_is_closed_and_survives_the_stack(template: Template) -> None:
    """What an emulator drops silently has to be asked of the template."""
    domain = template.resources["Domain"]
    settings = domain["Properties"]
    assert (domain["DeletionPolicy"], domain["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert settings["NodeToNodeEncryptionOptions"]["Enabled"]
    assert settings["DomainEndpointOptions"]["EnforceHTTPS"]
    assert settings["DomainEndpointOptions"]["TLSSecurityPolicy"].startswith("Policy-Min-TLS-1-2")
    (statement,) = settings["AccessPolicies"]["Statement"]
    assert "*" not in statement["Principal"]["AWS"]
    assert all(list(each) == ["Fn::GetAtt"] for each in statement["Principal"]["AWS"])


def test_table_forgets_what_expires_and_can_be_put_back(template: Template) -> None:
    """Claims and caches end by themselves; what was told can be restored to any second."""
    table = template.resources["StateTable"]["Properties"]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    (index,) = table["GlobalSecondaryIndexes"]
    assert [each["AttributeName"] for each in index["KeySchema"]] == ["work", "at"]
