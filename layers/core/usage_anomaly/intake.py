"""What does one payload bring: which records, which usage, of which accounts and regions, and when?

The step that replay runs in its workers and ingest in its function: envelopes, then usage.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import msgspec

from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment.prices import PriceTable
from usage_anomaly.envelopes import Payload, event_id, event_time
from usage_anomaly.replay import Arrival
from usage_anomaly.series import BUCKETS_PER_HOUR, bucket_of
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
        self.count = 0
        self.wanted: list[tuple[int, tuple[UsageEvent, ...]]] = []
        self.coverage: dict[str, int] = {}

    def arrival(self) -> Arrival:
        return Arrival(bytes(self.keys), tuple(self.wanted), self.coverage)


def read_object(payload: Payload, catalog: Catalog, prices: PriceTable) -> ObjectRead:
    """Read the usage of every record of a payload."""
    minutes: dict[datetime, _Gathering] = defaultdict(_Gathering)
    presence: dict[tuple[str, str], dict[int, int]] = {}
    classes: set[str] = set()
    times: list[datetime] = []
    untimed = bytearray()
    for position, (record, key) in enumerate(zip(payload.records, payload.keys, strict=True)):
        moment = event_time(record)
        if moment is None:
            untimed += key
            continue
        times.append(moment)
        bucket = bucket_of(moment)
        account_id = account_of(record.account_id)
        hour, place = divmod(bucket, BUCKETS_PER_HOUR)
        hours = presence.setdefault((account_id, record.region or "unknown"), {})
        hours[hour] = hours.get(hour, 0) | 1 << place
        gathered = minutes[payload.minute or moment.replace(second=0, microsecond=0)]
        if bucket < gathered.coverage.get(account_id, bucket + 1):
            gathered.coverage[account_id] = bucket
        readings = catalog.readings(record.event_source, record.event_name, record.error_code)
        if readings:
            classes.update(reading.kind.kind for reading in readings)
            location = f"{payload.name}#{position}"
            events = read_usage(record, moment, event_id(record, key), catalog, prices, location)
            if events:
                gathered.wanted.append((gathered.count, tuple(events)))
        gathered.keys += key
        gathered.count += 1
    return ObjectRead(
        name=payload.name,
        arrivals=tuple((minute, minutes[minute].arrival()) for minute in sorted(minutes)),
        delivered=payload.minute is not None,
        first=min(times, default=None),
        last=max(times, default=None),
        untimed=bytes(untimed),
        presence=presence,
        classes=frozenset(classes),
        reads=any(name.startswith(READING) for name in {record.event_name for record in payload.records}),
    )
