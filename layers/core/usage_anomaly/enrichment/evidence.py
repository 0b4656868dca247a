"""Who did it, from where, through what, and what stands in the records before it and beside it?

Every statement carries the query it rests on; evaluated over the events, the query gives exactly the statement's count and
ids. What the records do not show is said as such: "none found" after looking, "not established" where nothing could be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter

import msgspec

from usage_anomaly.anomalies import Actor, Query, Statement
from usage_anomaly.enrichment import habits, wording
from usage_anomaly.enrichment.automation import recognise
from usage_anomaly.usage import Direction, UsageEvent

ORGANIZATION = "organization"
BEFORE = timedelta(minutes=60)  # how long before the first use a refused or dry call still belongs to it
ELSEWHERE = timedelta(hours=24)  # how long before it the same doer in another account still belongs to it
IDS_SHOWN = 5
_ACTORS_SHOWN = 5
_MOMENT = timedelta(microseconds=1)  # spans are closed: "before" ends one moment earlier
_ATTEMPTS = ".attempts"


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
    tallied: bool = False  # one event stands for many calls of a busy kind
    unit: str = ""  # as said to people, plural ("instances"); the events' own unit when empty


class Signals(msgspec.Struct, frozen=True, kw_only=True):
    """What the statements say, as values that severity weighs; None where the records cannot tell."""

    new_actor: bool | None = None
    new_address: bool | None = None
    new_regions: tuple[str, ...] = ()
    new_groups: tuple[str, ...] = ()
    times_own_past: float | None = None  # the main actor's busiest hour against its busiest hour before
    refused_before: int = 0
    dry_before: int = 0
    other_accounts: int = 0  # accounts where the same key, actor or address was seen
    automation: str | None = None
    automation_set_by_aws: bool = False
    automation_usual: bool = False
    long_lived_key: bool = False
    gpus: float = 0.0
    identity_changes: int = 0  # no kind reads them yet
    days_read: float = 0.0


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Actors ranked, the automation named when it made more than half, and the statements with their queries."""

    actors: tuple[Actor, ...]
    automation: str | None
    statements: tuple[Statement, ...]
    signals: Signals


class _Scene(msgspec.Struct, frozen=True, kw_only=True):
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
    ]
    return sorted(found, key=lambda event: (event.event_time, event.event_id, event.kind, event.group or ""))


def find(context: EvidenceContext) -> Evidence:
    """All evidence for one anomaly."""
    scene = _scene(context)
    actors = habits.rank(scene.uses, scene.before, scene.days)
    scene = msgspec.structs.replace(scene, main=actors[0] if actors else None)
    name, by_aws, automation = _automation(scene)
    refused, dry, before = _before(scene)
    new_actor, who = _who(scene, actors[:_ACTORS_SHOWN])
    new_address, address = _address(scene)
    elsewhere, accounts = _elsewhere(scene, new_address is True)
    new_regions, where = _where(scene)
    statements = (*_amount(scene), *who, *address, automation, *where, *before, *_meanwhile(scene), *elsewhere)
    signals = Signals(
        new_actor=new_actor,
        new_address=new_address,
        new_regions=new_regions,
        new_groups=_new_groups(scene),
        times_own_past=habits.times_own_past(scene.uses, scene.before, scene.main),
        refused_before=refused,
        dry_before=dry,
        other_accounts=accounts,
        automation=name,
        automation_set_by_aws=by_aws,
        automation_usual=name is not None and habits.usual(scene.uses, scene.before, name),
        long_lived_key=scene.main is not None and scene.main.long_lived_key,
        gpus=sum(event.gpus or 0.0 for event in scene.uses),
        days_read=scene.days,
    )
    return Evidence(
        actors=actors[:_ACTORS_SHOWN],
        automation=name,
        statements=(*statements, *_released(scene)),
        signals=signals,
    )


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


def _scene(context: EvidenceContext) -> _Scene:
    uses = tuple(sorted(context.uses, key=lambda event: (event.event_time, event.event_id, event.group or "")))
    direction: Direction = "attempt" if context.kind.endswith(_ATTEMPTS) else "use"
    account = None if context.account == ORGANIZATION else context.account
    first = uses[0].event_time if uses else context.start
    last = uses[-1].event_time if uses else context.last_seen
    base = Query(kind=context.kind, direction=direction, account_id=account)
    query = msgspec.structs.replace(base, start=first, end=last)
    return _Scene(
        context=context,
        uses=uses,
        total=sum(event.quantity for event in uses),
        first=first,
        last=last,
        days=_days(context),
        unit=context.unit or (uses[0].unit if uses else "uses"),
        query=query,
        asked=tuple(_ask(context, query)),
        before=tuple(event for event in context.past if event.direction == direction),
        past=msgspec.structs.replace(base, end=first - _MOMENT),
    )


