"""Who did it, from where, through what, and what stands in the records before it and beside it?

Every statement carries the query it rests on; evaluated over the events, the query gives exactly the statement's count and
ids. What the records do not show is said as such: "none found" after looking, "not established" where nothing could be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from usage_anomaly.anomalies import Actor, Query, Statement
from usage_anomaly.enrichment import habits, wording
from usage_anomaly.enrichment.automation import BASES, recognise
from usage_anomaly.enrichment.scene import ORGANIZATION as ORGANIZATION
from usage_anomaly.enrichment.scene import EvidenceContext as EvidenceContext
from usage_anomaly.enrichment.scene import Scene, ask, by, calls_behind, marks_of, set_scene, state
from usage_anomaly.enrichment.scene import matching as matching
from usage_anomaly.resources import Resource, holder, resources
from usage_anomaly.usage import UsageEvent

DENIED = "api.denied"  # the kind of refused calls that would have used nothing
BEFORE = timedelta(minutes=60)  # how long before the first use a refused or dry call still belongs to it
ELSEWHERE = timedelta(hours=24)  # how long before it the same doer's other acts, here or elsewhere, still belong to it
IDENTITY = "identity.changes"
_ACTORS_SHOWN = 5
_NEARLY_ALL = 0.9  # of the quantity: what is left is small enough to leave running
_REGIONS_KEPT = 40
_USERS_KEPT = 5


class Signals(msgspec.Struct, frozen=True, kw_only=True):
    """What the statements say, as values that severity weighs; None where the records cannot tell."""

    new_actor: bool | None = None
    new_address: bool | None = None
    new_regions: tuple[str, ...] = ()
    new_groups: tuple[str, ...] = ()
    known_regions: tuple[str, ...] = ()  # where this kind was used before
    times_own_past: float | None = None  # the main actor's busiest hour against its busiest hour before
    refused_before: int = 0
    dry_before: int = 0
    other_accounts: int = 0  # accounts where the same key, actor or address was seen
    automation: str | None = None
    automation_set_by_aws: bool = False
    automation_trusted: bool = False  # it made nearly all, by AWS's word, or by a role that is known here
    automation_usual: bool = False
    long_lived_key: bool = False
    gpus: float = 0.0
    image: str | None = None  # the commonest
    identity_changes: int = 0
    users_made: tuple[str, ...] = ()  # among them
    days_read: float = 0.0


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Actors ranked, the automation named when it made more than half, and the statements with their queries."""

    actors: tuple[Actor, ...]
    automation: str | None
    statements: tuple[Statement, ...]
    signals: Signals


def find(context: EvidenceContext) -> Evidence:
    """All evidence for one anomaly."""
    scene = set_scene(context)
    actors = habits.rank(scene.uses, scene.before, scene.days)
    scene = msgspec.structs.replace(scene, main=actors[0] if actors else None)
    automation, statement = _automation(scene)
    refused, dry, before = _before(scene)
    new_actor, who = _who(scene, actors[:_ACTORS_SHOWN])
    new_address, address = _address(scene)
    changes, identity = _identity(scene)
    elsewhere, accounts = _elsewhere(scene, new_address is True)
    new_regions, known, where = _where(scene)
    beside = (*identity, *_meanwhile(scene), *_also(scene))
    statements = (*_amount(scene), *who, *address, statement, *where, *before, *beside, *elsewhere)
    signals = Signals(
        new_actor=new_actor,
        new_address=new_address,
        new_regions=new_regions,
        new_groups=_new_groups(scene),
        known_regions=known,
        times_own_past=habits.times_own_past(scene.uses, scene.before, scene.main),
        refused_before=refused,
        dry_before=dry,
        other_accounts=accounts,
        automation=automation.name,
        automation_set_by_aws=automation.basis == "set by AWS",
        automation_trusted=_trusted(automation, new_actor),
        automation_usual=automation.name is not None and habits.usual(scene.uses, scene.before, automation.name),
        long_lived_key=scene.main is not None and scene.main.long_lived_key,
        identity_changes=len(changes),
        users_made=_users_made(changes),
        gpus=sum(event.gpus or 0.0 for event in scene.uses),
        image=wording.commonest(wording.clip(event.image_id or "") for event in scene.uses),
        days_read=scene.days,
    )
    return Evidence(
        actors=actors[:_ACTORS_SHOWN],
        automation=automation.name,
        statements=(*statements, *_released(scene)),
        signals=signals,
    )


