"""What reads a record in these tests?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.usage.calls import TinyPrices, parsed

from usage_anomaly.catalog import Catalog
from usage_anomaly.envelopes import event_time
from usage_anomaly.usage import UsageEvent, read_usage

Read = Callable[[dict[str, Any]], list[UsageEvent]]


@pytest.fixture(scope="session")
def read(catalog: Catalog) -> Read:
    """Reads one record with the bundled catalog and the tiny price table."""

    def read_one(record: dict[str, Any]) -> list[UsageEvent]:
        each = parsed(record)
        time = event_time(each)
        assert time is not None
        return read_usage(each, time, each.event_id or "", catalog, TinyPrices(), "a.json.gz#0")

    return read_one
