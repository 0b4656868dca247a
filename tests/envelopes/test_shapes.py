"""Which payloads are told apart, and what is said of those that hold no records?"""

from __future__ import annotations

import gzip
from datetime import UTC, datetime

import pytest
from tests.envelopes.building import encode, event, lines, log, made, packed_subscription, subscription

from usage_anomaly.envelopes import Oddity, Rejection, delivery_minute, read_payload


def test_a_control_message_is_no_loss() -> None:
    """CloudWatch Logs sends one when a subscription is made; an alarm over it would be the first thing a user sees."""
    payload = read_payload(packed_subscription(subscription([], kind="CONTROL_MESSAGE")), "x")
    assert payload.rejected == []
    assert payload.oddities == [Oddity("control message of a log subscription: holds no records", 1)]


def test_a_digest_is_no_loss() -> None:
    """Digests lie beside the log objects of every trail with validation switched on."""
    payload = read_payload(encode({"awsAccountId": "1", "digestStartTime": "2026-01-20T09:00:00Z"}), "x")
    assert (payload.records, payload.rejected) == ([], [])
    assert payload.oddities == [Oddity("digest of other objects: holds no records", 1)]


SHAPES: dict[bytes, str] = {
    b"": "empty",
    b" \n": "empty",
    b"hello": "broken JSON at byte 0",
    b"17": "no JSON object where a record was expected at byte 0",
    b'{"a": 1}': "unknown shape: no Records, Events, detail, awslogs, logEvents or eventName at byte 0",
    b'{"Records": {}}': "Records is no list at byte 0",
    b'{"Records": [{"a": 1}]}': "no CloudTrail record: no eventName at byte 13",
    b'{"detail": {"instance-id": "i-1", "state": "running"}}': "no CloudTrail record: no eventName at byte 0",
    b'{"awslogs": {}}': "awslogs without data at byte 0",
    b'{"awslogs": {"data": "?"}}': "awslogs.data is no base64 at byte 0",
    b'{"messageType": "DATA_MESSAGE"}': "a log subscription's message without logEvents at byte 0",
    b'{"messageType": "DATA_MESSAGE", "logEvents": [{}]}': "no message at log event 0",
    b'{"messageType": "DATA_MESSAGE", "logEvents": [{"message": "START RequestId"}]}': "broken JSON at log event 0",
    b'{"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}]}': (
        "a notification, no CloudTrail record at record 0"
    ),
}


@pytest.mark.parametrize("text", SHAPES)
def test_what_is_no_record_is_named_with_its_place(text: bytes) -> None:
    """The reader of the account must find the place in the file, and know what to look for."""
    payload = read_payload(text, "x")
    assert [each.reason for each in payload.rejected] == [SHAPES[text]]
    assert payload.records == []


def test_the_same_reason_is_said_once_with_its_count() -> None:
    """A file of a million foreign lines must not make a million messages."""
    payload = read_payload(lines([{"a": n} for n in range(1000)]) + encode(made(1)), "x")
    assert len(payload.records) == 1
    assert payload.rejected == [
        Rejection(
            "unknown shape: no Records, Events, detail, awslogs, logEvents or eventName, first at byte 0", 0, 1000
        )
    ]


def test_envelopes_may_be_mixed_in_one_file() -> None:
    """An analyst's file is often several exports pasted together."""
    text = b"\n".join([log([made(1), made(2)]), encode(event(made(3))), encode(made(4)), subscription([made(5)])])
    assert read_payload(text, "x").keys == read_payload(log([made(n) for n in range(1, 6)]), "x").keys


def test_the_delivery_minute_stands_in_the_name_of_a_log_object() -> None:
    """It decides at which tick a record could have been known."""
    key = "AWSLogs/o-1/111122223333/CloudTrail/us-east-1/2026/01/20/111122223333_CloudTrail_us-east-1_20260120T1005Z_a1.json.gz"
    assert delivery_minute(key) == datetime(2026, 1, 20, 10, 5, tzinfo=UTC)
    assert read_payload(gzip.compress(log([])), key).minute == datetime(2026, 1, 20, 10, 5, tzinfo=UTC)
    assert delivery_minute(f"{key}/export.json") is None
    assert delivery_minute("1_CloudTrail_us-east-1_20261320T1005Z_a1.json.gz") is None
