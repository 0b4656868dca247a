"""What failed before: can it be taken in now?

Takes what Lambda keeps of failed asynchronous calls of ingest (objects in the failure bucket; messages in a queue where the
deployment has one instead) and what was rejected for a time only. Each is deleted after it was taken in, so a crash in
between costs nothing but doing it again, and that changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any, Literal, Protocol

import msgspec

from usage_anomaly import ingesting
from usage_anomaly.ingesting import RETRYABLE, FailureStore, Intake, RejectedPart, ingest, keep_rejected
from usage_anomaly.search.client import RESERVE_SECONDS, SearchUnavailable, healthy
from usage_anomaly.search.events import write

LAMBDA_FOLDER = "aws/lambda/async/"  # Lambda's own naming: aws/lambda/async/<function>/YYYY/MM/DD/<time>-<uuid>
MOST_PER_RUN = 1_000
ENOUGH_SECONDS = 4 * RESERVE_SECONDS  # a payload begun with less could not be finished
MOST_SECONDS = 60.0  # for one payload: what the cluster does not take must not use up the run
MOST_MISSES = 3  # in a row, of one folder
MOST_MESSAGES = 10  # per call, by SQS
HIDDEN_SECONDS = 300  # a received message, until the next run may see it again

Stopped = Literal["done", "cluster not healthy", "time", "limit", "search unavailable"]


class Settings(ingesting.Settings, frozen=True, kw_only=True):
    """What redrive reads from the environment: ingest's settings and where its failures lie."""

    ingest_function_name: str  # required here: its failures are looked for
    failure_queue_url: str = ""  # "": Lambda keeps failures in the bucket


class Queue(Protocol):
    """The part of boto3's SQS client that is used here."""

    def receive_message(self, **arguments: Any) -> Any: ...
    def delete_message(self, **arguments: Any) -> Any: ...


class Invocation(msgspec.Struct, frozen=True):
    """Lambda's record of a failed asynchronous call; the rest of it is of no use here."""

    payload: msgspec.Raw = msgspec.field(name="requestPayload")


class Failure(msgspec.Struct, frozen=True):
    """One thing to take in again, and how it is deleted afterwards. `folder` is where it lies."""

    folder: str
    take: Callable[[], int]  # returns how many records were rejected
    delete: Callable[[], object]


class Redriven(msgspec.Struct, frozen=True, kw_only=True):
    """How many were taken in and deleted, how many were tried and left, and why it ended.

    Left is what is no failure of ingest, breaks it, or is not taken by the cluster now. `rejected` counts records of those
    taken in that were refused for their own sake.
    """

    taken: int = 0
    rejected: int = 0
    left: int = 0
    stopped: Stopped = "done"


class NotOurs(ValueError):
    """What lies there is no record of a failed call of ingest. It is left for a person to see."""


class _Patience:
    """How long is each payload tried, and which folders are left to the next run?

    A healthy cluster may still take nothing for one index. Its payloads lie in the folder of about that day: after three
    in a row the rest of the folder is left, for those of other days must not wait for it.
    """

    def __init__(self, time_left: Callable[[], float]) -> None:
        self._time_left = time_left
        self._misses, self._folder = 0, ""
        self._left = set[str]()

    def for_one(self) -> Callable[[], float]:
        """The time left for the payload that begins now: less after one that was not taken."""
        kept_back = max(0.0, self._time_left() - (ENOUGH_SECONDS if self._misses else MOST_SECONDS))
        return lambda: self._time_left() - kept_back

    def missed(self, folder: str) -> None:
        self._misses = self._misses + 1 if folder == self._folder else 1
        self._folder = folder
        if self._misses >= MOST_MISSES:
            self._left.add(folder)

    def took(self) -> None:
        self._misses = 0

    def leaves(self, folder: str) -> bool:
        return folder in self._left

    def end(self) -> Stopped:
        """Why a run ended that came to the end."""
        return "search unavailable" if self._left else "done"


