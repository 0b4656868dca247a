"""What was found in one payload, what could not be used, and what was odd about the rest?"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import lru_cache, partial

import msgspec

from usage_anomaly.envelopes.aggregated import aggregated_calls, is_aggregated
from usage_anomaly.envelopes.record import (
    LONGEST_TIME,
    NULL,
    NoRecord,
    Record,
    Text,
    are_plain_times,
    instant,
    is_plain_time,
    read_record,
)
from usage_anomaly.envelopes.sameness import KEY_BYTES, bits_of_call, joined_keys, key_of_content, key_of_id


class Rejection(msgspec.Struct, frozen=True):
    """Something that is no usable record. `reason` names the first place in words, `offset` as a number."""

    reason: str
    offset: int | None
    count: int


class Oddity(msgspec.Struct, frozen=True):
    """Something odd about `count` records that were used all the same (or a part that holds no records by design)."""

    reason: str
    count: int


class Payload(msgspec.Struct, frozen=True):
    """The records of one payload in their order, the sameness key of each, and what went wrong.

    `joined` holds the keys end to end, 16 bytes each. `minute` is the delivery minute in the name of an S3 log object.
    `unopened` counts records beside these that were not read because nobody wants them. The records' raw fields keep the
    payload's whole text in memory.
    """

    name: str
    minute: datetime | None
    records: list[Record]
    joined: bytes
    rejected: list[Rejection]
    oddities: list[Oddity]
    unopened: int = 0

    @property
    def keys(self) -> list[bytes]:
        """The sameness key of each record."""
        return [self.joined[at : at + KEY_BYTES] for at in range(0, len(self.joined), KEY_BYTES)]


# us-east-1, us-gov-west-1, eu-isoe-west-1; not ca-northsouth-2r.
REGION_SHAPE = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
ACCOUNT_SHAPE = re.compile(r"[0-9]{12}")
# Distinct accounts, regions and names held, and how long ones; a hostile trail may hold any number, of any length.
MOST_CALLS, LONGEST_CALL = 8192, 256


def is_account(text: str | None) -> bool:
    """Whether this can be the id of an account."""
    return text is not None and ACCOUNT_SHAPE.fullmatch(text) is not None


def has_region_shape(text: str | None) -> bool:
    """Whether a region could have this name."""
    return text is not None and REGION_SHAPE.fullmatch(text) is not None


class _Calls(dict[tuple[str | None, str | None, str], bytes]):
    """The bits in the keys of calls that have nothing odd about their account and region; none for others."""

    def __init__(self, regions: frozenset[str] | None) -> None:
        self.region_exists = regions.__contains__ if regions is not None else has_region_shape

    def __missing__(self, call: tuple[str | None, str | None, str]) -> bytes:
        account_id, region, name = call
        plain = is_account(account_id) and self.region_exists(region)
        if len(self) >= MOST_CALLS:
            self.clear()
        bits = bits_of_call(account_id, name) if plain else b""
        if len(f"{account_id}{region}{name}") <= LONGEST_CALL:
            self[call] = bits
        return bits


_calls_where = lru_cache(maxsize=4)(_Calls)


Wanted = Callable[[str, str, str | None], Collection[object]]  # how a call is read: eventSource, eventName, errorCode


class Tally:
    """Gathers records and counts: each reason once, with its first place; each record with its key."""

    def __init__(self, regions: frozenset[str] | None, wanted: Wanted | None = None) -> None:
        self.wanted = wanted
        self.unopened = 0
        self.records: list[Record] = []
        self.keys = bytearray()
        self._calls = _calls_where(regions)
        self._rejected: dict[str, tuple[str | None, int | None, int]] = {}
        self._oddities: dict[str, int] = {}

    def reject(self, reason: str, offset: int | None = None, unit: str = "byte", count: int = 1) -> None:
        """Count what is no record; `offset` is a byte of the payload, of its unpacked text, or a log event."""
        place = None if offset is None else f"at {unit} {offset:,}"
        first, number, before = self._rejected.get(reason, (place, offset, 0))
        self._rejected[reason] = (first, number, before + count)

    def odd(self, reason: str) -> None:
        """Count something odd that loses no record."""
        self._oddities[reason] = self._oddities.get(reason, 0) + 1

    def anything_said(self) -> bool:
        """Whether there already is a reason for the absence of records."""
        return bool(self._rejected)

    def add(self, text: Text, offset: int, unit: str = "byte") -> None:
        """Take one checked JSON value for a record, or reject it."""
        try:
            record, odd = read_record(text)
        except NoRecord as error:
            if is_aggregated(text):
                self._add_aggregated(text, offset, unit)
            else:
                self.reject(str(error), offset, unit)
            return
        for reason in odd:
            self.odd(reason)
        self._add_examined(record, lambda: text, offset, unit)

    def _add_aggregated(self, text: Text, offset: int, unit: str) -> None:
        """Take an aggregated event: a record for each part of its calls."""
        try:
            calls, odd = aggregated_calls(text)
        except NoRecord as error:
            self.reject(str(error), offset, unit)
            return
        for reason in odd:
            self.odd(reason)
        for each in calls:
            self._add_examined(each, lambda: text, offset, unit)

    def add_all(self, records: Sequence[Record], texts: Callable[[], Sequence[msgspec.Raw]]) -> None:
        """Take decoded records; `texts` gives the JSON of each, asked for only when a key needs the content."""
        if self.add_plain(records):
            return
        contents: Sequence[msgspec.Raw] = ()

        def content_of(index: int) -> bytes:
            nonlocal contents
            contents = contents or texts()
            return bytes(contents[index])

        for index, record in enumerate(records):
            self._add_examined(record, partial(content_of, index), index, "record")

    def add_plain(self, records: Sequence[Record]) -> bool:
        """Take the records if there is nothing odd about any of them; else none, and False."""
        keys = self._keys_of_plain(records)
        if keys is None:
            return False
        self.keys += keys
        self.records += records
        return True

    def _keys_of_plain(self, records: Sequence[Record]) -> bytes | None:
        """The keys of the records, end to end; None when something is odd about one of them."""
        found = self._calls
        calls = b"".join([found[r.account_id, r.region, r.event_name] for r in records])
        times = {r.event_time or "" for r in records}
        if len(calls) != KEY_BYTES * len(records) or not are_plain_times(times):
            return None
        return joined_keys(records, calls)

    def _add_examined(self, record: Record, content: Callable[[], Text], offset: int, unit: str) -> None:
        if not record.account_id and record.event_source.startswith("aws:"):  # S3 notifies in the shape of a trail
            self.reject("a notification, no CloudTrail record", offset, unit)
            return
        record = self._examine(record)
        key = key_of_id(record)
        if key is None:
            key = key_of_content(content())
            self.odd("eventID missing" if record.event_id is None else "eventID is no UUID")
        self.keys += key
        self.records.append(record)

    def _examine(self, record: Record) -> Record:
        """Count what is odd about a record; changed are a missing account, and a time too long to be one."""
        self._examine_time(record)
        for name in ("event_time", "timestamp"):  # readers remember times, but no text of any length
            if len(getattr(record, name) or "") > LONGEST_TIME:
                record = msgspec.structs.replace(record, **{name: None})
        if not record.region:
            self.odd("awsRegion missing")
        elif not self._calls.region_exists(record.region):
            self.odd("region does not exist")
        if not record.account_id:
            record = msgspec.structs.replace(record, account_id=_caller_account(record))
            stands_in = ": userIdentity.accountId stands in" if record.account_id else ""
            self.odd(f"account missing{stands_in}")
        if record.account_id and not is_account(record.account_id):
            self.odd("account id is not 12 digits")
        return record

    def _examine_time(self, record: Record) -> None:
        time = record.event_time
        if time is not None and instant(time) is not None:
            if not is_plain_time(time):
                self.odd("eventTime is not RFC 3339")
            return
        if time is not None:
            self.odd("eventTime is no time")
        stands_in = instant(record.timestamp) is not None
        self.odd("@timestamp stands in for eventTime" if stands_in else "no time: stands in no bucket")

    def payload(self, name: str, minute: datetime | None) -> Payload:
        """Everything found, reasons in the order of their first place."""
        return Payload(
            name=name,
            minute=minute,
            records=self.records,
            joined=bytes(self.keys),
            rejected=[_rejection(reason, *told) for reason, told in self._rejected.items()],
            oddities=[Oddity(reason, self._oddities[reason]) for reason in sorted(self._oddities)],
            unopened=self.unopened,
        )


def _rejection(reason: str, place: str | None, offset: int | None, count: int) -> Rejection:
    words = reason if place is None else f"{reason} {place}" if count == 1 else f"{reason}, first {place}"
    return Rejection(words, offset, count)


class _Caller(msgspec.Struct):
    accountId: msgspec.Raw = NULL  # noqa: N815 - CloudTrail's name


_CALLER = msgspec.json.Decoder(_Caller)


def _caller_account(record: Record) -> str | None:
    try:
        value = bytes(_CALLER.decode(record.user_identity).accountId)
    except msgspec.ValidationError:  # userIdentity is null or no object
        return None
    if value[:1] == b'"':
        return msgspec.json.decode(value, type=str) or None
    return value.decode().zfill(12) if value.isdigit() else None
