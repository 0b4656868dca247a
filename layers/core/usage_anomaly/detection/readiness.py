"""Which detectors can judge an account on a day, and why not?"""

from __future__ import annotations

from usage_anomaly.coverage import Coverage
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.series import BUCKETS_PER_DAY

BASELINE, FIRST_USE = FIGURES.baseline, FIGURES.first_use


def baseline_lacks(coverage: Coverage, bucket: int) -> str | None:
    """Why there is no profile for the day of a bucket yet, or None."""
    known = len(coverage.before(bucket // BUCKETS_PER_DAY, BASELINE.days))
    return None if known >= BASELINE.ready_days else _lacks(known, BASELINE.ready_days)


def first_use_lacks(coverage: Coverage, bucket: int) -> str | None:
    """Why nobody can say yet that something is new on the day of a bucket, or None."""
    known = len(coverage.before(bucket // BUCKETS_PER_DAY, FIRST_USE.memory_days))
    return None if known >= FIRST_USE.ready_days else _lacks(known, FIRST_USE.ready_days)


def readiness(coverage: Coverage, bucket: int, unlearned: str | None = "in a deployment only") -> dict[str, str]:
    """By detector "yes", or why it does not judge the account on the day of a bucket.

    `unlearned` says why the learned detectors do not, or None. Alone they are told from when on habits are known.
    """
    return {
        "threshold": "yes",
        "burn_rate": "yes",
        "baseline": baseline_lacks(coverage, bucket) or "yes",
        "first_use": first_use_lacks(coverage, bucket) or "yes",
        "learned": unlearned or baseline_lacks(coverage, bucket) or "yes",
    }


def _lacks(known: int, needed: int) -> str:
    return f"{known} of the {needed} days known that it needs"
