"""How is it said to a person what a change of limits would hide, add, or tell otherwise?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from usage_anomaly.alerts.plain import inert
from usage_anomaly.alerts.words import number, several, span
from usage_anomaly.anomalies import Anomaly
from usage_anomaly.anomalies.overrides import BURN_RATE, TYPES, Limits, Overrides
from usage_anomaly.anomalies.rules import ORGANIZATION, burn_limit_of, limit_of
from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment.accounts import AccountType
from usage_anomaly_cli.account_of_explanation import exactly
from usage_anomaly_cli.account_of_replay import rate, what
from usage_anomaly_cli.comparison import Comparison, Counted, Difference, opened, overlap

WIDTH = 9
HEADER = ("CHANGE", "SEV", "ACCOUNT", "WHAT", "WHEN UTC", "USD/h", "SO FAR", "HOW")
TO_THE_RIGHT = (1, 5, 6)
_WHY = 120


class Tuned(msgspec.Struct, frozen=True, kw_only=True):
    """What is told: the limits before, what was asked to be changed, what came of it. `accounts` are those read, with types."""

    limits: Overrides
    changes: Limits
    comparison: Comparison
    accounts: Mapping[str, AccountType]
    catalog: Catalog

    @property
    def changed(self) -> Overrides:
        return self.limits.changed(self.changes)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One anomaly in `--format json`, as one set of limits tells it."""

    id: str
    what: str
    first_use: datetime
    last_use: datetime
    opened: datetime
    messages: int
    quantity: int
    unit: str
    usd_per_hour: float | None
    usd_so_far: float | None
    severity: float


