"""How do anomalies stand in a spreadsheet, as CSV?

One row each, most severe first, under a header that stays. A text from a record or a tag begins no formula: where one
could begin, an apostrophe stands before it, which spreadsheets hide and show as text.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from usage_anomaly.alerts.plain import inert
from usage_anomaly.alerts.storm import Storm
from usage_anomaly.anomalies import Actor, Anomaly
from usage_anomaly.catalog import Catalog, costs_nothing
from usage_anomaly.enrichment.wording import trustworthy, unpriced
from usage_anomaly_cli.account_of_replay import rank, rank_of_storm, storm_row, what

COLUMNS = (
    "severity", "account_id", "account_name", "kind", "what", "quantity", "unit", "first_use", "last_use", "regions",
    "state", "told", "usd_per_hour", "unpriced", "actor", "access_key_id", "source_address", "automation", "id",
)  # fmt: skip
_CLIPPED = 300
# At the beginning of a cell, or of what becomes one where a spreadsheet divides by semicolons. The wide ones too.
_FORMULA = re.compile("(^|[;,])([\\s\"']*)(?=[=+@\uff1d\uff0b\uff20\uff0d-])")

Cell = str | int | float


def text(anomalies: Iterable[Anomaly], catalog: Catalog, storms: Sequence[Storm] = ()) -> str:
    """The sheet, its lines ended by CR LF (RFC 4180). What is not known is an empty cell.

    A storm is a row that sums up rows: it is `storm` under `told`, so that sums can leave it out.
    """
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(COLUMNS)
    rows = [(rank(each), _row(each, catalog)) for each in anomalies]
    for each in storms:
        said = {"what": cell(storm_row(each, catalog)[2]), "told": "storm"}
        row = dict(zip(COLUMNS, _row(each.together, catalog), strict=True)) | said
        rows.append((rank_of_storm(each), tuple(row.values())))
    writer.writerows(row for _, row in sorted(rows, key=lambda each: each[0]))
    return stream.getvalue()


def cell(value: str | None, limit: int = _CLIPPED) -> str:
    """A text as one visible line that no spreadsheet evaluates; empty where there is none."""
    return _FORMULA.sub(r"\1\2'", inert(value, limit)) if value else ""


def _row(anomaly: Anomaly, catalog: Catalog) -> tuple[Cell, ...]:
    first = anomaly.actors[0] if anomaly.actors else None
    regions = "; ".join(f"{inert(name, 30)} {count}" for name, count in anomaly.regions.items())
    return (
        anomaly.severity,
        cell(anomaly.account_id),
        cell(anomaly.account_name),
        cell(anomaly.kind),
        cell(what(anomaly, catalog)),
        anomaly.total,
        cell(anomaly.unit),
        _time(anomaly.first_use),
        _time(anomaly.last_use),
        cell(regions),
        anomaly.state,
        "told" if anomaly.alerts else "recorded",
        *_money(anomaly, catalog),
        *_doer(first),
        cell(trustworthy(anomaly.automation, anomaly.actors, anomaly.evidence)),
        cell(anomaly.id),
    )


def _money(anomaly: Anomaly, catalog: Catalog) -> tuple[Cell, Cell]:
    """The known rate, and for how much of the quantity none is known; what is never billed has a rate of 0."""
    if costs_nothing(catalog.kind_of(anomaly.kind), anomaly.kind):
        return 0, 0
    rate = anomaly.cost.usd_per_hour
    return ("", anomaly.total) if rate is None else (rate, unpriced(anomaly.notes))


def _doer(actor: Actor | None) -> tuple[Cell, Cell, Cell]:
    if actor is None:
        return "", "", ""
    return cell(actor.arn), cell(actor.access_key_id), cell(actor.source_address)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
