"""What is evidence looked for in, and which events does a query give?

A scene is the anomaly's context with what every question about it needs; `evidence` asks the questions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter

import msgspec

from usage_anomaly.anomalies import Actor, Query, Statement
from usage_anomaly.catalog import ATTEMPTS, is_attempts
from usage_anomaly.enrichment import wording
from usage_anomaly.usage import Direction, UsageEvent

ORGANIZATION = "organization"
IDS_SHOWN = 5
_MOMENT = timedelta(microseconds=1)  # spans are closed: "before" ends one moment earlier


class EvidenceContext(msgspec.Struct, frozen=True, kw_only=True):
    """What evidence is looked for in.

    `uses` are the anomaly's own events (attempts for an attempts kind), `past` those of the same kind and account before
    `start`, `account_events` every event of the account from an hour before it, any kind and direction (not read for the
    organization, which has none of its own); `others` evaluates a query over the whole input. `covered_from` is the
    account's first record of any kind, None when that is not known.
    """

    kind: str
    account: str  # 12 digits, or "organization"
    start: datetime
    last_seen: datetime
    uses: Sequence[UsageEvent]
    past: Sequence[UsageEvent]
    account_events: Sequence[UsageEvent]
    others: Callable[[Query], Sequence[UsageEvent]]
    covered_from: datetime | None = None
    alone: bool = False  # no other account was read
    tallied: bool = False  # one event stands for many calls of a busy kind
    releasable: bool = True  # whether anything ends what this kind counts
    unit: str = ""  # as said to people, plural ("instances"); the events' own unit when empty


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """The context with what every question needs: the exact span of the use, its query, its main actor."""

    context: EvidenceContext
    uses: tuple[UsageEvent, ...]
    total: int
    first: datetime
    last: datetime
    days: float
    unit: str
    query: Query  # the anomaly's own use
    asked: tuple[UsageEvent, ...]  # what that query gives: dry runs too, for refused calls
    past: Query  # the same before it
    before: tuple[UsageEvent, ...]  # what `past` gives
    used: Query | None  # for refused calls: the use of the same kind before them
    used_before: tuple[UsageEvent, ...] = ()  # what `used` gives
    main: Actor | None = None


def matching(query: Query, events: Sequence[UsageEvent]) -> list[UsageEvent]:
    """The events a query asks for, by time, then id. This is what a query means; OpenSearch gives the same."""
    wanted = [(attrgetter(field), value) for field, value in _narrowing(query)]
    found = [
        event
        for event in events
        if (query.start is None or event.event_time >= query.start)
        and (query.end is None or event.event_time <= query.end)
        and all(read(event) == value for read, value in wanted)
        and (query.not_account_id is None or event.account_id != query.not_account_id)
        and (query.not_kind is None or event.kind != query.not_kind)
        and not (query.succeeded and event.error_code)
    ]
    return sorted(found, key=lambda event: (event.event_time, event.event_id, event.kind, event.group or ""))


def _narrowing(query: Query) -> list[tuple[str, str]]:
    """The fields of an event that a query fixes, with their values."""
    fields = ("kind", "direction", "account_id", "region", "actor_arn", "access_key_id", "source_address", "image_id")
    pairs = [(field, getattr(query, field)) for field in fields]
    return [(field, value) for field, value in pairs if value is not None]


def _days(context: EvidenceContext) -> float:
    """Days read before the anomaly's start; 0 when nothing was."""
    times = [event.event_time for event in context.past]
    first = context.covered_from or min(times, default=None)
    return max(0.0, (context.start - first) / timedelta(days=1)) if first is not None else 0.0


def set_scene(context: EvidenceContext) -> Scene:
    uses = tuple(sorted(context.uses, key=lambda event: (event.event_time, event.event_id, event.group or "")))
    direction: Direction = "attempt" if is_attempts(context.kind) else "use"
    account = None if context.account == ORGANIZATION else context.account
    first = uses[0].event_time if uses else context.start
    last = uses[-1].event_time if uses else context.last_seen
    base = Query(kind=context.kind, direction=direction, account_id=account)
    query = msgspec.structs.replace(base, start=first, end=last)
    past = msgspec.structs.replace(base, end=first - _MOMENT)
    parent = context.kind.removesuffix(ATTEMPTS)
    used = msgspec.structs.replace(past, kind=parent, direction="use") if direction == "attempt" else None
    return Scene(
        context=context,
        uses=uses,
        total=sum(event.quantity for event in uses),
        first=first,
        last=last,
        days=_days(context),
        unit=context.unit or (uses[0].unit if uses else "uses"),
        query=query,
        asked=tuple(ask(context, query)),
        before=tuple(event for event in context.past if event.direction == direction),
        past=past,
        used=used,
        used_before=tuple(matching(used, context.others(used))) if used is not None else (),
    )


def ask(context: EvidenceContext, query: Query) -> list[UsageEvent]:
    """What a query gives within the account; the organization has no events of its own but everybody's."""
    everywhere = context.account == ORGANIZATION
    return matching(query, context.others(query) if everywhere else context.account_events)


def state(topic: str, text: str, query: Query, found: Sequence[UsageEvent]) -> Statement:
    ids = list(dict.fromkeys(event.event_id for event in found))
    return Statement(topic=topic, text=text, query=query, count=len(found), event_ids=tuple(ids[:IDS_SHOWN]))


def by(query: Query, actor: Actor) -> Query:
    """The query narrowed to one actor. A service has no identity: the address its calls come from is its name."""
    if wording.is_service(actor.arn):
        return msgspec.structs.replace(query, source_address=actor.source_address)
    key = actor.access_key_id if actor.long_lived_key else None
    return msgspec.structs.replace(query, actor_arn=actor.arn, access_key_id=key)


def marks_of(scene: Scene) -> list[tuple[str, dict[str, str]]]:
    """How the main actor can be found again: its long-lived key, its identity, its address."""
    main = scene.main
    if main is None:
        return []
    marks: list[tuple[str, dict[str, str]]] = []
    if main.long_lived_key and main.access_key_id:
        marks.append(("key", {"access_key_id": main.access_key_id}))
    if main.arn and not wording.is_service(main.arn):
        marks.append(("actor", {"actor_arn": main.arn}))
    if main.source_address and not wording.is_service(main.source_address):
        marks.append(("address", {"source_address": main.source_address}))
    return marks


def calls_behind(scene: Scene, found: Sequence[UsageEvent]) -> int:
    """The calls behind these events: an event of a tallied kind stands for as many as its quantity."""
    tallied = [event.quantity for event in found if scene.context.tallied and event.kind == scene.context.kind]
    single = {event.event_id for event in found if not (scene.context.tallied and event.kind == scene.context.kind)}
    return sum(tallied) + len(single)