class Differing(msgspec.Struct, frozen=True, kw_only=True):
    """One difference in `--format json`."""

    change: str
    account_id: str
    account_name: str
    kind: str
    how: str
    before: Standing | None
    after: Standing | None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What `--format json` prints; stable."""

    changes: Limits
    before: Counted
    after: Counted
    differences: tuple[Differing, ...]
    limits: Limits


def lines(told: Tuned, read: Sequence[tuple[str, str]]) -> list[str]:
    """What was `read`, the change, what it comes to, each difference, and the limits to save."""
    found = told.comparison
    head = [*read, *_changes(told), ("Now", _counted(found.before)), ("Then", _counted(found.after)), *_sums(told)]
    return [
        *(f"{name:<{WIDTH}}{text}" for name, text in head),
        *(["", *_table(told)] if found.differences else []),
        "",
        "The limits with this change: for --limits FILE, and for the parameter of a deployment (docs/operations.md)",
        told.changed.text(),
    ]


def summary(told: Tuned) -> Summary:
    """The same for a machine."""
    found = told.comparison
    return Summary(
        changes=told.changes,
        before=found.before,
        after=found.after,
        differences=tuple(_differing(each, told) for each in found.differences),
        limits=told.changed.limits,
    )


def _changes(told: Tuned) -> Iterator[tuple[str, str]]:
    name = "Change"
    for kind, limits in told.changes.items():
        for who, amount in limits.items():
            what_of, unit = ("burn rate", "USD/h") if kind == BURN_RATE else (kind, "per 10 minutes")
            before = _before(told, kind, who)
            yield (
                name,
                f"{what_of}, {who}: {exactly(amount)} {unit}, now {exactly(before)}; {_concerned(told, kind, who)}",
            )
            name = ""


def _before(told: Tuned, kind: str, who: str) -> float:
    """The limit as it is."""
    account = "" if who in TYPES else who
    account_type = next((each for each in TYPES if each == who), told.accounts.get(who, "unknown"))
    if kind == BURN_RATE:
        return burn_limit_of(account, account_type, told.limits)
    return limit_of(told.catalog, (account, kind), account_type, told.limits)


def _concerned(told: Tuned, kind: str, who: str) -> str:
    """How many of the accounts that were read the limit holds for."""
    if who not in TYPES:
        return "holds for this account" if who in told.accounts else "of this account nothing was read"
    own = told.changed.limits[kind]
    held = [
        each
        for each, of_type in told.accounts.items()
        if each not in own and who == ("staging" if of_type == "unknown" else of_type)
    ]
    hint = "" if held else " (their types come from --accounts)"
    return f"holds for {len(held):,} of {several(len(told.accounts), 'account', 'accounts')} read{hint}"


def _counted(counted: Counted) -> str:
    messages = several(counted.messages, "message", "messages")
    return f"{counted.told:,} told in {messages}, {counted.recorded:,} recorded"


def _sums(told: Tuned) -> Iterator[tuple[str, str]]:
    for change in ("hidden", "added", "changed"):
        found = told.comparison.of(change)
        yield change.capitalize(), f"{len(found):,}{_dollars(found) if found else ''}"


def _dollars(found: Sequence[Difference]) -> str:
    """Sums of what is known; unknown is never 0.

    What all accounts together do holds what each of them does at that time: it is summed once.
    """
    every = [each.anomaly for each in found]
    together = [each for each in every if each.account_id == ORGANIZATION]
    costs = [
        each.cost
        for each in every
        if each in together or not any(each.kind == one.kind and overlap(each, one) for one in together)
    ]
    rates = [each.usd_per_hour for each in costs if each.usd_per_hour is not None]
    totals = [each.usd_so_far for each in costs if each.usd_so_far is not None]
    unknown = len(costs) - len(rates)
    if not rates:
        return ": USD/h unknown"
    left = f"; unknown for {unknown:,} of them" if unknown else ""
    return f": {number(sum(rates))} USD/h, {number(sum(totals))} USD so far{left}"


def _table(told: Tuned) -> list[str]:
    rows = [HEADER, *(_row(each, told) for each in told.comparison.differences)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER) - 1)]
    return ["  ".join([*_cells(row, widths), row[-1]]) for row in rows]


def _cells(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for column, (cell, width) in enumerate(zip(row, widths, strict=False)):
        yield cell.rjust(width) if column in TO_THE_RIGHT else cell.ljust(width)


def _row(each: Difference, told: Tuned) -> tuple[str, ...]:
    anomaly = each.anomaly
    so_far = anomaly.cost.usd_so_far
    return (
        each.change.upper(),
        number(anomaly.severity),
        inert(anomaly.account_name, 24),
        what(anomaly, told.catalog),
        span(anomaly.first_use, anomaly.last_use),
        rate(anomaly, told.catalog),
        "unknown" if so_far is None else number(so_far),
        how(each),
    )


def how(each: Difference) -> str:
    """What becomes of it, or was made of it before."""
    if each.before is not None and each.after is not None:
        return _otherwise(each.before, each.after)
    if each.whole is not None:
        return f"{'then' if each.after is None else 'now'} part of {inert(each.whole, 120)}"
    where = "then" if each.after is None else "now"
    if each.instead is None:
        return f"{where} no finding"
    return f"{where} recorded" + (f": {inert(each.instead, _WHY)}" if each.instead else "")


def _otherwise(before: Anomaly, after: Anomaly) -> str:
    parts = []
    moved = opened(after) - opened(before)
    if moved:
        parts.append(f"told {_duration(abs(moved))} {'later' if moved > timedelta(0) else 'earlier'}")
    if before.total != after.total:
        parts.append(f"{after.total:,} instead of {before.total:,} {before.unit}")
    if len(before.alerts) != len(after.alerts):
        parts.append(f"{several(len(after.alerts), 'message', 'messages')} instead of {len(before.alerts):,}")
    if before.severity != after.severity:
        parts.append(f"severity {number(after.severity)} instead of {number(before.severity)}")
    return "; ".join(parts) or f"{span(after.first_use, after.last_use)}, other messages"


def _duration(time: timedelta) -> str:
    hours, minutes = divmod(round(time.total_seconds() / 60), 60)
    return " ".join([*([f"{hours:,} h"] if hours else []), *([f"{minutes} min"] if minutes else [])])


def _differing(each: Difference, told: Tuned) -> Differing:
    anomaly = each.anomaly
    return Differing(
        change=each.change,
        account_id=anomaly.account_id,
        account_name=anomaly.account_name,
        kind=anomaly.kind,
        how=how(each),
        before=None if each.before is None else _standing(each.before, told.catalog),
        after=None if each.after is None else _standing(each.after, told.catalog),
    )


def _standing(anomaly: Anomaly, catalog: Catalog) -> Standing:
    return Standing(
        id=anomaly.id,
        what=what(anomaly, catalog),
        first_use=anomaly.first_use,
        last_use=anomaly.last_use,
        opened=opened(anomaly),
        messages=len(anomaly.alerts),
        quantity=anomaly.total,
        unit=anomaly.unit,
        usd_per_hour=anomaly.cost.usd_per_hour,
        usd_so_far=anomaly.cost.usd_so_far,
        severity=anomaly.severity,
    )
