"""What would have been told of these events? The only module that drives the judge.

A detector's anomalies and a peer's alarms take the same form, `Opening`: one kind in one account, or in the organization.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from hashlib import blake2b

import msgspec
from msgspec.structs import replace

from benchmarks.detection.accounts import Account
from benchmarks.detection.delivery import Delivered
from benchmarks.detection.setting import rooms
from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.catalog import Catalog, Limits
from usage_anomaly.replay import Arrival, Outcome, Replay
from usage_anomaly.resources import MICRO
from usage_anomaly.seen import KEY_BYTES
from usage_anomaly.series import bucket_of, bucket_start
from usage_anomaly.usage import UsageEvent

HOUR = timedelta(hours=1)


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """One thing told: which use it is about (`start` to `end`, UTC), and the minute in which it was first told.

    `grown` are the later minutes in which it was told to be twice what was told before. `without` are the stretches of its
    time whose use another opening is about.
    """

    account_id: str  # ORGANIZATION for all accounts
    kind: str
    start: datetime
    end: datetime
    opened: datetime
    grown: tuple[datetime, ...] = ()
    without: tuple[tuple[datetime, datetime], ...] = ()
    quantity: float | None = None
    usd_per_hour: float | None = None
    detectors: str = ""


def key_of(event: UsageEvent) -> bytes:
    """The sameness key of the record that an event was read from."""
    return blake2b(f"{event.event_id}/{event.kind}".encode(), digest_size=KEY_BYTES).digest()


def arrival(events: Iterable[UsageEvent], present: Mapping[str, datetime]) -> Arrival:
    """What one minute brings: events, and the time of a record of each account that is `present`."""
    wanted = list(events)
    keys = b"".join(map(key_of, wanted))
    seen: dict[str, tuple[int, ...]] = {each: (bucket_of(at),) for each, at in present.items()}
    return Arrival(keys, tuple((place, (event,)) for place, event in enumerate(wanted)), seen)


def replayed(
    accounts: Iterable[Account], first: datetime, arrived: Delivered, catalog: Catalog | None = None
) -> Replay:
    """The finished replay of what arrived, in order. Each account has records in each hour from its beginning on."""
    accounts = tuple(accounts)
    replay = Replay(catalog or rooms()[0], {each.id: each.listed() for each in accounts})
    minutes: dict[datetime, list[UsageEvent]] = defaultdict(list)
    for minute, event in arrived:
        minutes[minute].append(event)
    last = max(minutes, default=first)
    for hours in range(int((last - first) / HOUR) + 1):
        minutes.setdefault(first + hours * HOUR, [])
    beginnings = {each.id: first + timedelta(days=each.begins) for each in accounts}
    for minute in sorted(minutes):
        hour = minute.replace(minute=0)
        present = {each: hour for each, begin in beginnings.items() if begin <= hour == minute}
        replay.tick(minute, [arrival(minutes[minute], present)])
    return replay


def scaled(catalog: Catalog, factor: float) -> Catalog:
    """The catalog with every limit so many times as high, and with them the floors: a judge that is more or less strict."""

    def times(limits: Limits | None) -> Limits | None:
        if limits is None:
            return None
        values = {name: round(limits.of(name) * factor) for name in ("production", "staging", "development")}
        return replace(limits, **values)

    kinds = {
        name: replace(kind, limits=times(kind.limits), attempt_limits=times(kind.attempt_limits))
        for name, kind in catalog.kinds.items()
    }
    return replace(catalog, kinds=kinds)


def openings(replay: Replay) -> list[Opening]:
    """Everything that was told, also what was withdrawn or joined later, as it stands at the end."""
    return [_opening(replay, each) for each in replay.outcomes() if each.told is not None]


def _opening(replay: Replay, outcome: Outcome) -> Opening:
    extent, told = outcome.extent, outcome.told
    assert told is not None
    known = replay.view((outcome.account_id, outcome.kind), extent)
    return Opening(
        account_id=outcome.account_id if outcome.account_id.isdigit() else ORGANIZATION,
        kind=outcome.kind,
        start=bucket_start(extent.start),
        end=bucket_start(extent.last_seen + 1),
        opened=told.alerts[0].at,
        grown=tuple(each.at for each in told.alerts if each.reason == "grown"),
        without=tuple((bucket_start(first), bucket_start(last + 1)) for first, last in extent.excluded),
        quantity=known.total,
        usd_per_hour=known.micro / MICRO,
        detectors="+".join(sorted({finding.detector for finding in extent.findings})),
    )
