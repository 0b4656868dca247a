"""Which calls does one of CloudTrail's five-minute summaries of data events stand for?

A trail with aggregation writes, beside the data events themselves, one event per account, region, service and window for
each template that is switched on. Only those counted by `eventName` (template API_ACTIVITY) are read: the others count the
same calls by resource and by caller.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-aggregated-events.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from usage_anomaly.envelopes.record import NULL, NoRecord, Record, Text
from usage_anomaly.envelopes.sameness import is_uuid, key_of_content

Count = Annotated[int, Meta(ge=0, le=10**9)]


class AggregatedCalls(Record, frozen=True, kw_only=True, gc=False):
    """So many calls of one name within five minutes, as a record. `event_time` is the window's start.

    A caller, function, address or user agent is named only where the event says that all of the calls had it.
    """

    calls: int


class _Statistic(msgspec.Struct):
    name: str
    value: Count


class _Dimension(msgspec.Struct, rename="camel"):
    dimension: str
    statistics: list[_Statistic]
    aggregation_type: str = "Count"


class _Summary(msgspec.Struct, rename="camel"):
    primary_dimension: _Dimension
    details: list[_Dimension] = []


class _Window(msgspec.Struct, rename="camel"):
    window_start: str


class _Event(msgspec.Struct, rename="camel"):
    event_source: str
    time_window: _Window
    summary: _Summary
    event_id: str | None = None
    account_id: str | None = None
    aws_region: str | None = None


class _Category(msgspec.Struct, rename="camel"):
    event_category: str


_CATEGORY = msgspec.json.Decoder(_Category)
_EVENT = msgspec.json.Decoder(_Event)
# A call without an error may stand among the errors under such a name; the documentation does not say.
_NO_ERROR = frozenset({"", "-", "null", "none", "n/a", "success"})


def is_aggregated(text: Text) -> bool:
    """Whether this JSON value calls itself an aggregated event."""
    try:
        return _CATEGORY.decode(text).event_category == "Aggregated"
    except msgspec.ValidationError:
        return False


def aggregated_calls(text: Text) -> tuple[list[AggregatedCalls], list[str]]:
    """The calls of one aggregated event, and what is odd about it. Raises NoRecord where it has another shape.

    Calls are told apart by function where none of them failed: of failed calls nobody can say whose they were.
    """
    try:
        event = _EVENT.decode(text)
    except msgspec.ValidationError as error:
        raise NoRecord("an aggregated event of unknown shape") from error
    main = event.summary.primary_dimension
    if main.dimension != "eventName":
        return [], ["aggregated event by resource or caller: counts what those by eventName count, left out"]
    if any(each.aggregation_type != "Count" for each in (main, *event.summary.details)):
        raise NoRecord("an aggregated event that does not count")
    ids = _Ids(event, text)
    if len(main.statistics) != 1:
        odd = ["aggregated event of several calls: its details, failed ones among them, are left out"]
        return [_calls(event, each, ids.made(each.name)) for each in main.statistics if each.value], odd
    all_calls = main.statistics[0]
    details = {each.dimension.lower(): each.statistics for each in event.summary.details}
    errors = details.get("errorcode", []) + details.get("errorcodes", [])
    failed = min(sum(each.value for each in errors if each.name.lower() not in _NO_ERROR), all_calls.value)
    odd = ["aggregated event with failed calls: these are no attempts, their callers are not told"] if failed else []
    alike = _alike(details, all_calls.value)
    parts = [each for each in _parts(details.get("resourcearn", []), all_calls.value, failed) if each[1]]
    calls = []
    for resource, count in parts:
        fields = alike if resource is None else {**alike, "resources": _raw([{"ARN": resource}])}
        known = ids.own if len(parts) == 1 else ids.made(all_calls.name, resource)
        calls.append(_calls(event, _Statistic(all_calls.name, count), known, **fields))
    return calls, odd


class _Ids:
    """The eventID of a part: the event's own for the only part, else one made from it (`shared_event_id` is that)."""

    def __init__(self, event: _Event, text: Text) -> None:
        known = event.event_id if event.event_id and is_uuid(event.event_id) else None
        self._base = known or key_of_content(text).hex()
        self._shared = known
        self.own = (known, None) if known else self.made()

    def made(self, *part: str | None) -> tuple[str, str | None]:
        digest = hashlib.sha256(msgspec.json.encode([self._base, *part])).digest()
        return str(UUID(bytes=digest[:16])), self._shared


def _parts(resources: list[_Statistic], value: int, failed: int) -> Iterator[tuple[str | None, int]]:
    """The calls that succeeded by resource, and those of no known resource."""
    known = sum(each.value for each in resources)
    sole = len(resources) == 1 and known == value
    if not sole and (failed or known > value or len({each.name for each in resources}) < len(resources)):
        yield None, value - failed
        return
    for each in resources:
        yield each.name, each.value - failed
    yield None, value - known


def _alike(details: dict[str, list[_Statistic]], value: int) -> dict[str, object]:
    """What all of the calls had in common, as the fields of a record."""
    common = {name: found[0].name for name, found in details.items() if len(found) == 1 and found[0].value == value}
    caller = common.get("useridentity")
    identity = NULL if caller is None else _raw({"arn" if caller.startswith("arn:") else "principalId": caller})
    return {
        "user_identity": identity,
        "user_agent": common.get("useragent"),
        "source_address": common.get("sourceipaddress"),
    }


def _calls(event: _Event, counted: _Statistic, ids: tuple[str, str | None], **fields: Any) -> AggregatedCalls:
    return AggregatedCalls(
        event_name=counted.name,
        event_source=event.event_source,
        event_id=ids[0],
        shared_event_id=ids[1],
        event_time=event.time_window.window_start,
        region=event.aws_region,
        account_id=event.account_id,
        calls=counted.value,
        **fields,
    )


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
