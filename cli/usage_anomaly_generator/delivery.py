"""When and in which log objects do the records arrive?

Lag as measured on a live trail (log object's minute minus eventTime): p50 191 s, p95 455 s, p99 542 s, max 608 s;
objects close on minutes that five divides. Records keep their content whatever the delivery: only objects and minutes
change.
"""

from __future__ import annotations

import string
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import NamedTuple

import msgspec

from usage_anomaly_generator.calls import Record, Span

LAG_QUANTILES = ((0.0, 0.0), (0.5, 191.0), (0.95, 455.0), (0.99, 542.0), (1.0, 608.0))  # share of records, seconds
MARK_SECONDS = 300
ROUNDING_SECONDS = 60  # taken off before rounding to a mark: median and p95 then stay within 25 s of the measured ones
LONGEST_LAG_SECONDS = 608
MOST_RECORDS_PER_OBJECT = 622
GZIP = 31  # zlib writes the whole gzip header; the gzip module writes other bytes from Python to Python
SUFFIX_LETTERS = string.ascii_letters + string.digits


class LogObject(NamedTuple):
    """One object of the trail's bucket: its key and the records of one account and region."""

    name: str
    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class Late:
    """Records of these event times arrive `by` later than they would have."""

    span: Span
    by: timedelta


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery schedule.

    `duplicates`: share of records that stand in a second object 5 or 10 minutes later (27 % on a live trail).
    `late`: what arrives late. `order`: another number deals the same records of the same minute into other objects,
    in another order; 0 keeps them in time order.
    """

    duplicates: float = 0.27
    late: tuple[Late, ...] = ()
    order: int = 0


MEASURED = Delivery()
ON_TIME = Delivery(duplicates=0)

NO_TIME = timedelta(0)
MARK = timedelta(seconds=MARK_SECONDS)
Pending = defaultdict[datetime, defaultdict[tuple[str, str], list[Record]]]


def deliver(records: Iterable[Record], delivery: Delivery, seed: int) -> Iterator[LogObject]:
    """Log objects by rising delivery minute; the records must come in time order."""
    lags, doubles = Random(f"{seed}/lag"), Random(f"{seed}/duplicates")
    dealer = Random(f"{seed}/objects/{delivery.order}")
    pending: Pending = defaultdict(lambda: defaultdict(list))
    now = None
    for record in records:
        time = datetime.fromisoformat(record["eventTime"])
        if time != now:
            yield from close(pending, time, delivery, dealer)
            now = time
        minute = delivery_minute(time, lags) + sum(
            (late.by for late in delivery.late if late.span.holds(time)), NO_TIME
        )
        owner = (record["recipientAccountId"], record["awsRegion"])
        pending[minute][owner].append(record)
        chance, marks = doubles.random(), doubles.randint(1, 2)
        if chance < delivery.duplicates:
            pending[minute + marks * MARK][owner].append(record)
    yield from close(pending, None, delivery, dealer)


def lag_seconds(rng: Random) -> float:
    """One draw from the measured distribution."""
    share = rng.random()
    for (low, shorter), (high, longer) in pairwise(LAG_QUANTILES):
        if share <= high:
            return shorter + (longer - shorter) * (share - low) / (high - low)
    return LONGEST_LAG_SECONDS


def delivery_minute(time: datetime, rng: Random) -> datetime:
    """The closing mark nearest to the drawn lag, never before the record's time nor past the longest lag."""
    second = int(time.timestamp())
    mark = round((second + lag_seconds(rng) - ROUNDING_SECONDS) / MARK_SECONDS) * MARK_SECONDS
    if mark < second:
        mark += MARK_SECONDS
    if mark - second > LONGEST_LAG_SECONDS:
        mark -= MARK_SECONDS
    return datetime.fromtimestamp(mark, UTC)


def close(pending: Pending, now: datetime | None, delivery: Delivery, dealer: Random) -> Iterator[LogObject]:
    """The objects of all minutes before `now` (None: all that is left); no later record can still join them."""
    for minute in sorted(minute for minute in pending if now is None or minute < now):
        owners = pending.pop(minute)
        objects = [
            LogObject(object_name(account, region, minute, dealer), part)
            for (account, region), held in sorted(owners.items())
            for part in dealt(held, delivery, dealer)
        ]
        if delivery.order:
            dealer.shuffle(objects)
        yield from objects


def dealt(records: list[Record], delivery: Delivery, dealer: Random) -> Iterator[list[Record]]:
    """The records of one account, region and minute as one object, more when there are many or order is at play."""
    size = MOST_RECORDS_PER_OBJECT
    if delivery.order:
        dealer.shuffle(records)
        size = min(size, dealer.randint(1, max(1, len(records))))
    for first in range(0, len(records), size):
        yield records[first : first + size]


def object_name(account: str, region: str, minute: datetime, dealer: Random) -> str:
    suffix = "".join(dealer.choices(SUFFIX_LETTERS, k=16))
    folder = f"AWSLogs/{account}/CloudTrail/{region}/{minute:%Y/%m/%d}"
    return f"{folder}/{account}_CloudTrail_{region}_{minute:%Y%m%dT%H%MZ}_{suffix}.json.gz"


def encode(log_object: LogObject) -> bytes:
    """The object's bytes; the same for the same records (no time of writing in the gzip header)."""
    return zlib.compress(msgspec.json.encode({"Records": log_object.records}), wbits=GZIP)
