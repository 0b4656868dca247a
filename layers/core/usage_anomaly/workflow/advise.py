"""How bad is it, what should be done, how is it said, and is it told at all? (step "Advise and assess")

Puts the steps before it together. What one of them could not find out is said in the alert. The result is kept, so that
an execution that runs again says the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from usage_anomaly.alerts import mail, notification
from usage_anomaly.anomalies import Anomaly, Cost, Query, Statement
from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment import guidance
from usage_anomaly.enrichment.compose import Priced, complete
from usage_anomaly.enrichment.evidence import Evidence, Signals
from usage_anomaly.state import Table, claims, results
from usage_anomaly.workflow import Input
from usage_anomaly.workflow.bounds import fit
from usage_anomaly.workflow.deliver_alert import CHANNEL, Result
from usage_anomaly.workflow.enrich_account import Looked
from usage_anomaly.workflow.estimate_cost import Costed
from usage_anomaly.workflow.find_evidence import Found, facts_of


class FoundOut(msgspec.Struct, frozen=True, kw_only=True):
    """What the two parallel steps gave."""

    cost: Costed
    evidence: Found


class AdviceInput(Input, frozen=True, kw_only=True):
    """The execution's input with what the steps before found out."""

    account: Looked
    found: FoundOut


def run(event: Mapping[str, Any], table: Table, catalog: Catalog) -> dict[str, Any]:
    """The result as JSON values: that of an earlier execution of this sequence where there is one."""
    given = msgspec.convert(event, AdviceInput)
    text = msgspec.json.encode(_advise(given, table, catalog)).decode()
    anomaly = given.anomaly
    kept: dict[str, Any] = msgspec.json.decode(
        results.keep(table, anomaly.id, anomaly.sequence, text, anomaly.total, given.now)
    )
    return kept


def _advise(given: AdviceInput, table: Table, catalog: Catalog) -> Result:
    kind, account = catalog.kind_of(given.anomaly.kind), given.account.account
    anomaly = fit(_assessed(given, catalog))
    first = results.first_total(table, anomaly.id) if anomaly.sequence > 1 else None
    said = mail.render(
        anomaly, kind, account, update=max(1, len(anomaly.alerts) - 1), recipient="replay", first_total=first
    )
    why_not = _why_not(given, claims.newest_sent(table, anomaly.id, CHANNEL))
    return Result(
        anomaly=anomaly,
        mail=said,
        attributes=notification.attributes(anomaly, account),
        gaps=_gaps(given),
        tell=not why_not,
        why_not=why_not,
        reason=given.reason,
        now=given.now,
    )


def _assessed(given: AdviceInput, catalog: Catalog) -> Anomaly:
    """The complete anomaly, with the gaps among its notes."""
    kind, found = catalog.kind_of(given.anomaly.kind), given.found.evidence
    evidence = found.evidence or _no_evidence(found.gaps)
    facts = facts_of(given.anomaly.account_id, found.places, evidence.actors, evidence.automation)
    costed = given.found.cost
    priced = Priced(cost=costed.cost or _no_cost(costed.gaps), notes=costed.notes)
    # An input's own notes are about its price, which is estimated anew.
    anomaly = replace(given.anomaly, notes=_gaps(given))
    return complete(anomaly, given.account.account, priced, evidence, guidance.advise(kind, facts, evidence.signals))


def _gaps(given: AdviceInput) -> tuple[str, ...]:
    return (*given.account.gaps, *given.found.cost.gaps, *given.found.evidence.gaps)


def _no_cost(gaps: tuple[str, ...]) -> Cost:
    basis = next((gap.removeprefix("cost: ") for gap in gaps), "not available")
    return Cost(usd_per_hour=None, usd_so_far=None, usd_month_end=None, basis=basis, confidence=0.0)


def _no_evidence(gaps: tuple[str, ...]) -> Evidence:
    text = next((gap.removeprefix("evidence: ") for gap in gaps), "not available")
    statement = Statement(topic="who", text=text, query=Query(), count=0, event_ids=())
    return Evidence(actors=(), automation=None, statements=(statement,), signals=Signals())


def _why_not(given: AdviceInput, told: int) -> str:
    """Why nobody is told; "" when people are."""
    if given.anomaly.suppressed:
        return "suppressed"
    if not given.notify:
        return "backfill"
    return f"older than sequence {told}, which was told" if told > given.anomaly.sequence else ""
