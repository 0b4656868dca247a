"""How do documents reach Amazon Q Business?

By the protocol of a custom connector: start a sync of the data source, put documents of that sync in batches, stop the
sync. One sync runs at a time for a data source. A document is known by its id, so putting it again replaces it.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import msgspec
from botocore.exceptions import ClientError

from usage_anomaly.chat.documents import Document, Value
from usage_anomaly.errors import UsageAnomalyError

T = TypeVar("T")
Wait = Callable[[float], object]

BATCH = 10  # documents in one call, the service's limit
LEFT_OVER = timedelta(minutes=15)  # the longest a function runs: a sync that is older was left by one that died
_TRANSIENT = ("ThrottlingException", "InternalServerException", "ConflictException")
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 15.0  # seconds
_RESERVE = 15.0  # seconds kept for stopping the sync, tries again included
_LEAST = 1.0


class SyncBusy(UsageAnomalyError):
    """Another sync of the data source runs, and time was up: try again later."""


class ChatUnavailable(UsageAnomalyError):
    """The service throttled or failed until time was up: try again later."""


class DataSource(msgspec.Struct, frozen=True, kw_only=True):
    """A data source of type CUSTOM on an index of an application; each id has 36 characters."""

    application_id: str
    index_id: str
    data_source_id: str


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A document that the service did not take, twice."""

    id: str
    code: str
    message: str


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    taken: int
    refused: tuple[Refused, ...] = ()


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How long one may go on: `time_left` in seconds, `wait` sleeps, `seed` spreads those who begin together."""

    time_left: Callable[[], float]
    wait: Wait = time.sleep
    seed: int = 0


def share(client: Any, source: DataSource, documents: Sequence[Document], pace: Pace, now: datetime) -> Shared:
    """Put documents into the index by one sync. Raises SyncBusy, ChatUnavailable, or the service's own refusal."""
    if not documents:
        return Shared(taken=0)
    pace = msgspec.structs.replace(pace, seed=zlib.crc32(documents[0].id.encode()))
    sync = _start(client, source, pace, now)
    try:
        return _put_all(client, source, sync, documents, pace)
    finally:
        # In the reserve: a sync that nobody stops blocks every later one.
        _again(partial(client.stop_data_source_sync_job, **_names(source)), pace, keep=0.0)


def _start(client: Any, source: DataSource, pace: Pace, now: datetime) -> str:
    try:
        return str(_again(partial(_start_or_clear, client, source, now), pace)["executionId"])
    except ChatUnavailable as error:
        if isinstance(error.__cause__, ClientError) and _code(error.__cause__) == "ConflictException":
            raise SyncBusy(f"a sync of data source {source.data_source_id} runs; try again later") from error
        raise


def _start_or_clear(client: Any, source: DataSource, now: datetime) -> Any:
    """Start a sync. If one is in the way that no function of ours can still be running, stop it, and be tried again."""
    try:
        return client.start_data_source_sync_job(**_names(source))
    except ClientError as error:
        if _code(error) == "ConflictException":
            running = client.list_data_source_sync_jobs(**_names(source), statusFilter="SYNCING")
            if any(now - job["startTime"] > LEFT_OVER for job in running.get("history", ())):
                client.stop_data_source_sync_job(**_names(source))
        raise


def _put_all(client: Any, source: DataSource, sync: str, documents: Sequence[Document], pace: Pace) -> Shared:
    """Put everything once, and once more what was not taken."""
    by_id = {document.id: document for document in documents}
    refused = _put(client, source, sync, list(by_id.values()), pace)
    if refused:
        refused = _put(client, source, sync, [by_id[each.id] for each in refused], pace)
    return Shared(taken=len(by_id) - len(refused), refused=tuple(refused))


def _put(client: Any, source: DataSource, sync: str, documents: Sequence[Document], pace: Pace) -> list[Refused]:
    failed: list[Refused] = []
    for batch in _batches(documents):
        request = {
            "applicationId": source.application_id,
            "indexId": source.index_id,
            "dataSourceSyncId": sync,
            "documents": [_entry(document, source, sync) for document in batch],
        }
        answer = _again(partial(client.batch_put_document, **request), pace)
        for each in answer.get("failedDocuments", ()):
            error = each.get("error", {})
            refusal = Refused(
                id=each["id"], code=error.get("errorCode", "unknown"), message=error.get("errorMessage", "")
            )
            failed.append(refusal)
    return failed


def _batches(documents: Sequence[Document]) -> Iterator[list[Document]]:
    left = iter(documents)
    while batch := list(islice(left, BATCH)):
        yield batch


def _entry(document: Document, source: DataSource, sync: str) -> dict[str, Any]:
    attributes = {
        "_data_source_id": source.data_source_id,
        "_data_source_sync_job_execution_id": sync,
        **document.attributes,
    }
    return {
        "id": document.id,
        "title": document.title,
        "contentType": "MD",
        "content": {"blob": document.body.encode()},
        "attributes": [{"name": name, "value": _value(value)} for name, value in attributes.items()],
    }


def _value(value: Value) -> dict[str, Value]:
    if isinstance(value, datetime):
        return {"dateValue": value}
    return {"longValue": value} if isinstance(value, int) else {"stringValue": value}


def _again(call: Callable[[], T], pace: Pace, keep: float = _RESERVE) -> T:
    """Call until it is not refused for now, waiting longer each time, while more than `keep` seconds are left after a wait."""
    attempt = 0
    while True:
        try:
            return call()
        except ClientError as error:
            if _code(error) not in _TRANSIENT:
                raise
            wait = _wait(attempt, pace.seed)
            if pace.time_left() - wait < keep + _LEAST:
                raise ChatUnavailable(f"Q Business answered {_code(error)} until time was up") from error
            pace.wait(wait)
            attempt += 1


def _wait(attempt: int, seed: int) -> float:
    """Doubling, at most 15 s, less up to half of it by the seed: workflows that begin together do not ask together."""
    longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(attempt, 10))
    spread = zlib.crc32(f"{seed}#{attempt}".encode()) % 1_000 / 1_000
    return longest * (1 - spread / 2)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _names(source: DataSource) -> dict[str, str]:
    return {
        "applicationId": source.application_id,
        "indexId": source.index_id,
        "dataSourceId": source.data_source_id,
    }
