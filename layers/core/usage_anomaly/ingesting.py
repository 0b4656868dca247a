"""What becomes of the records of one log subscription payload?

Their usage is written to OpenSearch, our own functions' calls left out; what is no usable record, or is refused by the
index, goes to the failure bucket with its reason. Only a cluster that takes nothing makes this raise: then Lambda tries
again, and at last keeps the payload for `redriving`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec
from opensearchpy import OpenSearch

from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment.prices import PriceTable
from usage_anomaly.envelopes import Payload, event_id, event_time, read_payload
from usage_anomaly.search.events import Rejected, write
from usage_anomaly.usage import UsageEvent, function_of, read_usage

FINAL, RETRYABLE = "rejected/final/", "rejected/retryable/"
NO_TIME = "no eventTime"
Lane = Literal["live", "redrive"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What ingest and redrive read from the environment. `own_roles` names our roles, divided by commas.

    Calls that they make, and calls of ingest itself, are left out: counted, ingest would feed itself.
    """

    search_endpoint: str
    search_auth: str
    aws_region: str
    failure_bucket: str
    own_roles: str
    own_account_id: str
    retention_days: int
    aws_lambda_function_name: str = ""  # Lambda sets it
    ingest_function_name: str = ""  # for redrive, which has another name


class Bucket(Protocol):
    """The part of boto3's S3 client that is used here."""

    def put_object(self, **arguments: Any) -> Any: ...
    def get_object(self, **arguments: Any) -> Any: ...
    def delete_object(self, **arguments: Any) -> Any: ...
    def get_paginator(self, operation_name: Any) -> Any: ...


class FailureStore(msgspec.Struct, frozen=True):
    """The failure bucket."""

    s3: Bucket
    bucket: str

    def keep(self, name: str, content: bytes) -> None:
        """Keep an object; the same name twice is the same object."""
        self.s3.put_object(Bucket=self.bucket, Key=name, Body=content, ContentType="application/json")

    def get(self, name: str) -> bytes:
        content: bytes = self.s3.get_object(Bucket=self.bucket, Key=name)["Body"].read()
        return content

    def delete(self, name: str) -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=name)


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """One reason, and how many records or events it stands for; `event` where it is about a usage event."""

    reason: str
    count: int = 1
    event: UsageEvent | None = None


class RejectedPart(msgspec.Struct, frozen=True, kw_only=True):
    """The object in the failure bucket. `payload` is the whole of what came, where a part of it is no record."""

    rejected_at: datetime
    refusals: tuple[Refusal, ...]
    payload: str | None = None


class Ingested(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one payload: records read, usage events of our own left out, documents new and there already."""

    records: int = 0
    own: int = 0
    created: int = 0
    existing: int = 0
    rejected: int = 0


class Intake(msgspec.Struct, frozen=True, kw_only=True):
    """What every payload needs: built once when a function starts."""

    catalog: Catalog
    prices: PriceTable
    client: OpenSearch
    failure_store: FailureStore
    settings: Settings


def ingest(
    payload: bytes, intake: Intake, now: datetime, time_left: Callable[[], float], origin: Lane = "live"
) -> Ingested:
    """Read one payload (JSON as Lambda gets it) and keep its usage. The same payload again changes nothing.

    `now` is when it is taken in (UTC), `time_left` the seconds that are left. Raises SearchUnavailable when OpenSearch
    takes no more in that time, SearchRefused when it takes nothing of us at all; then the payload has to come again.
    """
    read = read_payload(payload, "log subscription", wanted=intake.catalog.readings)
    found, untimed = _usage(read, intake, origin)
    events = [event for event in found if not is_own(event, intake.settings)]
    written = write(intake.client, events, now, time_left, intake.settings.retention_days)
    refused = [Refusal(reason=each.reason, count=each.count) for each in read.rejected]
    if untimed:
        refused.append(Refusal(reason=NO_TIME, count=untimed))
    keep_rejected(intake.failure_store, _name(payload), written.rejected, now, refused, payload)
    return Ingested(
        records=len(read.records) + read.unopened,
        own=len(found) - len(events),
        created=written.created,
        existing=written.existing,
        rejected=len(written.rejected) + sum(each.count for each in refused),
    )


def keep_rejected(
    store: FailureStore,
    name: str,
    rejected: Sequence[Rejected],
    now: datetime,
    refused: Sequence[Refusal] = (),
    payload: bytes | None = None,
) -> bool:
    """Keep what was rejected, for good and for later apart; whether anything is kept for later."""
    later = [Refusal(reason=each.reason, event=each.event) for each in rejected if each.retryable]
    never = [Refusal(reason=each.reason, event=each.event) for each in rejected if not each.retryable]
    whole = payload.decode(errors="replace") if payload and refused else None
    if refused or never:
        # What is retried and then refused for good must replace neither what the payload left here nor what another
        # run refused of the same payload: named for its content, the same refusals are the same object.
        final = name if payload else f"retried-{_digest(msgspec.json.encode(never))}-{name}"
        store.keep(f"{FINAL}{final}", _part(now, [*refused, *never], whole))
    if later:  # last: it replaces the object that held the others too
        store.keep(f"{RETRYABLE}{name}", _part(now, later))
    return bool(later)


def is_own(event: UsageEvent, settings: Settings) -> bool:
    """Whether one of our roles made the call, or ingest was called."""
    ingest_names = {settings.aws_lambda_function_name, settings.ingest_function_name} - {""}
    if event.account_id == settings.own_account_id and function_of(event.function_name or "") in ingest_names:
        return True
    arn = (event.actor_arn or "").split(":", 5)
    if len(arn) < 6 or arn[4] != settings.own_account_id or not arn[5].startswith("role/"):
        return False
    return arn[5].rpartition("/")[2] in settings.own_roles.split(",")


def _usage(read: Payload, intake: Intake, origin: Lane) -> tuple[list[UsageEvent], int]:
    """The usage of all records, and how many records that count name no time."""
    events, untimed = list[UsageEvent](), 0
    for record, key in zip(read.records, read.keys, strict=True):
        if not intake.catalog.readings(record.event_source, record.event_name, record.error_code):
            continue
        moment = event_time(record)
        if moment is None:
            untimed += 1
            continue
        found = read_usage(record, moment, event_id(record, key), intake.catalog, intake.prices)
        events += [msgspec.structs.replace(event, origin=origin) for event in found]
    return events, untimed


def _part(now: datetime, refusals: Sequence[Refusal], payload: str | None = None) -> bytes:
    return msgspec.json.encode(RejectedPart(rejected_at=now, refusals=tuple(refusals), payload=payload))


def _name(payload: bytes) -> str:
    """The same payload has the same name, however often it comes."""
    return _digest(payload) + ".json"


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
