"""Who passes the catalog's limit per 10 minutes? Nothing else is asked; the score is how many times the limit."""

from __future__ import annotations

import numpy as np

from benchmarks.detection.organization import Organization
from benchmarks.detection.peers.windows import Windows, lines, windows
from benchmarks.detection.setting import rooms

BUCKETS = 2
OVER = 1e-6  # at the limit is not above it
NONE_USUAL = 1e9  # any use of a kind whose limit is 0


def over_limits(organization: Organization) -> list[Windows]:
    """Windows of 10 minutes that end at each bucket, of each account over all regions."""
    found = []
    for line in lines(organization):
        limit = rooms()[0].limit(line.kind, line.account_type)
        amounts = np.convolve(line.amounts, np.ones(BUCKETS))[: len(line.amounts)]
        scores = amounts / limit - OVER if limit else np.where(amounts > 0, NONE_USUAL, 0.0)
        found.append(windows(line, scores, BUCKETS, sliding=True))
    return found
