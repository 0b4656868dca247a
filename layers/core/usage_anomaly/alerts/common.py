"""What do the accounts of a storm have in common: who, from where, what before, which commands?

`groups` are the anomalies account by account, the largest first. A statement's count is the sum of what the accounts'
own statements count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from msgspec.structs import fields, replace

from usage_anomaly.anomalies import Actor, Anomaly, Query, Statement, Step
from usage_anomaly.enrichment import wording

Groups = Sequence[Sequence[Anomaly]]

STEPS_KEPT = 30
_ACTORS_SHOWN = 5
_IDS = 5
_ACCOUNT = re.compile(r", account ([0-9]{12})")  # as guidance says whose identity a step stops
_SHARED_FROM = 2  # accounts
# Topic: what was found, and what is said where nothing was.
_BESIDE = {
    "before": ("refused or dry calls by the same doer in the hour before", "no refused or dry call in the hour before"),
    "identity": ("changes of users, keys or permissions by the same doer", "no change of users, keys or permissions"),
    "through": ("calls of the same doer that got through", "nothing that got through"),
    "also": ("other use by the same doer", ""),
}


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """In how many accounts the same key, actor, name, address or image stands."""

    what: str
    value: str
    accounts: int


class _Mark(msgspec.Struct, frozen=True):
    """A field that tells doers apart: its word, the field of a query, the values in an anomaly with their calls."""

    word: str
    field: str
    values: Callable[[Anomaly], Iterable[tuple[str | None, int]]]


def _images(anomaly: Anomaly) -> Iterable[tuple[str | None, int]]:
    """The commonest image; evidence keeps it in a query only."""
    calls = sum(each.count for each in anomaly.evidence if each.topic == "calls")
    found = {each.query.image_id for each in anomaly.evidence if each.topic == "organization"}
    return [(image, calls) for image in found]


def _addresses(anomaly: Anomaly) -> Iterable[tuple[str | None, int]]:
    named = (each for each in anomaly.actors if each.source_address and not wording.is_service(each.source_address))
    return [(each.source_address, each.calls) for each in named]


_MARKS = (
    _Mark("key", "access_key_id", lambda anomaly: [(each.access_key_id, each.calls) for each in anomaly.actors]),
    _Mark("actor", "actor_arn", lambda anomaly: [(each.arn, each.calls) for each in anomaly.actors]),
    _Mark("address", "source_address", _addresses),
    _Mark("image", "image_id", _images),
)
_NAME = _Mark(
    "name", "actor_arn", lambda anomaly: [(wording.identity(each.arn), each.calls) for each in anomaly.actors]
)


def doer(anomaly: Anomaly) -> str:
    """Who in a few words: the automation that is proved, the long-lived key, else the identity."""
    named = wording.trustworthy(anomaly.automation, anomaly.actors, anomaly.evidence)
    if named is not None:
        return wording.clip(named)
    if not anomaly.actors:
        return "not established"
    first = anomaly.actors[0]
    key = first.access_key_id if first.long_lived_key else None
    more = " and more" if len(anomaly.actors) > 1 else ""
    return (f"key {wording.clip(key)}" if key else wording.identity(first.arn)) + more


def automation(members: Sequence[Anomaly]) -> str | None:
    """The automation that is proved in every account."""
    names = {wording.trustworthy(each.automation, each.actors, each.evidence) for each in members}
    return names.pop() if len(names) == 1 else None


def actors(members: Sequence[Anomaly]) -> tuple[Actor, ...]:
    """Who used most over all accounts: one key, or one name in many accounts, is one actor, with the ARN of the first."""
    total = sum(each.total for each in members)
    merged: dict[str, Actor] = {}
    for anomaly in members:
        for actor in anomaly.actors:
            mine = replace(actor, quantity=actor.quantity or round(actor.share * anomaly.total))
            known = merged.get(_who_it_is(mine))
            merged[_who_it_is(mine)] = mine if known is None else _joined(known, mine)
    ranked = sorted(merged.values(), key=lambda each: (-each.quantity, each.arn, each.access_key_id or ""))
    return tuple(
        replace(each, share=min(1.0, each.quantity / total) if total else 0.0) for each in ranked[:_ACTORS_SHOWN]
    )


def _who_it_is(actor: Actor) -> str:
    key = actor.access_key_id if actor.long_lived_key else None
    return f"key {key}" if key else wording.identity(actor.arn)


def _joined(known: Actor, other: Actor) -> Actor:
    return replace(
        known,
        quantity=known.quantity + other.quantity,
        calls=known.calls + other.calls,
        source_address=known.source_address if known.source_address == other.source_address else None,
        user_agent=known.user_agent if known.user_agent == other.user_agent else None,
    )


def shared(groups: Groups) -> tuple[Shared, ...]:
    """What stands in two accounts and more; a name only where it stands in more than the same ARN does."""
    found = {mark.word: _most(groups, mark) for mark in (*_MARKS, _NAME)}
    if found["name"].accounts <= max(_SHARED_FROM - 1, found["actor"].accounts):
        del found["name"]
    return tuple(each for each in found.values() if each.accounts >= _SHARED_FROM)


def evidence(groups: Groups, main: Sequence[Actor]) -> tuple[Statement, ...]:
    """The accounts' statements, summed up."""
    beside = [each for topic in _BESIDE for each in _beside(groups, topic)]
    who = (_who(groups, actor) for actor in main)
    return (*who, *_automations(groups), *beside, *_spread(groups), *_released(groups))


