"""Is the cluster what this version needs: indexes, retention, detectors, access, dashboards?

Run at every deployment before new code writes: new mappings come to the templates first, so that an index made meanwhile
has them, and then to the indexes that exist. What stands there already is left alone; a second run changes nothing. A
cluster that lacks a plugin is set up without what needs it, and that is said.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import msgspec
from opensearchpy import OpenSearch

from usage_anomaly.search import access, dashboards, detectors, indexes, plugin, policies
from usage_anomaly.search import client as search
from usage_anomaly.search.asking import ANSWER_SECONDS, Asking, NotHere
from usage_anomaly.search.client import Answer, SearchRefused, SearchUnavailable, Wait
from usage_anomaly.search.indexes import Body

Call = Callable[[Callable[[], Any]], Any]

LOOK_SECONDS = 5.0  # between two looks at a domain that is being made
SETUP_SECONDS = 150.0  # what the set-up itself may take, once the cluster answers: four detectors on a small node
FORBIDDEN = (401, 403)


class Wanted(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """What the template asks for, as properties of its resource. Roles are ARNs.

    `learned_region_accounts`: up to so many accounts the detectors learn each region by itself.
    """

    usage_retention_days: int
    learned_region_accounts: int
    learned_result_days: int
    ingest_roles: tuple[str, ...] = ()
    reader_roles: tuple[str, ...] = ()
    administrator_roles: tuple[str, ...] = ()
    pasts_roles: tuple[str, ...] = ()
    roll_up_roles: tuple[str, ...] = ()
    backfill_roles: tuple[str, ...] = ()
    dashboards_roles: tuple[str, ...] = ()
    delete_learned_results: bool = False


class Outcome(msgspec.Struct, frozen=True):
    """What was changed, and what could not be done here and why."""

    changed: list[str]
    said: list[str]


class Target(Protocol):
    """Where the cluster is and how requests are signed: part of a function's settings."""

    @property
    def search_endpoint(self) -> str: ...
    @property
    def search_auth(self) -> str: ...
    @property
    def aws_region(self) -> str: ...


def run(
    target: Target, wanted: Wanted, time_left: Callable[[], float], now: datetime, wait: Wait = time.sleep
) -> Outcome:
    """Wait for the cluster and set all of it up, in the time left (seconds). Raises SearchUnavailable or SearchRefused."""
    client = search.connect(target.search_endpoint, target.search_auth, target.aws_region)
    wait_until_reachable(client, time_left, wait)
    return complete(Asking(client, time_left, wait), wanted, now)


def complete(asking: Asking, wanted: Wanted, now: datetime) -> Outcome:
    """Set up everything but the cluster itself; roles first, for what follows may need them."""
    roles = {
        access.INGEST: wanted.ingest_roles,
        access.READER: wanted.reader_roles,
        access.PASTS: wanted.pasts_roles,
        access.ROLL_UP: wanted.roll_up_roles,
        access.BACKFILL: wanted.backfill_roles,
        access.ADMINISTRATOR: wanted.administrator_roles,
    }
    outcome = Outcome([], [])
    _add(
        outcome,
        "no fine-grained access control here: no roles",
        partial(access.configure, asking, roles, wanted.dashboards_roles),
    )
    outcome.changed.extend(configure(asking.client, asking.time_left, asking.wait))
    ageing = partial(policies.configure, asking, wanted.usage_retention_days)
    _add(outcome, "no index state management here: this cluster deletes no index by itself", ageing)
    if plugin.is_here(asking):
        outcome.changed.extend(plugin.configure(asking, _bodies(asking, wanted), now))
    else:
        outcome.said.append("no anomaly-detection plugin here: no learned detectors")
    imported, hindered = dashboards.configure(asking, dashboards.bundled())
    return Outcome(outcome.changed + imported, outcome.said + hindered)


def remove(target: Target, wanted: Wanted, time_left: Callable[[], float], wait: Wait = time.sleep) -> Outcome:
    """Stop and delete the detectors; their results stay unless they are not wanted, everything else stays anyway."""
    client = search.connect(target.search_endpoint, target.search_auth, target.aws_region)
    return clear(Asking(client, time_left, wait), wanted)


