"""Does the account add more dollars an hour than its type may?"""

from __future__ import annotations

from usage_anomaly.detection import Finding
from usage_anomaly.resources import MICRO
from usage_anomaly.series import BUCKETS_PER_HOUR, Judged, bucket_start


def finding(series: Judged, end: int, micro: int, limit: float, whose: str) -> Finding:
    """The finding for the hour that ends with bucket `end`, whose net addition of `micro` micro-dollars is above `limit`.

    `actual` is USD per hour at list price, net of releases; for kinds priced per call, USD of the hour.
    """
    low = end - BUCKETS_PER_HOUR + 1
    actual = micro / MICRO
    quantity = max(series.quantity(low, end), 1)
    return Finding(
        detector="burn_rate",
        scope="account",
        region=None,
        window_start=bucket_start(low),
        window_end=bucket_start(end + 1),
        window_minutes=60,
        actual=round(actual, 4),
        expected=None,
        score=round(1 - limit / actual, 4),
        confidence=round(1 - min(series.truncated(low, end), quantity) / quantity, 4),
        reason=f"burn rate {_usd(actual)} USD/h added in 60 minutes, limit {_usd(limit)} for {whose}",
    )


def _usd(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 10 else f"{amount:,.2f}".rstrip("0").rstrip(".")
