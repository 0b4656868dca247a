"""What was used when, by whom? What has come in since the last look?

Spans are [start, end) unless said otherwise; times UTC. OpenSearch keeps milliseconds: where finer times matter, it gives
a little more and the rest is cut here. Every answer is read to its last page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from usage_anomaly.anomalies import Query
from usage_anomaly.enrichment.evidence import matching
from usage_anomaly.search.client import Answer, read
from usage_anomaly.search.indexes import ALL_EVENTS, milliseconds, moment
from usage_anomaly.series import BUCKET_SECONDS
from usage_anomaly.usage import UsageEvent

PAGE = 1_000
# Each page of the tally carries a whole document per bucket.
TALLY_PAGE = 500
_MILLISECOND = timedelta(milliseconds=1)
_BUCKET = {"bucket": {"date_histogram": {"field": "event_time", "fixed_interval": f"{BUCKET_SECONDS}s"}}}
_BACKFILL = {"term": {"origin": "backfill"}}
# What tells two doers of a busy kind apart: as in `series`, which merges the same events in memory.
_DOER = (
    "account_id", "direction", "region", "event_name", "group", "function_name", "actor_arn", "access_key_id", "invoked_by",
    "user_agent", "source_address", "error_code", "dry_run", "truncated",
    "aggregated",
)  # fmt: skip
_ORDER = ("event_time", "event_id", "kind", "group")  # no two documents agree in all of them
_QUERIED = ("kind", "direction", "account_id", "region", "actor_arn", "access_key_id", "source_address", "image_id")


class Touched(msgspec.Struct, frozen=True):
    """Usage of one kind in one account came in; `first` is the earliest event_time of it."""

    account_id: str
    kind: str
    first: datetime


class History(msgspec.Struct, frozen=True):
    """The history as `bench.History` asks for it; `tallied` says which kinds are busy."""

    client: OpenSearch
    tallied: Callable[[str], bool]

    def touched(self, since: datetime, until: datetime) -> list[Touched]:
        return touched(self.client, since, until)

    def newest_ingest(self) -> datetime | None:
        return newest_ingest(self.client)

    def days(self, account_id: str | None) -> list[datetime]:
        return days(self.client, account_id)

    def events(self, account_id: str | None, kind: str, start: datetime, end: datetime) -> list[UsageEvent]:
        return events(self.client, account_id, kind, start, end, tally=self.tallied(kind))

    def totals(self, kind: str, start: datetime, end: datetime) -> Iterator[tuple[str, datetime, int]]:
        return totals(self.client, kind, start, end)


def touched(client: OpenSearch, since: datetime, until: datetime, page: int = PAGE) -> list[Touched]:
    """The kinds and accounts whose events have an ingest_time in (since, until]; backfilled history touches nothing."""
    span = {"gt": milliseconds(since), "lte": milliseconds(until), "format": "epoch_millis"}
    query = {"bool": {"filter": [{"range": {"ingest_time": span}}], "must_not": [_BACKFILL]}}
    sources = [_terms("account_id"), _terms("kind")]
    buckets = _composite(client, query, sources, {"first": {"min": {"field": "event_time"}}}, page)
    return [Touched(each["key"]["account_id"], each["key"]["kind"], moment(each["first"]["value"])) for each in buckets]


def events(
    client: OpenSearch,
    account_id: str | None,
    kind: str,
    start: datetime,
    end: datetime,
    *,
    tally: bool = False,
    page: int | None = None,
) -> list[UsageEvent]:
    """The usage of one kind in one account (None: in all) in [start, end), by time and id, releases included.

    `tally`: for busy kinds, one event per five-minute bucket and doer, the earliest with the sums of all of them.
    """
    query = {"bool": {"filter": [*_of(account_id), {"term": {"kind": kind}}, _time(start, end)]}}
    if tally:
        found = _tallied(client, query, page or TALLY_PAGE)
    else:
        hits = _hits(client, query, "asc", page or PAGE)
        found = [event for event in map(_event, hits) if start <= event.event_time < end]
    return sorted(found, key=lambda event: (event.event_time, event.event_id, event.group or ""))


def totals(
    client: OpenSearch, kind: str, start: datetime, end: datetime, page: int = PAGE
) -> Iterator[tuple[str, datetime, int]]:
    """Account, start of bucket and quantity of every five-minute bucket with use; no releases, no dry runs.

    Of single calls and CloudTrail's aggregated ones the larger count of each region stands, as in `series`.
    """
    left_out = [{"term": {"direction": "release"}}, {"term": {"dry_run": True}}]
    query = {"bool": {"filter": [{"term": {"kind": kind}}, _time(start, end)], "must_not": left_out}}
    within = {"quantity": {"sum": {"field": "quantity"}}}
    sources = [_terms("account_id"), _BUCKET, _terms("region"), _terms("aggregated")]
    found = _composite(client, query, sources, within, page)
    for (account_id, began), counts in groupby(found, lambda each: (each["key"]["account_id"], each["key"]["bucket"])):
        used: Counter[tuple[str, bool]] = Counter()
        for each in counts:  # documents older than the field `aggregated` are single calls
            used[each["key"]["region"], bool(each["key"]["aggregated"])] += round(each["quantity"]["value"])
        if quantity := sum(max(used[region, False], used[region, True]) for region in {region for region, _ in used}):
            yield account_id, moment(began), quantity


def coverage(client: OpenSearch, account_id: str | None) -> datetime | None:
    """The event_time of the first event of any kind, of an account or (None) of all; None when there is none."""
    return _extreme(client, {"bool": {"filter": _of(account_id)}}, "min", "event_time")


def days(client: OpenSearch, account_id: str | None) -> list[datetime]:
    """The event_time of the first event of each day (UTC) that has any, of an account or (None) of all, in order."""
    first: Answer = {"first": {"min": {"field": "event_time"}}}
    histogram = {"field": "event_time", "calendar_interval": "day", "min_doc_count": 1}
    body: Answer = {
        "size": 0,
        "query": {"bool": {"filter": _of(account_id)}},
        "track_total_hits": False,
        "aggs": {"days": {"date_histogram": histogram, "aggs": first}},
    }
    found = read(client, ALL_EVENTS, body).get("aggregations", {}).get("days", {}).get("buckets", ())
    return [moment(each["first"]["value"]) for each in found]


def newest_ingest(client: OpenSearch) -> datetime | None:
    """When the last event came in. A backfill says nothing of how far the live records have come."""
    return _extreme(client, {"bool": {"must_not": [_BACKFILL]}}, "max", "ingest_time")


def ask(client: OpenSearch, query: Query, limit: int = 2_000, page: int = PAGE) -> list[UsageEvent]:
    """What `enrichment.evidence.matching` gives over all events; the latest `limit` of them where there are more."""
    fixed = [(field, getattr(query, field)) for field in _QUERIED]
    filters: list[Answer] = [{"term": {field: value}} for field, value in fixed if value is not None]
    bounds = {}
    if query.start is not None:
        bounds["gte"] = milliseconds(query.start)
    if query.end is not None:
        bounds["lte"] = milliseconds(query.end)
    if bounds:
        filters.append({"range": {"event_time": {**bounds, "format": "epoch_millis"}}})
    unwanted = [("account_id", query.not_account_id), ("kind", query.not_kind)]
    left_out: list[Answer] = [{"term": {field: value}} for field, value in unwanted if value is not None]
    if query.succeeded:
        left_out.append({"exists": {"field": "error_code"}})
    found: list[UsageEvent] = []
    for hit in _hits(client, {"bool": {"filter": filters, "must_not": left_out}}, "desc", min(page, limit)):
        found += matching(query, [_event(hit)])
        if len(found) == limit:
            break
    return matching(query, found)


def _of(account_id: str | None) -> list[Answer]:
    return [] if account_id is None else [{"term": {"account_id": account_id}}]


def _time(start: datetime, end: datetime) -> Answer:
    last = milliseconds(end + _MILLISECOND - datetime.resolution)
    return {"range": {"event_time": {"gte": milliseconds(start), "lt": last, "format": "epoch_millis"}}}


def _terms(field: str) -> Answer:
    return {field: {"terms": {"field": field, "missing_bucket": True}}}


def _event(hit: Answer) -> UsageEvent:
    return msgspec.convert(hit["_source"], UsageEvent)


def _hits(client: OpenSearch, query: Answer, order: str, page: int) -> Iterator[Answer]:
    """All documents a query finds, page after page."""
    sort: list[Answer] = [{field: {"order": order}} for field in _ORDER]
    sort[-1]["group"]["missing"] = ""  # a place in the order that a following page can begin after
    body: Answer = {"size": page, "query": query, "sort": sort, "track_total_hits": False}
    while True:
        hits: list[Answer] = read(client, ALL_EVENTS, body)["hits"]["hits"]
        yield from hits
        if len(hits) < page:
            return
        body["search_after"] = hits[-1]["sort"]


def _composite(
    client: OpenSearch, query: Answer, sources: Sequence[Answer], within: Answer, page: int
) -> Iterator[Answer]:
    """All buckets of a composite aggregation, page after page."""
    composite: Answer = {"size": page, "sources": list(sources)}
    body: Answer = {
        "size": 0,
        "query": query,
        "track_total_hits": False,
        "aggs": {"page": {"composite": composite, "aggs": within}},
    }
    while True:
        answer: Answer = read(client, ALL_EVENTS, body).get("aggregations", {}).get("page", {})
        yield from answer.get("buckets", ())
        if "after_key" not in answer:
            return
        composite["after"] = answer["after_key"]


def _tallied(client: OpenSearch, query: Answer, page: int) -> list[UsageEvent]:
    within: Answer = {
        "quantity": {"sum": {"field": "quantity"}},
        "usd": {"sum": {"field": "usd"}},
        "priced": {"value_count": {"field": "usd"}},
        "first": {"top_hits": {"size": 1, "sort": [{"event_time": "asc"}, {"event_id": "asc"}]}},
    }
    buckets = _composite(client, query, [_BUCKET, *map(_terms, _DOER)], within, page)
    return [_merged(each) for each in buckets]


def _merged(bucket: Answer) -> UsageEvent:
    """The earliest event of a bucket with the sums of all; no price for the sum as soon as one is unknown."""
    first = _event(bucket["first"]["hits"]["hits"][0])
    priced = bucket["priced"]["value"] == bucket["doc_count"]
    return msgspec.structs.replace(
        first, quantity=round(bucket["quantity"]["value"]), usd=bucket["usd"]["value"] if priced else None
    )


def _extreme(client: OpenSearch, query: Answer, which: str, field: str) -> datetime | None:
    body: Answer = {"size": 0, "query": query, "track_total_hits": False, "aggs": {"it": {which: {"field": field}}}}
    found: Any = read(client, ALL_EVENTS, body).get("aggregations", {}).get("it", {}).get("value")
    return None if found is None else moment(found)
