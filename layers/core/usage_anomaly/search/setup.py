"""Does the cluster know our indexes?

Run at every deployment before new code writes: new mappings come to the templates first, so that an index made meanwhile
has them, and then to the indexes that exist. What stands there already is left alone; a second run changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from opensearchpy import OpenSearch

from usage_anomaly.search import client as search
from usage_anomaly.search import indexes
from usage_anomaly.search.client import Answer, SearchRefused, SearchUnavailable, Wait, answering, patiently
from usage_anomaly.search.indexes import Body

LOOK_SECONDS = 5.0  # between two looks at a domain that is being made


def wait_until_reachable(client: OpenSearch, time_left: Callable[[], float], wait: Wait = time.sleep) -> None:
    """Wait until the cluster answers and is not red. Raises SearchUnavailable when the time left is over."""
    while not search.healthy(client):
        if time_left() < LOOK_SECONDS + search.REQUEST_SECONDS:
            raise SearchUnavailable("the cluster does not answer, or is red, and the time for waiting is over")
        wait(LOOK_SECONDS)


def configure(client: OpenSearch, wait: Wait = time.sleep) -> list[str]:
    """Put templates and mappings in place and return what was changed. Raises SearchUnavailable or SearchRefused."""
    changed: list[str] = []
    for name, body in indexes.templates().items():
        if _digest(client, name, wait) != body["_meta"]["digest"]:
            _call(lambda name=name, body=body: client.indices.put_index_template(name=name, body=body), wait)
            changed.append(f"index template {name}")
        fields = body["template"]["mappings"]["properties"]
        changed += _mend(client, body["index_patterns"][0], fields, wait)
    if not _call(lambda: client.indices.exists(index=indexes.ANOMALIES), wait):
        _call(lambda: client.indices.create(index=indexes.ANOMALIES), wait)
        changed.append(f"index {indexes.ANOMALIES}")
    return changed


def _call(send: Callable[[], Answer], wait: Wait) -> Answer:
    def answered() -> Answer:
        with answering():
            return send()

    return patiently(answered, search.READ_WAITS, wait)


def _digest(client: OpenSearch, name: str, wait: Wait) -> str | None:
    """What the template of this name says it was made from; None where there is none, or none of ours."""
    try:
        answer = _call(lambda: client.indices.get_index_template(name=name), wait)
    except SearchRefused as error:
        if error.status == 404:
            return None
        raise
    meta: Body = answer["index_templates"][0]["index_template"].get("_meta") or {}
    return meta.get("digest")


def _mend(client: OpenSearch, pattern: str, fields: Body, wait: Wait) -> list[str]:
    """Give existing indexes the fields they lack. A field of another type is refused by OpenSearch, and said so."""
    found = _call(lambda: client.indices.get_mapping(index=pattern, params={"ignore_unavailable": "true"}), wait)
    changed = []
    for index, answer in sorted(found.items()):
        there = answer["mappings"].get("properties", {})
        lacking = {name: field for name, field in fields.items() if _type(there.get(name)) != _type(field)}
        if lacking:
            body = {"properties": lacking}
            _call(lambda index=index, body=body: client.indices.put_mapping(index=index, body=body), wait)
            changed.append(f"mapping of {index}: {', '.join(sorted(lacking))}")
    return changed


def _type(field: Body | None) -> object:
    """The type of a field; an object's is that of its parts."""
    if field is None:
        return None
    parts: Body = field.get("properties", {})
    return {name: _type(part) for name, part in parts.items()} if parts else field.get("type")
