"""What should be checked, what stops it, and what would have prevented it?

The kind's guidance is filled with the anomaly's own ids and regions. A value goes into a command only if it matches a
strict pattern, and then shell-quoted; a value that does not is named as such, and its command is left out.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from string import Formatter

import msgspec

from usage_anomaly.anomalies import Actor, Step
from usage_anomaly.catalog import Contain, Kind
from usage_anomaly.enrichment.automation import role_name
from usage_anomaly.enrichment.evidence import Signals
from usage_anomaly.enrichment.launchers import (
    DOERS,
    LAUNCHERS,
    PATTERNS,
    PIPELINES,
    RESERVED_ROLES,
    ROOT,
    SAID,
    SPOT,
)
from usage_anomaly.enrichment.wording import clip, commonest
from usage_anomaly.resources import Run, holder, runs
from usage_anomaly.usage import UsageEvent

IDS_PER_COMMAND = 50  # an alert shows 50 ids; the record has them all
PLACES_SHOWN = 20  # commands of one step: accounts and regions
FUNCTIONS_SHOWN = 3  # per region, the busiest
FEW = 3  # machines that are named beside what started them
NEARLY_ALL = 0.9  # of the quantity
SHARE_TO_STOP = 0.1  # of a region's quantity; who made less is no cause, and stopping it does harm

# A step with one of these slots is about what was used, and repeated for each region; the others are about who used it.
_REGIONAL = frozenset({"region", "ids", "function_name"})
Place = tuple[str, str]  # account id, region
Values = Mapping[str, tuple[str, ...]]
_FILL_REGIONS = "{regions}"  # stands in a policy for the regions that the account used before
_NO_REGION = "REGION-IN-USE"
_UNSURE = "not if it does this daily, too little was read to tell"
_LONG_ENOUGH = 1.0  # days; a shorter past does not tell what is usual


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the slots are filled from: by account and region, what was used and is not seen released, and what used it."""

    account_id: str
    main: Actor | None
    automation: str | None
    resources: Mapping[Place, tuple[str, ...]]
    functions: Mapping[Place, tuple[str, ...]]
    launchers: Mapping[Place, tuple[str, ...]]
    spot: frozenset[str] = frozenset()  # of `resources`: what cannot be stopped, only ended


def facts(
    uses: Sequence[UsageEvent],
    released: Mapping[Run, datetime],
    account_id: str,
    actors: Sequence[Actor],
    automation: str | None,
) -> Facts:
    """Collect ids, functions and launchers by place.

    What was released after its use is left out, and what only hangs on something else: it has no id to delete it by. So is
    what others than the one who made nearly all of it use: it stands in the same place by chance.
    """
    main = actors[0] if actors and actors[0].share >= NEARLY_ALL else None
    resources: dict[Place, dict[str, None]] = {}
    functions: dict[Place, Counter[str]] = {}
    launchers: dict[Place, Counter[str]] = {}
    spot: set[str] = set()
    for event in sorted(uses, key=lambda event: (event.event_time, event.event_id, event.group or "")):
        place = (event.account_id, event.region)
        if main is not None and event.actor_arn not in (None, main.arn):
            continue
        running = (each for each in runs(event) if each not in released and holder(each[:3]) is None)
        ids = dict.fromkeys(name for _, _, name, _ in running)
        resources.setdefault(place, {}).update(ids)
        spot.update(ids if event.market == "spot" else ())
        if event.function_name and not _owned_elsewhere(event):
            functions.setdefault(place, Counter())[event.function_name] += event.quantity
        if event.launcher_id:
            launchers.setdefault(place, Counter())[event.launcher_id] += event.quantity
    return Facts(
        account_id=account_id,
        main=actors[0] if actors else None,
        automation=automation,
        resources={place: tuple(ids) for place, ids in resources.items()},
        functions={place: _busiest(names) for place, names in functions.items()},
        launchers={place: _busiest(names) for place, names in launchers.items()},
        spot=frozenset(spot),
    )


def _owned_elsewhere(event: UsageEvent) -> bool:
    """Whether the function stands in another account: a call across accounts is recorded in both, here as the caller's."""
    return event.shared_event_id is not None and _home(event.actor_arn or "") == event.account_id


