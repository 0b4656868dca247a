"""What does a deployment in good health look like to its probes, and each probe in trouble?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from usage_anomaly.health import Calls, Cluster, Executions, Lag, Letters, Probes, Seconds

NOW = datetime(2026, 11, 25, 10, 5, tzinfo=UTC)

FUNCTIONS = {
    "ingest": Calls(invocations=400),
    "detect": Calls(invocations=15),
    "deliver_alert": Calls(invocations=2),
}
WELL = Probes(
    cluster=Cluster(status="green", unassigned_shards=0),
    functions=FUNCTIONS,
    lag=Lag(20.0),
    outbox=Seconds(None),
    alerts=Seconds(45.0),
    workflow=Executions(started=2),
    dead_letters=Letters(),
    history=Seconds(3_600.0),
)


def probes(**changes: Any) -> Probes:
    return msgspec.structs.replace(WELL, **changes)


def calls(**changes: Calls) -> dict[str, Calls]:
    return {**FUNCTIONS, **changes}