def redrive(
    intake: Intake,
    settings: Settings,
    queue: Queue,
    now: datetime,
    time_left: Callable[[], float],
    most: int = MOST_PER_RUN,
) -> Redriven:
    """Take in what failed, the oldest first, until all is done, the cluster fails again, `most` or the time is over.

    What the cluster does not take while it is healthy is left, and holds up nothing behind it.
    """
    if not healthy(intake.client):
        return Redriven(stopped="cluster not healthy")
    taken = left = rejected = 0
    stopped: Stopped | None = None
    first: Exception | None = None
    patience = _Patience(time_left)
    for failure in _failures(intake, settings, queue, now, patience):
        if taken + left >= most or time_left() < ENOUGH_SECONDS:
            stopped = "limit" if taken + left >= most else "time"
            break
        try:
            rejected += failure.take()
        except NotOurs:
            left += 1
            continue
        except SearchUnavailable:
            left += 1
            if time_left() < ENOUGH_SECONDS or not healthy(intake.client):
                stopped = "search unavailable"
                break
            patience.missed(failure.folder)
            continue
        except Exception as error:  # noqa: BLE001 - one payload must not hold up those behind it; raised below
            left += 1
            first = first or error
            continue
        failure.delete()
        patience.took()
        taken += 1
    if first is not None:
        raise first
    return Redriven(taken=taken, rejected=rejected, left=left, stopped=stopped or patience.end())


def _failures(
    intake: Intake, settings: Settings, queue: Queue, now: datetime, patience: _Patience
) -> Iterator[Failure]:
    """Everything to take in, looked for only as far as it is taken; not what lies in a folder that is left."""
    store = intake.failure_store

    def again(read: Callable[[], bytes]) -> int:
        return ingest(_payload(read()), intake, now, patience.for_one(), "redrive").rejected

    for name in _names(store, f"{LAMBDA_FOLDER}{settings.ingest_function_name}/"):
        if not patience.leaves(folder := name.rpartition("/")[0]):
            yield Failure(folder, partial(again, partial(store.get, name)), partial(store.delete, name))
    for name in _names(store, RETRYABLE):
        if not patience.leaves(RETRYABLE):
            yield Failure(RETRYABLE, partial(_retry, name, intake, now, patience), lambda: None)
    if url := settings.failure_queue_url:
        for body, delete in _messages(queue, url):
            yield Failure(url, partial(again, body.encode), delete)
            if patience.leaves(url):  # the rest of the queue would only be hidden by looking at it
                return


def _payload(content: bytes) -> bytes:
    """The event of the failed call, as JSON. Raises NotOurs."""
    try:
        return bytes(msgspec.json.decode(content, type=Invocation).payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotOurs("no record of a failed call") from error


def _retry(name: str, intake: Intake, now: datetime, patience: _Patience) -> int:
    """Write events again that were ahead of time; what is rejected again is kept for later or for good."""
    store = intake.failure_store
    try:
        part = msgspec.json.decode(store.get(name), type=RejectedPart)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotOurs("no object of ours") from error
    events = [msgspec.structs.replace(each.event, origin="redrive") for each in part.refusals if each.event]
    written = write(intake.client, events, now, patience.for_one(), intake.settings.retention_days)
    if not keep_rejected(store, name.removeprefix(RETRYABLE), written.rejected, now):
        store.delete(name)
    return len(written.rejected)


def _names(store: FailureStore, folder: str) -> Iterator[str]:
    """The objects of a folder in order of their names, which begin with their time."""
    for page in store.s3.get_paginator("list_objects_v2").paginate(Bucket=store.bucket, Prefix=folder):
        for found in page.get("Contents", ()):
            yield found["Key"]


def _messages(queue: Queue, url: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """The messages of a queue, each with what deletes it, until none is left to be seen."""
    while True:
        answer = queue.receive_message(
            QueueUrl=url, MaxNumberOfMessages=MOST_MESSAGES, VisibilityTimeout=HIDDEN_SECONDS, WaitTimeSeconds=0
        )
        messages = answer.get("Messages", [])
        for message in messages:
            delete = partial(queue.delete_message, QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            yield message["Body"], delete
        if not messages:
            return