def guidance(groups: Groups) -> tuple[Step, ...]:
    """Checks, then commands: one that stands in many accounts once, then each account's own; prevention, ATT&CK."""
    return (*_alike(groups, "check"), *_contain(groups), *_alike(groups, "prevent"), *_alike(groups, "attack"))


def _who(groups: Groups, actor: Actor) -> Statement:
    same = _who_it_is(actor)
    alike = [
        (group, each) for group in groups for anomaly in group for each in anomaly.actors if _who_it_is(each) == same
    ]
    within = {group[0].account_id for group, _ in alike}
    arns = {each.arn for _, each in alike}
    total = sum(each.total for group in groups for each in group)
    text = wording.share(actor, (), total, tallied=True)
    key = actor.access_key_id if actor.long_lived_key else None
    query = replace(
        _query(each for group, _ in alike for each in group),
        actor_arn=arns.pop() if len(arns) == 1 else None,
        access_key_id=key,
    )
    said = f"{text}, in {len(within):,} of {wording.several(len(groups), 'account', 'accounts')}"
    return Statement(topic="who", text=said, query=query, count=actor.calls, event_ids=())


def _automations(groups: Groups) -> list[Statement]:
    names: Counter[str] = Counter()
    for group in groups:
        proved = {wording.trustworthy(each.automation, each.actors, each.evidence) for each in group}
        names.update(name for name in proved if name)
    ranked = sorted(names.items(), key=lambda item: (-item[1], item[0]))[:3]
    said = [f"{wording.clip(name)} in {count:,} of {len(groups):,} accounts" for name, count in ranked]
    found = [each for _, each in _of(groups, "automation")]
    text = "; ".join(said) or "no automation is proved in any of the accounts"
    return [_statement("automation", text, found)] if found else []


def _beside(groups: Groups, topic: str) -> list[Statement]:
    """What the accounts' statements of a topic found: how much, in how many accounts."""
    found, none = _BESIDE[topic]
    said = _of(groups, topic)
    with_any = {account for account, each in said if each.count}
    unsure = len({account for account, each in said if each.text.startswith("not established")})
    if with_any:
        number = sum(each.count for _, each in said)
        text = f"{found}: {number:,} in {len(with_any):,} of {len(groups):,} accounts"
    elif said and none and unsure < len(groups):
        text = f"{none} by the same doer in {len(groups) - unsure:,} of {len(groups):,} accounts"
    elif unsure:
        text = f"not established in {unsure:,} of {len(groups):,} accounts: their records begin later"
    else:
        return []
    return [_statement(topic, text, [each for _, each in said])]


def _released(groups: Groups) -> list[Statement]:
    found = [each for _, each in _of(groups, "released")]
    gone, total = (
        sum(figures)
        for figures in zip(*((each.released, each.total) for group in groups for each in group), strict=True)
    )
    text = wording.released(gone, total, any(each.count for each in found))
    return [_statement("released", text, found)] if found else []


def _spread(groups: Groups) -> list[Statement]:
    """The same key, actor, address and image in how many of the accounts."""
    statements = []
    names = [each for each in shared(groups) if each.what == "name"]
    query = _query(each for group in groups for each in group)
    for mark in _MARKS:
        most = _most(groups, mark)
        if not most.accounts or (names and mark.word == "actor"):
            continue
        alone = most.accounts < _SHARED_FROM
        text = "none found" if alone else _same(most, len(groups))
        calls = 0 if alone else sum(_calls(group, mark, most.value) for group in groups)
        asked = replace(query, **{mark.field: most.value})
        statements.append(Statement(topic="organization", text=text, query=asked, count=calls, event_ids=()))
    for most in names:
        calls = sum(_calls(group, _NAME, most.value) for group in groups)
        text = _same(most, len(groups))
        statements.append(Statement(topic="organization", text=text, query=query, count=calls, event_ids=()))
    return statements


def _same(most: Shared, accounts: int) -> str:
    return f"same {most.what} {wording.clip(most.value, 100)} in {most.accounts:,} of {accounts:,} accounts"


def _most(groups: Groups, mark: _Mark) -> Shared:
    """The value that stands in most accounts."""
    counts: Counter[str] = Counter()
    for group in groups:
        counts.update({value for anomaly in group for value, _ in mark.values(anomaly) if value})
    value, number = min(counts.items(), key=lambda item: (-item[1], item[0]), default=("", 0))
    return Shared(what=mark.word, value=value, accounts=number)


