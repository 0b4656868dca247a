"""Is each alert told once, whenever a process dies? Every side effect of a delivery is followed by a kill."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from botocore.stub import ANY, Stubber
from msgspec import to_builtins
from msgspec.structs import replace
from tests.enrichment import incidents
from tests.workflow.world import World, failing, incident

from usage_anomaly.catalog import Catalog
from usage_anomaly.state import claims
from usage_anomaly.workflow.deliver_alert import DeliveryInput, Result, publish, run

NOW = incidents.at("11:13")


class Killed(BaseException):
    """The process is gone; no code of ours sees it."""


class KilledAfter:
    """Passes calls on and dies after the n-th side effect, counted over the table and the topic."""

    def __init__(self, target: Any, effects: list[str], kill_after: int) -> None:
        self._target, self._effects, self._kill_after = target, effects, kill_after

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._target, name)
        if name not in ("update_item", "put_item", "publish"):
            return member

        def call(**arguments: Any) -> Any:
            answer = member(**arguments)
            self._effects.append(name)
            if len(self._effects) == self._kill_after:
                raise Killed
            return answer

        return call


@pytest.fixture
def result(catalog: Catalog) -> Result:
    _, given = incident(catalog)
    return Result(
        anomaly=given.anomaly, mail=None, attributes={}, gaps=(), tell=True, why_not="", reason="opened", now=given.now
    )


def _deliver(
    world: World, result: Result, execution: str, now: datetime, effects: list[str] | None = None, kill_after: int = 0
) -> str:
    seen = [] if effects is None else effects
    table, sns = KilledAfter(world.table, seen, kill_after), KilledAfter(world.sns, seen, kill_after)
    event = to_builtins(DeliveryInput(result=result, execution=execution))
    outcome: str = run(event, table, sns, world.topic, now)["outcome"]
    return outcome


@pytest.mark.parametrize("execution", ["same", "another"])
@pytest.mark.parametrize(
    ("kill_after", "effect", "told"), [(1, "update_item", 1), (2, "publish", 2), (3, "update_item", 1)]
)
def test_a_kill_after_any_side_effect_loses_no_alert(
    world: World, result: Result, kill_after: int, effect: str, told: int, execution: str
) -> None:
    """Told once; twice only where the publish happened and its mark did not, which nobody could know afterwards."""
    effects: list[str] = []
    with pytest.raises(Killed):
        _deliver(world, result, "same", NOW, effects, kill_after)
    assert effects[-1] == effect
    if execution == "another" and kill_after < 3:
        with pytest.raises(claims.DeliveryBusy):
            _deliver(world, result, execution, NOW + timedelta(minutes=1))
    outcome = _deliver(world, result, execution, NOW + timedelta(minutes=6))
    assert outcome == ("DUPLICATE" if kill_after == 3 else "SENT")
    assert _deliver(world, result, "third", NOW + timedelta(days=1)) == "DUPLICATE"
    assert len(world.mails()) == told


def test_there_are_no_more_side_effects_than_those_killed(world: World, result: Result) -> None:
    """A fourth would need a case above."""
    effects: list[str] = []
    assert _deliver(world, result, "one", NOW, effects) == "SENT"
    assert effects == ["update_item", "publish", "update_item"]


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "UpdateItem"),
        ConnectTimeoutError(endpoint_url="https://dynamodb"),
    ],
    ids=["throttled", "away"],
)
def test_a_mark_that_cannot_be_written_tells_nobody_twice(
    world: World, result: Result, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Raised, it would be tried again from the start by the state machine: the claim is its own, and it would publish."""
    monkeypatch.setattr(claims, "mark_sent", failing(error))
    event = to_builtins(DeliveryInput(result=result, execution="one"))
    delivered = run(event, world.table, world.sns, world.topic, NOW)
    assert (delivered["outcome"], delivered["marked"]) == ("SENT", False)
    assert len(world.mails()) == 1


def test_a_publish_that_is_refused_is_made_up_for(world: World, result: Result) -> None:
    """A topic that takes nothing for a while must not leave a claim behind that blocks the next try."""
    event = to_builtins(DeliveryInput(result=result, execution="one"))
    missing = world.topic + "-gone"
    with pytest.raises(world.sns.exceptions.NotFoundException):
        run(event, world.table, world.sns, missing, NOW)
    assert _deliver(world, result, "one", NOW) == "SENT"


def test_older_news_is_not_told_after_newer(world: World, result: Result) -> None:
    """An execution that was started again after hours must not say "opened" under a mail that says "closed"."""
    newer = replace(result, anomaly=replace(result.anomaly, sequence=2))
    assert _deliver(world, newer, "two", NOW) == "SENT"
    assert _deliver(world, result, "one", NOW) == "OLDER"
    assert len(world.mails()) == 1


def test_claims_know_the_newest_that_was_told_on_a_channel(world: World) -> None:
    """Ten reminders later the order is still by number, and a claim alone is no news."""
    for sequence in (2, 9, 10):
        claims.mark_sent(world.table, claims.Key("a", sequence, "sns"), "me", NOW)
    claims.mark_sent(world.table, claims.Key("a", 12, "chat"), "me", NOW)
    claims.take(world.table, claims.Key("a", 11, "sns"), "me", NOW)
    assert claims.newest_sent(world.table, "a", "sns") == 10
    assert claims.newest_sent(world.table, "b", "sns") == 0


def test_the_publish_is_one_that_sns_takes(aws: None, result: Result) -> None:
    """Checked against the service's model: names and types of every argument."""
    sns = boto3.client("sns")
    hostile = {"severity": "9.4", "owner": "unknown"}
    with Stubber(sns) as stubber:
        stubber.add_response(
            "publish",
            {"MessageId": "1"},
            {
                "TopicArn": "arn:aws:sns:eu-central-1:123456789012:alerts",
                "Subject": ANY,
                "Message": ANY,
                "MessageStructure": "json",
                "MessageAttributes": {
                    "severity": {"DataType": "Number", "StringValue": "9.4"},
                    "owner": {"DataType": "String", "StringValue": "unknown"},
                },
            },
        )
        publish(sns, "arn:aws:sns:eu-central-1:123456789012:alerts", replace(result, attributes=hostile))
        stubber.assert_no_pending_responses()
