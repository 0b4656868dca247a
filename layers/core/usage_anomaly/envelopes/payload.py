"""Where are the records in this payload?"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

import msgspec

from usage_anomaly.envelopes import documents, looked_up, subscription
from usage_anomaly.envelopes.documents import BrokenJson, skip_space, value_end, with_room
from usage_anomaly.envelopes.foreign import foreign_content
from usage_anomaly.envelopes.record import NULL, Record, Text, instant
from usage_anomaly.envelopes.table import is_table, read_table
from usage_anomaly.envelopes.tally import Payload, Tally, Wanted
from usage_anomaly.envelopes.unpack import unpack, without_lone_surrogates


class _Log(msgspec.Struct):
    records: list[Record] = msgspec.field(name="Records")


class _RawLog(msgspec.Struct):
    records: list[msgspec.Raw] = msgspec.field(name="Records")


class _Shape(msgspec.Struct, rename="camel"):
    """The fields by which envelopes are told apart."""

    event_name: msgspec.Raw = NULL
    records: msgspec.Raw = msgspec.field(name="Records", default=NULL)
    detail: msgspec.Raw = NULL
    awslogs: msgspec.Raw = NULL
    message_type: msgspec.Raw = NULL
    log_events: msgspec.Raw = NULL
    digest_start_time: msgspec.Raw = NULL
    events: msgspec.Raw = msgspec.field(name="Events", default=NULL)
    cloud_trail_event: msgspec.Raw = msgspec.field(name="CloudTrailEvent", default=NULL)
    event_category: msgspec.Raw = NULL


class _Packed(msgspec.Struct):
    data: str


class _LogEvent(msgspec.Struct):
    message: str


_LOG = msgspec.json.Decoder(_Log)
_RAW_LOG = msgspec.json.Decoder(_RawLog)
_SHAPE = msgspec.json.Decoder(_Shape)
_RECORD = msgspec.json.Decoder(Record)
_RAW = msgspec.json.Decoder(msgspec.Raw)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_PACKED = msgspec.json.Decoder(_Packed)
_LOG_EVENT = msgspec.json.Decoder(_LogEvent)

_UNREADABLE = (msgspec.DecodeError, RecursionError)
_LOG_BEGINS = b'{"Records":['
_MINUTE = re.compile(r"_(\d{8}T\d{4}Z)_[^/]*$")
# The beginning of a log object, of a page of looked-up events, or of a plain list.
_LIST_BEGINS = re.compile(rb'(\{[ \t\r\n]*"(Records|Events)"[ \t\r\n]*:[ \t\r\n]*)?\[')


def delivery_minute(name: str) -> datetime | None:
    """The minute (UTC) in the name of an S3 log object: `..._20260120T1005Z_xxx.json.gz`."""
    found = _MINUTE.search(name)
    return None if found is None else _minute(found[1])


@lru_cache(maxsize=1024)
def _minute(text: str) -> datetime | None:
    return instant(f"{text[:4]}-{text[4:6]}-{text[6:11]}:{text[11:13]}:00Z")


def read_payload(
    packed: bytes,
    name: str,
    regions: frozenset[str] | None = None,
    wanted: Wanted | None = None,
) -> Payload:
    """Read every record of an S3 log object, JSON lines, a list, an EventBridge event, a log subscription's payload, a
    page of looked-up events or a CSV export.

    Never raises on content: what is no record is rejected with its reason and place (a byte of `packed` for gzip, of
    the unpacked text for JSON, a log event of a subscription). `regions` are the names that exist; without them the
    shape of the name decides. A record that has no time is returned too, counted among the oddities. `wanted` says how
    a call is read: records of calls that are not need not be opened, only counted (`Payload.unopened`).
    """
    tally = Tally(regions, wanted)
    text, cut = unpack(packed, tally)
    if text.startswith(_LOG_BEGINS):  # as most do, and most are small: each further question costs
        _read_json(text, cut, tally, nested=False)
    elif (foreign := foreign_content(text)) is not None:
        tally.reject(foreign)
    elif is_table(text):
        read_table(bytes(text), cut, tally)
    elif name.lower().endswith((".csv", ".csv.gz")):
        tally.reject("a CSV file whose first row names no column for the event's name")
    else:
        _read_text(text, cut, tally)
    return tally.payload(name, delivery_minute(name))


def read_log(text: Text) -> list[Record]:
    """The records of a log object in one step. Raises msgspec.DecodeError or RecursionError at anything odd."""
    return with_room(_LOG.decode, text).records


def _read_text(text: bytes | bytearray, cut: bool, tally: Tally, nested: bool = False) -> None:
    """Read a text that may be a log subscription's payload, or nothing."""
    if not text or text.isspace():
        if not tally.anything_said():
            tally.reject("empty")
    elif not (subscription.begins(text) and _read_whole_subscription(text, tally, nested)):
        _read_json(text, cut, tally, nested)


