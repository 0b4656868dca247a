"""In which minute does each event reach the judge?

CloudTrail closes an object of an account each five minutes; it arrives three to eight minutes later, one in fifty half an
hour later still. So an event is 3 to 13 minutes old, and 8 in the middle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import NamedTuple

from usage_anomaly.usage import UsageEvent

MARK_SECONDS = 300
LATE_BY = timedelta(hours=6)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Schedule(NamedTuple):
    """How an account's records arrive: the share of objects that come twice, the day (UTC) whose records come late."""

    twice: float = 0.0
    late_on: date | None = None


Delivered = list[tuple[datetime, UsageEvent]]


@lru_cache(maxsize=4096)
def _object(seed: int, account_id: str, mark: int) -> tuple[datetime, float]:
    """When the object that closes at the mark arrives, and a number in [0, 1) that says whether it does so twice."""
    dice = Random(f"{seed}/{account_id}/{mark}")
    lag = dice.uniform(180, 480) + (dice.uniform(900, 2700) if dice.random() < 0.02 else 0)
    arrives = _EPOCH + timedelta(seconds=mark * MARK_SECONDS + lag)
    return arrives.replace(second=0, microsecond=0), dice.random()


def deliver(events: Iterable[UsageEvent], seed: int, schedule: Schedule) -> Iterator[tuple[datetime, UsageEvent]]:
    """Each event with its minute, those of doubled objects twice. The events are of one account, in order of time."""
    for event in events:
        mark = -(-int(event.event_time.timestamp()) // MARK_SECONDS)
        minute, draw = _object(seed, event.account_id, mark)
        if schedule.late_on == event.event_time.date():
            minute += LATE_BY
        yield minute, event
        if draw < schedule.twice:
            yield minute + timedelta(minutes=5), event
