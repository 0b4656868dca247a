"""Who did it, and what stands before and beside it? (step "Find evidence")"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from usage_anomaly.anomalies import Actor, Anomaly
from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment import guidance
from usage_anomaly.enrichment.compose import look
from usage_anomaly.enrichment.evidence import Evidence
from usage_anomaly.workflow.bounds import STATE_BYTES, size
from usage_anomaly.workflow.reading import MOST_EVENTS, Asking, Past, collect

EVIDENCE_BYTES = 60_000
PLACES_BYTES = 30_000  # 1,000 instance ids, with room
OTHERS_BYTES = 22_000  # of a state: for the account, the cost and the gaps
_NAME, _NAMES = 24, 100


class EvidenceInput(msgspec.Struct, frozen=True, kw_only=True):
    anomaly: Anomaly
    now: datetime


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What is still to be stopped in one account and region."""

    account_id: str
    region: str
    resources: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    launchers: tuple[str, ...] = ()
    spot: tuple[str, ...] = ()  # of `resources`


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence and where to act, or None with what is missing."""

    evidence: Evidence | None = None
    places: tuple[Place, ...] = ()
    gaps: tuple[str, ...] = ()


def run(event: Mapping[str, Any], past: Past, catalog: Catalog) -> dict[str, Any]:
    """The evidence as JSON values. Raises SearchUnavailable."""
    found: dict[str, Any] = msgspec.to_builtins(_find(msgspec.convert(event, EvidenceInput), past, catalog))
    return found


def _find(given: EvidenceInput, past: Past, catalog: Catalog) -> Found:
    anomaly, kind = given.anomaly, catalog.kind_of(given.anomaly.kind)
    ask = Asking(past, catalog)
    material = collect(anomaly, kind, ask)
    uses, released = material.gathered.uses, material.gathered.released
    if not uses:
        return Found(gaps=("evidence: not available, the usage events are not in the index",))
    covered = None if anomaly.account_id == ORGANIZATION else past.coverage(anomaly.account_id)
    evidence = look(anomaly, kind, uses, covered_from=covered, now=given.now, ask=ask)
    facts = guidance.facts(uses, released, anomaly.account_id, evidence.actors, evidence.automation)
    room = max(0, STATE_BYTES - OTHERS_BYTES - size(anomaly))
    evidence, shed = fit_evidence(evidence, min(EVIDENCE_BYTES, room * 2 // 3))
    places, left = _places(facts, min(PLACES_BYTES, room // 3))
    cut = (
        (f"evidence: questions with more than {MOST_EVENTS:,} events were answered from the latest",) if ask.cut else ()
    )
    commands = (f"commands: {left:,} ids left out",) if left else ()
    return Found(evidence=evidence, places=places, gaps=(*cut, *shed, *commands))


def facts_of(
    account_id: str, places: Sequence[Place], actors: Sequence[Actor], automation: str | None
) -> guidance.Facts:
    """The places as guidance takes them."""
    by_place = {(each.account_id, each.region): each for each in places}
    return guidance.Facts(
        account_id=account_id,
        main=actors[0] if actors else None,
        automation=automation,
        resources={place: each.resources for place, each in by_place.items()},
        functions={place: each.functions for place, each in by_place.items() if each.functions},
        launchers={place: each.launchers for place, each in by_place.items() if each.launchers},
        spot=frozenset(each for place in places for each in place.spot),
    )


def fit_evidence(evidence: Evidence, most: int) -> tuple[Evidence, tuple[str, ...]]:
    """Leave out the last statements until it fits, then the lesser actors; only hostile values are that long."""
    signals = evidence.signals  # of the new names only the number is weighed
    regions = tuple(name[:_NAME] for name in signals.new_regions)
    groups = tuple(name[:_NAME] for name in signals.new_groups[:_NAMES])
    evidence = replace(evidence, signals=replace(signals, new_regions=regions, new_groups=groups))
    whole = len(evidence.statements)
    while size(evidence) > most and evidence.statements:
        evidence = replace(evidence, statements=evidence.statements[:-1])
    while size(evidence) > most and len(evidence.actors) > 1:
        evidence = replace(evidence, actors=evidence.actors[:-1])
    left = whole - len(evidence.statements)
    return evidence, (f"evidence: {left} statements too long to keep",) if left else ()


def _places(facts: guidance.Facts, room: int) -> tuple[tuple[Place, ...], int]:
    """Where to act, the place with most resources first, and how many ids had no room."""
    ordered = sorted(facts.resources, key=lambda place: (-len(facts.resources[place]), place))
    left = 0
    places: list[Place] = []
    for place in ordered:
        kept: list[str] = []
        for each in facts.resources[place]:
            room -= (size(each) + 2) * (2 if each in facts.spot else 1)
            if room < 0:
                break
            kept.append(each)
        left += len(facts.resources[place]) - len(kept)
        functions, launchers = facts.functions.get(place, ()), facts.launchers.get(place, ())
        room -= size((place, functions, launchers)) + 80
        if room < 0 and not kept:
            left += len(functions) + len(launchers)
            continue
        names = {"account_id": place[0], "region": place[1]}
        spot = tuple(each for each in kept if each in facts.spot)
        places.append(Place(**names, resources=tuple(kept), functions=functions, launchers=launchers, spot=spot))
    return tuple(places), left
