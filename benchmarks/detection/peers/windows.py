"""How much was used in each five minutes, and what becomes of a detector's scores?

Peers see the same events as our judge, each once, in the bucket of its event time. A window is judged when its last record
has arrived, by the windows before it as they are in the end: a little kinder than life, where late ones are still missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.detection.judge import Opening
from benchmarks.detection.labels import floor_of
from benchmarks.detection.organization import Organization
from benchmarks.detection.setting import rooms

BUCKET = timedelta(minutes=5)
PER_HOUR = 12
JOIN_BUCKETS = 24

Numbers = NDArray[np.float64]


class Line(msgspec.Struct, frozen=True):
    """Use of one kind in one account (of one call in one region, where asked for) by bucket since the first day.

    `arrived` is the minute, counted from the first day, in which a bucket's last record came; `begins` the account's first
    bucket.
    """

    account_id: str
    kind: str
    account_type: str
    begins: int
    amounts: Numbers
    arrived: Numbers

    def summed(self, buckets: int) -> tuple[Numbers, Numbers]:
        """Amounts and arrivals of windows that follow one another."""
        return self.amounts.reshape(-1, buckets).sum(axis=1), self.arrived.reshape(-1, buckets).max(axis=1)


_Alarm = tuple[int, int, float, float]  # first and last bucket, minute of arrival, score


class Windows(msgspec.Struct, frozen=True):
    """Windows of one kind and account with use in them: their buckets, scores, and arrival; `enough` is true where the
    hour that ends with the window reaches the floor."""

    account_id: str
    kind: str
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    score: Numbers
    arrived: Numbers
    enough: NDArray[np.bool_]


def lines(organization: Organization, *, by_call: bool = False) -> list[Line]:
    """All lines of an organization in a fixed order; releases and dry runs use nothing."""
    catalog, types = rooms()[0], {each.id: each.type for each in organization.accounts}
    length = organization.days * 24 * PER_HOUR
    found: dict[tuple[str, ...], Line] = {}
    seen: set[str] = set()
    for minute, event in organization.arrived:
        if event.direction == "release" or event.dry_run or event.event_id in seen or not catalog.judges(event.kind):
            continue
        seen.add(event.event_id)
        place = (event.account_id, event.kind, *((event.event_name, event.region) if by_call else ()))
        line = found.get(place)
        if line is None:
            begins = next(each.begins for each in organization.accounts if each.id == event.account_id) * 24 * PER_HOUR
            zeros = np.zeros(length), np.zeros(length)
            line = found[place] = Line(event.account_id, event.kind, types[event.account_id], begins, *zeros)
        bucket = (event.event_time - organization.first) // BUCKET
        line.amounts[bucket] += event.quantity
        line.arrived[bucket] = max(line.arrived[bucket], (minute - organization.first) // timedelta(minutes=1))
    return [found[place] for place in sorted(found)]


def windows(line: Line, scores: Numbers, buckets: int, *, sliding: bool = False) -> Windows:
    """The scored windows of a line that hold some use; they end at each bucket (`sliding`) or follow one another."""
    if sliding:
        amounts = np.convolve(line.amounts, np.ones(buckets))[: len(line.amounts)]
        arrived, ends = line.arrived, np.arange(len(line.amounts))
        used = line.amounts > 0
    else:
        amounts, arrived = line.summed(buckets)
        ends = np.arange(1, len(amounts) + 1) * buckets - 1
        used = amounts > 0
    hourly = np.convolve(line.amounts, np.ones(PER_HOUR))[: len(line.amounts)][ends]
    kept = used & np.isfinite(scores)
    floor = floor_of(line.kind, line.account_type)  # type: ignore[arg-type]  # written as one of the four types
    return Windows(
        account_id=line.account_id,
        kind=line.kind,
        start=(ends - buckets + 1)[kept],
        end=ends[kept],
        score=scores[kept],
        arrived=arrived[kept],
        enough=(np.maximum(hourly, amounts) >= floor)[kept],
    )


def alarms(scored: Iterable[Windows], threshold: float, first: datetime, *, floors: bool) -> list[Opening]:
    """One opening for all alarms of a kind and account that lie within two hours."""
    found: dict[tuple[str, str], list[_Alarm]] = {}
    for each in scored:
        over = each.score >= threshold
        if floors:
            over &= each.enough
        columns = (each.start, each.end, each.arrived, each.score)
        rows = zip(*(column[over].tolist() for column in columns), strict=True)
        found.setdefault((each.account_id, each.kind), []).extend(rows)
    return [
        Opening(
            account_id=account_id,
            kind=kind,
            start=first + low * BUCKET,
            end=first + (high + 1) * BUCKET,
            opened=first + timedelta(minutes=told[0]),
            grown=tuple(first + timedelta(minutes=at) for at in told[1:]),
            detectors="peer",
        )
        for (account_id, kind), rows in sorted(found.items())
        for low, high, told in _joined(sorted(rows))
    ]


def _joined(rows: Sequence[_Alarm]) -> list[tuple[int, int, list[float]]]:
    """Alarms in order of their start; those within two hours become one, told with the first of them and whenever the score
    is twice what it was when it was last told, as ours tells growth."""
    joined: list[tuple[int, int, list[float]]] = []
    said = 0.0
    for low, high, arrived, score in rows:
        if joined and low - joined[-1][1] <= JOIN_BUCKETS:
            begin, end, told = joined[-1]
            if score >= 2 * said:
                said = score
                told.append(arrived)
            joined[-1] = (begin, max(end, high), told)
        else:
            said = score
            joined.append((low, high, [arrived]))
    return joined
