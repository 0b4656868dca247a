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
    ("AWS/ES", "ClusterIndexWritesBlocked"): {"ClientId", "DomainName"},
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


def test_disk_alarm_rings_at_a_quarter_of_whatever_disk_is_chosen(template: Template) -> None:
    """A fixed figure is all of a small disk and nothing of a large one; CloudFormation does not divide."""
    volumes = template.whole["Mappings"]["Volume"]
    assert {gib: each["AlarmBelowMib"] * 4 for gib, each in volumes.items()} == {
        str(gib): gib * 1_024 for gib in template.parameters["OpenSearchVolumeGib"]["AllowedValues"]
    }
    threshold = template.resources["DomainSpaceAlarm"]["Properties"]["Threshold"]
    assert threshold == {"Fn::FindInMap": ["Volume", {"Ref": "OpenSearchVolumeGib"}, "AlarmBelowMib"]}


@pytest.mark.parametrize(
    ("parameter", "alarm"), [("DetectSchedule", "DetectSilenceAlarm"), ("HealthSchedule", "HealthScoreAlarm")]
)
def test_a_schedule_is_never_slower_than_the_alarm_on_its_silence(
    template: Template, parameter: str, alarm: str
) -> None:
    """Slower, and a period without a run, which is as it should be, would ring."""
    schedule, watching = template.parameters[parameter], template.resources[alarm]["Properties"]
    minutes = [int(re.fullmatch(r"rate\((\d+) minutes?\)", each)[1]) for each in schedule["AllowedValues"]]  # type: ignore[index]
    assert watching["TreatMissingData"] == "breaching"
    assert max(minutes) * 60 <= watching["Period"]


def test_ticks_that_fail_ring_at_every_schedule(template: Template) -> None:
    """At one tick in five minutes a threshold of three errors in five would never be reached."""
    alarm = template.resources["DetectErrorsAlarm"]["Properties"]
    assert (alarm["Threshold"], alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == (1, 2, 3)


def test_delivery_alarm_names_the_subscription(template: Template) -> None:
    """Of a filter by another name CloudWatch has no figures, and the alarm says nothing."""
    name = template.resources["TrailSubscription"]["Properties"]["FilterName"]
    dimensions = template.resources["DeliveryAlarm"]["Properties"]["Dimensions"]
    assert name == {"Fn::Sub": "${AWS::StackName}-usage"}
    assert {"Name": "FilterName", "Value": name} in dimensions


def test_metrics_pass_at_every_log_level(template: Template) -> None:
    """Metrics are log lines without a level, INFO to Lambda: a higher level of the function drops them, and alarms ring."""
    level = template.whole["Globals"]["Function"]["LoggingConfig"]["ApplicationLogLevel"]
    assert level == {"Ref": "LogLevel"}
    assert set(template.parameters["LogLevel"]["AllowedValues"]) == {"DEBUG", "INFO"}
    assert template.whole["Globals"]["Function"]["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"] == level


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
