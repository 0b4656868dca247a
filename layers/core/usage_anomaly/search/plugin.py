"""Do the learned detectors run in the cluster as they should?

Requests to OpenSearch's anomaly-detection plugin. What stands there unchanged is not touched; what changed is stopped,
updated and started; another category or result index cannot be changed, so the detector is made anew. One detector is
started after the other, when the one before is under way: the first runs of two started together, an interval later, meet at
a lock index that is not there yet, and one of them fails. Answers that say 200 are read all the same: of starting, stopping
and validating they may hold a refusal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import msgspec

from usage_anomaly.detection.learned import FIGURES
from usage_anomaly.search.asking import Asking, NotHere
from usage_anomaly.search.client import Answer, SearchRefused
from usage_anomaly.search.detectors import ALL_RESULTS
from usage_anomaly.search.indexes import ALL_EVENTS, EVENTS, Body, milliseconds

PREFIX = "/_plugins/_anomaly_detection"
DETECTORS = f"{PREFIX}/detectors"
RUNS = ("INIT", "RUNNING")  # without history a detector initializes for hours
LOOKS, LOOK_SECONDS = 15, 1.0
_MARKER = "set-up"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A detector as it stands in the cluster."""

    id: str
    description: str
    category: Sequence[str]
    result_index: str | None


def is_here(asking: Asking) -> bool:
    """Whether the cluster has the plugin."""
    try:
        return asking.find(f"{PREFIX}/stats") is not None
    except NotHere:
        return False


def configure(asking: Asking, bodies: Sequence[Body], now: datetime) -> list[str]:
    """Make the detectors what the bodies say, and run them; returns what was changed."""
    there = standing(asking)
    changed = [body for body in bodies if not _is_same(there.get(body["name"]), body)]
    said: list[str] = []
    if changed:
        with _a_document(asking, now):
            said += [_put(asking, there.get(body["name"]), body) for body in changed]
    for body in bodies:
        if body not in changed and not _runs(asking, there[body["name"]].id):
            _start(asking, there[body["name"]].id, body["name"])
            said.append(f"detector {body['name']} started")
    return said


def remove(asking: Asking) -> list[str]:
    """Stop and delete our detectors; their results stay."""
    said: list[str] = []
    for name, each in sorted(standing(asking).items()):
        _delete(asking, each.id)
        said.append(f"detector {name} deleted")
    return said


def remove_results(asking: Asking) -> list[str]:
    """Delete the indexes of results, by name: a cluster may refuse to delete by a pattern."""
    found = asking.find(f"/{ALL_RESULTS}") or {}
    for index in sorted(found):
        asking.ask("DELETE", f"/{index}")
    return [f"{index} deleted" for index in sorted(found)]


def standing(asking: Asking) -> dict[str, Standing]:
    """Our detectors that stand in the cluster, by name."""
    names = [each.name for each in FIGURES.detectors]
    body = {"size": len(names), "query": {"terms": {"name.keyword": names}}}
    try:
        hits = asking.ask("POST", f"{DETECTORS}/_search", body)["hits"]["hits"]
    except SearchRefused as error:
        if error.status == 404:  # the index of detectors comes with the first one
            return {}
        raise
    return {hit["_source"]["name"]: _standing(hit) for hit in hits}


def _standing(hit: Answer) -> Standing:
    source = hit["_source"]
    return Standing(
        id=hit["_id"],
        description=source.get("description", ""),
        category=source.get("category_field", ()),
        result_index=source.get("result_index"),
    )


def _is_same(there: Standing | None, body: Body) -> bool:
    return there is not None and bool(there.description == body["description"]) and not _is_another(there, body)


def _is_another(there: Standing, body: Body) -> bool:
    """Whether it differs in what the plugin refuses to change."""
    return bool(list(there.category) != body["category_field"] or there.result_index != body["result_index"])