def advise(kind: Kind, facts: Facts, signals: Signals | None = None) -> tuple[Step, ...]:
    """Checks, containment (who did it, then what launches, then what runs), prevention, ATT&CK ids.

    What launches stands in for what runs only if its name is not of the caller's own choice.
    """
    known = signals or Signals()
    checks = _checks(kind, facts, known)
    attack = Step(kind="attack", text=", ".join(kind.guidance.attack))
    return (*checks, *_contain(kind, facts, known), *_prevent(kind, known), attack)


def _checks(kind: Kind, facts: Facts, signals: Signals) -> list[Step]:
    """The kind's questions, those about a value that is known here first, with it."""
    long_lived = facts.main is not None and facts.main.long_lived_key
    launcher = commonest(name for names in facts.launchers.values() for name in names)
    values = {
        "userIdentity.accessKeyId": facts.main.access_key_id if facts.main is not None and long_lived else None,
        "requestParameters.instancesSet.items[].imageId": signals.image,
        "responseElements.instancesSet.items[].tagSet": launcher,
    }
    named = sorted(kind.guidance.check, key=lambda each: not values.get(each.field))
    return [
        Step(kind="check", text=f"{each.field}{_is(values.get(each.field))}, {each.span}: {each.question}")
        for each in named
    ]


def _is(value: str | None) -> str:
    return f" {clip(value)}" if value else ""


def _contain(kind: Kind, facts: Facts, signals: Signals) -> list[Step]:
    doer = [*against_doer(facts, signals, kind.guidance.contain), *_against_made(signals)]
    launcher, named = _against_launcher(facts)
    spend = against_spend(kind, facts)
    if signals.automation_trusted:
        few = sum(len(ids) for ids in facts.resources.values()) <= FEW
        return [*doer, *launcher, *(spend if few or not named else [])]
    if signals.new_actor:  # the name may be an intruder's: what is certain first
        claimed = [msgspec.structs.replace(step, text=f"if it is {facts.automation}: {step.text}") for step in launcher]
        return [*doer, *spend, *claimed]
    unsure = signals.days_read < _LONG_ENOUGH and _role(facts) is not None
    return [*launcher, *spend, *doer] if unsure else [*doer, *launcher, *spend]


def _prevent(kind: Kind, signals: Signals) -> list[Step]:
    regions = [region for region in signals.known_regions if valid("region", region)]
    steps = []
    for each in kind.guidance.prevent:
        text, policy = each.text, each.policy
        if policy is not None and _FILL_REGIONS in json.dumps(policy):
            text += " (with the regions used before)" if regions else f" (replace {_NO_REGION})"
        steps.append(Step(kind="prevent", text=text, command=_policy(policy, regions or [_NO_REGION])))
    return steps


def valid(slot: str, value: str) -> bool:
    """Whether a value may stand in a command."""
    return PATTERNS[slot].fullmatch(value) is not None


def slots(command: str) -> frozenset[str]:
    """The names in braces of a command."""
    return frozenset(name for _, name, _, _ in Formatter().parse(command) if name)


def _busiest(names: Counter[str]) -> tuple[str, ...]:
    least = SHARE_TO_STOP * names.total()
    ranked = sorted((item for item in names.items() if item[1] >= least), key=lambda item: (-item[1], item[0]))
    return tuple(name for name, _ in ranked[:FUNCTIONS_SHOWN])


def _is_regional(step: Contain) -> bool:
    return bool(slots(step.command) & _REGIONAL)


def _policy(policy: dict[str, object] | None, regions: Sequence[str]) -> str | None:
    return None if policy is None else json.dumps(_filled(policy, regions), indent=2)


def _filled(value: object, regions: Sequence[str]) -> object:
    if isinstance(value, dict):
        return {name: _filled(each, regions) for name, each in value.items()}
    if isinstance(value, list):
        return list(regions) if value == [_FILL_REGIONS] else [_filled(each, regions) for each in value]
    return value