def _read_json(text: bytes | bytearray, cut: bool, tally: Tally, nested: bool) -> None:
    """Read a text in one step where all of it is as CloudTrail writes it, else document by document."""
    try:
        records = read_log(text)
    except _UNREADABLE:
        if not _read_lines(text, tally):
            _read_documents(without_lone_surrogates(bytes(text), tally), cut, tally, nested)
        return
    tally.add_all(records, lambda: _RAW_LOG.decode(text).records)


def _read_whole_subscription(text: Text, tally: Tally, nested: bool) -> bool:
    """Read a log subscription's payload in as few steps as it has layers; False when something is odd about it."""
    found = subscription.opened(text)
    if isinstance(found, list):
        return subscription.take(found, tally)
    if found is None or nested:
        return False
    inner, cut = unpack(found, tally)
    _read_text(inner, cut, tally, nested=True)
    return True


def _read_lines(text: Text, tally: Tally) -> bool:
    """Read JSON lines of bare records in one step; False when a line is anything else."""
    try:
        records = with_room(_RECORD.decode_lines, text)
    except _UNREADABLE:
        return False
    tally.add_all(records, lambda: _RAW.decode_lines(text))
    return True


def _read_documents(text: bytes, cut: bool, tally: Tally, nested: bool) -> None:
    view, position = memoryview(text), skip_space(text, 0)
    while position < len(text):
        try:
            end = position + value_end(view[position:])
            if not documents.may_follow(text, end) and not _LIST_BEGINS.match(text, position):
                raise BrokenJson(documents.BROKEN)
        except BrokenJson as error:
            end = _read_broken(text, position, str(error), cut, tally, nested)
        else:
            _read_value(view[position:end], position, tally, nested)
        position = skip_space(text, end)


def _read_broken(text: bytes, start: int, reason: str, cut: bool, tally: Tally, nested: bool) -> int:
    """Take the whole elements of a broken list, or give the document up; returns where to go on."""
    begin = _LIST_BEGINS.match(text, start)
    if begin is None:
        end = documents.next_document(text, start)
        if not (cut and end == len(text)):  # the missing end of the gzip is already counted
            tally.reject(reason, start)
        return end
    view, end, broken = memoryview(text), begin.end(), False
    for piece in documents.elements(text, end):
        end = piece.end
        if piece.broken is not None:
            broken = True
            if not (cut and end == len(text)):
                tally.reject(piece.broken, piece.start, count=documents.records_between(text, piece.start, end))
        elif begin[2] == b"Records":
            tally.add(view[piece.start : end], piece.start)
        else:
            _read_value(view[piece.start : end], piece.start, tally, nested)
    if not broken and not cut:  # every element is whole, but not what closes them
        tally.reject(reason, end)
    return _after_list(text, end, begin[1] is not None)


def _after_list(text: bytes, end: int, in_object: bool) -> int:
    """Where to go on after the last element of a broken list: past its bracket and, in an object, past that's end."""
    end = skip_space(text, end)
    if text[end : end + 1] == b"]":
        end = skip_space(text, end + 1)
        if in_object and text[end : end + 1] == b"}":
            return end + 1
        return documents.next_document(text, end) if in_object else end
    return end


