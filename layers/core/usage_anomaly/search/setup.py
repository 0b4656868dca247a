"""Does the cluster know our indexes?

Run at every deployment before new code writes: new mappings come to the templates first, so that an index made meanwhile
has them, and then to the indexes that exist. What stands there already is left alone; a second run changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from opensearchpy import OpenSearch

from usage_anomaly.search import client as search
from usage_anomaly.search import indexes
from usage_anomaly.search.client import Answer, SearchRefused, SearchUnavailable, Wait, answering, patiently
from usage_anomaly.search.indexes import Body

Call = Callable[[Callable[[], Any]], Any]

LOOK_SECONDS = 5.0  # between two looks at a domain that is being made
SETUP_SECONDS = 60.0  # what the set-up itself may take, once the cluster answers
ANSWER_SECONDS = 20.0  # left over, so that whoever asked can be told


class Target(Protocol):
    """Where the cluster is and how requests are signed: part of a function's settings."""

    @property
    def search_endpoint(self) -> str: ...
    @property
    def search_auth(self) -> str: ...
    @property
    def aws_region(self) -> str: ...


def run(target: Target, time_left: Callable[[], float], wait: Wait = time.sleep) -> list[str]:
    """Wait for the cluster and configure it, all in the time left (seconds); returns what was changed."""
    client = search.connect(target.search_endpoint, target.search_auth, target.aws_region)
    wait_until_reachable(client, time_left, wait)
    return configure(client, time_left, wait)


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
    call = partial(_call, time_left, wait)
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


def _call(time_left: Callable[[], float], wait: Wait, send: Callable[[], Any]) -> Any:
    def answered() -> Any:
        if time_left() < ANSWER_SECONDS:
            raise SearchUnavailable("the cluster answers too slowly: the time for the set-up is over")
        with answering():
            return send()

    return patiently(answered, search.READ_WAITS, wait)


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
