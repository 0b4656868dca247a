"""Makes single launches, and lines of use, for the benchmark's tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import numpy as np
from benchmarks.detection import doers
from benchmarks.detection.accounts import Account
from benchmarks.detection.calls import launch
from benchmarks.detection.peers.windows import Line
from benchmarks.detection.setting import Setting

from usage_anomaly.usage import UsageEvent


def launch_at(account: Account, at: datetime, count: int, event_id: str) -> UsageEvent:
    """So many instances launched by Auto Scaling, under that id."""
    setting = Setting(account, date(2026, 3, 2), 42, event_id.partition("#")[0], 1)
    ids = [f"i-{event_id}-{number}" for number in range(count)]
    (event,) = launch(setting, at, doers.auto_scaling(account), "m5.large", ids)
    return UsageEvent(**{**{name: getattr(event, name) for name in event.__struct_fields__}, "event_id": event_id})


def line(amounts: Sequence[float], kind: str = "ec2.instances") -> Line:
    """A line of a production account with so much use in each hour, all in the hour's first bucket."""
    buckets = np.zeros(len(amounts) * 12)
    buckets[::12] = amounts
    arrived = np.arange(len(buckets), dtype=np.float64) * 5 + 8
    return Line("111122223333", kind, "production", 0, buckets, arrived)
