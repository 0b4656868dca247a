"""Is this what the same doer always does?

An actor, or an automation, is compared with its own past in the same kind and account: its busiest hour now against its
busiest hour before, in quantity and in USD per hour.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from usage_anomaly.anomalies import Actor
from usage_anomaly.enrichment.automation import automation
from usage_anomaly.usage import UsageEvent

# The habit rule of detection asks for two thirds as well: a night's batch varies by as much.
USUAL_SHARE = 2 / 3
_HOUR = timedelta(hours=1)

Measure = Callable[[UsageEvent], float]
Identity = tuple[str, str]


def rank(uses: Sequence[UsageEvent], past: Sequence[UsageEvent], days: float) -> tuple[Actor, ...]:
    """The actors, those furthest above their own daily mean first; `share` is of the whole quantity.

    A role that launches 20 a day and did so again stands behind the key that launched 10 and never did before.
    """
    total = sum(event.quantity for event in uses)
    by_actor: dict[Identity, list[UsageEvent]] = {}
    for event in uses:
        by_actor.setdefault(_identity(event), []).append(event)
    before: Counter[Identity] = Counter()
    for event in past:
        before[_identity(event)] += event.quantity
    span = max(1.0, _days_of(uses))
    ranked = []
    for identity, events in by_actor.items():
        quantity = sum(event.quantity for event in events)
        usual = before[identity] / max(1.0, days) * span
        ranked.append((-max(0.0, quantity - usual), -quantity, identity, _actor(identity, events, total)))
    return tuple(actor for *_, actor in sorted(ranked, key=lambda item: item[:3]))


def times_own_past(uses: Sequence[UsageEvent], past: Sequence[UsageEvent], main: Actor | None) -> float | None:
    """How many times its own busiest hour the main actor reached, the larger of quantity and USD; None without a past."""
    if main is None:
        return None
    now = [event for event in uses if doer(event) == main.arn]
    before = [event for event in past if doer(event) == main.arn]
    ratios = [
        peak / old
        for measure in (_quantity, _usd)
        if (old := busiest(before, measure)) and (peak := busiest(now, measure))
    ]
    return max(ratios, default=None)


def usual(uses: Sequence[UsageEvent], past: Sequence[UsageEvent], name: str) -> bool:
    """Whether this automation, by the same identity, already used two thirds of this in one hour of the past.

    The name alone earns nothing: an intruder can launch through Auto Scaling, and Karpenter can pick a machine it never
    picked. A measure nobody has a figure for (no price) is left out.
    """
    now = [event for event in uses if _named(event) == name]
    doers = {doer(event) for event in now}
    before = [event for event in past if doer(event) in doers and _named(event) == name]
    if not before:
        return False
    return all(busiest(before, measure) >= USUAL_SHARE * busiest(now, measure) for measure in (_quantity, _usd))


def busiest(events: Sequence[UsageEvent], measure: Measure) -> float:
    """The largest sum of a measure within any 60 minutes; 0 without events."""
    window: deque[tuple[datetime, float]] = deque()
    total = largest = 0.0
    for event in sorted(events, key=lambda event: (event.event_time, event.event_id, event.group or "")):
        value = measure(event)
        window.append((event.event_time, value))
        total += value
        while window[0][0] <= event.event_time - _HOUR:
            total -= window.popleft()[1]
        largest = max(largest, total)
    return largest


def doer(event: UsageEvent) -> str:
    """The identity's ARN; for an AWS service, which has none, its principal; "" where the record says neither."""
    return event.actor_arn or event.invoked_by or ""


def _named(event: UsageEvent) -> str | None:
    return event.automation or automation(
        event.invoked_by, event.user_agent, event.actor_arn, event.actor_session, event.actor_type
    )


def _quantity(event: UsageEvent) -> float:
    return float(event.quantity)


def _usd(event: UsageEvent) -> float:
    return event.usd_per_hour or event.usd or 0.0


def _identity(event: UsageEvent) -> Identity:
    """Who is one actor: an identity with its long-lived key. Temporary keys change with every session and tell nobody apart."""
    return (doer(event), (event.access_key_id or "") if event.long_lived_key else "")


def _actor(identity: Identity, events: Sequence[UsageEvent], total: int) -> Actor:
    arn, key = identity
    quantity = sum(event.quantity for event in events)
    return Actor(
        arn=arn,
        type=_heaviest((event.actor_type, event.quantity) for event in events),
        access_key_id=key or _heaviest((event.access_key_id, event.quantity) for event in events),
        long_lived_key=any(event.long_lived_key for event in events),
        source_address=_heaviest((event.source_address, event.quantity) for event in events),
        user_agent=_heaviest((event.user_agent, event.quantity) for event in events),
        share=round(quantity / total, 4) if total else 0.0,
        calls=len(events),
        quantity=quantity,
    )


def _heaviest(values: Iterable[tuple[str | None, int]]) -> str | None:
    weights: Counter[str] = Counter()
    for value, quantity in values:
        if value is not None:
            weights[value] += quantity
    return min(weights, key=lambda value: (-weights[value], value), default=None)


def _days_of(uses: Sequence[UsageEvent]) -> float:
    times = [event.event_time for event in uses]
    return (max(times) - min(times)) / timedelta(days=1) if times else 0.0
