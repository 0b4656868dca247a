"""Are looked-up events and CloudTrail's aggregated ones read, and what is said of those that cannot be?"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.envelopes.building import (
    ENVELOPES,
    Fields,
    aggregated,
    encode,
    lines,
    log,
    looked_up,
    made,
    pretty,
)
from tests.envelopes.test_promises import JSON_VALUE

from usage_anomaly.envelopes import AggregatedCalls, Oddity, Payload, Rejection, read_payload

RESIZE = "arn:aws:lambda:us-east-1:111122223333:function:resize"
ORDERS = "arn:aws:lambda:us-east-1:111122223333:function:orders"


def test_one_broken_looked_up_event_loses_only_itself() -> None:
    """An interrupted or edited page must not hide what else was looked up."""
    page = looked_up([made(n) for n in range(4)], NextToken="x")
    page["Events"][1]["CloudTrailEvent"] = '{"eventName": '
    page["Events"][2].pop("CloudTrailEvent")
    payload = read_payload(pretty(page) + b"\n" + pretty(looked_up([made(4)])), "x")
    assert payload.keys == read_payload(log([made(n) for n in (0, 3, 4)]), "x").keys
    assert payload.rejected == [
        Rejection("broken JSON at event 1", 1, 1),
        Rejection("a looked-up event without CloudTrailEvent at event 2", 2, 1),
    ]


@given(cut=st.integers(20, 3000))
def test_a_page_cut_anywhere_gives_its_whole_events(cut: int) -> None:
    """`lookup-events` takes two calls a second; whoever loses patience has half a page."""
    page = pretty(looked_up([made(n) for n in range(4)]))
    payload = read_payload(page[:cut], "x")
    assert payload.keys == read_payload(log([made(n) for n in range(4)]), "x").keys[: len(payload.keys)]
    assert len(payload.keys) >= page[:cut].count(b'"CloudTrailEvent"') - 1
    assert len(payload.rejected) == (cut < len(page.rstrip()))


def test_a_break_in_a_page_is_followed_by_the_next_event() -> None:
    """The rest of the page is as true as its beginning."""
    page = pretty(looked_up([made(n) for n in range(4)])).replace(b'"EventId": "1"', b'"EventId": "1', 1)
    payload = read_payload(page, "x")
    assert payload.keys == read_payload(log([made(n) for n in (1, 2, 3)]), "x").keys
    assert sum(each.count for each in payload.rejected) == 1


LOOKED_UP: dict[bytes, str] = {
    b'{"Events": {}}': "Events is no list at byte 0",
    b'{"Events": [7]}': "a looked-up event without CloudTrailEvent at event 0",
    b'{"CloudTrailEvent": 7}': "CloudTrailEvent is no text at byte 0",
    b'{"CloudTrailEvent": "{} {}"}': "more than one JSON value at byte 0",
    b'{"CloudTrailEvent": "{}"}': "no CloudTrail record: no eventName at byte 0",
}


@pytest.mark.parametrize("text", LOOKED_UP)
def test_what_is_no_looked_up_event_is_named(text: bytes) -> None:
    """The reader of the account must know what to look for."""
    assert [each.reason for each in read_payload(text, "x").rejected] == [LOOKED_UP[text]]


def calls(payload: Payload) -> list[tuple[str, int, Any]]:
    """Name, number and functions of the aggregated calls."""
    assert all(isinstance(each, AggregatedCalls) for each in payload.records)
    return [
        (each.event_name, each.calls, [part["ARN"] for part in msgspec.json.decode(each.resources) or []])
        for each in payload.records
        if isinstance(each, AggregatedCalls)
    ]


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_aggregated_events_are_read_from_any_envelope_beside_records(envelope: str) -> None:
    """They lie in the trail's bucket in a folder of their own, and in its log group between the others."""
    payload = read_payload(ENVELOPES[envelope]([made(1), aggregated(900), made(2)]), "x")
    assert [each.event_name for each in payload.records] == ["RunInstances", "Invoke", "RunInstances"]
    assert payload.rejected == []
    (counted,) = [each for each in payload.records if isinstance(each, AggregatedCalls)]
    assert (counted.calls, counted.region, counted.account_id) == (900, "us-east-1", "111122223333")
    assert (counted.event_time, counted.event_id) == ("2026-01-20T10:00:00Z", "62759c1a-6248-48e1-a6b3-d5fb7e6c4bc0")


