"""What is said of a storm: its accounts each in a line, and all of them as one anomaly of the organization?

Made from the values of its anomalies alone, so that what was exchanged in them (pseudonyms) stays exchanged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from usage_anomaly.alerts import common
from usage_anomaly.alerts.common import Shared
from usage_anomaly.anomalies import Alert, Anomaly, Cost, State
from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.anomalies.storms import RULE, Gathering, gather
from usage_anomaly.catalog import Catalog, Kind, costs_nothing, is_attempts
from usage_anomaly.detection import Finding
from usage_anomaly.enrichment import severity, wording
from usage_anomaly.enrichment.compose import IDS_KEPT, REGIONS_SHOWN
from usage_anomaly.enrichment.evidence import Signals

PREFIX = "storm-"  # an anomaly's id begins with its kind, so that no account can be named to make such an id
_NAME = 80
_NOTES = 3
_REASONS = 3


class StormAccount(msgspec.Struct, frozen=True, kw_only=True):
    """One account of a storm. `usd_per_hour` is what is known of the rate, `unpriced` the quantity without a price."""

    account_id: str
    account_name: str
    severity: float
    quantity: int
    usd_per_hour: float | None
    unpriced: int
    who: str
    first_use: datetime
    anomaly_ids: tuple[str, ...]
    told_singly: bool


class Storm(msgspec.Struct, frozen=True, kw_only=True):
    """One alert for many accounts. `together` is all of them as one anomaly, its id the storm's; `accounts` the largest first.

    `organization` are ids of the organization's own anomalies of that time: the same use, counted over all accounts.
    """

    id: str
    opened_first: datetime
    opened_last: datetime
    together: Anomaly
    accounts: tuple[StormAccount, ...]
    shared: tuple[Shared, ...]
    organization: tuple[str, ...] = ()
    accounts_left_out: int = 0  # of `accounts`, where a message has no room for all

    def anomaly_ids(self) -> frozenset[str]:
        """Every anomaly that belongs to it."""
        return frozenset(each for row in self.accounts for each in row.anomaly_ids) | frozenset(self.organization)

    def folded(self) -> frozenset[str]:
        """Those that nobody is told of beside it."""
        singly = frozenset(each for row in self.accounts if row.told_singly for each in row.anomaly_ids)
        return self.anomaly_ids() - singly


def storms(anomalies: Iterable[Anomaly], catalog: Catalog) -> list[Storm]:
    """The storms among these anomalies, by kind and time."""
    return [compose(each, catalog.kind_of(each.members[0].kind)) for each in gather(anomalies)]


def compose(gathering: Gathering, kind: Kind) -> Storm:
    """The storm of these anomalies."""
    by_account: dict[str, list[Anomaly]] = {}
    for each in gathering.members:
        by_account.setdefault(each.account_id, []).append(each)
    rows = sorted(
        ((_row(group, kind), group) for group in by_account.values()),
        key=lambda pair: (-(pair[0].usd_per_hour or 0.0), -pair[0].quantity, pair[0].account_id),
    )
    groups = [group for _, group in rows]
    together = _together(gathering, groups, kind)
    return Storm(
        id=together.id,
        opened_first=gathering.first,
        opened_last=gathering.last,
        together=together,
        accounts=tuple(row for row, _ in rows),
        shared=common.shared(groups),
        organization=tuple(each.id for each in gathering.organization),
    )


def _row(group: Sequence[Anomaly], kind: Kind) -> StormAccount:
    """One account's line; it has more than one anomaly where late records told of two."""
    largest = max(group, key=lambda each: each.total)
    return StormAccount(
        account_id=wording.clip(largest.account_id),
        account_name=wording.clip(largest.account_name, _NAME),
        severity=max(each.severity for each in group),
        quantity=sum(each.total for each in group),
        usd_per_hour=_sum(each.cost.usd_per_hour for each in group),
        unpriced=sum(_unpriced(each, kind) for each in group),
        who=common.doer(largest),
        first_use=min(each.first_use for each in group),
        anomaly_ids=tuple(each.id for each in group),
        told_singly=any(each.severity >= RULE.singly_from for each in group),
    )


def _together(gathering: Gathering, groups: Sequence[Sequence[Anomaly]], kind: Kind) -> Anomaly:
    members, name = gathering.members, gathering.members[0].kind
    level, reasons = _severity(gathering, groups, kind)
    ids = list(dict.fromkeys(name for group in groups for each in group for name in each.resource_ids))
    actors = common.actors(members)
    return Anomaly(
        id=f"{PREFIX}{name.replace('.', '-')}-{gathering.first:%Y%m%dT%H%MZ}",
        kind=name,
        account_id=ORGANIZATION,
        account_name=ORGANIZATION,
        regions=_summed(each.regions for each in members),
        accounts={},
        start=min(each.start for each in members),
        last_seen=max(each.last_seen for each in members),
        first_use=min(each.first_use for each in members),
        last_use=max(each.last_use for each in members),
        state=_state(members),
        sequence=1,
        total=sum(each.total for each in members),
        released=sum(each.released for each in members),
        expected=_expected(members),
        unit=members[0].unit,
        findings=(_finding(gathering, len(groups)),),
        ready=members[0].ready,
        detected_at=gathering.full_at,
        alerts=(Alert(gathering.full_at, "opened"),),
        cost=_cost(members),
        severity=level,
        severity_reasons=reasons,
        actors=actors,
        automation=common.automation(members),
        evidence=common.evidence(groups, actors),
        guidance=common.guidance(groups),
        resource_ids=tuple(ids[:IDS_KEPT]),
        resource_count=sum(each.resource_count for each in members),
        truncated=any(each.truncated for each in members),
        suppressed=False,
        groups=_summed(each.groups for each in members),
        notes=_notes(members, kind),
    )


