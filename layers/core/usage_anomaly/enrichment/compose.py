"""What is the whole anomaly, with everything a reader needs to act?

Puts the extent, what was told of it and each enrichment together. Pure: the history is asked through two callables, so that
replay answers from memory and a deployment from OpenSearch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from usage_anomaly.anomalies import Anomaly, Cost, Query, State, Step
from usage_anomaly.anomalies.extents import Extent
from usage_anomaly.anomalies.life_cycle import Told, View, mint
from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.anomalies.view import uses
from usage_anomaly.catalog import ATTEMPTS, Kind
from usage_anomaly.enrichment import cost, evidence, guidance, severity
from usage_anomaly.enrichment.accounts import Account, account_name, account_type
from usage_anomaly.series import Series, bucket_start
from usage_anomaly.usage import UsageEvent

REGIONS_SHOWN = 40
IDS_KEPT = 1_000
UNKNOWN_GROUP = "unknown"


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one extent before anything is said about it.

    `kind_name` is the series' name ("ec2.instances.attempts" for refused calls); `uses` its events in order; `released`
    the time each of their resources was seen released; `expected` the usual use of such a span, None without history;
    `state` what a recorded extent is in; `now` the last minute of delivery time read.
    """

    kind: Kind
    kind_name: str
    account_id: str
    account: Account | None
    extent: Extent
    told: Told | None
    view: View
    state: State
    uses: Sequence[UsageEvent]
    released: Mapping[str, datetime]
    expected: float | None
    covered_from: datetime | None
    median_rate_used: bool
    ready: Mapping[str, str]
    now: datetime
    prices_date: str


class Gathered(msgspec.Struct, frozen=True):
    """The events of an extent in order, and when their resources were seen released."""

    uses: list[UsageEvent]
    released: dict[str, datetime]


def gather(members: Sequence[Series], extent: Extent) -> Gathered:
    """Collect what an extent is made of, over one account's series or all accounts'."""
    found: list[UsageEvent] = []
    released: dict[str, datetime] = {}
    for series in members:
        for event in uses(series, extent):
            found.append(event)
            ends = ((each, series.released_at(each, event.event_time)) for each in event.resource_ids)
            released.update((each, when) for each, when in ends if when is not None)
    return Gathered(sorted(found, key=lambda each: (each.event_time, each.event_id, each.group or "")), released)


class _Enriched(msgspec.Struct, frozen=True, kw_only=True):
    """What the enrichments say."""

    evidence: evidence.Evidence
    cost: Cost
    severity: float
    reasons: tuple[str, ...]
    guidance: tuple[Step, ...]


def compose(material: Material, ask: Callable[[Query], Sequence[UsageEvent]]) -> Anomaly:
    """The anomaly in the shape that is printed, stored and given to the workflow."""
    return _anomaly(material, _enrich(material, ask))


def bare(material: Material) -> Anomaly:
    """The anomaly before any enrichment: its extent and what was told of it."""
    nothing = evidence.Evidence(actors=(), automation=None, statements=(), signals=evidence.Signals())
    unpriced = Cost(usd_per_hour=None, usd_so_far=None, usd_month_end=None, basis="", confidence=0.0)
    return _anomaly(material, _Enriched(evidence=nothing, cost=unpriced, severity=0.0, reasons=(), guidance=()))


def _enrich(material: Material, ask: Callable[[Query], Sequence[UsageEvent]]) -> _Enriched:
    used = material.uses
    found = evidence.find(_context(material, ask))
    priced = material.kind.price != "none"
    estimated = cost.estimate(
        used, material.released, material.now, material.prices_date, material.median_rate_used, priced
    )
    level, reasons = severity.assess(
        severity.Facts(
            findings=material.extent.findings,
            usd_per_hour=estimated.usd_per_hour,
            total=material.view.total,
            released=material.view.released,
            attempts_only=_attempts(material),
            account_type=account_type(material.account),
            signals=found.signals,
        )
    )
    steps: tuple[Step, ...] = ()
    if used:
        facts = guidance.facts(used, material.released, material.account_id, found.actors, found.automation)
        steps = guidance.advise(material.kind, facts)
    return _Enriched(evidence=found, cost=estimated, severity=level, reasons=reasons, guidance=steps)


def _anomaly(material: Material, said: _Enriched) -> Anomaly:
    used = material.uses
    told = material.told
    ids = tuple(dict.fromkeys(each for event in used for each in event.resource_ids))
    unit = f"refused calls for {material.kind.many}" if _attempts(material) else material.kind.many
    return Anomaly(
        id=told.id if told else mint(material.kind_name, material.account_id, material.extent.start, ()),
        kind=material.kind_name,
        account_id=material.account_id,
        account_name=_name(material),
        regions=_ranked((event.region, event.quantity) for event in used),
        accounts=_ranked((event.account_id, event.quantity) for event in used) if _organization(material) else {},
        start=bucket_start(material.extent.start),
        last_seen=bucket_start(material.extent.last_seen),
        first_use=used[0].event_time if used else bucket_start(material.extent.start),
        last_use=used[-1].event_time if used else bucket_start(material.extent.last_seen),
        state=told.state if told else material.state,
        sequence=told.sequence if told else 0,
        total=material.view.total,
        released=material.view.released,
        expected=material.expected,
        unit=unit,
        findings=material.extent.findings,
        ready=dict(material.ready),
        detected_at=told.alerts[0].at if told else None,
        alerts=told.alerts if told else (),
        cost=said.cost,
        severity=said.severity,
        severity_reasons=said.reasons,
        actors=said.evidence.actors,
        automation=said.evidence.automation,
        evidence=said.evidence.statements,
        guidance=said.guidance,
        resource_ids=ids[:IDS_KEPT],
        resource_count=len(ids),
        truncated=any(event.truncated for event in used),
        suppressed=False,
        groups=_ranked((event.group or UNKNOWN_GROUP, event.quantity) for event in used),
        joined_to=told.joined_to if told else None,
        closed_reason=told.closed_reason if told else None,
        notes=() if _attempts(material) else cost.gaps(used, material.kind.many),
    )


def _context(material: Material, ask: Callable[[Query], Sequence[UsageEvent]]) -> evidence.EvidenceContext:
    account = None if _organization(material) else material.account_id
    start = material.uses[0].event_time if material.uses else bucket_start(material.extent.start)
    past = Query(kind=material.kind_name, account_id=account, end=start)
    span = Query(account_id=account, start=start - evidence.BEFORE, end=material.now)
    return evidence.EvidenceContext(
        kind=material.kind_name,
        account=material.account_id,
        start=start,
        last_seen=bucket_start(material.extent.last_seen),
        uses=material.uses,
        past=[event for event in ask(past) if event.event_time < start],
        account_events=[] if _organization(material) else ask(span),
        others=ask,
        covered_from=material.covered_from,
        unit=material.kind.many,
        tallied=material.kind.keep == "tally",
    )


def _attempts(material: Material) -> bool:
    return material.kind_name.endswith(ATTEMPTS)


def _organization(material: Material) -> bool:
    return material.account_id == ORGANIZATION


def _name(material: Material) -> str:
    return ORGANIZATION if _organization(material) else account_name(material.account, material.account_id)


def _ranked(parts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Sums by name, the largest first, then by name."""
    sums: Counter[str] = Counter()
    for name, quantity in parts:
        sums[name] += quantity
    return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0]))[:REGIONS_SHOWN])