def _put(asking: Asking, there: Standing | None, body: Body) -> str:
    """Create, update or replace one detector and start it; returns what was done."""
    name = body["name"]
    _validate(asking, body)
    if there is None:
        _start(asking, _create(asking, body), name)
        return f"detector {name} created"
    if _is_another(there, body):
        _delete(asking, there.id)
        _start(asking, _create(asking, body), name)
        return f"detector {name} replaced"
    _stop(asking, there.id)
    try:
        asking.ask("PUT", f"{DETECTORS}/{there.id}", body)
    finally:  # one that cannot be changed goes on as it was
        _start(asking, there.id, name)
    return f"detector {name} updated"


@contextmanager
def _a_document(asking: Asking, now: datetime) -> Iterator[None]:
    """The plugin takes no detector of indexes without a document, and a new deployment has none: one stands there meanwhile.

    Nothing reads it: it has no kind, no account and no ingest_time.
    """
    if asking.ask("POST", f"/{ALL_EVENTS}/_count")["count"]:
        yield
        return
    path = f"/{EVENTS}-{now.astimezone(UTC):%Y.%m.%d}/_doc/{_MARKER}?refresh=true"
    asking.ask("PUT", path, {"event_time": milliseconds(now), "origin": "backfill"})
    try:
        yield
    finally:
        asking.ask("DELETE", path)


def _validate(asking: Asking, body: Body) -> None:
    """Raises SearchRefused before anything is stopped. Another name, for the plugin would say that ours is taken: by itself."""
    answer = asking.ask("POST", f"{DETECTORS}/_validate/detector", {**body, "name": f"{body['name']}-validated"})
    for field, fault in answer.get("detector", {}).items():
        raise SearchRefused(f"detector {body['name']}: {field}: {fault.get('message', fault)}", 200)


def _create(asking: Asking, body: Body) -> str:
    try:
        return str(asking.ask("POST", DETECTORS, body)["_id"])
    except SearchRefused as error:
        there = standing(asking).get(body["name"]) if error.status == 409 else None
        if there is None or not _is_same(there, body):
            raise
        return there.id  # the request before this one took too long to answer, and was done all the same


def _start(asking: Asking, detector_id: str, name: str) -> None:
    """Start it and look until it runs. Raises SearchRefused where it does not."""
    refusal = _refusal(asking.ask("POST", f"{DETECTORS}/{detector_id}/_start"))
    if refusal and "already running" not in refusal:
        raise SearchRefused(f"detector {name} does not start: {refusal}", 200)
    profile: Answer = {}
    for _ in range(LOOKS):
        profile = asking.ask("GET", f"{DETECTORS}/{detector_id}/_profile")
        if profile.get("state") in RUNS and not profile.get("error"):
            return
        asking.wait(LOOK_SECONDS)
    # With an error in its first run it tries again each interval by itself.
    if profile.get("state") not in RUNS:
        raise SearchRefused(f"detector {name} was started and is {profile.get('state')}: {profile.get('error')}", 200)


def _runs(asking: Asking, detector_id: str) -> bool:
    job = asking.ask("GET", f"{DETECTORS}/{detector_id}?job=true&task=true").get("anomaly_detector_job")
    return job is not None and bool(job.get("enabled"))


def _stop(asking: Asking, detector_id: str) -> None:
    refusal = _refusal(asking.ask("POST", f"{DETECTORS}/{detector_id}/_stop"))
    if refusal and "already stopped" not in refusal:
        raise SearchRefused(f"detector {detector_id} does not stop: {refusal}", 200)


def _delete(asking: Asking, detector_id: str) -> None:
    _stop(asking, detector_id)
    asking.ask("DELETE", f"{DETECTORS}/{detector_id}")


def _refusal(answer: Answer) -> str | None:
    """The reason in an answer of 200 that holds an error all the same."""
    error = answer.get("error")
    return None if error is None else str(error.get("reason", error) if isinstance(error, dict) else error)