def _state(members: Sequence[Anomaly]) -> State:
    """The least finished: what still runs in one account runs."""
    states: tuple[State, ...] = ("grown", "open", "quiet", "closed")
    return next(state for state in states if any(each.state == state for each in members))


def _finding(gathering: Gathering, accounts: int) -> Finding:
    minutes = round((gathering.last - gathering.first).total_seconds() / 60)
    return Finding(
        detector="threshold",
        scope="organization",
        region=None,
        window_start=gathering.first,
        window_end=gathering.last,
        window_minutes=minutes,
        actual=accounts,
        expected=None,
        score=1 - RULE.accounts / accounts if accounts > RULE.accounts else 0.0,
        confidence=1.0,
        reason=f"{accounts:,} accounts opened {gathering.members[0].kind} from {gathering.first:%H:%M} to"
        f" {gathering.last:%H:%M}; {RULE.accounts} within {RULE.minutes} minutes are told as one",
    )


def _severity(gathering: Gathering, groups: Sequence[Sequence[Anomaly]], kind: Kind) -> tuple[float, tuple[str, ...]]:
    """The worst account's, raised by what all of them together weigh more than it alone."""
    members = gathering.members
    worst = max((each for group in groups for each in group), key=lambda each: each.severity)
    points = max(0.0, _amount(members, kind) - _amount([worst], kind))
    level = severity.raised(worst.severity, points)
    if is_attempts(worst.kind):
        level = min(level, severity.ATTEMPTS_CEILING)
    everyone = max((each.severity for each in gathering.organization), default=0.0)
    name = wording.clip(worst.account_name, _NAME)
    reasons = [f"{worst.severity:.1f} in the worst account, {name}", f"all of them together ({points:+.1f})"]
    if everyone > level:
        reasons.append(f"the organization's own anomaly {everyone:.1f}")
    return max(level, everyone), (*reasons, *(f"there {each}" for each in worst.severity_reasons[:_REASONS]))


def _amount(members: Sequence[Anomaly], kind: Kind) -> float:
    """The points that the amount alone is worth."""
    facts = severity.Facts(
        findings=(),
        usd_per_hour=_sum(each.cost.usd_per_hour for each in members),
        total=sum(each.total for each in members),
        released=0,  # the rate is net
        attempts_only=is_attempts(members[0].kind),
        account_type="unknown",
        signals=Signals(),
        unpriced=sum(_unpriced(each, kind) for each in members),
    )
    return severity.assess(facts)[0]


def _cost(members: Sequence[Anomaly]) -> Cost:
    costs = [each.cost for each in members]
    known = [each for each in costs if each.usd_per_hour is not None]
    bases = Counter(each.basis for each in known or costs)
    basis, count = min(bases.items(), key=lambda item: (-item[1], item[0]))
    return Cost(
        usd_per_hour=_sum(each.usd_per_hour for each in costs),
        usd_so_far=_sum(each.usd_so_far for each in costs),
        usd_month_end=_sum(each.usd_month_end for each in costs),
        basis=basis
        if len(bases) == 1
        else f"{wording.clip(basis, 300)} (in {count:,} of {len(costs):,}, else of its own)",
        confidence=min((each.confidence for each in known), default=0.0),
    )


def _notes(members: Sequence[Anomaly], kind: Kind) -> tuple[str, ...]:
    missing, total = sum(_unpriced(each, kind) for each in members), sum(each.total for each in members)
    notes = [f"price unknown for {missing:,} of {total:,} {kind.many}"] if 0 < missing < total else []
    others = Counter(note for each in members for note in each.notes if not wording.unpriced([note]))
    ranked = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    return (*notes, *(f"{wording.clip(note, 200)} (in {count:,} accounts)" for note, count in ranked[:_NOTES]))


def _unpriced(anomaly: Anomaly, kind: Kind) -> int:
    if costs_nothing(kind, anomaly.kind):
        return 0
    return anomaly.total if anomaly.cost.usd_per_hour is None else wording.unpriced(anomaly.notes)


def _expected(members: Sequence[Anomaly]) -> float | None:
    known = [each.expected for each in members if each.expected is not None]
    return sum(known) if len(known) == len(members) else None


def _sum(values: Iterable[float | None]) -> float | None:
    """The sum of what is known, None where nothing is."""
    known = [value for value in values if value is not None]
    return round(sum(known), 4) if known else None


def _summed(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for part in parts:
        sums.update(part)
    return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0]))[:REGIONS_SHOWN])