def _read_value(text: memoryview, offset: int, tally: Tally, nested: bool) -> None:
    """Read one whole JSON document: an envelope or a bare record, or a list of them."""
    if text[0] != ord("["):
        _read_envelope(text, offset, tally, nested)
        return
    for place, value in _placed(_LIST.decode(text), text):
        _read_envelope(value, offset + place, tally, nested)


def _placed(elements: list[msgspec.Raw], text: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Each element with its place in the text it was decoded from."""
    whole, place = bytes(text), 0
    for element in elements:
        value = memoryview(element)
        place = whole.index(value, place)
        yield place, value
        place += len(value)


def _read_envelope(text: memoryview, offset: int, tally: Tally, nested: bool) -> None:
    """Read one object: an envelope or a bare record."""
    try:
        shape = _SHAPE.decode(text)
    except msgspec.ValidationError:
        if text[0] == ord('"'):
            looked_up.read_event(text, offset, tally)
        else:
            tally.reject("no JSON object where a record was expected", offset)
        return
    if shape.event_name is not NULL:
        tally.add(text, offset)
    elif shape.records is not NULL:
        _read_records(text, offset, tally)
    elif shape.message_type is not NULL:
        _read_subscription(shape, offset, tally)
    elif shape.awslogs is not NULL:
        _read_packed_subscription(shape.awslogs, offset, tally, nested)
    elif shape.detail is not NULL:
        tally.add(memoryview(shape.detail), offset)
    else:
        _read_other(shape, text, offset, tally)


def _read_other(shape: _Shape, text: memoryview, offset: int, tally: Tally) -> None:
    if shape.digest_start_time is not NULL:
        tally.odd("digest of other objects: holds no records")
    elif shape.events is not NULL:
        looked_up.read_events(shape.events, offset, tally)
    elif shape.cloud_trail_event is not NULL:
        looked_up.read_event(shape.cloud_trail_event, offset, tally)
    elif shape.event_category is not NULL:  # an aggregated event has no eventName
        tally.add(text, offset)
    else:
        tally.reject("unknown shape: no Records, Events, detail, awslogs, logEvents or eventName", offset)


def _read_records(text: memoryview, offset: int, tally: Tally) -> None:
    try:
        tally.add_all(_LOG.decode(text).records, lambda: _RAW_LOG.decode(text).records)
        return
    except msgspec.ValidationError:
        pass  # one record has a field of another type: record by record
    try:
        elements = _RAW_LOG.decode(text).records
    except msgspec.ValidationError:
        tally.reject("Records is no list", offset)
        return
    for place, value in _placed(elements, text):
        tally.add(value, offset + place)


def _read_packed_subscription(awslogs: msgspec.Raw, offset: int, tally: Tally, nested: bool) -> None:
    try:
        packed = base64.b64decode(_PACKED.decode(awslogs).data, validate=True)
    except msgspec.ValidationError:
        tally.reject("awslogs without data", offset)
        return
    except (binascii.Error, ValueError):
        tally.reject("awslogs.data is no base64", offset)
        return
    if nested:
        tally.reject("a subscription payload inside another", offset)
        return
    text, cut = unpack(packed, tally)
    _read_text(text, cut, tally, nested=True)


def _read_subscription(shape: _Shape, offset: int, tally: Tally) -> None:
    kind = bytes(shape.message_type)
    if kind == b'"CONTROL_MESSAGE"':
        tally.odd("control message of a log subscription: holds no records")
        return
    try:
        events = _LIST.decode(shape.log_events)
    except msgspec.ValidationError:
        tally.reject("a log subscription's message without logEvents", offset)
        return
    for index, event in enumerate(events):
        _read_log_event(event, index, tally)


def _read_log_event(event: msgspec.Raw, index: int, tally: Tally) -> None:
    try:
        message = without_lone_surrogates(_LOG_EVENT.decode(event).message.encode(), tally)
    except msgspec.ValidationError:
        tally.reject("no message", index, "log event")
        return
    try:
        end = value_end(memoryview(message))
    except BrokenJson as error:
        tally.reject(str(error), index, "log event")
        return
    if end != len(message):
        tally.reject("more than one JSON value", index, "log event")
        return
    tally.add(message, index, "log event")