def clear(asking: Asking, wanted: Wanted) -> Outcome:
    """What `remove` does, of a cluster that is connected."""
    if not plugin.is_here(asking):
        return Outcome([], ["no anomaly-detection plugin here"])
    changed = plugin.remove(asking)
    if wanted.delete_learned_results:
        changed += plugin.remove_results(asking)
    return Outcome(changed, [])


def _add(outcome: Outcome, without: str, step: Callable[[], list[str]]) -> None:
    """Add what a step changed, or say that the cluster cannot do it."""
    try:
        outcome.changed.extend(step())
    except NotHere:
        outcome.said.append(without)
    except SearchRefused as error:
        if error.status not in FORBIDDEN:
            raise
        outcome.said.append(f"not allowed, to be done by hand (docs/deploy.md): {error}")


def _bodies(asking: Asking, wanted: Wanted) -> list[Body]:
    version = detectors.version_of(asking.ask("GET", "/")["version"]["number"])
    count = {"size": 0, "aggs": {"accounts": {"cardinality": {"field": "account_id"}}}}
    answer = asking.ask("POST", f"/{indexes.ALL_EVENTS}/_search", count)
    accounts = answer.get("aggregations", {}).get("accounts", {}).get("value", 0)  # without an index there is no answer
    category = detectors.category_of(accounts, wanted.learned_region_accounts)
    return detectors.bodies(version, category, wanted.learned_result_days)


def wait_until_reachable(client: OpenSearch, time_left: Callable[[], float], wait: Wait = time.sleep) -> None:
    """Wait until the cluster answers and is not red. Raises SearchUnavailable when the time left is over."""
    while not search.healthy(client):
        if time_left() < LOOK_SECONDS + SETUP_SECONDS + ANSWER_SECONDS:
            raise SearchUnavailable("the cluster does not answer, or is red, and the time for waiting is over")
        wait(LOOK_SECONDS)


def configure(
    client: OpenSearch, time_left: Callable[[], float] = lambda: SETUP_SECONDS, wait: Wait = time.sleep
) -> list[str]:
    """Put templates and mappings in place and return what was changed. Raises SearchUnavailable or SearchRefused."""
    call = Asking(client, time_left, wait).call
    changed: list[str] = []
    for name, body in indexes.templates().items():
        if _digest(client, call, name) != body["_meta"]["digest"]:
            call(partial(client.indices.put_index_template, name=name, body=body))
            changed.append(f"index template {name}")
        changed += _mend(client, call, body["index_patterns"][0], body["template"]["mappings"]["properties"])
    if not call(partial(client.indices.exists, index=indexes.ANOMALIES)):
        call(partial(client.indices.create, index=indexes.ANOMALIES))
        changed.append(f"index {indexes.ANOMALIES}")
    return changed


def _digest(client: OpenSearch, call: Call, name: str) -> str | None:
    """What the template of this name says it was made from; None where there is none, or none of ours."""
    try:
        answer: Answer = call(partial(client.indices.get_index_template, name=name))
    except SearchRefused as error:
        if error.status == 404:
            return None
        raise
    meta: Body = answer["index_templates"][0]["index_template"].get("_meta") or {}
    return meta.get("digest")


def _mend(client: OpenSearch, call: Call, pattern: str, fields: Body) -> list[str]:
    """Give existing indexes the fields they lack. A field of another type is refused by OpenSearch, and said so."""
    found = call(partial(client.indices.get_mapping, index=pattern, params={"ignore_unavailable": "true"}))
    changed = []
    for index, answer in sorted(found.items()):
        there = answer["mappings"].get("properties", {})
        lacking = {name: field for name, field in fields.items() if _type(there.get(name)) != _type(field)}
        if lacking:
            call(partial(client.indices.put_mapping, index=index, body={"properties": lacking}))
            changed.append(f"mapping of {index}: {', '.join(sorted(lacking))}")
    return changed


def _type(field: Body | None) -> object:
    """The type of a field; an object's is that of its parts."""
    if field is None:
        return None
    parts: Body = field.get("properties", {})
    return {name: _type(part) for name, part in parts.items()} if parts else field.get("type")
