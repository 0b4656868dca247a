"""Up to which ingest time has everything been judged?"""

from __future__ import annotations

from datetime import datetime

from usage_anomaly.state import Table
from usage_anomaly.state.told import stamp

_KEY = {"pk": "CURSOR", "sk": "CURSOR"}


def read(table: Table) -> datetime | None:
    """The ingest time (UTC) up to which earlier ticks judged everything; None before the first tick."""
    item = table.get_item(Key=_KEY, ConsistentRead=True).get("Item")
    return None if item is None else datetime.fromisoformat(item["ingest_time"])


def advance(table: Table, ingest_time: datetime) -> None:
    """Note how far this tick came. Unconditional: a slower tick may set it back, which only costs a second look."""
    table.put_item(Item={**_KEY, "ingest_time": stamp(ingest_time)})