def test_calls_are_told_apart_by_function_with_an_id_each() -> None:
    """Which function loops is the first question; and a part without an id of its own would be taken for a duplicate."""
    payload = read_payload(log([aggregated(1000, details={"resourceARN": {RESIZE: 700, ORDERS: 250}})]), "x")
    assert calls(payload) == [("Invoke", 700, [RESIZE]), ("Invoke", 250, [ORDERS]), ("Invoke", 50, [])]
    assert len(set(payload.keys)) == 3
    assert {each.shared_event_id for each in payload.records} == {"62759c1a-6248-48e1-a6b3-d5fb7e6c4bc0"}
    assert (
        payload.keys
        == read_payload(lines([aggregated(1000, details={"resourceARN": {RESIZE: 700, ORDERS: 250}})]), "y").keys
    )


def test_failed_calls_do_not_count_and_no_function_is_guessed() -> None:
    """A refused call used nothing, and whose calls failed nobody can say."""
    by_two = {"resourceARN": {RESIZE: 700, ORDERS: 300}}
    payload = read_payload(log([aggregated(1000, errors=100, details=by_two)]), "x")
    assert calls(payload) == [("Invoke", 900, [])]
    assert payload.oddities == [
        Oddity("aggregated event with failed calls: these are no attempts, their callers are not told", 1)
    ]
    by_one = {"resourceARN": {RESIZE: 1000}}
    assert calls(read_payload(log([aggregated(1000, errors=100, details=by_one)]), "x")) == [("Invoke", 900, [RESIZE])]
    assert calls(read_payload(log([aggregated(1000, errors=5000)]), "x")) == []
    fine = aggregated(1000, details={"errorCode": {"null": 1000}})
    assert calls(read_payload(log([fine]), "x")) == [("Invoke", 1000, [])]


def test_a_caller_is_named_where_all_calls_had_the_same() -> None:
    """With two callers, naming one would accuse it of the other's calls."""
    arn = "arn:aws:iam::111122223333:role/orders"
    one = {"userIdentity": {arn: 10}, "sourceIPAddress": {"203.0.113.7": 10}, "userAgent": {"aws-sdk": 9}}
    (record,) = read_payload(log([aggregated(10, details=one)]), "x").records
    assert msgspec.json.decode(record.user_identity) == {"arn": arn}
    assert (record.source_address, record.user_agent) == ("203.0.113.7", None)
    two = {"userIdentity": {arn: 6, "arn:aws:iam::111122223333:user/ci": 4}}
    (record,) = read_payload(log([aggregated(10, details=two)]), "x").records
    assert bytes(record.user_identity) == b"null"


@pytest.mark.parametrize("dimension", ["resourceARN", "userIdentity"])
def test_the_other_templates_count_the_same_calls_and_are_left_out(dimension: str) -> None:
    """With all three templates switched on each call would count three times."""
    other = aggregated(900)
    other["summary"]["primaryDimension"]["dimension"] = dimension
    payload = read_payload(log([other]), "x")
    assert (payload.records, payload.rejected) == ([], [])
    assert payload.oddities == [
        Oddity("aggregated event by resource or caller: counts what those by eventName count, left out", 1)
    ]


def test_several_names_in_one_event_count_each_for_itself() -> None:
    """The format allows it; the details are then those of all together."""
    several = aggregated(1, details={"resourceARN": {RESIZE: 12}}, errors=3)
    several["summary"]["primaryDimension"]["statistics"] = [
        {"name": "Invoke", "value": 7},
        {"name": "InvokeAsync", "value": 5},
    ]
    payload = read_payload(log([several]), "x")
    assert calls(payload) == [("Invoke", 7, []), ("InvokeAsync", 5, [])]
    assert len(set(payload.keys)) == 2
    assert [each.reason for each in payload.oddities] == [
        "aggregated event of several calls: its details, failed ones among them, are left out"
    ]


def test_a_record_cannot_claim_to_be_many_calls() -> None:
    """Otherwise one field would make an anomaly of one call."""
    payload = read_payload(log([made(1, calls=1000, eventCategory="Aggregated")]), "x")
    assert [type(each).__name__ for each in payload.records] == ["Record"]


@given(part=st.sampled_from(["eventSource", "timeWindow", "summary", "eventId", "accountId"]), value=JSON_VALUE)
def test_an_aggregated_event_of_another_shape_is_said(part: str, value: Any) -> None:
    """The format is young; what changes in it must be seen, not guessed."""
    payload = read_payload(log([aggregated(900, **{part: value}), made(1)]), "x")
    assert payload.records[-1].event_name == "RunInstances"
    assert len(payload.records) == 2 or payload.rejected or payload.oddities


@pytest.mark.parametrize("change", [{"value": -1}, {"value": "x"}, {"name": None}])
def test_a_count_that_is_none_is_rejected(change: Fields) -> None:
    """A negative count would hide others."""
    wrong = aggregated(900)
    wrong["summary"]["primaryDimension"]["statistics"][0].update(change)
    assert read_payload(encode(wrong), "x").rejected == [
        Rejection("an aggregated event of unknown shape at byte 0", 0, 1)
    ]
