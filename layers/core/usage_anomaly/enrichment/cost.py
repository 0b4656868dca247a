"""What does it cost per hour, what has it cost so far, and what will the month be if nothing stops it?

List prices, in USD. What is not known stays None and is named; it is never 0.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from usage_anomaly.anomalies import Cost
from usage_anomaly.resources import Resource, resources, runs
from usage_anomaly.resources import Run as Started
from usage_anomaly.usage import UsageEvent

# How far a figure without a confidence of its own can be trusted, by a word of its basis; 1 for an exact list price.
CONFIDENCE_WORDS: dict[str, float] = {"approximate": 0.5, "estimate": 0.6, "ratio": 0.6}
# Spot and licensed platforms are not priced by the Linux on-demand list: the figure says how much, not exactly what.
_INEXACT = 0.5
_MEDIAN_RATE = 0.8  # part of the net rests on launches nobody read
UNPRICED = "unknown: the records do not hold what the price depends on"
_HOUR = timedelta(hours=1)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """How long a share of one event ran: `items` things at `usd_per_hour` each from `start`; `end` None: not seen released."""

    items: int
    usd_per_hour: float
    start: datetime
    end: datetime | None


def estimate(
    uses: Sequence[UsageEvent],
    released: Mapping[Started, datetime],
    now: datetime,
    prices_date: str,
    median_rate_used: bool,
    priced: bool = True,
) -> Cost:
    """The anomaly's cost at list price.

    `released` says when what was launched or started ended; what has no id counts as still running, so the figures are
    upper bounds. `priced` False: a kind whose price depends on what no record holds (duration, tokens). Kinds priced
    per call give the USD of the hour before `now` as their rate.
    """
    ordered = sorted(uses, key=_order)
    running = [run for event, runs in _runs(ordered, released) for run in runs]
    per_call = [event for event in ordered if event.usd is not None]
    if not running and not per_call:
        return Cost(
            usd_per_hour=None,
            usd_so_far=None,
            usd_month_end=None,
            basis=_unknown_basis(ordered) if priced else UNPRICED,
            confidence=0.0,
        )
    rate = sum(run.items * run.usd_per_hour for run in running if run.end is None or run.end > now)
    rate += sum(event.usd or 0.0 for event in per_call if now - _HOUR < event.event_time <= now)
    so_far = sum(_spent(run, now) for run in running) + sum(event.usd or 0.0 for event in per_call)
    return Cost(
        usd_per_hour=round(rate, 4),
        usd_so_far=round(so_far, 4),
        usd_month_end=round(so_far + rate * hours_left(now), 4),
        basis=_basis(ordered, prices_date, median_rate_used),
        confidence=_confidence(ordered, median_rate_used),
    )


def gaps(uses: Sequence[UsageEvent], unit: str) -> tuple[str, ...]:
    """What the cost leaves out, as notes: "price unknown for 2 of 61 instances (ml.p6 2)".

    Where nothing is priced there is no cost that could leave something out: its basis says why.
    """
    missing = unpriced(uses)
    total = sum(event.quantity for event in uses)
    if missing.total() in (0, total):
        return ()
    names = ", ".join(f"{name} {count:,}" for name, count in _largest(missing, 3))
    return (f"price unknown for {sum(missing.values()):,} of {total:,} {unit} ({names})",)


def unpriced(uses: Sequence[UsageEvent]) -> Counter[str]:
    """Quantity without a price, by what is priced alike."""
    missing: Counter[str] = Counter()
    for event in uses:
        if event.direction == "use" and event.usd_per_hour is None and event.usd is None and event.quantity > 0:
            missing[event.group or "type not in the record"] += event.quantity
    return missing


def hours_left(now: datetime) -> float:
    """Hours from `now` to the end of its month, UTC."""
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=32)).replace(day=1)
    return (following - now) / _HOUR


def _order(event: UsageEvent) -> tuple[datetime, str, str]:
    return (event.event_time, event.event_id, event.group or "")


def _runs(
    ordered: Sequence[UsageEvent], released: Mapping[Started, datetime]
) -> Iterable[tuple[UsageEvent, tuple[Run, ...]]]:
    """The runs of each event with an hourly rate. A resource started again ends its earlier run: it is not paid twice."""
    starts: dict[Resource, list[datetime]] = {}
    for event in ordered:
        for resource in resources(event):
            starts.setdefault(resource, []).append(event.event_time)
    for event in ordered:
        if event.usd_per_hour is not None and event.quantity > 0:
            yield event, tuple(_runs_of(event, event.usd_per_hour / event.quantity, released, starts))


def _runs_of(
    event: UsageEvent,
    each: float,
    released: Mapping[Started, datetime],
    starts: Mapping[Resource, list[datetime]],
) -> Iterable[Run]:
    ends: Counter[datetime] = Counter()
    for resource, started in zip(resources(event)[: event.quantity], runs(event), strict=False):
        times = starts[resource]
        again = bisect_right(times, event.event_time)
        later = times[again : again + 1]
        release = released.get(started)
        if release is not None:
            later.append(release)
        if later:
            ends[min(later)] += event.units_each
    for end, items in sorted(ends.items()):
        yield Run(items=items, usd_per_hour=each, start=event.event_time, end=end)
    still = event.quantity - sum(ends.values())
    if still > 0:
        yield Run(items=still, usd_per_hour=each, start=event.event_time, end=None)


def _spent(run: Run, now: datetime) -> float:
    end = now if run.end is None else min(run.end, now)
    return run.items * run.usd_per_hour * max(0.0, (end - run.start) / _HOUR)


def _basis(uses: Sequence[UsageEvent], prices_date: str, median_rate_used: bool) -> str:
    bases: Counter[str] = Counter()
    for event in uses:
        if event.usd_per_hour is not None or event.usd is not None:
            bases[event.price_basis or f"list price of {prices_date}"] += event.quantity
    ranked = _largest(bases, 3)
    parts = [text if len(ranked) == 1 else f"{text} ({count:,})" for text, count in ranked]
    missing = unpriced(uses)
    if missing:
        total = sum(event.quantity for event in uses)
        names = ", ".join(name for name, _ in _largest(missing, 3))
        parts.append(f"unknown for {sum(missing.values()):,} of {total:,} ({names})")
    spot = sum(event.quantity for event in uses if event.market == "spot")
    if spot and not any("Spot" in text for text in bases):
        parts.append(f"approximate: {spot:,} run on Spot, which costs less")
    if median_rate_used:
        parts.append("releases of launches not read count at the account's median rate")
    return "; ".join(parts)


def _unknown_basis(uses: Sequence[UsageEvent]) -> str:
    """Why nothing is priced: what the price rule wrote, else the names that have no list price."""
    written: Counter[str] = Counter()
    for event in uses:
        if event.price_basis:
            written[event.price_basis] += event.quantity
    if written:
        return "unknown: " + _largest(written, 1)[0][0]
    names = [name for name, _ in _largest(unpriced(uses), 3)]
    return "unknown: no list price for " + ", ".join(names) if names else "unknown: nothing priced was used"


def _confidence(uses: Sequence[UsageEvent], median_rate_used: bool) -> float:
    total = sum(event.quantity for event in uses)
    if total <= 0:
        return 0.0
    trusted = sum(event.quantity * _trust(event) for event in uses) / total
    return round(trusted * (_MEDIAN_RATE if median_rate_used else 1.0), 4)


def _trust(event: UsageEvent) -> float:
    if event.usd_per_hour is None and event.usd is None:
        return 0.0
    basis = (event.price_basis or "").lower()
    words = min((trust for word, trust in CONFIDENCE_WORDS.items() if word in basis), default=1.0)
    trust = words if event.price_confidence is None else event.price_confidence
    return min(trust, _INEXACT) if event.market == "spot" else trust


def _largest(counts: Counter[str], top: int) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:top]
