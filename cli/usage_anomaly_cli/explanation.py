"""Why was the use at this time told, recorded, or neither?

Asks the judge again, at the end of a replay, for every comparison of the windows that end with one bucket of five minutes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from usage_anomaly.alerts.words import number
from usage_anomaly.anomalies import Alert, Anomaly
from usage_anomaly.anomalies.rules import ORGANIZATION, Pair
from usage_anomaly.coverage import Coverage, Gap
from usage_anomaly.detection.judging import Rules, Verdict
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.enrichment.accounts import account_name
from usage_anomaly.errors import UnusableInput
from usage_anomaly.replay import Outcome
from usage_anomaly.series import BUCKETS_PER_DAY, BUCKETS_PER_HOUR, Series, bucket_of, bucket_start
from usage_anomaly.totals import CappedTotal
from usage_anomaly_cli.running import Plan, Run, absent, composed

JOIN = FIGURES.life_cycle.join_buckets
HABIT = FIGURES.habit
LISTED = 10

Said = Literal["told", "recorded", "not above", "not judged"]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison of one detector. `actual` has to be above `bound`; for baseline and first use `bound` is a floor.

    Both are in `unit`. `left_out` is use of the window that another window has judged, or an anomaly that has ended.
    `days_known` is None while an anomaly is open: usual is then what was before it.
    """

    detector: str
    window_minutes: int
    actual: float
    bound: float
    unit: str
    left_out: int
    verdict: Said
    why: str | None  # it is recorded only, is not judged, or is told whatever its score; of first use: what is new
    expected: float | None = None
    score: float | None = None
    score_needed: float | None = None
    days_known: int | None = None


class Here(msgspec.Struct, frozen=True, kw_only=True):
    """An anomaly that the bucket belongs to, or that would have taken up what is unusual in it (`ended` before)."""

    id: str
    start: datetime
    last_seen: datetime
    ended: bool
    told: bool
    alerts: tuple[Alert, ...]
    closed_reason: str | None
    severity: float
    usd_per_hour: float | None


class DayBefore(msgspec.Struct, frozen=True):
    """The most that one known day used in an hour that ended within an hour of this time of day."""

    day: datetime
    quantity: int


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """The use in the explained bucket and in the hour and the day that end with it."""

    bucket: datetime
    quantity: int
    hour: int
    day: int
    days_before: tuple[DayBefore, ...]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for one kind, account and time (UTC). Without use near that time `around` is None.

    `before` and `after` are the buckets with use next to the time that was asked for. `absent` says by detector why it
    made no comparison.
    """

    kind: str
    account_id: str
    account_name: str
    account_type: str
    limit_is_set: bool
    asked: datetime
    unit: str
    one: str  # the unit, of one
    gaps: tuple[Gap, ...]  # silences of the account that hold the time
    unseen: tuple[str, ...]  # why the records could not have shown this kind
    around: Around | None = None
    compared: tuple[Compared, ...] = ()
    absent: Mapping[str, str] = {}
    anomalies: tuple[Here, ...] = ()
    before: datetime | None = None
    after: datetime | None = None
    used_kinds: tuple[str, ...] = ()  # what the account used, where it never used this kind


def explain(finished: Run, plan: Plan, pair: Pair, asked: datetime) -> Explanation:
    """Why the pair's use at a time was told or not. Raises UnusableInput where nothing of that time or account was read."""
    _refuse_what_was_not_read(finished, pair[0], asked)
    replay, (account_id, kind) = finished.replay, pair
    rules = replay.rules(pair)
    answer = Explanation(
        kind=kind,
        account_id=account_id,
        account_name=account_name(plan.accounts.get(account_id), account_id),
        account_type=replay.type_of(account_id) if account_id != ORGANIZATION else "",
        limit_is_set=rules.by_person,
        asked=asked,
        unit=rules.unit,
        one=rules.one,
        gaps=tuple(
            each for each in finished.reckoning.gaps if each.account_id == account_id and each.start <= asked < each.end
        ),
        unseen=tuple(absent(finished, plan).values()),
    )
    try:
        series = replay.judged(pair)
    except KeyError:
        used = sorted({name for who, name in replay.series if who == account_id})
        return msgspec.structs.replace(answer, used_kinds=tuple(used))
    wanted = bucket_of(asked)
    used_buckets = series.used_since(0)
    before = max((each for each in used_buckets if each <= wanted), default=None)
    if before is None or before < wanted - JOIN:
        after = min((each for each in used_buckets if each > wanted), default=None)
        return msgspec.structs.replace(answer, before=_start(before), after=_start(after))
    verdicts = replay.compared(pair, before)
    return msgspec.structs.replace(
        answer,
        around=_around(series, before, replay.coverage(account_id)),
        compared=tuple(_compared(each, rules, series, before, replay.coverage(account_id)) for each in verdicts),
        absent=_absent(pair, rules, verdicts),
        anomalies=tuple(_here(finished, plan, pair, before)),
    )