def against_doer(facts: Facts, signals: Signals, more: Iterable[Contain] = ()) -> list[Step]:
    """What stops the identity: its key, its sessions, its role; then what of a kind's steps (`more`) is about it."""
    values = _doer_values(facts)
    if facts.main is not None and facts.main.arn.endswith(":root"):
        return [
            _step(
                ROOT["key" if "access_key_id" in values else "session"],
                _slots_of(ROOT["key"], values),
                _home_said(facts),
            )
        ]
    deny = _denial(facts, signals)
    if deny == "ask":
        return [_step(DOERS["ask"], _slots_of(DOERS["ask"], values))]
    if deny == "never":
        if _deploys(facts) and facts.automation not in PIPELINES:
            return [_step(DOERS["pipeline"], _slots_of(DOERS["pipeline"], values))]
        values.pop("role", None)
    names = ("role",) if "role" in values else ("key",) if "access_key_id" in values else ("user", "keys")
    steps = []
    for each in (*(DOERS[name] for name in names), *(own for own in more if not _is_regional(own))):
        if slots(each.command) <= values.keys():
            step = _step(each, _slots_of(each, values), _home_said(facts))
            unsure = "role" in values and signals.days_read < _LONG_ENOUGH
            steps.append(msgspec.structs.replace(step, text=f"{step.text}; {_UNSURE}") if unsure else step)
    commands = [step.command for step in steps]
    return [step for at, step in enumerate(steps) if step.command is None or step.command not in commands[:at]]


def _against_made(signals: Signals) -> list[Step]:
    """The users by which an intruder means to come back; who is known here makes users as part of the work."""
    strange = signals.long_lived_key or signals.new_actor or signals.new_address
    users = signals.users_made if strange and not signals.automation_trusted else ()
    return [_step(DOERS["made"], {"user": (user,)}) for user in users]


def _slots_of(step: Contain, values: Values) -> Values:
    wanted = slots(step.command) | slots(step.text)
    return {slot: each for slot, each in values.items() if slot in wanted}


def _denial(facts: Facts, signals: Signals) -> str:
    """Whether to deny a role everything: "offer", "ask" first (it is used here), or "never" (others depend on it).

    A deployment's role that is denied everything stops the deployments; only what is new here speaks for an intruder.
    """
    if _role(facts) is None or facts.main is None or facts.main.share < SHARE_TO_STOP:
        return "never"
    deploys = _deploys(facts)
    if signals.automation_trusted and (deploys or facts.automation in LAUNCHERS):
        return "never"
    if signals.new_actor or signals.days_read < _LONG_ENOUGH:
        return "offer"
    if deploys or facts.automation in LAUNCHERS:
        return "never"
    return "offer" if signals.new_address or signals.new_regions else "ask"


def _deploys(facts: Facts) -> bool:
    return facts.automation in PIPELINES or (facts.automation or "").startswith("CI")


def against_spend(kind: Kind, facts: Facts) -> list[Step]:
    """The kind's steps for what runs; a Spot instance cannot be stopped, so these have a step of their own."""
    kept = {place: tuple(each for each in ids if each not in facts.spot) for place, ids in facts.resources.items()}
    ended = {place: tuple(each for each in ids if each in facts.spot) for place, ids in facts.resources.items()}
    others = msgspec.structs.replace(
        facts, resources={place: ids for place, ids in kept.items() if ids or not ended[place]}
    )
    steps = [step for each in kind.guidance.contain if _is_regional(each) for step in _each_place(each, others)]
    spot = msgspec.structs.replace(facts, resources={place: ids for place, ids in ended.items() if ids})
    return [*steps, *(step for each in SPOT for step in _each_place(each, spot))] if facts.spot else steps


def _each_place(step: Contain, facts: Facts) -> list[Step]:
    """One step per account, region and command's worth of ids, the largest first; none where a slot has no value."""
    wanted = slots(step.command)
    doer = _doer_values(facts)
    places = sorted(facts.resources, key=lambda place: (-len(facts.resources[place]), place))
    steps = []
    for place in places:
        for values in _place_values(wanted, facts, place):
            known = {**doer, **values}
            if wanted <= known.keys():
                steps.append(_step(step, _slots_of(step, known), _account_said(facts, place)))
    left = len(steps) - PLACES_SHOWN
    more = [Step(kind="contain", text=f"{step.text}: {left:,} more such commands are left out")] if left > 0 else []
    return [*steps[:PLACES_SHOWN], *more]


def _place_values(wanted: frozenset[str], facts: Facts, place: Place) -> Iterable[Values]:
    here = {"region": (place[1],), "account_id": (place[0],)}
    if "function_name" in wanted:
        return [{**here, "function_name": (name,)} for name in facts.functions.get(place, ())]
    if "ids" in wanted:
        return [{**here, "ids": lot} for lot in _lots(facts.resources[place])]
    return [here]


