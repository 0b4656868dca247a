"""What is used although something about it is odd, and is it said?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.envelopes.building import lines, log, made

from usage_anomaly.envelopes import event_id, event_time, read_payload
from usage_anomaly.envelopes.record import UNREADABLE

ODDITIES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"recipientAccountId": 111122223333}, ["recipientAccountId is no text: its JSON stands in"]),
    ({"recipientAccountId": ...}, ["account missing: userIdentity.accountId stands in"]),
    ({"recipientAccountId": None, "userIdentity": None}, ["account missing"]),
    ({"recipientAccountId": "redacted"}, ["account id is not 12 digits"]),
    ({"eventID": "1234"}, ["eventID is no UUID"]),
    ({"eventID": ...}, ["eventID missing"]),
    ({"eventID": 7}, ["eventID is no UUID", "eventID is no text: its JSON stands in"]),
    ({"eventTime": "2026-01-20 10:05:00.123"}, ["eventTime is not RFC 3339"]),
    ({"eventTime": 1768903500}, ["eventTime is no text: left out", "no time: stands in no bucket"]),
    ({"eventTime": "redacted"}, ["eventTime is no time", "no time: stands in no bucket"]),
    ({"eventTime": ..., "@timestamp": "2026-01-20T10:05:00.000Z"}, ["@timestamp stands in for eventTime"]),
    ({"eventTime": ...}, ["no time: stands in no bucket"]),
    ({"awsRegion": ...}, ["awsRegion missing"]),
    ({"awsRegion": "ca-northsouth-2r"}, ["region does not exist"]),
    ({"awsRegion": {"a": 1}}, ["awsRegion is no text: left out", "awsRegion missing"]),
    ({"eventSource": ...}, ["eventSource missing"]),
    (
        {"userAgent": ["a"], "sourceIPAddress": False},
        ["sourceIPAddress is no text: its JSON stands in", "userAgent is no text: left out"],
    ),
]


@pytest.mark.parametrize(("changes", "reasons"), ODDITIES, ids=[str(changes) for changes, _ in ODDITIES])
def test_an_odd_record_is_used_and_said_to_be_odd(changes: dict[str, Any], reasons: list[str]) -> None:
    """A redacted export or a vendor's sample is better read with a remark than not at all."""
    for text in (log([made(1, **changes)]), lines([made(1, **changes)])):
        payload = read_payload(text, "x")
        assert [each.reason for each in payload.oddities] == reasons
        assert all(each.count == 1 for each in payload.oddities)
        assert len(payload.records) == 1
        assert payload.rejected == []


def test_an_error_code_of_any_type_still_says_that_the_call_failed() -> None:
    """Left out, a refused launch would count as spend."""
    trail = [made(n, errorCode=code) for n, code in enumerate([403, {"code": "AccessDenied"}, True, None])]
    codes = [record.error_code for record in read_payload(log(trail), "x").records]
    assert codes == ["403", UNREADABLE, "true", None]


def test_a_number_as_an_account_gets_its_zeros_back() -> None:
    """Spreadsheets and loose exporters turn 012345678901 into a number; it is the same account."""
    trail = [made(1, recipientAccountId=12345678901), made(1, recipientAccountId=..., userIdentity={"accountId": 5})]
    accounts = [record.account_id for record in read_payload(log(trail), "x").records]
    assert accounts == ["012345678901", "000000000005"]


def test_the_names_that_exist_decide_where_they_are_given() -> None:
    """A made-up name can have the right shape."""
    trail = log([made(1, awsRegion="us-east-9"), made(2)])
    assert read_payload(trail, "x").oddities == []
    odd = read_payload(trail, "x", regions=frozenset({"us-east-1"})).oddities
    assert [(each.reason, each.count) for each in odd] == [("region does not exist", 1)]


@pytest.mark.parametrize("region", ["us-east-1", "us-gov-west-1", "cn-north-1", "us-isob-east-1", "eu-isoe-west-1"])
def test_regions_of_every_partition_exist(region: str) -> None:
    """An organization in a government or sovereign partition must not read that it is odd."""
    assert read_payload(log([made(1, awsRegion=region)]), "x").oddities == []


TIMES = {
    "2026-01-20T10:05:07Z": (10, 5, 7, 0),
    "2026-01-20T12:05:07+02:00": (10, 5, 7, 0),
    "2026-01-20T10:05:07.250Z": (10, 5, 7, 250_000),
    "2026-01-20 10:05:07": (10, 5, 7, 0),
    "2026-01-20 10:05:07.123456789": (10, 5, 7, 123_456),
    "2026-01-20 10:05:07Z": (10, 5, 7, 0),
}


@pytest.mark.parametrize("text", TIMES)
def test_times_are_understood_as_exports_write_them(text: str) -> None:
    """Without a zone they are UTC: CloudTrail knows no other."""
    record = read_payload(log([made(1, eventTime=text)]), "x").records[0]
    hour, minute, second, microsecond = TIMES[text]
    assert event_time(record) == datetime(2026, 1, 20, hour, minute, second, microsecond, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "2026-02-31T10:00:00Z",
        "2026-01-20T24:01:00Z",
        "20260120T100500Z",
        "2026-W04-2",
        "٢٠٢٦-01-20T10:05:07Z",
        "0001-01-01T00:00:00+23:59",
        "9" * 10_000,
    ],
)
def test_what_is_no_time_is_not_taken_for_one(text: str) -> None:
    """A guess would put use into a bucket where there was none."""
    payload = read_payload(log([made(1, eventTime=text)]), "x")
    assert event_time(payload.records[0]) is None
    assert "no time: stands in no bucket" in [each.reason for each in payload.oddities]


def test_one_event_id_in_two_accounts_or_under_two_names_is_two_records() -> None:
    """A shared event has a record in each account; Invoke and its execution may share an id."""
    trail = [made(1), made(1, recipientAccountId="444455556666"), made(1, eventName="StartInstances"), made(1)]
    keys = read_payload(log(trail), "x").keys
    assert len(set(keys)) == 3
    assert keys[0] == keys[3]
    assert {len(key) for key in keys} == {16}


def test_a_placeholder_id_does_not_make_different_records_one() -> None:
    """In samples every record has the id `1234`: by id alone, all but the first would vanish."""
    trail = [made(1, eventID="1234"), made(2, eventID="1234"), made(1, eventID="1234")]
    payload = read_payload(log(trail), "x")
    assert len(set(payload.keys)) == 2
    assert event_id(payload.records[0], payload.keys[0]) == f"sha256:{payload.keys[0].hex()}"


def test_a_uuid_is_one_in_any_company() -> None:
    """Ids are checked all at once where possible; a neighbour must not change what a record is the same as."""
    near = ["0" * 36, "0-" * 18, "00000000-0000-0000-0000-00000000000g", "00000000-0000-0000-0000-0000000000000"]
    near += ["00000000-0000-0000-0000-00000000000\n", "0000000-00000-0000-0000-000000000000", ""]
    for text in near:
        alone = read_payload(log([made(1, eventID=text)]), "x")
        among = read_payload(log([made(2), made(1, eventID=text), made(3)]), "x")
        assert among.keys[1] == alone.keys[0]
        assert [each.reason for each in among.oddities] == ["eventID is no UUID"]
