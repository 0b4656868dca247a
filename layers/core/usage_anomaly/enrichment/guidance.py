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
from usage_anomaly.enrichment.launchers import LAUNCHERS, PATTERNS, PIPELINES, RESERVED_ROLES, SAID
from usage_anomaly.usage import UsageEvent

IDS_PER_COMMAND = 50  # an alert shows 50 ids; the record has them all
PLACES_SHOWN = 20  # commands of one step: accounts and regions
FUNCTIONS_SHOWN = 3  # per region, the busiest
SHARE_TO_STOP = 0.1  # of a region's quantity; who made less is no cause, and stopping it does harm

# A step with one of these slots is about what was used, and repeated for each region; the others are about who used it.
_REGIONAL = frozenset({"region", "ids", "function_name"})
Place = tuple[str, str]  # account id, region
Values = Mapping[str, tuple[str, ...]]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the slots are filled from: by account and region, what was used and is not seen released, and what used it."""

    account_id: str
    main: Actor | None
    automation: str | None
    resources: Mapping[Place, tuple[str, ...]]
    functions: Mapping[Place, tuple[str, ...]]
    launchers: Mapping[Place, tuple[str, ...]]


def facts(
    uses: Sequence[UsageEvent],
    released: Mapping[str, datetime],
    account_id: str,
    actors: Sequence[Actor],
    automation: str | None,
) -> Facts:
    """Collect ids, functions and launchers by place; what was released after its use is left out."""
    resources: dict[Place, dict[str, None]] = {}
    functions: dict[Place, Counter[str]] = {}
    launchers: dict[Place, Counter[str]] = {}
    for event in sorted(uses, key=lambda event: (event.event_time, event.event_id, event.group or "")):
        place = (event.account_id, event.region)
        running = (each for each in event.resource_ids if _runs(released.get(each), event.event_time))
        resources.setdefault(place, {}).update(dict.fromkeys(running))
        if event.function_name:
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
    )


def advise(kind: Kind, facts: Facts) -> tuple[Step, ...]:
    """Checks, containment (who did it, then what launches, then what runs), prevention, ATT&CK ids."""
    checks = [Step(kind="check", text=f"{each.field}, {each.span}: {each.question}") for each in kind.guidance.check]
    doer = [step for each in kind.guidance.contain if not _is_regional(each) for step in _against_doer(each, facts)]
    launcher, replaces = _against_launcher(facts)
    spend = [step for each in kind.guidance.contain if _is_regional(each) for step in _against_spend(each, facts)]
    prevent = [Step(kind="prevent", text=each.text, command=_policy(each.policy)) for each in kind.guidance.prevent]
    attack = Step(kind="attack", text=", ".join(kind.guidance.attack))
    return (*checks, *doer, *launcher, *([] if replaces else spend), *prevent, attack)


def valid(slot: str, value: str) -> bool:
    """Whether a value may stand in a command."""
    return PATTERNS[slot].fullmatch(value) is not None


def slots(command: str) -> frozenset[str]:
    """The names in braces of a command."""
    return frozenset(name for _, name, _, _ in Formatter().parse(command) if name)


def _runs(release: datetime | None, used: datetime) -> bool:
    return release is None or release < used


def _busiest(names: Counter[str]) -> tuple[str, ...]:
    least = SHARE_TO_STOP * names.total()
    ranked = sorted((item for item in names.items() if item[1] >= least), key=lambda item: (-item[1], item[0]))
    return tuple(name for name, _ in ranked[:FUNCTIONS_SHOWN])


def _is_regional(step: Contain) -> bool:
    return bool(slots(step.command) & _REGIONAL)


def _policy(policy: dict[str, object] | None) -> str | None:
    return None if policy is None else json.dumps(policy, indent=2)


def _against_doer(step: Contain, facts: Facts) -> list[Step]:
    values = _doer_values(facts)
    wanted = slots(step.command)
    if not wanted <= values.keys():
        return []
    return [_step(step, {slot: values[slot] for slot in wanted}, _home_said(facts))]


def _against_spend(step: Contain, facts: Facts) -> list[Step]:
    """One step per account, region and command's worth of ids, the largest first; none where a slot has no value."""
    wanted = slots(step.command)
    doer = _doer_values(facts)
    places = sorted(facts.resources, key=lambda place: (-len(facts.resources[place]), place))
    steps = []
    for place in places:
        for values in _place_values(wanted, facts, place):
            known = {**doer, **values}
            if wanted <= known.keys():
                filled = {slot: known[slot] for slot in wanted}
                steps.append(_step(step, filled, _account_said(facts, place)))
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
    parts = (facts.main.arn if facts.main else "").split(":", 5)
    home = parts[4] if len(parts) == 6 else ""
    return f", account {home}" if home != facts.account_id and valid("account_id", home) else ""


def _doer_values(facts: Facts) -> dict[str, tuple[str, ...]]:
    """Who did it, as slots. A temporary key is no slot (it cannot be switched off by its id), nor is the role of an
    automation that is stopped otherwise (a cluster depends on it) or one that only AWS can change."""
    values: dict[str, tuple[str, ...]] = {"account_id": (facts.account_id,)}
    if facts.main is None:
        return values
    resource = facts.main.arn.split(":", 5)[-1]
    if resource.startswith("user/"):
        values["user"] = (resource.rsplit("/", 1)[-1],)
    role = role_name(facts.main.arn)
    if role and not role.startswith(RESERVED_ROLES) and facts.automation not in LAUNCHERS:
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
    text = f"{step.text}{where}{count}"
    if bad:
        names = ", ".join(SAID[slot] for slot in bad)
        return Step(kind="contain", text=f"{text}: no command, for {names} in the record is not of the known form")
    quoted = {slot: " ".join(shlex.quote(value) for value in each) for slot, each in values.items()}
    return Step(kind="contain", text=text, command=step.command.format_map(quoted))


def _lots(ids: tuple[str, ...]) -> list[tuple[str, ...]]:
    """As many ids as fit one command; ids of unknown form in a lot of their own, so that one spoils no other's command."""
    good = [each for each in ids if valid("ids", each)]
    bad = tuple(each for each in ids if not valid("ids", each))
    lots = [tuple(good[at : at + IDS_PER_COMMAND]) for at in range(0, len(good), IDS_PER_COMMAND)]
    return [*lots, bad] if bad else lots