def _account_said(facts: Facts, place: Place) -> str:
    """For an organization's anomaly each command belongs to an account of its own."""
    if place[0] == facts.account_id or not valid("account_id", place[0]):
        return ""
    return f", account {place[0]}"


def _home_said(facts: Facts) -> str:
    """An identity of another account is stopped there, not here."""
    home = _home(facts.main.arn if facts.main else "")
    return f", account {home}" if home != facts.account_id and valid("account_id", home) else ""


def _home(arn: str) -> str:
    """The account an identity belongs to."""
    parts = arn.split(":", 5)
    return parts[4] if len(parts) == 6 else ""


def _role(facts: Facts) -> str | None:
    """The role that did it, unless only AWS can change it."""
    role = role_name(facts.main.arn) if facts.main is not None else ""
    return role if role and not role.startswith(RESERVED_ROLES) else None


def _doer_values(facts: Facts) -> dict[str, tuple[str, ...]]:
    """Who did it, as slots. A temporary key is no slot: it cannot be switched off by its id."""
    values: dict[str, tuple[str, ...]] = {"account_id": (facts.account_id,)}
    if facts.main is None:
        return values
    resource = facts.main.arn.split(":", 5)[-1]
    if resource.startswith("user/"):
        values["user"] = (resource.rsplit("/", 1)[-1],)
    role = _role(facts)
    if role is not None:
        values["role"] = (role,)
    if facts.main.long_lived_key and facts.main.access_key_id:
        values["access_key_id"] = (facts.main.access_key_id,)
    return values


def _against_launcher(facts: Facts) -> tuple[list[Step], bool]:
    """What stops an automation, and whether that stands in for stopping what it would only replace."""
    if facts.automation in PIPELINES:
        return [Step(kind="contain", text=PIPELINES[facts.automation])], False
    steps: list[Step] = []
    named = False
    for step in LAUNCHERS.get(facts.automation or "", ()):
        filled = _fill_launcher(step, facts)
        named = named or any(each.command for each in filled)
        steps.extend(filled or [Step(kind="contain", text=f"{step.text}; the records do not name it")])
    return steps, named


def _fill_launcher(step: Contain, facts: Facts) -> list[Step]:
    wanted = slots(step.command)
    named = wanted - _REGIONAL - {"account_id"}
    if not wanted:
        return [_step(step, {})]
    if not named:
        return [_step(step, {"region": (region,)}) for _, region in sorted(facts.resources)[:PLACES_SHOWN]]
    slot = min(named)
    places = [(place, name) for place, names in sorted(facts.launchers.items()) for name in names if valid(slot, name)]
    return [
        _step(step, {"region": (place[1],), slot: (name,)}, _account_said(facts, place))
        for place, name in places[:PLACES_SHOWN]
    ]


def _step(step: Contain, values: Values, account: str = "") -> Step:
    """The step with its command, or with the reason why a value of it must not stand in one."""
    bad = sorted(slot for slot, each in values.items() if not all(valid(slot, value) for value in each))
    where = f"{account}, {values['region'][0]}" if "region" in values and "region" not in bad else account
    count = f" ({len(values['ids']):,})" if "ids" in values else ""
    quoted = {slot: " ".join(shlex.quote(value) for value in each) for slot, each in values.items()}
    shown = {slot: "..." if slot in bad else text for slot, text in quoted.items()}
    text = f"{step.text.format_map(shown)}{where}{count}"
    if bad:
        names = ", ".join(SAID[slot] for slot in bad)
        return Step(kind="contain", text=f"{text}: no command, for {names} in the record is not of the known form")
    return Step(kind="contain", text=text, command=step.command.format_map(quoted) if step.command else None)


def _lots(ids: tuple[str, ...]) -> list[tuple[str, ...]]:
    """As many ids as fit one command; ids of unknown form in a lot of their own, so that one spoils no other's command."""
    good = [each for each in ids if valid("ids", each)]
    bad = tuple(each for each in ids if not valid("ids", each))
    lots = [tuple(good[at : at + IDS_PER_COMMAND]) for at in range(0, len(good), IDS_PER_COMMAND)]
    return [*lots, bad] if bad else lots
