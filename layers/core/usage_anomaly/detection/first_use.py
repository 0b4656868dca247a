"""Does the account use a region, or a family of accelerators, that it has not used for weeks, or does somebody new use it?

Judged in the first day of such use, once that day's sum there reaches the kind's floor: a single try elsewhere is no news.
"""

from __future__ import annotations

from collections.abc import Sequence

from usage_anomaly.detection import Finding
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.places import Place
from usage_anomaly.series import BUCKETS_PER_DAY, bucket_start

RULE = FIGURES.first_use
MOST_NAMED = 3


def finding(
    end: int, begin: int, new: Sequence[Place], amount: int, limit: int, *, unit: str, confidence: float
) -> Finding:
    """The finding for use in places that are new in the day that ends with bucket `end`, first used in bucket `begin`.

    Its score says how far the amount is above the 10-minute limit.
    """
    regions = [each.name for each in new if each.what == "region"]
    named = ", ".join(f"{each.what} {each.name}" for each in new[:MOST_NAMED])
    more = f" and {len(new) - MOST_NAMED} more" if len(new) > MOST_NAMED else ""
    return Finding(
        detector="first_use",
        scope="region" if len(regions) == 1 else "account",
        region=regions[0] if len(regions) == 1 else None,
        window_start=bucket_start(begin),
        window_end=bucket_start(end + 1),
        window_minutes=BUCKETS_PER_DAY * 5,
        actual=float(amount),
        expected=0.0,
        score=round(max(0.0, 1 - limit / amount), 4),
        confidence=confidence,
        reason=f"first use of {named}{more} in {RULE.memory_days} days: {amount:,} {unit}",
    )
