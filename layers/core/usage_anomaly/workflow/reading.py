"""Which usage events do the enrichments rest on, and were all of them read?

Each question is answered with at most 2,000 events, the latest ones; an answer of that length is noted, for the alert has
to say it. Busy kinds are asked for merged by five minutes and doer, as detection has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from usage_anomaly.anomalies import Anomaly, Query
from usage_anomaly.anomalies.extents import Extent
from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.anomalies.view import Gathered, gather
from usage_anomaly.catalog import ATTEMPTS, Catalog, Kind, is_attempts
from usage_anomaly.enrichment.evidence import matching
from usage_anomaly.resources import resources
from usage_anomaly.series import Series, bucket_of, bucket_start
from usage_anomaly.usage import UsageEvent

MOST_EVENTS = 2_000


class Past(Protocol):
    """What is kept of the past. `tallied` gives [start, end) of one account and busy kind, merged."""

    def ask(self, query: Query) -> Sequence[UsageEvent]: ...
    def tallied(self, account_id: str, kind: str, start: datetime, end: datetime) -> Sequence[UsageEvent]: ...
    def coverage(self, account_id: str) -> datetime | None: ...


class Asking:
    """Asks the past; `cut` says whether any answer was longer than what is read."""

    def __init__(self, past: Past, catalog: Catalog) -> None:
        self.cut = False
        self._past = past
        self._busy = frozenset(name for name, kind in catalog.kinds.items() if kind.keep == "tally")

    def __call__(self, query: Query) -> list[UsageEvent]:
        found = self._found(query)
        self.cut = self.cut or len(found) >= MOST_EVENTS
        return found[-MOST_EVENTS:]

    def _found(self, query: Query) -> list[UsageEvent]:
        kind = query.kind or ""
        if kind.removesuffix(ATTEMPTS) in self._busy and query.account_id and query.start and query.end:
            after = query.end + datetime.resolution
            return matching(query, self._past.tallied(query.account_id, kind, query.start, after))
        return list(self._past.ask(query))


class Material(msgspec.Struct, frozen=True):
    """An anomaly's events, with the series they stand in (by account)."""

    gathered: Gathered
    members: Sequence[Series]

    def quantity(self) -> int:
        return sum(event.quantity for event in self.gathered.uses)


def collect(anomaly: Anomaly, kind: Kind, ask: Asking) -> Material:
    """Read the uses of an anomaly again, what released them, and where rates depend on them what came before."""
    attempts = is_attempts(anomaly.kind)
    whose = Query(kind=anomaly.kind, account_id=None if anomaly.account_id == ORGANIZATION else anomaly.account_id)
    used = msgspec.structs.replace(whose, direction="attempt" if attempts else "use")
    end = anomaly.last_use
    if kind.keep == "tally":  # the last use is as merged events have it: the first of its like within five minutes
        end = bucket_start(bucket_of(end) + 1) - datetime.resolution
    uses = ask(msgspec.structs.replace(used, start=anomaly.first_use, end=end))
    released: Sequence[UsageEvent] = ()
    if kind.releasable and not attempts:
        first = min([anomaly.first_use, *(finding.window_start for finding in anomaly.findings)])
        released = ask(msgspec.structs.replace(whose, direction="release", start=first))
    before: Sequence[UsageEvent] = ()
    if _needs_earlier(anomaly, uses, released):
        before = [
            *ask(msgspec.structs.replace(used, end=anomaly.first_use - datetime.resolution)),
            *ask(msgspec.structs.replace(whose, direction="definition", end=anomaly.last_use)),
        ]
    members: dict[str, Series] = {}
    for event in (*before, *uses, *released):
        members.setdefault(event.account_id, Series(tally=kind.keep == "tally")).add(event)
    series = [members[each] for each in sorted(members)]
    span = Extent(start=bucket_of(anomaly.first_use), last_seen=bucket_of(anomaly.last_use), telling=True, findings=())
    gathered = gather(series, span)
    within = [event for event in gathered.uses if anomaly.first_use <= event.event_time <= end]
    return Material(Gathered(within, gathered.released), series)


def _needs_earlier(anomaly: Anomaly, uses: Sequence[UsageEvent], released: Sequence[UsageEvent]) -> bool:
    """Whether a rate is that of a launch or definition before: of a start without a type, a service's tasks, or a release
    in a burn rate."""
    untold = (event for event in uses if event.usd_per_hour is None and event.usd is None)
    if any(event.resource_ids or event.group for event in untold):
        return True
    known = {each for event in uses for each in resources(event)}
    burning = any(finding.detector == "burn_rate" for finding in anomaly.findings)
    return burning and any(each not in known for event in released if event.quantity for each in resources(event))