def _ask(context: EvidenceContext, query: Query) -> list[UsageEvent]:
    """What a query gives within the account; the organization has no events of its own but everybody's."""
    everywhere = context.account == ORGANIZATION
    return matching(query, context.others(query) if everywhere else context.account_events)


def _state(topic: str, text: str, query: Query, found: Sequence[UsageEvent]) -> Statement:
    ids = list(dict.fromkeys(event.event_id for event in found))
    return Statement(topic=topic, text=text, query=query, count=len(found), event_ids=tuple(ids[:IDS_SHOWN]))


def _amount(scene: _Scene) -> tuple[Statement, ...]:
    """How many calls it took, and what stands behind the quantity (GPUs, vCPUs, GiB); codes for refused calls."""
    attempts = scene.query.direction == "attempt"
    text = wording.refusals(scene.asked) if attempts else wording.calls(scene.uses, scene.context.tallied)
    statements = [_state("calls", text, scene.query, scene.asked)]
    size = wording.size(scene.uses)
    if size:
        statements.append(_state("size", size, scene.query, scene.asked))
    return tuple(statements)


def _by(query: Query, actor: Actor) -> Query:
    """The query narrowed to one actor. A service has no identity: the address its calls come from is its name."""
    if wording.is_service(actor.arn):
        return msgspec.structs.replace(query, source_address=actor.source_address)
    key = actor.access_key_id if actor.long_lived_key else None
    return msgspec.structs.replace(query, actor_arn=actor.arn, access_key_id=key)


def _who(scene: _Scene, actors: Sequence[Actor]) -> tuple[bool | None, tuple[Statement, ...]]:
    """One statement per actor, then whether the main one was seen before. None: nothing was read before."""
    if scene.main is None or not scene.main.arn:
        text = f"not established: no identity in {len(scene.uses):,} of {len(scene.uses):,} records"
        return None, (_state("who", text, scene.query, scene.asked),)
    shares = []
    for actor in actors:
        query = _by(scene.query, actor)
        found = matching(query, scene.asked)
        shares.append(_state("who", wording.share(actor, found, scene.total, scene.context.tallied), query, found))
    if scene.days <= 0:
        return None, tuple(shares)
    query = _by(scene.past, scene.main)
    before = matching(query, scene.before)
    text = wording.actor_before(scene.main, before, scene.unit, scene.days, scene.context.tallied)
    return not before, (*shares, _state("who", text, query, before))


def _address(scene: _Scene) -> tuple[bool | None, tuple[Statement, ...]]:
    """Whether the main actor's address made such use here before. A service's name is no address."""
    address = scene.main.source_address if scene.main is not None else None
    if address is None or wording.is_service(address) or scene.days <= 0:
        return None, ()
    query = msgspec.structs.replace(scene.past, source_address=address)
    before = matching(query, scene.before)
    text = wording.address_before(address, before, scene.days, scene.context.tallied)
    return not before, (_state("who", text, query, before),)


def _automation(scene: _Scene) -> tuple[str | None, bool, Statement]:
    """The automation that made more than half of the quantity, whether AWS set that, and the statement."""
    quantities: Counter[tuple[str, str, str]] = Counter()
    for event in scene.uses:
        found = recognise(event.invoked_by, event.user_agent, event.actor_arn, event.actor_session, event.actor_type)
        if found is not None:
            quantities[(found.automation, found.field, found.basis)] += event.quantity
    totals: Counter[str] = Counter()
    for (name, _, _), quantity in quantities.items():
        totals[name] += quantity
    ranked = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
    if not ranked or ranked[0][1] * 2 <= scene.total:
        text = wording.no_automation(ranked, scene.total)
        return None, False, _state("automation", text, scene.query, scene.asked)
    name, quantity = ranked[0]
    field, basis = min(
        ((field, basis) for (other, field, basis) in quantities if other == name),
        key=lambda pair: (-quantities[(name, *pair)], pair),
    )
    text = wording.made_by(name, field, basis, quantity, scene.total)
    return name, basis == "set by AWS", _state("automation", text, scene.query, scene.asked)


