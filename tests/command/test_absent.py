"""Does the account of a replay say what these records could not have shown?"""

from __future__ import annotations

import msgspec
import pytest
from tests.usage.calls import call

from usage_anomaly.catalog import Needs
from usage_anomaly.envelopes import read_payload
from usage_anomaly_cli.reading import Result
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
