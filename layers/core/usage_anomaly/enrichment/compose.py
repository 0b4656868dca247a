"""What is the whole anomaly, with everything a reader needs to act?

First what the series and the life cycle alone say (`bare`), then what each enrichment adds to it; replay runs them one
after the other (`compose`), the workflow each in a step of its own. Pure: the history is asked through a callable, so that
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
from usage_anomaly.anomalies.view import Gathered
from usage_anomaly.catalog import Kind, has_price, is_attempts
from usage_anomaly.enrichment import cost, evidence, guidance, severity, wording
from usage_anomaly.enrichment.accounts import Account, account_name, account_type
from usage_anomaly.resources import Run, resources
from usage_anomaly.series import bucket_start
from usage_anomaly.usage import UsageEvent

REGIONS_SHOWN = 40
IDS_KEPT = 1_000
UNKNOWN_GROUP = "unknown"
UNPRICED = Cost(usd_per_hour=None, usd_so_far=None, usd_month_end=None, basis="", confidence=0.0)  # not estimated yet

Ask = Callable[[Query], Sequence[UsageEvent]]


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
    released: Mapping[Run, datetime]
    expected: float | None
    covered_from: datetime | None
    median_rate_used: bool
    ready: Mapping[str, str]
    now: datetime
    prices_date: str
    alone: bool = False  # no other account was read
    taken: frozenset[str] = frozenset()  # ids that were told in the account: a recorded extent gets another


class Priced(msgspec.Struct, frozen=True, kw_only=True):
    """The cost, and what it leaves out."""

    cost: Cost
    notes: tuple[str, ...] = ()


def compose(material: Material, ask: Ask) -> Anomaly:
    """The anomaly in the shape that is printed, stored and given to the workflow."""
    anomaly, kind, used = bare(material), material.kind, material.uses
    priced = price(
        anomaly,
        kind,
        Gathered(used, material.released),
        now=material.now,
        prices_date=material.prices_date,
        median_rate_used=material.median_rate_used,
    )
    found = look(
        anomaly, kind, used, covered_from=material.covered_from, now=material.now, ask=ask, alone=material.alone
    )
    facts = guidance.facts(used, material.released, anomaly.account_id, found.actors, found.automation)
    return complete(
        anomaly, material.account, priced, found, guidance.advise(kind, facts, found.signals) if used else ()
    )


def bare(material: Material) -> Anomaly:
    """What the series and the life cycle say, the enrichments at their empty values: what a workflow starts with."""
    used, told = material.uses, material.told
    ids = tuple(name for *_, name in dict.fromkeys(each for event in used for each in resources(event)))
    return Anomaly(
        id=told.id if told else mint(material.kind_name, material.account_id, material.extent.start, material.taken),
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
        unit=f"refused calls for {material.kind.many}" if _attempts(material) else material.kind.many,
        findings=material.extent.findings,
        ready=dict(material.ready),
        detected_at=told.alerts[0].at if told else None,
        alerts=told.alerts if told else (),
        cost=UNPRICED,
        severity=0.0,
        severity_reasons=(),
        actors=(),
        automation=None,
        evidence=(),
        guidance=(),
        resource_ids=ids[:IDS_KEPT],
        resource_count=len(ids),
        truncated=any(event.truncated for event in used),
        suppressed=False,
        groups=_ranked((event.group or UNKNOWN_GROUP, event.quantity) for event in used),
        joined_to=told.joined_to if told else None,
        closed_reason=told.closed_reason if told else None,
    )


def price(
    anomaly: Anomaly, kind: Kind, gathered: Gathered, *, now: datetime, prices_date: str, median_rate_used: bool
) -> Priced:
    """The cost at list price as of `now`, and what it leaves out."""
    used = gathered.uses
    return Priced(
        cost=cost.estimate(used, gathered.released, now, prices_date, median_rate_used, has_price(kind)),
        notes=() if _attempts(anomaly) else cost.gaps(used, kind.many),
    )


def look(
    anomaly: Anomaly,
    kind: Kind,
    used: Sequence[UsageEvent],
    *,
    covered_from: datetime | None,
    now: datetime,
    ask: Ask,
    alone: bool = False,
) -> evidence.Evidence:
    """The evidence: who, from where, what stands before and beside it."""
    account_id = None if _organization(anomaly) else anomaly.account_id
    start = used[0].event_time if used else anomaly.start
    past = Query(kind=anomaly.kind, account_id=account_id, end=start)
    context = evidence.EvidenceContext(
        kind=anomaly.kind,
        account=anomaly.account_id,
        start=start,
        last_seen=anomaly.last_seen,
        uses=used,
        past=[event for event in ask(past) if event.event_time < start],
        account_events=[] if account_id is None else _around(anomaly, start, now, ask),
        others=ask,
        covered_from=covered_from,
        alone=alone,
        unit=kind.many,
        tallied=kind.keep == "tally",
        releasable=kind.releasable,
    )
    return evidence.find(context)


def complete(
    anomaly: Anomaly,
    account: Account | None,
    priced: Priced,
    found: evidence.Evidence,
    steps: tuple[Step, ...],
) -> Anomaly:
    """The anomaly with what the enrichments say, and how bad that makes it."""
    level, reasons = severity.assess(
        severity.Facts(
            findings=anomaly.findings,
            usd_per_hour=priced.cost.usd_per_hour,
            total=anomaly.total,
            released=anomaly.released,
            attempts_only=_attempts(anomaly),
            account_type=account_type(account),
            signals=found.signals,
            unpriced=wording.unpriced(priced.notes),
        )
    )
    return msgspec.structs.replace(
        anomaly,
        account_name=account_name(account, anomaly.account_name),
        cost=priced.cost,
        severity=level,
        severity_reasons=reasons,
        actors=found.actors,
        automation=found.automation,
        evidence=found.statements,
        guidance=steps,
        notes=(*anomaly.notes, *priced.notes),
    )


def _around(anomaly: Anomaly, start: datetime, now: datetime, ask: Ask) -> list[UsageEvent]:
    """The account's events that evidence asks about: this kind's, all refused before, for refusals what got through.

    Asked one by one, so that a busy kind beside it takes no room where the number of events read is limited.
    """
    account_id, before = anomaly.account_id, start - evidence.BEFORE
    end = max(now, anomaly.last_use)  # a replay's now is the minute of its last record, which may have come later in it
    queries = [
        Query(kind=anomaly.kind, account_id=account_id, start=before, end=end),
        Query(direction="attempt", account_id=account_id, start=before, end=start),
        Query(kind=evidence.DENIED, account_id=account_id, start=before, end=start),
    ]
    if _attempts(anomaly):
        queries.append(Query(direction="use", account_id=account_id, start=start, end=end))
    found = {(each.event_id, each.kind, each.group, each.event_time): each for query in queries for each in ask(query)}
    return list(found.values())


def _attempts(of: Material | Anomaly) -> bool:
    return is_attempts(of.kind if isinstance(of, Anomaly) else of.kind_name)


def _organization(of: Material | Anomaly) -> bool:
    return of.account_id == ORGANIZATION


def _name(material: Material) -> str:
    return ORGANIZATION if _organization(material) else account_name(material.account, material.account_id)


def _ranked(parts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Sums by name, the largest first, then by name."""
    sums: Counter[str] = Counter()
    for name, quantity in parts:
        sums[name] += quantity
    return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0]))[:REGIONS_SHOWN])