def _calls(group: Sequence[Anomaly], mark: _Mark, wanted: str) -> int:
    return sum(calls for anomaly in group for value, calls in mark.values(anomaly) if value == wanted)


def _of(groups: Groups, topic: str) -> list[tuple[int, Statement]]:
    """The statements of a topic with the place of their account."""
    return [
        (place, each)
        for place, group in enumerate(groups)
        for anomaly in group
        for each in anomaly.evidence
        if each.topic == topic
    ]


def _statement(topic: str, text: str, parts: Sequence[Statement]) -> Statement:
    ids = tuple(dict.fromkeys(name for each in parts for name in each.event_ids))[:_IDS]
    count = sum(each.count for each in parts)
    return Statement(topic=topic, text=text, query=_joint([each.query for each in parts]), count=count, event_ids=ids)


def _joint(queries: Sequence[Query]) -> Query:
    """What all the queries have in common, over the span of all."""
    starts = [each.start for each in queries if each.start is not None]
    ends = [each.end for each in queries if each.end is not None]
    common: dict[str, Any] = {}
    for field in fields(Query):
        values = {getattr(each, field.name) for each in queries}
        common[field.name] = values.pop() if len(values) == 1 else None
    return replace(Query(**common), start=min(starts, default=None), end=max(ends, default=None))


def _query(members: Iterable[Anomaly]) -> Query:
    found = list(members)
    return Query(
        kind=found[0].kind, start=min(each.first_use for each in found), end=max(each.last_use for each in found)
    )


def _alike(groups: Groups, kind: str) -> list[Step]:
    """Each text once, with the policy that most accounts have."""
    policies: dict[str, Counter[str | None]] = {}
    for group in groups:
        for step in {each: None for anomaly in group for each in anomaly.guidance if each.kind == kind}:
            policies.setdefault(step.text, Counter())[step.command] += 1
    steps = []
    for text, commands in policies.items():
        command, number = commands.most_common(1)[0]
        own = "" if len(commands) == 1 else f"; here as for {number:,} of {len(groups):,} accounts"
        steps.append(Step(kind=kind, text=text + own, command=command))
    return steps


def _contain(groups: Groups) -> list[Step]:
    places: dict[tuple[str, str | None], list[tuple[Anomaly, Step]]] = {}
    for group in groups:
        for anomaly in group:
            for step in anomaly.guidance:
                if step.kind == "contain":
                    text = _ACCOUNT.sub("", step.text) if step.command else step.text
                    places.setdefault((step.command or text, step.command), []).append((anomaly, step))
    many = [each for each in places.values() if len({anomaly.account_id for anomaly, _ in each}) >= _SHARED_FROM]
    many.sort(key=lambda each: -len(each))
    steps = [_for_many(each, len(groups)) for each in many]
    own = [each[0] for each in places.values() if len({anomaly.account_id for anomaly, _ in each}) < _SHARED_FROM]
    steps += [replace(step, text=f"{_whose(anomaly)}: {step.text}") for anomaly, step in _by_turns(own)]
    left = len(steps) - STEPS_KEPT
    more = f"{left:,} more steps stand in the accounts' own alerts"
    return [*steps[:STEPS_KEPT], *([Step(kind="contain", text=more)] if left > 0 else [])]


def _by_turns(found: Sequence[tuple[Anomaly, Step]]) -> list[tuple[Anomaly, Step]]:
    """The first step of each account, then the second of each."""
    turns: Counter[str] = Counter()
    ranked = []
    for place, (anomaly, step) in enumerate(found):
        ranked.append((turns[anomaly.account_id], place, anomaly, step))
        turns[anomaly.account_id] += 1
    return [(anomaly, step) for _, _, anomaly, step in sorted(ranked, key=lambda each: each[:2])]


def _for_many(found: Sequence[tuple[Anomaly, Step]], accounts: int) -> Step:
    """One command for many accounts: where it is run, which is where its identity lives, and for how many it is."""
    step = found[0][1]
    homes = list(dict.fromkeys(_home(anomaly, each) for anomaly, each in found))
    number = len({anomaly.account_id for anomaly, _ in found})
    where = f", account {homes[0]}, for" if len(homes) == 1 else ", to be run in each:"
    return replace(step, text=f"{_ACCOUNT.sub('', step.text)}{where} {number:,} of {accounts:,} accounts")


def _home(anomaly: Anomaly, step: Step) -> str:
    said = _ACCOUNT.search(step.text)
    return said[1] if said else wording.clip(anomaly.account_id)


def _whose(anomaly: Anomaly) -> str:
    name, number = wording.clip(anomaly.account_name, 40), wording.clip(anomaly.account_id, 40)
    return number if name == number else f"{name} {number}"
