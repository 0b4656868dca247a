"""Did the account use more than its type may, over all regions?"""

from __future__ import annotations

from usage_anomaly.detection import Finding, Scope
from usage_anomaly.detection.limits import Window
from usage_anomaly.series import Judged, bucket_start


def finding(
    series: Judged, end: int, window: Window, *, actual: int, limit: int, scope: Scope, unit: str, whose: str
) -> Finding:
    """The finding for a window whose `actual` use is above `limit`; `unit` and `whose` (development accounts) word the reason.

    Score 1 - limit / actual; confidence is the share of the quantity that no truncated record reports.
    """
    low = end - window.buckets + 1
    return Finding(
        detector="threshold",
        scope=scope,
        region=None,
        window_start=bucket_start(low),
        window_end=bucket_start(end + 1),
        window_minutes=window.minutes,
        actual=float(actual),
        expected=None,
        score=round(1 - limit / actual, 4),
        confidence=round(1 - min(series.truncated(low, end), actual) / actual, 4),
        reason=f"{actual:,} {unit} in {window.minutes} minutes, limit {limit:,} for {whose}",
    )
