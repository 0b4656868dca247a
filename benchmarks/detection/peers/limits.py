"""Who passes the catalog's limit per 10 minutes? Nothing else is asked; the score is how many times the limit."""

from __future__ import annotations

import numpy as np

from benchmarks.detection.organization import Organization
from benchmarks.detection.peers.windows import Line, Numbers, Windows, lines, windows
from benchmarks.detection.setting import rooms

BUCKETS = 2
OVER = 1e-6  # at the limit is not above it
NONE_USUAL = 1e9  # any use of a kind whose limit is 0


def over_limits(organization: Organization) -> list[Windows]:
    """Windows of 10 minutes that end at each bucket, of each account over all regions."""
    return [windows(line, limit_scores(line), BUCKETS, sliding=True) for line in lines(organization)]


def limit_scores(line: Line) -> Numbers:
    """How many times the limit each bucket and the one before hold; at 1 and above it is passed."""
    limit = rooms()[0].limit(line.kind, line.account_type)
    amounts = np.convolve(line.amounts, np.ones(BUCKETS))[: len(line.amounts)]
    return amounts / limit - OVER if limit else np.where(amounts > 0, NONE_USUAL, 0.0)