def _where(scene: _Scene) -> tuple[tuple[str, ...], tuple[Statement, ...]]:
    """The regions that never saw this kind before, named when anything was read before."""
    if scene.days <= 0:
        return (), ()
    before = matching(scene.past, scene.before)
    known = {event.region for event in before}
    new = tuple(sorted({event.region for event in scene.uses} - known))
    text = wording.regions_before(new, Counter(event.region for event in scene.uses), known, scene.days)
    return new, (_state("where", text, scene.past, before),)


def _new_groups(scene: _Scene) -> tuple[str, ...]:
    if scene.days <= 0:
        return ()
    known = {event.group for event in scene.before}
    return tuple(sorted({event.group for event in scene.uses if event.group} - known))


def _same(scene: _Scene) -> list[tuple[str, dict[str, str]]]:
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


def _before(scene: _Scene) -> tuple[int, int, tuple[Statement, ...]]:
    """Refused and dry calls in the hour before by the same key, else actor, else address: the first that shows any."""
    marks = _same(scene)
    if scene.query.direction == "attempt" or not marks:
        return 0, 0, ()
    base = Query(direction="attempt", account_id=scene.query.account_id, start=scene.first - BEFORE, end=scene.first)
    tried = []
    for name, narrowed in marks:
        query = msgspec.structs.replace(base, **narrowed)
        tried.append((name, query, _ask(scene.context, query)))
    name, query, found = next((each for each in tried if each[2]), tried[-1])
    dry = sum(event.quantity for event in found if event.dry_run)
    refused = sum(event.quantity for event in found) - dry
    names = [name] if found else [each for each, _ in marks]
    return refused, dry, (_state("before", wording.before(found, names), query, found),)


def _meanwhile(scene: _Scene) -> tuple[Statement, ...]:
    """For refused calls: did the same doer get through with anything in that time?"""
    marks = _same(scene)
    if scene.query.direction != "attempt" or not marks:
        return ()
    name, narrowed = marks[0]
    query = msgspec.structs.replace(
        Query(direction="use", account_id=scene.query.account_id, start=scene.first, end=scene.last), **narrowed
    )
    found = _ask(scene.context, query)
    return (_state("through", wording.through(found, name), query, found),)


def _elsewhere(scene: _Scene, address_is_new: bool) -> tuple[tuple[Statement, ...], int]:
    """The same key, actor, address or image in other accounts, from a day before the start to the last use."""
    marks = _same(scene)
    image = wording.commonest(event.image_id for event in scene.uses)
    if image is not None:
        marks.append(("image", {"image_id": image}))
    if scene.context.account == ORGANIZATION:
        return _spread(scene, marks)
    statements: list[Statement] = []
    accounts: set[str] = set()
    for name, narrowed in marks:
        query = msgspec.structs.replace(
            Query(not_account_id=scene.context.account, start=scene.first - ELSEWHERE, end=scene.last), **narrowed
        )
        found = matching(query, scene.context.others(query))
        statements.append(_state("organization", wording.elsewhere(name, found), query, found))
        # A shared image, or the office's address, is in many accounts for good reasons.
        if name in ("key", "actor") or (name == "address" and address_is_new):
            accounts.update(event.account_id for event in found)
    return tuple(statements), len(accounts)


def _spread(scene: _Scene, marks: Sequence[tuple[str, Mapping[str, str]]]) -> tuple[tuple[Statement, ...], int]:
    """For an organization's anomaly: over how many of its accounts the same doer spreads."""
    everywhere = {event.account_id for event in scene.uses}
    statements: list[Statement] = []
    accounts: set[str] = set()
    for name, narrowed in marks:
        query = msgspec.structs.replace(scene.query, **narrowed)
        found = matching(query, scene.asked)
        within = {event.account_id for event in found}
        text = f"same {name} in {len(within):,} of {len(everywhere):,} accounts"
        statements.append(_state("organization", text, query, found))
        if name != "image":
            accounts.update(within)
    return tuple(statements), max(0, len(accounts) - 1)


def _released(scene: _Scene) -> tuple[Statement, ...]:
    """How much of it was released again. Nothing is said of kinds whose records name no resource."""
    ours = {resource for event in scene.uses for resource in event.resource_ids}
    if not ours:
        return ()
    query = msgspec.structs.replace(scene.query, direction="release", end=None)
    found = _ask(scene.context, query)
    query = msgspec.structs.replace(query, end=max([scene.last, *(event.event_time for event in found)]))
    gone = ours.intersection(resource for event in found for resource in event.resource_ids)
    return (_state("released", wording.released(len(gone), scene.total, bool(found)), query, found),)
