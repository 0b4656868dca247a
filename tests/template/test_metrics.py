"""Do alarms, code and docs name the same metrics?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.template.code import metrics_of
from tests.template.reading import Node, Template, walk

OURS = "MultiAccountAnomalyDetection"
# What AWS publishes by itself, and the dimensions it publishes it under.
OF_AWS = {
    ("AWS/Lambda", "AsyncEventsDropped"): {"FunctionName"},
    ("AWS/Lambda", "DestinationDeliveryFailures"): {"FunctionName"},
    ("AWS/Lambda", "Errors"): {"FunctionName"},
    ("AWS/Lambda", "Invocations"): {"FunctionName"},
    ("AWS/Logs", "DeliveryErrors"): {"LogGroupName", "DestinationType", "FilterName"},
    ("AWS/States", "ExecutionsFailed"): {"StateMachineArn"},
    ("AWS/States", "ExecutionsTimedOut"): {"StateMachineArn"},
    ("AWS/SNS", "NumberOfNotificationsFailed"): {"TopicName"},
    ("AWS/ES", "ClusterStatus.red"): {"ClientId", "DomainName"},
    ("AWS/ES", "FreeStorageSpace"): {"ClientId", "DomainName"},
}


@pytest.fixture(scope="module")
def watched(template: Template) -> list[Node]:
    """Every metric that an alarm looks at: {Namespace, MetricName, Dimensions}."""
    alarms = template.of_type("AWS::CloudWatch::Alarm")
    return [each for each in walk(alarms) if isinstance(each, dict) and "MetricName" in each]


def test_every_metric_of_ours_has_an_alarm_and_every_alarm_a_metric(root: Path, watched: list[Node]) -> None:
    """An alarm on a name that nobody publishes is silent for ever, and looks as if all were well."""
    assert {each["MetricName"] for each in watched if each["Namespace"] == OURS} == metrics_of(root)
    dimensions = [each["Dimensions"] for each in watched if each["Namespace"] == OURS]
    assert all(each == [{"Name": "service", "Value": {"Ref": "AWS::StackName"}}] for each in dimensions)


def test_every_alarm_on_a_service_looks_at_what_that_service_publishes(watched: list[Node]) -> None:
    """With a dimension too few or too many CloudWatch finds no such metric and says nothing."""
    found = {
        (each["Namespace"], each["MetricName"]): {dimension["Name"] for dimension in each["Dimensions"]}
        for each in watched
        if each["Namespace"] != OURS
    }
    assert found == OF_AWS


def test_every_alarm_tells_somebody_when_it_begins_and_ends(template: Template) -> None:
    """What missing data means is decided for each, not left to the default."""
    topic = [{"Ref": "SystemTopic"}]
    for name, alarm in template.of_type("AWS::CloudWatch::Alarm").items():
        assert (alarm["AlarmActions"], alarm["OKActions"]) == (topic, topic), name
        assert alarm["TreatMissingData"] in ("breaching", "notBreaching"), name
        assert alarm["AlarmDescription"], name


def test_functions_and_alarms_share_one_namespace(template: Template) -> None:
    """The namespace is written in the template once and in the code once."""
    monitoring = pytest.importorskip("usage_anomaly.monitoring")
    shared = template.whole["Globals"]["Function"]["Environment"]["Variables"]
    assert shared["POWERTOOLS_METRICS_NAMESPACE"] == monitoring.NAMESPACE == OURS


def test_docs_explain_every_metric_and_no_other(root: Path) -> None:
    """Whoever is woken by an alarm looks its metric up there."""
    rows = re.findall(
        r"^\| `?([A-Z][A-Za-z]+)`? \|", (root / "docs" / "operations.md").read_text("utf-8"), re.MULTILINE
    )
    assert set(rows) == metrics_of(root)
