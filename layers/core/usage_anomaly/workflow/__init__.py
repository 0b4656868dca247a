"""Which steps turn an anomaly into an alert, and what do they hand to each other?"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from usage_anomaly.anomalies import AlertReason, Anomaly


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """What an execution starts with; enough to replay it in the console. At most 256 KiB as JSON.

    The anomaly has its extent and what was told of it; the enrichments are still empty. `now` is the tick's minute, UTC.
    """

    anomaly: Anomaly
    reason: AlertReason  # why this sequence is told
    notify: bool  # False for what a backfill brought
    now: datetime
    schema: Literal["anomaly.v1"] = "anomaly.v1"


def execution_name(anomaly: Anomaly) -> str:
    """The execution's name: an id and sequence start once, however often they are dispatched (1-80 characters)."""
    return f"{anomaly.id}-{anomaly.sequence}"
