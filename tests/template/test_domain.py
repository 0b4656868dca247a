"""Is the domain that the stack makes closed, spread, kept, watched, and brought up to date?

An emulator drops most of this silently, so it is asked of the template; what the service takes, of botocore's model of it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import botocore.session
import pytest
from tests.template.reading import Node, Template

from usage_anomaly.search import indexes


@pytest.fixture(scope="module")
def domain(template: Template) -> Node:
    """The domain's properties."""
    return template.resources["Domain"]["Properties"]


def allowed(shape: str) -> set[str]:
    """The values that the service takes for one of its types."""
    model = botocore.session.get_session().get_service_model("opensearch")
    return set(model.shape_for(shape).enum)


def test_everything_is_encrypted_at_rest_between_nodes_and_on_the_way(domain: Node) -> None:
    """Access control inside the domain cannot be had without all three, and OpenSearch says so after twenty minutes."""
    assert domain["EncryptionAtRestOptions"] == {"Enabled": True, "KmsKeyId": {"Ref": "DataKey"}}
    assert domain["NodeToNodeEncryptionOptions"] == {"Enabled": True}
    endpoint = domain["DomainEndpointOptions"]
    assert endpoint == {"EnforceHTTPS": True, "TLSSecurityPolicy": "Policy-Min-TLS-1-2-PFS-2023-10"}
    assert endpoint["TLSSecurityPolicy"] in allowed("TLSSecurityPolicy")


def test_the_domain_knows_roles_only_and_set_up_is_its_master(domain: Node) -> None:
    """A password would have to be kept somewhere, and would outlive whoever knew it."""
    assert domain["AdvancedSecurityOptions"] == {
        "Enabled": True,
        "InternalUserDatabaseEnabled": False,
        "MasterUserOptions": {"MasterUserARN": {"Fn::GetAtt": ["ConfigureSearchRole", "Arn"]}},
    }


def test_set_up_is_told_every_role_that_the_gate_lets_in(template: Template) -> None:
    """One that is let in and mapped to nothing gets 403 at its first call."""
    setup = template.resources["SearchSetup"]["Properties"]
    statements = template.resources["Domain"]["Properties"]["AccessPolicies"]["Statement"]
    by_sid = {it["Sid"]: it["Principal"]["AWS"] for it in statements if "Sid" in it}
    person = {"Ref": "DashboardsRoleArn"}
    *readers, people = setup["ReaderRoles"]
    assert readers == by_sid["Read"] == by_sid["Search"]
    assert people == {"Fn::If": ["PeopleLook", person, {"Ref": "AWS::NoValue"}]}
    assert setup["DashboardsRoles"] == {"Fn::If": ["PeopleLook", [person], []]}
    assert setup["BackfillRoles"] == {"Fn::If": ["HistoryComes", [{"Ref": "BackfillRoleArn"}], []]}
    assert setup["IngestRoles"] == by_sid["Write"] == by_sid["WriteInBulk"]
    assert setup["AdministratorRoles"] == [by_sid["Configure"]]
    assert setup["PastsRoles"] == by_sid["KeepPasts"]
    assert setup["RollUpRoles"] == by_sid["RollUp"] == by_sid["Forget"]
    assert set(by_sid) == {
        "Read", "Search", "SearchLearned", "Write", "WriteInBulk", "KeepPasts", "RollUp", "Forget", "Configure",
    }  # fmt: skip


def test_nodes_stand_in_as_many_zones_as_they_divide_into(template: Template, domain: Node) -> None:
    """Half of a domain in one zone is lost with that zone; a count that does not divide is refused or lopsided."""
    zones = {int(count): each["Zones"] for count, each in template.whole["Mappings"]["Nodes"].items()}
    assert list(zones) == template.parameters["OpenSearchInstanceCount"]["AllowedValues"]
    assert [count for count, number in zones.items() if count % number] == []
    assert {count: number for count, number in zones.items() if count < 3} == {1: 1, 2: 2}
    assert {number for count, number in zones.items() if count >= 3} == {3}
    cluster = domain["ClusterConfig"]
    assert cluster["ZoneAwarenessEnabled"] == {"Fn::If": ["SpreadDomain", True, False]}
    spread = {"AvailabilityZoneCount": {"Fn::FindInMap": ["Nodes", {"Ref": "OpenSearchInstanceCount"}, "Zones"]}}
    assert cluster["ZoneAwarenessConfig"] == {"Fn::If": ["SpreadDomain", spread, {"Ref": "AWS::NoValue"}]}


