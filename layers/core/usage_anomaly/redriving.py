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
    """One thing to take in again, and how it is deleted afterwards."""

    take: Callable[[], int]  # returns how many records were rejected
    delete: Callable[[], object]


class Redriven(msgspec.Struct, frozen=True, kw_only=True):
    """How many were taken in and deleted, how many are no failure of ingest and were left, and why it ended.

    `rejected` counts records of those taken in that were refused for their own sake.
    """

    taken: int = 0
    rejected: int = 0
    left: int = 0
    stopped: Stopped = "done"


class NotOurs(ValueError):
    """What lies there is no record of a failed call of ingest. It is left for a person to see."""


def redrive(
    intake: Intake,
    settings: Settings,
    queue: Queue,
    now: datetime,
    time_left: Callable[[], float],
    most: int = MOST_PER_RUN,
) -> Redriven:
    """Take in what failed, the oldest first, until all is done, the cluster fails again, `most` or the time is over."""
    if not healthy(intake.client):
        return Redriven(stopped="cluster not healthy")
    taken = left = rejected = 0
    stopped: Stopped = "done"
    first: Exception | None = None
    for failure in _failures(intake, settings, queue, now, time_left):
        if taken + left >= most or time_left() < ENOUGH_SECONDS:
            stopped = "limit" if taken + left >= most else "time"
            break
        try:
            rejected += failure.take()
        except NotOurs:
            left += 1
            continue
        except SearchUnavailable:
            stopped = "search unavailable"
            break
        except Exception as error:  # noqa: BLE001 - one payload must not hold up those behind it; raised below
            left += 1
            first = first or error
            continue
        failure.delete()
        taken += 1
    if first is not None:
        raise first
    return Redriven(taken=taken, rejected=rejected, left=left, stopped=stopped)


def _failures(
    intake: Intake, settings: Settings, queue: Queue, now: datetime, time_left: Callable[[], float]
) -> Iterator[Failure]:
    """Everything to take in, looked for only as far as it is taken."""
    store = intake.failure_store

    def again(read: Callable[[], bytes]) -> int:
        return ingest(_payload(read()), intake, now, time_left, "redrive").rejected

    for name in _names(store, f"{LAMBDA_FOLDER}{settings.ingest_function_name}/"):
        yield Failure(partial(again, partial(store.get, name)), partial(store.delete, name))
    for name in _names(store, RETRYABLE):
        yield Failure(partial(_retry, name, intake, now, time_left), lambda: None)
    if settings.failure_queue_url:
        for body, delete in _messages(queue, settings.failure_queue_url):
            yield Failure(partial(again, body.encode), delete)


def _payload(content: bytes) -> bytes:
    """The event of the failed call, as JSON. Raises NotOurs."""
    try:
        return bytes(msgspec.json.decode(content, type=Invocation).payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotOurs("no record of a failed call") from error


def _retry(name: str, intake: Intake, now: datetime, time_left: Callable[[], float]) -> int:
    """Write events again that were ahead of time; what is rejected again is kept for later or for good."""
    store = intake.failure_store
    try:
        part = msgspec.json.decode(store.get(name), type=RejectedPart)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotOurs("no object of ours") from error
    events = [msgspec.structs.replace(each.event, origin="redrive") for each in part.refusals if each.event]
    written = write(intake.client, events, now, time_left, intake.settings.retention_days)
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
