"""Is this window of a series unusual?"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Detector = Literal["threshold", "burn_rate", "baseline", "first_use", "learned"]
Scope = Literal["account", "region", "organization"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One detector says that one window of one series is unusual. Times are UTC, the window is [start, end)."""

    detector: Detector
    scope: Scope
    region: str | None
    window_start: datetime
    window_end: datetime
    window_minutes: int
    actual: float  # units of the kind, or USD per hour for burn_rate
    expected: float | None
    score: float  # 0-1: 1 - bound / actual, the bound being a limit, or what is usual where that is more
    confidence: float  # 0-1; share of the quantity not from truncated records
    reason: str  # a sentence with numbers
    detector_version: str = "1"