def test_it_is_small_by_default_and_in_three_zones_in_production(root: Path, template: Template) -> None:
    """Who tries it pays for one small node; who relies on it loses a zone without losing detection."""
    defaults = {name: each.get("Default") for name, each in template.parameters.items()}
    small = ("OpenSearchInstanceType", "OpenSearchInstanceCount", "OpenSearchVolumeGib")
    assert [defaults[name] for name in small] == ["t3.medium.search", 1, 20]
    config = tomllib.loads((root / "samconfig.toml").read_text("utf-8"))["production"]["deploy"]["parameters"]
    count = dict(each.split("=") for each in config["parameter_overrides"])["OpenSearchInstanceCount"]
    assert template.whole["Mappings"]["Nodes"][count]["Zones"] == 3


def test_a_new_version_comes_into_the_domain_and_the_domain_outlives_the_stack(template: Template) -> None:
    """Replaced, it would begin empty: no history, and every account new again."""
    kept = template.resources["Domain"]
    assert kept["UpdatePolicy"] == {"EnableVersionUpgrade": True}
    assert (kept["DeletionPolicy"], kept["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert kept["Properties"]["EngineVersion"] == {"Ref": "OpenSearchVersion"}


def test_software_comes_by_itself_at_an_hour_that_somebody_chose(template: Template, domain: Node) -> None:
    """An update moves all data to new nodes: not in the busiest hours of the day."""
    assert domain["SoftwareUpdateOptions"] == {"AutoSoftwareUpdateEnabled": True}
    start = {"Hours": {"Ref": "OpenSearchOffPeakHour"}, "Minutes": 0}
    assert domain["OffPeakWindowOptions"] == {"Enabled": True, "OffPeakWindow": {"WindowStartTime": start}}
    hour = template.parameters["OpenSearchOffPeakHour"]
    assert (hour["MinValue"], hour["MaxValue"]) == (0, 23)


def test_the_domain_may_write_the_logs_that_it_publishes_before_it_is_made(template: Template, domain: Node) -> None:
    """Without the policy OpenSearch refuses to make the domain; without conditions others' domains may write there."""
    published = domain["LogPublishingOptions"]
    assert set(published) == {"ES_APPLICATION_LOGS", "SEARCH_SLOW_LOGS"} <= allowed("LogType")
    groups = [each["CloudWatchLogsLogGroupArn"] for each in published.values()]
    assert all(each["Enabled"] for each in published.values())
    assert template.resources["Domain"]["DependsOn"] == "DomainLogPolicy"
    (statement,) = [it for name, it in template.statements() if name == "DomainLogPolicy"]
    assert statement["Resource"] == groups
    assert statement["Principal"] == {"Service": "es.amazonaws.com"}
    assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    for group in groups:
        kept = template.resources[group["Fn::GetAtt"][0]]["Properties"]
        assert kept == {"RetentionInDays": {"Ref": "LogRetentionDays"}, "KmsKeyId": {"Fn::GetAtt": ["DataKey", "Arn"]}}


def test_slow_searches_have_a_threshold_on_every_index(domain: Node) -> None:
    """A slow log without a threshold is published and stays empty."""
    assert "SEARCH_SLOW_LOGS" in domain["LogPublishingOptions"]
    for name, body in indexes.templates().items():
        assert body["template"]["settings"]["search.slowlog.threshold.query.warn"].endswith("s"), name


def test_what_belongs_to_the_domain_is_made_only_with_it(template: Template) -> None:
    """Beside a domain that exists, they would be an empty group and a policy out of ten."""
    made = {name: template.resources[name].get("Condition") for name in template.resources if name.startswith("Domain")}
    alarms = template.of_type("AWS::CloudWatch::Alarm")
    assert {name: condition for name, condition in made.items() if name not in alarms} == dict.fromkeys(
        ("Domain", "DomainLogGroup", "DomainSlowLogGroup", "DomainLogPolicy"), "CreateDomain"
    )
