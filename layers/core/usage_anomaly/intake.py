"""What does one payload bring: which records, which usage, of which accounts and regions, and when?

The step that replay runs in its workers and ingest in its function: envelopes, then usage.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

import msgspec

from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment.prices import PriceTable
from usage_anomaly.envelopes import Payload, event_id
from usage_anomaly.envelopes.record import instant
from usage_anomaly.replay import Arrival
from usage_anomaly.seen import KEY_BYTES
from usage_anomaly.series import BUCKETS_PER_DAY, BUCKETS_PER_HOUR, bucket_of
from usage_anomaly.usage import UsageEvent, account_of, read_usage

READING = ("Describe", "Get", "List", "Head", "BatchGet", "Lookup")  # how AWS names calls that change nothing


class ObjectRead(msgspec.Struct, frozen=True):
    """All that a replay needs of one payload; small, for it crosses a process boundary.

    `arrivals` are (delivery minute, what arrived then): one for an S3 log object, one per minute of event time for a file
    whose name tells no delivery. `presence` holds by account and region the hours (since 1970) with records, each with a
    bit for each of its twelve buckets. `untimed` are the keys of records without any time: read, but judged nowhere.
    """

    name: str
    arrivals: tuple[tuple[datetime, Arrival], ...]
    delivered: bool  # whether its name tells the delivery minute
    first: datetime | None
    last: datetime | None
    untimed: bytes
    presence: dict[tuple[str, str], dict[int, int]]
    classes: frozenset[str]  # the kinds some record of which was read, also one that used nothing
    reads: bool  # whether any of its calls only read: a trail may leave those out


class _Gathering:
    """The records of one delivery minute, as they are gone through."""

    def __init__(self) -> None:
        self.keys = bytearray()
        self.wanted: list[tuple[int, tuple[UsageEvent, ...]]] = []
        self.places: set[tuple[str | None, str | None, int]] = set()  # account, region, bucket

    def arrival(self) -> Arrival:
        days: dict[str, dict[int, int]] = {}
        for account, _, bucket in self.places:
            first = days.setdefault(account_of(account), {})
            day = bucket // BUCKETS_PER_DAY
            first[day] = min(bucket, first.get(day, bucket))
        coverage = {account: tuple(sorted(first.values())) for account, first in days.items()}
        return Arrival(bytes(self.keys), tuple(self.wanted), coverage)


def read_object(payload: Payload, catalog: Catalog, prices: PriceTable) -> ObjectRead:
    """Read the usage of every record of a payload."""
    minutes: dict[datetime, _Gathering] = defaultdict(_Gathering)
    classes: set[str] = set()
    times: set[datetime] = set()
    untimed = bytearray()
    for position, record in enumerate(payload.records):
        key = payload.joined[position * KEY_BYTES : (position + 1) * KEY_BYTES]
        timed = _timed(record.event_time) or _timed(record.timestamp)
        if timed is None:
            untimed += key
            continue
        moment, minute, bucket = timed
        times.add(moment)
        gathered = minutes[payload.minute or minute]
        gathered.places.add((record.account_id, record.region, bucket))
        readings = catalog.readings(record.event_source, record.event_name, record.error_code)
        if readings:
            classes.update(reading.kind.kind for reading in readings)
            location = f"{payload.name}#{position}"
            events = read_usage(record, moment, event_id(record, key), catalog, prices, location)
            if events:
                gathered.wanted.append((len(gathered.keys) // KEY_BYTES, tuple(events)))
        gathered.keys += key
    return ObjectRead(
        name=payload.name,
        arrivals=tuple((minute, minutes[minute].arrival()) for minute in sorted(minutes)),
        delivered=payload.minute is not None,
        first=min(times, default=None),
        last=max(times, default=None),
        untimed=bytes(untimed),
        presence=_presence(minutes.values()),
        classes=frozenset(classes),
        reads=any(name.startswith(READING) for name in {record.event_name for record in payload.records}),
    )


@lru_cache(maxsize=4096)
def _timed(text: str | None) -> tuple[datetime, datetime, int] | None:
    """The time a text names, its minute and its bucket."""
    moment = instant(text)
    return None if moment is None else (moment, moment.replace(second=0, microsecond=0), bucket_of(moment))


def _presence(gatherings: Iterable[_Gathering]) -> dict[tuple[str, str], dict[int, int]]:
    presence: dict[tuple[str, str], dict[int, int]] = {}
    for gathered in gatherings:
        for account, region, bucket in gathered.places:
            hours = presence.setdefault((account_of(account), region or "unknown"), {})
            hour, place = divmod(bucket, BUCKETS_PER_HOUR)
            hours[hour] = hours.get(hour, 0) | 1 << place
    return presence