def _amount(scene: Scene) -> tuple[Statement, ...]:
    """How many calls it took, and what stands behind the quantity (GPUs, vCPUs, GiB); codes for refused calls."""
    attempts = scene.query.direction == "attempt"
    text = wording.refusals(scene.asked) if attempts else wording.calls(scene.uses, scene.context.tallied)
    statements = [state("calls", text, scene.query, scene.asked)]
    size = wording.size(scene.uses)
    if size:
        statements.append(state("size", size, scene.query, scene.asked))
    return tuple(statements)


def _who(scene: Scene, actors: Sequence[Actor]) -> tuple[bool | None, tuple[Statement, ...]]:
    """One statement per actor, then whether the main one was seen before. None: nothing was read before."""
    if scene.main is None or not scene.main.arn:
        text = f"not established: no identity in {len(scene.uses):,} of {len(scene.uses):,} records"
        return None, (state("who", text, scene.query, scene.asked),)
    shares = []
    for actor in actors:
        query = by(scene.query, actor)
        found = matching(query, scene.asked)
        shares.append(state("who", wording.share(actor, found, scene.total, scene.context.tallied), query, found))
    if scene.days <= 0:
        return None, tuple(shares)
    query = by(scene.past, scene.main)
    before = matching(query, scene.before)
    text = wording.actor_before(scene.main, before, scene.unit, scene.days, scene.context.tallied)
    if scene.used is None:
        return not before, (*shares, state("who", text, query, before))
    used = by(scene.used, scene.main)
    through = matching(used, scene.used_before)
    text = wording.refused_before(scene.main, before, scene.days)
    also = wording.actor_before(scene.main, through, scene.unit, scene.days, scene.context.tallied)
    if before and not through:
        also = wording.none_through(scene.main, scene.days)
    return not before and not through, (*shares, state("who", text, query, before), state("who", also, used, through))


def _address(scene: Scene) -> tuple[bool | None, tuple[Statement, ...]]:
    """Whether the main actor's address made such use here before. A service's name is no address."""
    address = scene.main.source_address if scene.main is not None else None
    if address is None or wording.is_service(address) or scene.days <= 0:
        return None, ()
    query = msgspec.structs.replace(scene.past, source_address=address)
    before = matching(query, scene.before)
    if scene.used is not None:  # the refused calls of the kind say less than its use
        query = msgspec.structs.replace(scene.used, source_address=address)
        refused, before = before, matching(query, scene.used_before)
        number = sum(event.quantity for event in refused)
        text = wording.address_through(address, before, number, scene.days, scene.context.tallied)
        return not before and not refused, (state("who", text, query, before),)
    text = wording.address_before(address, before, scene.days, scene.context.tallied)
    return not before, (state("who", text, query, before),)


class _Automation(msgspec.Struct, frozen=True):
    """What made more than half: its name, what the name rests on, its share."""

    name: str | None = None
    basis: str = ""
    share: float = 0.0


def _trusted(automation: _Automation, new_actor: bool | None) -> bool:
    """Whether stopping the automation may stand in for stopping what it made: a name that an intruder could choose may not."""
    known = automation.basis == "named in the account" and new_actor is False
    return automation.share >= _NEARLY_ALL and (known or automation.basis == "set by AWS")


def _automation(scene: Scene) -> tuple[_Automation, Statement]:
    """The automation that made more than half of the quantity, and the statement."""
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
        return _Automation(), state("automation", text, scene.query, scene.asked)
    name = ranked[0][0]
    # A claim may not lend from what is sure: the strongest basis that reaches beyond half, with what is surer still.
    quantity = 0
    for basis in BASES:
        of_basis = {field: number for (other, field, on), number in quantities.items() if (other, on) == (name, basis)}
        quantity += sum(of_basis.values())
        if of_basis and quantity * 2 > scene.total:
            break
    field = min(of_basis, key=lambda each: (-of_basis[each], each))
    text = wording.made_by(name, field, basis, quantity, scene.total)
    share = quantity / scene.total
    return _Automation(name, basis, share), state("automation", text, scene.query, scene.asked)


