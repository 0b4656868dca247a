"""Are these usage events kept, each exactly once?

Written with `create` under an id made from the record: a second delivery is answered 409 and changes nothing. What the
index refuses for the event's own sake is handed back; what the cluster cannot take now is sent again while time is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import msgspec
from opensearchpy import OpenSearch

from usage_anomaly.search import indexes
from usage_anomaly.search.client import (
    REQUEST_SECONDS,
    Answer,
    SearchRefused,
    SearchUnavailable,
    Wait,
    answering,
    patiently,
    waits,
)
from usage_anomaly.usage import UsageEvent

MOST_BYTES = 5_000_000  # small instances take requests of 10 MB
AHEAD = timedelta(hours=1)
SOON = timedelta(hours=24)  # a clock that is so far ahead will be overtaken; one that is further never

# The document's own fault. Everything else (no disk, no shard, no permission) is mended elsewhere and sent again.
FAULTS = frozenset(
    {
        "mapper_parsing_exception",
        "document_parsing_exception",
        "strict_dynamic_mapping_exception",
        "illegal_argument_exception",
        "action_request_validation_exception",
        "parsing_exception",
    }
)


class Rejected(msgspec.Struct, frozen=True):
    """An event that is not kept, and why. `retryable`: the same event may be taken later."""

    event: UsageEvent
    reason: str
    retryable: bool = False


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the events: new documents, documents that stood there already, and those not kept."""

    created: int
    existing: int
    rejected: list[Rejected]


class _Row(msgspec.Struct, frozen=True):
    event: UsageEvent
    lines: bytes  # the action and the document, as the bulk request has them


class _Outcome(msgspec.Struct, frozen=True):
    """What OpenSearch says of one row."""

    status: int
    type: str = ""
    reason: str = ""


class _Writing:
    """The rows still to be written, shrinking with every attempt, and what became of the others."""

    def __init__(self, client: OpenSearch, rows: list[_Row], time_left: Callable[[], float]) -> None:
        self._client, self._rows, self._time_left = client, rows, time_left
        self.created = self.existing = 0
        self.rejected: list[Rejected] = []

    def attempt(self) -> None:
        """Send what is left. Raises SearchUnavailable while something is."""
        outcomes = _bulk(self._client, self._rows, max(1.0, min(REQUEST_SECONDS, self._time_left())))
        again: list[tuple[_Row, _Outcome]] = []
        for row, outcome in zip(self._rows, outcomes, strict=True):
            if outcome.status in (200, 201):
                self.created += 1
            elif outcome.status == 409:
                self.existing += 1
            elif outcome.status == 400 and outcome.type in FAULTS:
                self.rejected.append(Rejected(row.event, f"{outcome.type}: {outcome.reason}"))
            else:
                again.append((row, outcome))
        self._rows = [row for row, _ in again]
        if again:
            first = again[0][1]
            raise SearchUnavailable(f"{len(again)} events not taken: {first.status} {first.type}: {first.reason}")


def write(
    client: OpenSearch,
    events: Sequence[UsageEvent],
    now: datetime,
    time_left: Callable[[], float],
    retention_days: int,
    wait: Wait = time.sleep,
) -> Written:
    """Write all events; `now` becomes their ingest_time. `time_left` tells the seconds this may still take.

    Raises SearchUnavailable when some were not taken in that time: what was taken stays, and writing all of them again is
    right. An event_time outside [now - retention, now + 1 h] is rejected, for it would open an index of its own.
    """
    rejected, rows = list[Rejected](), list[_Row]()
    for event in events:
        found = _outside(event, now, timedelta(days=retention_days))
        if found is None:
            rows.append(_row(event, now))
        else:
            rejected.append(found)
    created = existing = 0
    for part in _parts(rows):
        writing = _Writing(client, part, time_left)
        patiently(writing.attempt, waits(time_left), wait)
        created, existing = created + writing.created, existing + writing.existing
        rejected += writing.rejected
    return Written(created=created, existing=existing, rejected=rejected)


def _outside(event: UsageEvent, now: datetime, retention: timedelta) -> Rejected | None:
    if event.event_time > now + AHEAD:
        return Rejected(event, "event_time is more than an hour ahead", event.event_time <= now + SOON)
    if event.event_time < now - retention:
        return Rejected(event, f"event_time is older than the {retention.days} days that are kept")
    return None


def _row(event: UsageEvent, now: datetime) -> _Row:
    action = {"create": {"_index": indexes.index_of(event), "_id": indexes.id_of(event)}}
    document = {**msgspec.structs.asdict(event), "ingest_time": now}
    return _Row(event, msgspec.json.encode(action) + b"\n" + msgspec.json.encode(document) + b"\n")


def _parts(rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    part, size = list[_Row](), 0
    for row in rows:
        if part and size + len(row.lines) > MOST_BYTES:
            yield part
            part, size = [], 0
        part.append(row)
        size += len(row.lines)
    if part:
        yield part


def _bulk(client: OpenSearch, rows: list[_Row], timeout: float) -> list[_Outcome]:
    """One outcome for each row. A request refused as a whole is halved until the row at fault stands alone."""
    try:
        with answering():
            answer: Answer = client.bulk(body=b"".join(row.lines for row in rows), params={"request_timeout": timeout})
    except SearchRefused as error:
        if error.status not in (400, 413):
            raise
        if len(rows) == 1:
            return [_Outcome(400, "action_request_validation_exception", str(error))]
        half = len(rows) // 2
        return _bulk(client, rows[:half], timeout) + _bulk(client, rows[half:], timeout)
    return [_outcome(item["create"]) for item in answer["items"]]


def _outcome(item: Answer) -> _Outcome:
    error = item.get("error") or {}
    return _Outcome(item["status"], str(error.get("type", "")), str(error.get("reason", ""))[:300])
