"""Does what failed come in once the cluster is back, without loss, without doubling?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import boto3
import msgspec
import pytest
from opensearchpy import OpenSearch
from tests.ingest.conftest import SETTINGS
from tests.ingest.packing import FUNCTION, NOW, Record, expected, failed, failed_name, payloads, subscription, thousand
from tests.search.making import NOBODY, plenty
from tests.search.serving import LOOPBACK, documents

from usage_anomaly import redriving
from usage_anomaly.ingesting import FailureStore, Ingested, Intake, RejectedPart, ingest, keep_rejected
from usage_anomaly.redriving import Redriven, Settings, redrive
from usage_anomaly.search.client import SearchUnavailable, connect
from usage_anomaly.search.events import Rejected
from usage_anomaly.usage import UsageEvent

pytestmark = LOOPBACK
REDRIVE = Settings(**{**msgspec.structs.asdict(SETTINGS), "ingest_function_name": FUNCTION})


@pytest.fixture
def queue(aws: None) -> Any:
    """The failure queue's client; the queue itself is made where a test has one."""
    return boto3.client("sqs")


@pytest.fixture
def away(intake: Intake) -> Iterator[Intake]:
    """The same intake while the server is down."""
    with connect(NOBODY, "none", "") as nobody:
        yield msgspec.structs.replace(intake, client=nobody)


def names(store: FailureStore) -> list[str]:
    answer = boto3.client("s3").list_objects_v2(Bucket=store.bucket)
    return [each["Key"] for each in answer.get("Contents", ())]


def run(intake: Intake, queue: Any, settings: Settings = REDRIVE, now: datetime = NOW, most: int = 1_000) -> Redriven:
    return redrive(intake, settings, queue, now, plenty, most)


def refusing(blocked: Callable[[bytes], bool], calls: list[bytes] | None = None) -> Callable[..., Ingested]:
    """Ingest into a cluster that is healthy and does not take the payloads that are `blocked`."""

    def ingest_or_not(payload: bytes, *arguments: Any) -> Ingested:
        if calls is not None:
            calls.append(payload)
        if blocked(payload):
            raise SearchUnavailable("1 events not taken: 403 cluster_block_exception")
        return ingest(payload, *arguments)

    return ingest_or_not


def read_events(intake: Intake) -> list[UsageEvent]:
    """Two events that are not the same."""
    return list(expected(thousand(), intake.catalog, intake.prices).values())[:2]


def deliver(payload: Record, intake: Intake, away: Intake, store: FailureStore, number: int, down: bool) -> None:
    """As Lambda does: what fails is kept under its own naming."""
    content = json.dumps(payload).encode()
    if not down:
        ingest(content, intake, NOW, plenty)
        return
    with pytest.raises(SearchUnavailable):
        ingest(content, away, NOW, lambda: 1.0)
    store.keep(failed_name(number), failed(payload))


def test_an_outage_during_an_incident_costs_no_document(
    intake: Intake, away: Intake, store: FailureStore, client: OpenSearch, queue: Any
) -> None:
    """Down for the second and third of five payloads; afterwards the documents are those of a run without outage."""
    found = thousand()
    for number, payload in enumerate(payloads(found)):
        deliver(payload, intake, away, store, number, down=number in (1, 2))
    wanted = expected(found, intake.catalog, intake.prices)
    assert documents(client).keys() < wanted.keys()
    assert run(intake, queue) == Redriven(taken=2)
    assert documents(client).keys() == wanted.keys()
    assert names(store) == []
    client.indices.refresh(index="usage-events-*")
    redriven = client.count(index="usage-events-*", body={"query": {"term": {"origin": "redrive"}}})["count"]
    assert 0 < redriven < len(wanted)
    assert run(intake, queue) == Redriven()


