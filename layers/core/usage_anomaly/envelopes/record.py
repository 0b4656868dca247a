"""What does one CloudTrail record say, also where a field has a type that CloudTrail never writes?"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

Text = bytes | bytearray | memoryview
NULL = msgspec.Raw(b"null")


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):  # holds texts only, so no cycle to collect
    """The fields of one CloudTrail record that anything here reads; the rest is skipped undecoded.

    `user_identity`, `request_parameters`, `response_elements` and `resources` stay raw JSON bytes until a kind wants
    them (99 % of records are never wanted). They are checked JSON and UTF-8, but may be of any
    type, and they are windows into the whole object's text: copy (`Raw.copy`) what outlives the payload. The fields stand in
    the order in which CloudTrail writes them: the decoder looks for each where the one before was found.
    """

    user_identity: msgspec.Raw = msgspec.field(name="userIdentity", default=NULL)
    event_time: str | None = msgspec.field(name="eventTime", default=None)
    event_source: str = msgspec.field(name="eventSource")
    event_name: str = msgspec.field(name="eventName")
    region: str | None = msgspec.field(name="awsRegion", default=None)
    source_address: str | None = msgspec.field(name="sourceIPAddress", default=None)
    user_agent: str | None = msgspec.field(name="userAgent", default=None)
    error_code: str | None = msgspec.field(name="errorCode", default=None)
    request_parameters: msgspec.Raw = msgspec.field(name="requestParameters", default=NULL)
    response_elements: msgspec.Raw = msgspec.field(name="responseElements", default=NULL)
    event_id: str | None = msgspec.field(name="eventID", default=None)
    resources: msgspec.Raw = msgspec.field(name="resources", default=NULL)
    account_id: str | None = msgspec.field(name="recipientAccountId", default=None)
    shared_event_id: str | None = msgspec.field(name="sharedEventID", default=None)
    timestamp: str | None = msgspec.field(name="@timestamp", default=None)


class NoRecord(ValueError):
    """A JSON value that is no CloudTrail record; the text says what it lacks."""


# RFC 3339, and what exports write: a blank for the T, no zone (then UTC), up to nanoseconds.
TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)?")
LONGEST_TIME = len("2026-01-20T10:05:00.123456789+00:00")  # what is longer is no time, and never remembered
# EC2 began in 2006; a record of another age has a broken clock, and its arithmetic would leave the calendar.
FIRST_YEAR, LAST_YEAR = 2006, 2099
RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def event_time(record: Record) -> datetime | None:
    """When the call was made, in UTC; `@timestamp` stands in for an eventTime that is missing or no time.

    None when neither can be read: such a record was read, but can be placed in no bucket.
    """
    return instant(record.event_time) or instant(record.timestamp)


# Calls of one object fall into few seconds; 4,096 texts are about a megabyte.
@lru_cache(maxsize=4096)
def is_plain_time(text: str | None) -> bool:
    """Whether this is a time as RFC 3339 writes it; other forms are understood, but odd."""
    if text is None or instant(text) is None:
        return False
    return _is_as_cloudtrail_writes(text) or RFC3339.fullmatch(text) is not None


def are_plain_times(texts: Collection[str]) -> bool:
    """Whether all of them are times as CloudTrail writes them. Most objects lie within an hour: then asked of all at once."""
    lines, count = "\n".join([*texts, ""]), len(texts)
    hour = lines[:13]
    return (
        len(lines) == 21 * count
        and lines[13::21] == lines[16::21] == ":" * count
        and lines[19::21] == "Z" * count
        and lines[20::21] == "\n" * count == lines.count("\n") * "\n"
        and lines.count(hour) == count
        and not lines[14::21].strip("012345")
        and not lines[15::21].strip("0123456789")
        and not lines[17::21].strip("012345")
        and not lines[18::21].strip("0123456789")
        and _is_hour(hour)
    ) or (max(map(len, texts), default=0) <= LONGEST_TIME and all(map(is_plain_time, texts)))


@lru_cache(maxsize=1024)
def _is_hour(text: str) -> bool:
    whole = f"{text}:59:59Z"
    return _is_as_cloudtrail_writes(whole) and instant(whole) is not None


def _is_as_cloudtrail_writes(text: str) -> bool:
    """Whether the marks stand as in 2026-01-20T10:05:00Z: a quarter of the cost of an expression."""
    return len(text) == 20 and text[4] == text[7] == "-" and text[10::9] == "TZ" and text[13] == text[16] == ":"


def instant(text: str | None) -> datetime | None:
    """The time a text names, in UTC; None when it names none."""
    return None if text is None or len(text) > LONGEST_TIME else _instant(text)


@lru_cache(maxsize=4096)
def _instant(text: str) -> datetime | None:
    try:
        if _is_as_cloudtrail_writes(text):
            moment = datetime.fromisoformat(text)
        elif TIME.fullmatch(text) is None:
            return None
        else:
            parsed = datetime.fromisoformat(text.upper())
            moment = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):  # the 31st of February; a zone that leaves year 1 or 9999
        return None
    return moment if FIRST_YEAR <= moment.year <= LAST_YEAR else None


# Whatever the type of an errorCode, the call did not succeed; left out, a refused launch would count as spend.
UNREADABLE = "unreadable"
_PLAIN = re.compile(rb"-?\d+|true|false")

_RECORD = msgspec.json.Decoder(Record)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = msgspec.json.Decoder(str)
_TEXTS = {f.encode_name: f.name for f in msgspec.structs.fields(Record) if f.type is not msgspec.Raw}
_RAWS = {f.encode_name: f.name for f in msgspec.structs.fields(Record) if f.type is msgspec.Raw}
# Who called what where: an object with an eventName and none of these comes from somewhere else.
_PROOF = {"eventID", "eventTime", "@timestamp", "awsRegion", "userIdentity", "requestParameters", "responseElements"}


def read_record(text: Text) -> tuple[Record, list[str]]:
    """Read one checked JSON value as a record, with what is odd about its types.

    A field of a wrong type loses itself, never the record. Raises NoRecord.
    """
    try:
        return _RECORD.decode(text), []
    except msgspec.ValidationError:
        return _read_leniently(text)


def _read_leniently(text: Text) -> tuple[Record, list[str]]:
    try:
        fields = _FIELDS.decode(text)
    except msgspec.ValidationError as error:
        raise NoRecord("no JSON object where a record was expected") from error
    odd: list[str] = []
    values: dict[str, Any] = {name: _as_text(key, fields[key], odd) for key, name in _TEXTS.items() if key in fields}
    if bytes(fields.get("eventName", NULL))[:1] != b'"':
        raise NoRecord("no CloudTrail record: no eventName")
    if values.get("event_source") is None:
        if not _PROOF & fields.keys():
            raise NoRecord("no CloudTrail record: no eventSource")
        odd.append("eventSource missing")
        values["event_source"] = ""
    values.update({name: fields[key] for key, name in _RAWS.items() if key in fields})
    return Record(**values), odd


def _as_text(key: str, raw: msgspec.Raw, odd: list[str]) -> str | None:
    value = bytes(raw)
    if value == b"null":
        return None
    if value[:1] == b'"':
        return _STRING.decode(value)
    plain = _PLAIN.fullmatch(value) is not None and key not in ("eventTime", "@timestamp")  # of which unit and epoch?
    odd.append(f"{key} is no text: {'its JSON stands in' if plain else 'left out'}")
    if not plain:
        return UNREADABLE if key == "errorCode" else None
    # A number has lost its leading zeros; an account id has twelve digits.
    return value.decode().zfill(12) if key == "recipientAccountId" and value.isdigit() else value.decode()
