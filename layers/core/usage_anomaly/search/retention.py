"""Which indexes and pasts are too old to be kept?

For clusters that delete no index by themselves; where they do, there is nothing left to find here. Only names that are ours to
the last letter are deleted, one by one: never a pattern.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from opensearchpy import OpenSearch

from usage_anomaly.search.client import READ_WAITS, Answer, Wait, answering, patiently
from usage_anomaly.search.indexes import EVENTS, HOURLY, PROFILES, milliseconds
from usage_anomaly.search.policies import GRACE_DAYS as GRACE_DAYS

HOURLY_DAYS = 400
# A pair that was not used for so long needs no past; one that is used again gets another.
PROFILE_DAYS = 60
_NAMES = {
    EVENTS: (re.compile(rf"{EVENTS}-(\d{{4}})\.(\d\d)\.(\d\d)"), 1),
    HOURLY: (re.compile(rf"{HOURLY}-(\d{{4}})\.(\d\d)"), 31),
}


def forget(client: OpenSearch, now: datetime, retention_days: int, wait: Wait = time.sleep) -> list[str]:
    """Delete what is too old; returns what was deleted. Raises SearchUnavailable or SearchRefused."""

    def ask(send: Callable[[], Answer]) -> Answer:
        def answered() -> Answer:
            with answering():
                return send()

        return patiently(answered, READ_WAITS, wait)

    found = ask(lambda: client.indices.get_alias(index=f"{EVENTS}-*,{HOURLY}-*"))
    gone = [name for name in sorted(found) if _is_over(name, now, retention_days)]
    for name in gone:
        ask(lambda name=name: client.indices.delete(index=name, ignore=404))  # type: ignore[misc]  # bound at once
    oldest = milliseconds(now - timedelta(days=PROFILE_DAYS))
    stale = {"query": {"range": {"cut": {"lt": oldest, "format": "epoch_millis"}}}}
    there = ask(lambda: client.count(index=PROFILES, body=stale, params={"ignore_unavailable": "true"}))
    if there["count"]:
        params = {"conflicts": "proceed", "ignore_unavailable": "true"}
        ask(lambda: client.delete_by_query(index=PROFILES, body=stale, params=params))
        gone.append(f"{there['count']} of {PROFILES}")
    return gone


def _is_over(name: str, now: datetime, retention_days: int) -> bool:
    """Whether an index holds only what is older than it is kept."""
    for prefix, (pattern, length) in _NAMES.items():
        match = pattern.fullmatch(name)
        if match:
            kept = retention_days + GRACE_DAYS if prefix == EVENTS else HOURLY_DAYS
            year, month, day = map(int, (*match.groups(), 1)[:3])
            try:
                began = datetime(year, month, day, tzinfo=UTC)
            except ValueError:  # no day of a calendar: none of ours
                return False
            return began + timedelta(days=length + kept) <= now
    return False
