"""How do the same records look in each envelope that brings them?"""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from usage_anomaly.envelopes import Record

Fields = dict[str, Any]
encode = msgspec.json.encode


def made(number: int, **changes: Any) -> Fields:
    """A record as CloudTrail writes it, different for each number; a field changed to `...` is left out."""
    fields: Fields = {
        "eventVersion": "1.11",
        "userIdentity": {"type": "IAMUser", "accountId": "111122223333", "userName": "ci"},
        "eventTime": f"2026-01-20T10:{number // 60 % 60:02}:{number % 60:02}Z",
        "eventSource": "ec2.amazonaws.com",
        "eventName": "RunInstances",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "aws-cli/2.17",
        "requestParameters": {"instancesSet": {"items": [{"minCount": 1, "maxCount": 1}]}},
        "responseElements": {"instancesSet": {"items": [{"instanceId": f"i-{number:017x}"}]}},
        "eventID": str(UUID(int=number)),
        "eventType": "AwsApiCall",
        "recipientAccountId": "111122223333",
    }
    return {key: value for key, value in (fields | changes).items() if value is not ...}


def zipped(text: bytes) -> bytes:
    """The same bytes every time: no clock in the header."""
    return gzip.compress(text, 6, mtime=0)


def log(records: Sequence[Any]) -> bytes:
    """The text of an S3 log object."""
    return encode({"Records": list(records)})


def lines(values: Sequence[Any]) -> bytes:
    return b"\n".join(encode(value) for value in values) + b"\n"


def event(record: Any) -> Fields:
    """What EventBridge makes of a record."""
    return {"version": "0", "detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2", "detail": record}


def subscription(records: Sequence[Any], kind: str = "DATA_MESSAGE") -> bytes:
    """A log subscription's message, unpacked."""
    events = [{"id": str(n), "timestamp": 1, "message": encode(r).decode()} for n, r in enumerate(records)]
    return encode({"messageType": kind, "owner": "1", "logGroup": "g", "logStream": "s", "logEvents": events})


def packed_subscription(message: bytes) -> bytes:
    """The same as a function receives it."""
    return encode({"awslogs": {"data": base64.b64encode(zipped(message)).decode()}})


def pretty(value: Any) -> bytes:
    return json.dumps(value, indent=2).encode()


def looked_up(records: Sequence[Any], **more: Any) -> Fields:
    """A page of `aws cloudtrail lookup-events`."""
    events = [
        {"EventId": "1", "Username": "ci", "Resources": [], "CloudTrailEvent": encode(r).decode()} for r in records
    ]
    return {"Events": events, **more}


def csv_of(rows: Sequence[Sequence[str]]) -> bytes:
    """Rows as Athena writes them: every cell in quotes."""
    written = io.StringIO(newline="")
    csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return written.getvalue().encode()


def table(records: Sequence[Fields]) -> bytes:
    """What Athena makes of records, the caller as JSON; columns in lower case."""
    names = list(dict.fromkeys(name for record in records for name in record)) or ["eventName", "eventTime"]
    cells = [[record.get(name) for name in names] for record in records]
    rows = [
        [cell if isinstance(cell, str) else "" if cell is None else encode(cell).decode() for cell in row]
        for row in cells
    ]
    return csv_of([[name.lower() for name in names], *rows])


def aggregated(
    count: int, *, errors: int = 0, details: Mapping[str, Mapping[str, int]] | None = None, **more: Any
) -> Fields:
    """CloudTrail's count of so many calls to Lambda within five minutes; `details` are counts by dimension."""
    counts = dict(details or {}) | ({"errorCode": {"TooManyRequestsException": errors}} if errors else {})

    def dimension(name: str, values: Mapping[str, int]) -> Fields:
        statistics = [{"name": each, "value": value} for each, value in values.items()]
        return {"dimension": name, "statistics": statistics, "aggregationType": "Count"}

    return {
        "eventVersion": "1.0",
        "accountId": "111122223333",
        "eventId": "62759c1a-6248-48e1-a6b3-d5fb7e6c4bc0",
        "eventCategory": "Aggregated",
        "eventType": "AwsAggregatedEvent",
        "awsRegion": "us-east-1",
        "eventSource": "lambda.amazonaws.com",
        "timeWindow": {
            "windowStart": "2026-01-20T10:00:00Z",
            "windowEnd": "2026-01-20T10:05:00Z",
            "windowSize": "PT5M",
        },
        "summary": {
            "primaryDimension": dimension("eventName", {"Invoke": count}),
            "details": [dimension(name, values) for name, values in counts.items()],
        },
    } | more


ENVELOPES: dict[str, Callable[[Sequence[Fields]], bytes]] = {
    "log object": log,
    "log object, gzip": lambda rs: zipped(log(rs)),
    "log object, indented": lambda rs: pretty({"Records": list(rs)}),
    "log object, byte order mark": lambda rs: b"\xef\xbb\xbf" + log(rs),
    "log object, UTF-16": lambda rs: log(rs).decode().encode("utf-16"),
    "a gzip member for each of several log objects": lambda rs: b"".join(zipped(log([r])) for r in rs),
    "several log objects, end to end": lambda rs: b"".join(log([r]) for r in rs),
    "several log objects, a line each": lambda rs: lines([{"Records": [r]} for r in rs]),
    "several log objects, indented": lambda rs: b"\n".join(pretty({"Records": [r]}) for r in rs),
    "bare records, a line each": lines,
    "bare records, a line each, gzip": lambda rs: zipped(lines(rs)),
    "bare records, indented": lambda rs: b"\n".join(pretty(r) for r in rs),
    "a list": lambda rs: encode(list(rs)),
    "events, a line each": lambda rs: lines([event(r) for r in rs]),
    "events, a list": lambda rs: encode([event(r) for r in rs]),
    "log subscription, unpacked": subscription,
    "log subscription": lambda rs: packed_subscription(subscription(rs)),
    "looked-up events": lambda rs: pretty(looked_up(rs, NextToken="x")),
    "looked-up events, a page each": lambda rs: b"\n".join(pretty(looked_up([r])) for r in rs),
    "looked-up events, a list": lambda rs: encode(looked_up(rs)["Events"]),
    "looked-up events, their texts alone": lambda rs: encode([encode(r).decode() for r in rs]),
}


def content(record: Record) -> Fields:
    """A record's fields as values, so that records from differently spaced texts compare equal."""
    values = msgspec.structs.asdict(record)
    return {k: msgspec.json.decode(v) if isinstance(v, msgspec.Raw) else v for k, v in values.items()}
