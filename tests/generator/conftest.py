"""What do the generator's tests share?"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from usage_anomaly_generator import Incident, demo
from usage_anomaly_generator.calls import Record, Span
from usage_anomaly_generator.trail import records

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)


@pytest.fixture(scope="session")
def demo_incident() -> Incident:
    return demo.place("leaked_key", Span(demo.START, datetime(2026, 11, 25, 12, tzinfo=UTC)))


@pytest.fixture(scope="session")
def demo_records(demo_incident: Incident) -> list[Record]:
    """The demo's week, each record once."""
    return list(records(demo.ORGANIZATION, demo.HABITS_OF_THE_DEMO, [demo_incident], demo.START, demo.DAYS, demo.SEED))