def _refuse_what_was_not_read(finished: Run, account_id: str, asked: datetime) -> None:
    read = finished.reckoning
    if account_id != ORGANIZATION and account_id not in read.accounts():
        known = sorted(read.accounts())
        more = f" and {len(known) - LISTED:,} more" if len(known) > LISTED else ""
        raise UnusableInput(
            f"--account: no record of {account_id[:40]!r} was read; read were {', '.join(known[:LISTED])}{more}, "
            f"and {ORGANIZATION} for all together"
        )
    if read.first is None or read.last is None or not bucket_of(read.first) <= bucket_of(asked) <= bucket_of(read.last):
        span = (
            "none with a time"
            if read.first is None
            else f"from {read.first:%Y-%m-%dT%H:%MZ} to {read.last:%Y-%m-%dT%H:%MZ}"
        )
        raise UnusableInput(f"--at: {asked:%Y-%m-%dT%H:%MZ} is outside of the records that were read: {span} (UTC)")


def _around(series: Series | CappedTotal, bucket: int, coverage: Coverage) -> Around:
    return Around(
        bucket=bucket_start(bucket),
        quantity=series.quantity(bucket, bucket),
        hour=series.quantity(bucket - BUCKETS_PER_HOUR + 1, bucket),
        day=series.quantity(bucket - BUCKETS_PER_DAY + 1, bucket),
        days_before=tuple(_days_before(series, bucket, coverage)),
    )


def _days_before(series: Series | CappedTotal, bucket: int, coverage: Coverage) -> Iterator[DayBefore]:
    """What the habit rule looks at, for windows of an hour."""
    length, shift = BUCKETS_PER_HOUR, HABIT.shift_buckets
    for day in range(1, HABIT.days + 1):
        middle = bucket - day * BUCKETS_PER_DAY
        most = max(series.quantity(end - length + 1, end) for end in range(middle - shift, middle + shift + 1))
        if most or coverage.whole(middle - length + 1, middle):
            yield DayBefore(bucket_start(middle), most)


def _compared(
    verdict: Verdict, rules: Rules, series: Series | CappedTotal, bucket: int, coverage: Coverage
) -> Compared:
    minutes, before = verdict.length * 5, verdict.needed not in (None, FIGURES.baseline.score_open)
    units = {"burn_rate": "USD/h", "first_use": "accounts" if rules.scope == "organization" else rules.unit}
    whole = series.quantity(bucket - verdict.length + 1, bucket)
    counts_all = verdict.detector in ("threshold", "baseline")
    known = coverage.before(bucket // BUCKETS_PER_DAY, FIGURES.baseline.days)
    return Compared(
        detector=verdict.detector,
        window_minutes=minutes,
        actual=verdict.actual,
        bound=verdict.bound,
        unit=units.get(verdict.detector, rules.unit),
        left_out=whole - int(verdict.actual) if counts_all else 0,
        verdict=_said(verdict),
        why=verdict.idle or verdict.excuse or _told_by(verdict),
        expected=verdict.expected,
        score=verdict.score,
        score_needed=verdict.needed,
        days_known=len(known) if before else None,
    )


def _said(verdict: Verdict) -> Said:
    if verdict.idle is not None:
        return "not judged"
    if verdict.finding is None:
        return "not above"
    return "told" if verdict.excuse is None else "recorded"


def _told_by(verdict: Verdict) -> str | None:
    """What the numbers compared do not say: what is new, or that so much is told whatever its score."""
    if verdict.finding is None:
        return None
    if verdict.detector == "first_use":
        return verdict.finding.reason
    if verdict.score is not None and verdict.needed is not None and verdict.score < verdict.needed:
        return f"above the limit, and {number(FIGURES.baseline.peak_factor)} times what any such window held before"
    return None


def _absent(pair: Pair, rules: Rules, verdicts: Sequence[Verdict]) -> dict[str, str]:
    """By detector that compared nothing: why."""
    why: dict[str, str] = {}
    if rules.burn_limit is None:
        everyone = "the organization is judged by quantity, each account by its own burn rate"
        why["burn_rate"] = everyone if pair[0] == ORGANIZATION else "refused calls cost nothing"
    if all(each.detector != "first_use" for each in verdicts):
        why["first_use"] = (
            f"no region, family of accelerators, user or role that is new in {FIGURES.first_use.memory_days} days"
        )
    return why


def _here(finished: Run, plan: Plan, pair: Pair, bucket: int) -> Iterator[Here]:
    """The anomalies of the pair at the bucket, those that ended within two hours before it included."""
    account_id, kind = pair
    near = [
        each
        for each in finished.replay.outcomes()
        if (each.account_id, each.kind) == (account_id, kind)
        and each.extent.start <= bucket <= each.extent.last_seen + JOIN
    ]
    for outcome, anomaly in zip(near, composed(near, finished, plan), strict=True):
        yield _as_here(outcome, anomaly, bucket)


def _as_here(outcome: Outcome, anomaly: Anomaly, bucket: int) -> Here:
    return Here(
        id=anomaly.id,
        start=anomaly.start,
        last_seen=anomaly.last_seen,
        ended=bucket > outcome.extent.last_seen,
        told=bool(anomaly.alerts),
        alerts=anomaly.alerts,
        closed_reason=anomaly.closed_reason,
        severity=anomaly.severity,
        usd_per_hour=anomaly.cost.usd_per_hour,
    )


def _start(bucket: int | None) -> datetime | None:
    return None if bucket is None else bucket_start(bucket)