def test_what_was_half_taken_is_not_doubled(
    intake: Intake, store: FailureStore, client: OpenSearch, queue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between writing and deleting leaves the payload; taking it again changes nothing."""
    found = thousand()[:200]
    store.keep(failed_name(1), failed(subscription(found)))

    class Crash(Exception):
        pass

    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(FailureStore, "delete", crash)
        with pytest.raises(Crash):
            run(intake, queue)
    before = documents(client)
    assert len(before) == len(expected(found, intake.catalog, intake.prices))
    assert names(store) == [failed_name(1)]
    assert run(intake, queue) == Redriven(taken=1)
    assert documents(client) == before
    assert names(store) == []


def test_nothing_is_touched_while_the_cluster_is_not_healthy(away: Intake, store: FailureStore, queue: Any) -> None:
    """A cluster that just came back red would take half and refuse half."""
    store.keep(failed_name(1), failed(payloads(thousand())[0]))
    assert run(away, queue) == Redriven(stopped="cluster not healthy")
    assert names(store) == [failed_name(1)]


def test_a_cluster_that_goes_away_again_ends_the_run(
    away: Intake, store: FailureStore, queue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest would fail as well; the next run has it all."""
    answers = iter([True, False])
    monkeypatch.setattr(redriving, "healthy", lambda _: next(answers))
    monkeypatch.setattr(redriving, "ingest", refusing(lambda _: True))
    for number, payload in enumerate(payloads(thousand())):
        store.keep(failed_name(number), failed(payload))
    assert run(away, queue) == Redriven(left=1, stopped="search unavailable")
    assert len(names(store)) == 5


def test_one_payload_that_a_healthy_cluster_does_not_take_holds_up_no_other(
    intake: Intake, store: FailureStore, queue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One day's index is blocked: its payload waits, those behind it come in, and it too when the block is gone."""
    kept = payloads(thousand())
    for number, payload in enumerate(kept):
        store.keep(failed_name(number), failed(payload))
    with monkeypatch.context() as blocked:
        first = json.dumps(kept[0]).encode()
        blocked.setattr(redriving, "ingest", refusing(lambda payload: json.loads(payload) == json.loads(first)))
        assert run(intake, queue) == Redriven(taken=4, left=1)
    assert names(store) == [failed_name(0)]
    assert run(intake, queue) == Redriven(taken=1)


def test_a_day_that_is_not_taken_holds_up_no_other_day(
    intake: Intake, store: FailureStore, queue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After three in a row the rest of the day is left to the next run; the next day's payloads, and a queue's, come in."""
    url = queue.create_queue(QueueName="failures")["QueueUrl"]
    kept = payloads(thousand())
    next_day = failed_name(9).replace("2026/11/25", "2026/11/26")
    for number in range(5):
        store.keep(failed_name(number), failed(kept[0]))
    store.keep(next_day, failed(kept[1]))
    queue.send_message(QueueUrl=url, MessageBody=failed(kept[2]).decode())
    calls: list[bytes] = []
    monkeypatch.setattr(redriving, "ingest", refusing(lambda payload: json.loads(payload) == kept[0], calls))
    settings = msgspec.structs.replace(REDRIVE, failure_queue_url=url)
    assert run(intake, queue, settings) == Redriven(taken=2, left=3, stopped="search unavailable")
    assert len(calls) == 5
    assert names(store) == [failed_name(number) for number in range(5)], "nothing is lost"


def test_a_payload_that_is_not_taken_does_not_use_up_the_run(
    intake: Intake, store: FailureStore, queue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute for the first, less for those behind it: so many days can be blocked, and today still comes in."""
    for number, payload in enumerate(payloads(thousand())[:3]):
        store.keep(failed_name(number), failed(payload))
    clock, given = [240.0], list[float]()

    def slow(payload: bytes, intake: Intake, now: datetime, time_left: Callable[[], float], origin: Any) -> Any:
        given.append(time_left())
        clock[0] -= 10.0
        assert time_left() == given[-1] - 10.0
        raise SearchUnavailable("blocked")

    monkeypatch.setattr(redriving, "ingest", slow)
    done = redrive(intake, REDRIVE, queue, NOW, lambda: clock[0])
    assert done == Redriven(left=3, stopped="search unavailable")
    assert given == [60.0, 20.0, 20.0]


def test_a_run_ends_in_time_and_at_its_limit(intake: Intake, store: FailureStore, queue: Any) -> None:
    """A week of failures must not run into the function's timeout; the schedule comes again."""
    for number, payload in enumerate(payloads(thousand())):
        store.keep(failed_name(number), failed(payload))
    assert run(intake, queue, most=2) == Redriven(taken=2, stopped="limit")
    assert redrive(intake, REDRIVE, queue, NOW, lambda: 5.0) == Redriven(stopped="time")
    assert names(store) == [failed_name(number) for number in (2, 3, 4)], "the oldest go first"


def test_what_is_not_ours_is_left(intake: Intake, store: FailureStore, queue: Any) -> None:
    """Other functions keep their failures in the same bucket, and people put things there."""
    others = ["aws/lambda/async/usage-anomaly-Other/2026/11/25/x", "notes.txt", "rejected/final/y.json"]
    for name in others:
        store.keep(name, failed({"detail": {}}))
    store.keep(failed_name(1), b"no JSON")
    assert run(intake, queue) == Redriven(left=1)
    assert sorted(names(store)) == sorted([*others, failed_name(1)])


def test_a_record_that_was_ahead_comes_in_when_its_time_has_come(
    intake: Intake, store: FailureStore, client: OpenSearch, queue: Any
) -> None:
    """It is tried until then, and kept."""
    record = next(each for each in thousand() if each["eventName"] == "RunInstances" and "errorCode" not in each)
    record = {**record, "eventTime": f"{NOW + timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}"}
    count = ingest(json.dumps(subscription([record])).encode(), intake, NOW, plenty).rejected
    assert run(intake, queue) == Redriven(taken=1, rejected=count)
    assert len(names(store)) == 1
    later = NOW + timedelta(hours=1, minutes=30)
    assert run(intake, queue, now=later) == Redriven(taken=1)
    assert len(documents(client)) == count
    assert names(store) == []


def test_what_is_refused_for_good_on_retry_replaces_nothing(intake: Intake, store: FailureStore, queue: Any) -> None:
    """Late by more than retention: it ends among the rejected, beside what its payload left there."""
    record = next(each for each in thousand() if each["eventName"] == "RunInstances" and "errorCode" not in each)
    ahead = {**record, "eventTime": f"{NOW + timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}"}
    ingest(json.dumps(subscription([ahead, "{broken"])).encode(), intake, NOW, plenty)
    run(intake, queue, now=NOW + timedelta(days=60))
    assert [name.rpartition("/")[0] for name in names(store)] == ["rejected/final", "rejected/final"]


def test_each_run_that_refuses_for_good_leaves_its_own_object(
    intake: Intake, store: FailureStore, client: OpenSearch, queue: Any
) -> None:
    """Two events of one payload, refused at different times: the second refusal must not replace the first."""
    first, second = read_events(intake)
    name = "0123.json"
    keep_rejected(store, name, [Rejected(first, "too old"), Rejected(second, "ahead", retryable=True)], NOW)
    keep_rejected(store, name, [Rejected(second, "too old")], NOW + timedelta(days=1))
    keep_rejected(store, name, [Rejected(second, "too old")], NOW + timedelta(days=2))
    finals = [each for each in names(store) if each.startswith("rejected/final/")]
    kept = [msgspec.json.decode(store.get(each), type=RejectedPart).refusals[0].event for each in finals]
    assert sorted(each.event_id for each in kept if each) == sorted([first.event_id, second.event_id])


def test_a_crash_while_refusals_are_kept_loses_none(
    intake: Intake, store: FailureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object for later replaces the one that held the refused for good as well: it is written last."""
    first, second = read_events(intake)
    written: list[str] = []
    monkeypatch.setattr(FailureStore, "keep", lambda _, name, content: written.append(name))
    keep_rejected(store, "0123.json", [Rejected(first, "ahead", retryable=True), Rejected(second, "too old")], NOW)
    assert [each.split("/")[1] for each in written] == ["final", "retryable"]


def test_a_queue_is_redriven_where_there_is_one(
    intake: Intake, store: FailureStore, client: OpenSearch, queue: Any
) -> None:
    """On one machine the emulator keeps failures in a queue; nothing else differs."""
    url = queue.create_queue(QueueName="failures")["QueueUrl"]
    found = thousand()
    for payload in payloads(found, size=50):
        queue.send_message(QueueUrl=url, MessageBody=failed(payload).decode())
    settings = msgspec.structs.replace(REDRIVE, failure_queue_url=url)
    assert run(intake, queue, settings) == Redriven(taken=20)
    assert documents(client).keys() == expected(found, intake.catalog, intake.prices).keys()
    attributes = queue.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert [attributes[f"ApproximateNumberOfMessages{each}"] for each in ("", "NotVisible")] == ["0", "0"]


def test_one_payload_that_breaks_the_code_holds_up_no_other(
    intake: Intake, store: FailureStore, client: OpenSearch, queue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest failure comes first at every run: if it always raises, the others must still come in."""
    found = thousand()
    for number, payload in enumerate(payloads(found)[:3]):
        store.keep(failed_name(number), failed(payload))
    calls: list[object] = []

    def breaking(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise ZeroDivisionError
        return ingest(*arguments)

    monkeypatch.setattr("usage_anomaly.redriving.ingest", breaking)
    with pytest.raises(ZeroDivisionError):
        run(intake, queue)
    assert names(store) == [failed_name(0)]
