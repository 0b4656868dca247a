"""Do several accounts use something at once that the organization does not know?

The same image, address or identity in five accounts within an hour. An image is known once any account used it before; an
address or identity once as many accounts shared it within an hour before, as a deployment role does at each release.
"""

from __future__ import annotations

from collections.abc import Sequence

from usage_anomaly.detection import Finding
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.series import BUCKETS_PER_DAY, bucket_start
from usage_anomaly.totals import CappedTotal, Spread, Trait

RULE = FIGURES.shared_use
MEMORY = FIGURES.first_use.memory_days * BUCKETS_PER_DAY
MOST_NAMED = 3


def new_spreads(total: CappedTotal, end: int) -> list[Spread]:
    """What accounts share in the hour that ends with bucket `end` and did not in the 35 days before its day."""
    shared = total.shared(end - RULE.buckets + 1, end, RULE.accounts)
    return [each for each in shared if not is_known(total, each.trait, end)]


def is_known(total: CappedTotal, trait: Trait, end: int) -> bool:
    """Whether a trait was known before the day that ends with bucket `end`."""
    until, needed = end - BUCKETS_PER_DAY, 1 if trait.what == "image" else RULE.accounts
    return total.known(trait, until - MEMORY + 1, until, RULE.buckets, needed)


def finding(end: int, spreads: Sequence[Spread]) -> Finding:
    """The finding for what is shared in the hour that ends with bucket `end`; `actual` counts accounts."""
    accounts = {account for each in spreads for account in each.accounts}
    named = ", ".join(f"{each.trait.what} {each.trait.name}" for each in spreads[:MOST_NAMED])
    return Finding(
        detector="first_use",
        scope="organization",
        region=None,
        window_start=bucket_start(end - RULE.buckets + 1),
        window_end=bucket_start(end + 1),
        window_minutes=RULE.buckets * 5,
        actual=float(len(accounts)),
        expected=None,
        score=round(1 - RULE.accounts / len(accounts), 4),
        confidence=1.0,
        reason=f"{named} in {len(accounts)} accounts within {RULE.buckets * 5} minutes, new to the organization",
    )
