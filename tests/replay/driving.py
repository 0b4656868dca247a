"""Feeds usage events to a replay the way objects would bring them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec
from tests.anomalies.test_series import START

from usage_anomaly.anomalies.overrides import NONE, Overrides
from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment.accounts import Account
from usage_anomaly.replay import Arrival, Replay
from usage_anomaly.series import bucket_of
from usage_anomaly.usage import UsageEvent

Delivered = tuple[int, UsageEvent]  # minutes from START at which it arrives, event


def arrival(events: Iterable[UsageEvent]) -> Arrival:
    """One object that holds one record per event."""
    keys, wanted, coverage = bytearray(), [], defaultdict[str, list[int]](list)
    for position, event in enumerate(events):
        keys += hashlib.blake2b(f"{event.account_id}/{event.event_id}".encode(), digest_size=16).digest()
        wanted.append((position, (event,)))
        bucket = bucket_of(event.event_time)
        coverage[event.account_id].append(bucket)
    return Arrival(bytes(keys), tuple(wanted), {account: tuple(each) for account, each in coverage.items()})


def run(
    catalog: Catalog,
    delivered: Iterable[Delivered],
    accounts: Mapping[str, Account] | None = None,
    overrides: Overrides = NONE,
) -> Replay:
    """Replay the deliveries, all of a minute in one object."""
    by_minute: dict[datetime, list[UsageEvent]] = defaultdict(list)
    for minute, event in delivered:
        by_minute[START + timedelta(minutes=minute)].append(event)
    replay = Replay(catalog, accounts or {}, overrides=overrides)
    for moment in sorted(by_minute):
        replay.tick(moment, [arrival(by_minute[moment])])
    return replay


def told(replay: Replay) -> bytes:
    """Everything that a replay leads to, as bytes."""
    return msgspec.json.encode([replay.outcomes(), sorted(replay.told.items()), replay.counts.usage])
