"""Does a look at what was learned go on, whatever fails, comes late or floods it, and leave the tick its time?"""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from tests.anomalies.test_learned import said
from tests.anomalies.test_series import START, event
from tests.ticking.test_learned import KIND, SPIKE, Deployment, deployment

from usage_anomaly import listening
from usage_anomaly.detection.learned import MOST_REMEMBERED, Learned
from usage_anomaly.listening import JOB, Look
from usage_anomaly.search.client import SearchUnavailable
from usage_anomaly.state import Table, cursor, progress

__all__ = ["deployment"]


def test_a_look_that_fails_stops_nothing_and_is_made_up_for(deployment: Deployment, table: Table) -> None:
    """The result index may be shut to us, or its shards away: limits and baselines judge on, and somebody hears of it."""
    deployment.ingest([event(5, SPIKE + 21, ids=[f"i-{each}" for each in range(30)], usd=30.0, region="eu-west-1")])
    deployment.detectors.away = True
    with pytest.raises(SearchUnavailable):
        deployment.tick(SPIKE + 24)
    assert deployment.alerts == ["opened"]
    assert cursor.read(table) == START + timedelta(minutes=SPIKE + 24)
    assert progress.read(table, JOB, Look) == Look()
    deployment.detectors.away = False
    deployment.tick(SPIKE + 25)
    assert deployment.row().learned == (said(SPIKE - 1),)


def test_a_flood_of_results_is_bounded_and_keeps_the_rest_going(deployment: Deployment, table: Table) -> None:
    """Whoever makes noise fills neither the row nor the tick: so many at a time, the sure ones first."""
    noise = [said(SPIKE - 1 - each / 10, 20.0, score=0.3, region=f"r{each}") for each in range(400)]
    deployment.detectors.results += noise
    deployment.detectors.most = 50
    deployment.ticks(SPIKE - 30, SPIKE + 40)
    assert deployment.alerts == ["opened"]
    assert len(deployment.row().learned) == MOST_REMEMBERED
    assert progress.read(table, JOB, Look) == Look(START + timedelta(minutes=SPIKE + 40)), "no key for what is over"


def test_a_flood_withdraws_nothing(deployment: Deployment) -> None:
    """A late record leads back to an anomaly that a result opened, when newer ones have filled the row."""
    newer = [said(SPIKE + 240 + each / 50, 50.0 + each) for each in range(400)]
    deployment.detectors.results += newer
    deployment.ticks(SPIKE + 15, SPIKE + 265, 5)
    deployment.history.ingest(START + timedelta(minutes=SPIKE + 266), [event(7, SPIKE + 3, ids=["i-late"], usd=0.1)])
    deployment.ticks(SPIKE + 267, SPIKE + 268)
    assert deployment.alerts == ["opened", "quiet"]
    assert len(deployment.row().learned) == MOST_REMEMBERED
    assert {said(SPIKE - 1), newer[-1]} <= set(deployment.row().learned)


def crowd(count: int) -> list[Learned]:
    """So many weak results within the five minutes before the strong one was computed."""
    strong = said(SPIKE - 1)
    moments = (strong.executed_at - timedelta(seconds=300 * (count - each) / count) for each in range(count))
    weak = (said(SPIKE - 1, 20.0 + each / 10, score=0.3) for each in range(count))
    return [msgspec.structs.replace(each, executed_at=at) for each, at in zip(weak, moments, strict=True)]


def test_more_results_than_are_known_by_key_hold_up_no_look(
    deployment: Deployment, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that saw the forgotten ones as new would go round in the flood until the index forgets it, days later."""
    monkeypatch.setattr(listening, "MOST_KEYS", 60)
    deployment.detectors.results += crowd(200)
    deployment.detectors.most = 20
    deployment.ticks(SPIKE + 15, SPIKE + 45)
    assert deployment.alerts == ["opened"]
    assert progress.read(table, JOB, Look).until == START + timedelta(minutes=SPIKE + 45)


def test_the_keys_of_a_look_fit_an_item(table: Table) -> None:
    """An item of DynamoDB takes 400 kB; the table of the tests refuses more too."""
    keys = {f"{number:024}": int(START.timestamp()) for number in range(listening.MOST_KEYS)}
    progress.write(table, JOB, Look(START, keys))
    assert len(progress.read(table, JOB, Look).seen) == listening.MOST_KEYS


def test_listening_leaves_time_to_judge(deployment: Deployment) -> None:
    """Each result over all kinds is a search of its own; a tick that is cut off while it listens would tell nothing at all."""
    deployment.ingest([event(5, SPIKE + 21, ids=[f"i-{each}" for each in range(30)], usd=30.0, region="eu-west-1")])
    deployment.detectors.results = crowd(200)
    left = [120.0]

    def slow() -> float:
        left[0] -= 1.0
        return left[0]

    deployment.tick(SPIKE)
    report = deployment.tick(SPIKE + 24, time_left=slow)
    assert report.finished
    assert deployment.alerts == ["opened"]
    assert len(progress.read(deployment.table, JOB, Look).seen) == 59, "half of the time, a second each"
    deployment.ticks(SPIKE + 25, SPIKE + 26)
    assert len(deployment.row().learned) == MOST_REMEMBERED


def test_a_row_that_cannot_be_written_holds_up_no_other(deployment: Deployment, table: Table) -> None:
    """It may be another version's, or full; what was said of it is heard once it can be written."""
    deployment.detectors.results.append(msgspec.structs.replace(said(SPIKE - 1, 90.0), account_id="000000000000"))
    key = {"pk": f"PAIR#000000000000#{KIND}", "sk": "TOLD"}
    table.put_item(Item={**key, "told": "of another version", "version": 1})
    for minute in range(SPIKE + 19, SPIKE + 25):
        with pytest.raises(msgspec.DecodeError):
            deployment.tick(minute)
    assert deployment.alerts == ["opened"]
    assert len(deployment.row().learned) == 1
    table.delete_item(Key=key)
    deployment.tick(SPIKE + 25)
    assert len(deployment.row("000000000000").learned) == 1
    assert deployment.tick(SPIKE + 26).learned == 0
