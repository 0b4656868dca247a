"""What does it cost? (step "Estimate cost")"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from usage_anomaly.anomalies import Anomaly, Cost
from usage_anomaly.anomalies.view import nets_unread_launch
from usage_anomaly.catalog import Catalog, costs_nothing
from usage_anomaly.enrichment.compose import price
from usage_anomaly.series import bucket_of
from usage_anomaly.workflow.reading import Asking, Past, collect


class CostInput(msgspec.Struct, frozen=True, kw_only=True):
    anomaly: Anomaly
    now: datetime


class Costed(msgspec.Struct, frozen=True, kw_only=True):
    """The cost with what it leaves out, or None with what is missing."""

    cost: Cost | None = None
    notes: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()


def run(event: Mapping[str, Any], past: Past, catalog: Catalog, prices_date: str) -> dict[str, Any]:
    """The cost as JSON values. Raises SearchUnavailable."""
    given = msgspec.convert(event, CostInput)
    found: dict[str, Any] = msgspec.to_builtins(_estimate(given, past, catalog, prices_date))
    return found


def _estimate(given: CostInput, past: Past, catalog: Catalog, prices_date: str) -> Costed:
    anomaly, kind = given.anomaly, catalog.kind_of(given.anomaly.kind)
    material = collect(anomaly, kind, Asking(past, catalog))
    read, free = material.quantity(), costs_nothing(kind, anomaly.kind)
    if read == 0 < anomaly.total and not free:
        return Costed(gaps=("cost: not available, the usage events are not in the index",))
    last = bucket_of(anomaly.last_use)
    median = any(nets_unread_launch(series, anomaly.findings, last) for series in material.members)
    priced = price(anomaly, kind, material.gathered, now=given.now, prices_date=prices_date, median_rate_used=median)
    partly = () if read >= anomaly.total or free else (f"cost: of {read:,} of {anomaly.total:,} {kind.many}",)
    return Costed(cost=priced.cost, notes=priced.notes, gaps=partly)
