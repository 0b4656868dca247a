"""Usage events as small as these tests need them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from opensearchpy import OpenSearch

from usage_anomaly.history import Kept
from usage_anomaly.search import profiles
from usage_anomaly.search.client import Wait
from usage_anomaly.usage import UsageEvent

NOW = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)
ACCOUNT = "111122223333"
NOBODY = "http://127.0.0.1:9"  # the discard service: no machine has it running any more


def event(number: int, minutes: float = 0.0, **fields: Any) -> UsageEvent:
    """One launch of one instance, `minutes` after ten o'clock."""
    plain: dict[str, Any] = {
        "event_id": str(UUID(int=number)),
        "event_time": datetime(2026, 11, 25, 10, tzinfo=UTC) + timedelta(minutes=minutes),
        "event_source": "ec2.amazonaws.com",
        "event_name": "RunInstances",
        "kind": "ec2.instances",
        "account_id": ACCOUNT,
        "region": "us-east-1",
        "direction": "use",
        "quantity": 1,
        "unit": "instances",
        "origin": "live",
    }
    return UsageEvent(**{**plain, **fields})


def plenty() -> float:
    """A call that has just begun."""
    return 60.0


def at_once(seconds: float) -> None:
    """Waiting in a test."""


def kept(client: OpenSearch, account_id: str, kind: str, wait: Wait = at_once) -> Kept:
    """The past of one pair."""
    (found,) = profiles.read(client, [account_id], kind, wait)
    return found