def _where(scene: Scene) -> tuple[tuple[str, ...], tuple[str, ...], tuple[Statement, ...]]:
    """The regions that never saw this kind before, and those that did, named when anything was read before."""
    if scene.days <= 0:
        return (), (), ()
    query = scene.past if scene.used is None else scene.used
    before = matching(query, scene.before if scene.used is None else scene.used_before)
    known = {event.region for event in before}
    new = tuple(sorted({event.region for event in scene.uses} - known))
    text = wording.regions_before(new, Counter(event.region for event in scene.uses), known, scene.days)
    return new, tuple(sorted(known)[:_REGIONS_KEPT]), (state("where", text, query, before),)


def _new_groups(scene: Scene) -> tuple[str, ...]:
    if scene.days <= 0:
        return ()
    known = {event.group for event in (*scene.before, *scene.used_before)}
    return tuple(sorted({event.group for event in scene.uses if event.group} - known))


def _before(scene: Scene) -> tuple[int, int, tuple[Statement, ...]]:
    """Refused and dry calls in the hour before by the same key, else actor, else address: the first that shows any.

    Those that would have used something are attempts, all others stand under a kind of their own.
    """
    marks = marks_of(scene)
    if scene.query.direction == "attempt" or not marks:
        return 0, 0, ()
    base = Query(account_id=scene.query.account_id, start=scene.first - BEFORE, end=scene.first)
    ends = scene.first - datetime.resolution  # an anomaly of refused calls begins with one
    bases = (msgspec.structs.replace(base, direction="attempt"), msgspec.structs.replace(base, kind=DENIED, end=ends))
    statements, dry, refused = list[Statement](), 0, 0
    for name, narrowed in marks:
        for query in (msgspec.structs.replace(each, **narrowed) for each in bases):
            found = ask(scene.context, query)
            if found:
                statements.append(state("before", wording.before(found, [name]), query, found))
                dry += sum(event.quantity for event in found if event.dry_run)
                refused += sum(event.quantity for event in found if not event.dry_run)
        if statements:
            return refused, dry, tuple(statements)
    names = [name for name, _ in marks]
    text = wording.before((), names, _begins_after(scene, scene.first - BEFORE))
    return 0, 0, (state("before", text, msgspec.structs.replace(bases[0], **marks[-1][1]), ()),)


def _begins_after(scene: Scene, moment: datetime) -> datetime | None:
    """When the account's records begin, if that is too late to look back as far as `moment`."""
    covered = None if scene.context.account == ORGANIZATION else scene.context.covered_from  # accounts begin apart
    return covered if covered is not None and covered > moment else None


def _meanwhile(scene: Scene) -> tuple[Statement, ...]:
    """For refused calls: did the same doer get through with anything in that time?"""
    marks = marks_of(scene)
    if scene.query.direction != "attempt" or not marks:
        return ()
    name, narrowed = marks[0]
    query = msgspec.structs.replace(
        Query(direction="use", account_id=scene.query.account_id, succeeded=True, start=scene.first, end=scene.last),
        **narrowed,
    )
    found = ask(scene.context, query)
    return (state("through", wording.through(found, name), query, found),)


def _by_mark(scene: Scene, base: Query) -> list[tuple[str, Query, list[UsageEvent]]]:
    """What the key, and what the identity of the main actor did; an address may be a whole office's."""
    marks = [(name, narrowed) for name, narrowed in marks_of(scene) if name != "address"]
    queries = [(name, msgspec.structs.replace(base, **narrowed)) for name, narrowed in marks]
    return [(name, query, matching(query, scene.context.others(query))) for name, query in queries]


