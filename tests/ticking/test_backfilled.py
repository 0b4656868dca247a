"""Is backfilled history told to nobody, whatever comes in beside it?"""

from __future__ import annotations

from datetime import timedelta

import msgspec
from tests.anomalies.test_series import START, event
from tests.ticking.conftest import Executions, MemoryHistory
from tests.ticking.test_ticks import alerts, one_tick

from usage_anomaly.catalog import Catalog
from usage_anomaly.state import Table


def test_what_a_backfill_brings_while_a_live_record_comes_late_is_told_to_nobody(
    catalog: Catalog, table: Table
) -> None:
    """Just after midnight some record of the day before always comes; the days that a backfill brings are no news by that."""
    history, executions = MemoryHistory(), Executions()
    history.ingest(START, [event(1, -5, ids=["i-1"], usd=0.1)])
    one_tick(catalog, history, table, executions, 6)
    old = [event(10 + each, -20 * 1_440, ids=[f"i-{each}-{n}" for n in range(9)], usd=30.0) for each in range(3)]
    history.ingest(START + timedelta(minutes=7), [msgspec.structs.replace(each, origin="backfill") for each in old])
    history.ingest(START + timedelta(minutes=7), [event(2, -2, ids=["i-2"], usd=0.1)])
    one_tick(catalog, history, table, executions, 8)
    assert alerts(executions) == []
