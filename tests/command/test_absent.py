"""Does the account of a replay say what these records could not have shown?"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from tests.command.conftest import Command
from tests.usage.calls import call

from usage_anomaly.catalog import Needs
from usage_anomaly.envelopes import read_payload
from usage_anomaly.errors import UnusableInput
from usage_anomaly_cli.reading import Result, find_objects
from usage_anomaly_cli.reckoning import Reckoning
from usage_anomaly_cli.running import extract


def reckoning(*names: str, region: str = "us-west-2", source: str = "ec2.amazonaws.com") -> Reckoning:
    """What a trail with one record of each call shows."""
    text = msgspec.json.encode({"Records": [call(name, awsRegion=region, source=source) for name in names]})
    payload = read_payload(text, "a.json")
    found = Reckoning()
    found.add(Result("a.json", None, len(payload.records), [], [], extract(payload, "a.json")))
    return found


@pytest.mark.parametrize("needs", ["data events", "read events", "global events"])
def test_a_trail_that_shows_nothing_of_it_lacks_it(needs: Needs) -> None:
    """No invocations from a trail that logs none would be a false comfort."""
    assert reckoning("RunInstances").lacks(needs, "some.kind")


@pytest.mark.parametrize("name", ["DescribeInstances", "ListBuckets", "GetCallerIdentity"])
def test_one_reading_call_shows_that_reads_are_logged(name: str) -> None:
    """No Bedrock call in a trail with reads is an answer: nobody called it."""
    found = reckoning("RunInstances", name)
    assert not found.lacks("read events", "bedrock.invocations")
    assert found.lacks("data events", "lambda.invocations"), "other services' calls say nothing of data events"


def test_a_record_of_the_global_region_shows_global_services() -> None:
    """IAM and sign-in log in one region only; a folder of another region is silent on them for no good reason."""
    assert not reckoning("RunInstances", region="us-east-1").lacks("global events", "identity.changes")


def test_a_kind_that_was_read_or_needs_nothing_is_not_absent() -> None:
    """What is there needs no excuse."""
    assert not reckoning("Invoke", source="lambda.amazonaws.com").lacks("data events", "lambda.invocations")
    assert not reckoning("RunInstances").lacks("", "ec2.instances")


def test_what_these_records_could_not_have_shown_is_named(command: Command, trail: Path, tmp_path: Path) -> None:
    """No login in a trail that has other global events is no gap; in one without any it may be one."""
    summary, one = tmp_path / "summary.json", tmp_path / "one.json"
    command("replay", trail / "AWSLogs", "--summary", summary)
    assert json.loads(summary.read_text())["absent"] == []
    one.write_text(json.dumps(call("RunInstances", awsRegion="us-west-2")))
    said = command("replay", one, "--summary", summary).stdout
    assert "Absent   calls that only read: invocations are not seen; " in said
    absent = ["bedrock.invocations", "console.logins", "identity.changes", "lambda.invocations"]
    assert json.loads(summary.read_text())["absent"] == absent
    command("replay", one, "--summary", summary, "--kinds", "ec2.instances")
    assert json.loads(summary.read_text())["absent"] == []


def test_an_empty_path_is_refused(tmp_path: Path) -> None:
    """An unset variable in a script must not read whatever lies in the current folder."""
    with pytest.raises(UnusableInput, match="an empty path"):
        find_objects(["", tmp_path], tmp_path / "scratch")