def _identity(scene: Scene) -> tuple[Sequence[UsageEvent], tuple[Statement, ...]]:
    """Users, keys and permissions that the same doer changed in the day before and since: how it means to come back."""
    if scene.context.kind == IDENTITY or scene.context.account == ORGANIZATION:
        return (), ()
    base = Query(
        kind=IDENTITY, direction="use", account_id=scene.context.account, start=scene.first - ELSEWHERE, end=scene.last
    )
    tried = _by_mark(scene, base)
    if not tried:
        return (), ()
    name, query, found = next((each for each in tried if each[2]), tried[0])
    text = wording.identity_changes(found, name, _begins_after(scene, base.start or scene.first))
    return found, (state("identity", text, query, found),)


def _users_made(changes: Sequence[UsageEvent]) -> tuple[str, ...]:
    made = (
        event for event in changes if event.event_name == "CreateUser" and event.event_source == "iam.amazonaws.com"
    )
    return tuple(dict.fromkeys(wording.clip(name) for event in made for name in event.resource_ids))[:_USERS_KEPT]


def _also(scene: Scene) -> tuple[Statement, ...]:
    """What else the same doer used from an hour before the start to the last use; nothing is said where it was nothing."""
    if scene.query.direction == "attempt" or scene.context.account == ORGANIZATION:
        return ()
    base = Query(
        not_kind=scene.context.kind,
        direction="use",
        account_id=scene.context.account,
        start=scene.first - BEFORE,
        end=scene.last,
    )
    for name, query, found in _by_mark(scene, base):
        used = [event for event in found if event.kind != IDENTITY and event.quantity]
        if used:
            return (state("also", wording.also(used, name), query, found),)
    return ()


def _elsewhere(scene: Scene, address_is_new: bool) -> tuple[tuple[Statement, ...], int]:
    """The same key, actor, address or image in other accounts, from a day before the start to the last use."""
    marks = marks_of(scene)
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
        number = calls_behind(scene, found)
        statements.append(
            state("organization", wording.elsewhere(name, found, number, scene.context.alone), query, found)
        )
        # A shared image, or the office's address, is in many accounts for good reasons.
        if name in ("key", "actor") or (name == "address" and address_is_new):
            accounts.update(event.account_id for event in found)
    return tuple(statements), len(accounts)


def _spread(scene: Scene, marks: Sequence[tuple[str, Mapping[str, str]]]) -> tuple[tuple[Statement, ...], int]:
    """For an organization's anomaly: over how many of its accounts the same doer spreads."""
    everywhere = {event.account_id for event in scene.uses}
    statements: list[Statement] = []
    accounts: set[str] = set()
    for name, narrowed in marks:
        query = msgspec.structs.replace(scene.query, **narrowed)
        found = matching(query, scene.asked)
        within = {event.account_id for event in found}
        text = f"same {name} in {len(within):,} of {len(everywhere):,} accounts"
        statements.append(state("organization", text, query, found))
        if name != "image":
            accounts.update(within)
    return tuple(statements), max(0, len(accounts) - 1)


def _released(scene: Scene) -> tuple[Statement, ...]:
    """How much of it was released again. Nothing is said of kinds that nothing ends or whose records name no resource."""
    ours = scene.context.releasable and {resource for event in scene.uses for resource in event.resource_ids}
    if not ours:
        return ()
    query = msgspec.structs.replace(scene.query, direction="release", end=None)
    found = ask(scene.context, query)
    query = msgspec.structs.replace(query, end=max([scene.last, *(event.event_time for event in found)]))
    return (state("released", wording.released(_gone(scene.uses, found), scene.total, bool(found)), query, found),)


def _gone(uses: Sequence[UsageEvent], releases: Sequence[UsageEvent]) -> int:
    """Launches and starts whose resource was released afterwards, in its region: an id is unique in a region only."""
    ended: dict[Resource | None, datetime] = {}
    for event in releases:
        for each in resources(event):
            ended[each] = max(event.event_time, ended.get(each, event.event_time))
    never = datetime.min.replace(tzinfo=UTC)
    return sum(
        event.units_each * (max(ended.get(each, never), ended.get(holder(each), never)) >= event.event_time)
        for event in uses
        for each in resources(event)
    )
