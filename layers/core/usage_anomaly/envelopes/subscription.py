"""What does a log subscription's payload hold, where all of it is as CloudWatch Logs and CloudTrail write it?

Read in as few passes as there are layers of JSON. At anything odd these functions give up, and `payload` goes through the
layers one after the other, with a reason for each thing that is no record.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import msgspec

from usage_anomaly.envelopes.documents import with_room
from usage_anomaly.envelopes.record import NULL, Record, Text
from usage_anomaly.envelopes.tally import Tally, Wanted


class _Packed(msgspec.Struct):
    data: bytes  # in base64


class _LogEvent(msgspec.Struct, gc=False):
    message: str


class _Whole(msgspec.Struct, rename="camel"):
    """The payload as Lambda gets it, or what is packed in it. With one of the last two it is something else."""

    awslogs: _Packed | None = None
    message_type: str | None = None
    log_events: list[_LogEvent] | None = None
    event_name: msgspec.Raw = NULL
    records: msgspec.Raw = msgspec.field(name="Records", default=NULL)


class _Call(msgspec.Struct, gc=False):
    event_source: str = msgspec.field(name="eventSource")
    event_name: str = msgspec.field(name="eventName")
    error_code: str | None = msgspec.field(name="errorCode", default=None)


_WHOLE = msgspec.json.Decoder(_Whole)
_CALL = msgspec.json.Decoder(_Call)
_RECORD = msgspec.json.Decoder(Record)

begins = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"(awslogs|messageType)"').match


def opened(text: Text) -> bytes | list[str] | None:
    """The bytes that are packed in a payload, or the messages in one that is unpacked; None for anything else."""
    try:
        whole = with_room(_WHOLE.decode, text)
    except (msgspec.DecodeError, RecursionError):
        return None
    if whole.event_name is not NULL or whole.records is not NULL or whole.message_type == "CONTROL_MESSAGE":
        return None
    if whole.message_type is not None and whole.log_events is not None:
        return [event.message for event in whole.log_events]
    return whole.awslogs.data if whole.awslogs is not None and whole.message_type is None else None


def take(messages: Sequence[str], tally: Tally) -> bool:
    """Take the record in each message. False, and nothing is taken, when something is odd about one of them."""
    try:
        records = with_room(partial(_records, wanted=tally.wanted), messages)
    except (msgspec.DecodeError, RecursionError):
        return False
    if not tally.add_plain(records):
        return False
    tally.unopened += len(messages) - len(records)
    return True


def _records(messages: Sequence[str], wanted: Wanted | None) -> list[Record]:
    """The records in all messages, or the wanted ones; the others are checked to be records, but hardly read."""
    if wanted is None:
        return [_RECORD.decode(message) for message in messages]
    records, expected = list[Record](), False
    for message in messages:
        if not expected:
            call = _CALL.decode(message)
            if not _is_wanted(call, wanted):
                continue
        record = _RECORD.decode(message)  # after a wanted one at once, for often the next is wanted too
        expected = _is_wanted(record, wanted)
        if expected:
            records.append(record)
    return records


def _is_wanted(call: _Call | Record, wanted: Wanted) -> bool:
    """Also what S3 notifies in the shape of a trail: `add_plain` has to see it."""
    read = wanted(call.event_source, call.event_name, call.error_code)
    return bool(read) or call.event_source.startswith("aws:")
