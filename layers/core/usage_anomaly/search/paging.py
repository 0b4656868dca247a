"""How is a search asked, and its answer read to the last page?

Spans are [start, end), times UTC. OpenSearch keeps milliseconds: where finer times matter, it gives a little more, and who
asks cuts the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec
from opensearchpy import OpenSearch

from usage_anomaly.history import Whose
from usage_anomaly.search.client import Answer, read
from usage_anomaly.search.indexes import ALL_EVENTS, milliseconds, moment
from usage_anomaly.series import BUCKET_SECONDS
from usage_anomaly.usage import UsageEvent

PAGE = 1_000  # documents of some hundred bytes each
MOST_BUCKETS = 5_000  # a search reads all that it finds again for each page; a domain takes 65,535 in one
BUCKET: Answer = {"bucket": {"date_histogram": {"field": "event_time", "fixed_interval": f"{BUCKET_SECONDS}s"}}}
_MILLISECOND = timedelta(milliseconds=1)
BY_TIME = ("event_time", "event_id", "kind", "group")  # no two documents agree in all of them
BY_ACCOUNT = ("account_id", *BY_TIME)


def of(whose: Whose) -> list[Answer]:
    """The filter for an account or several; none for all (None)."""
    if whose is None:
        return []
    return [{"terms": {"account_id": [whose] if isinstance(whose, str) else sorted(whose)}}]


def within(start: datetime | None, end: datetime | None) -> Answer:
    """The filter for an event_time in [start, end)."""
    low = {} if start is None else {"gte": milliseconds(start)}
    high = {} if end is None else {"lt": milliseconds(end + _MILLISECOND - datetime.resolution)}
    return {"range": {"event_time": {**low, **high, "format": "epoch_millis"}}}


def ingested(since: datetime | None, until: datetime) -> Answer:
    """The filter for an ingest_time in (since, until]."""
    low = {} if since is None else {"gt": milliseconds(since)}
    return {"range": {"ingest_time": {**low, "lte": milliseconds(until), "format": "epoch_millis"}}}


def terms(field: str) -> Answer:
    """A source of composite buckets: the values of a field, and none."""
    return {field: {"terms": {"field": field, "missing_bucket": True}}}


def event(hit: Answer) -> UsageEvent:
    """The usage event of a document."""
    return msgspec.convert(hit["_source"], UsageEvent)


def hits(
    client: OpenSearch,
    index: str,
    query: Answer,
    order: str,
    page: int = PAGE,
    fields: Sequence[str] = (),
    by: Sequence[str] = BY_TIME,
) -> Iterator[Answer]:
    """All documents that a query finds, by time or account ("asc" or "desc"); of each these fields only, or all of it."""
    sort: list[Answer] = [{field: {"order": order}} for field in by]
    sort[-1]["group"]["missing"] = ""  # a place in the order that a following page can begin after
    body: Answer = {"size": page, "query": query, "sort": sort, "track_total_hits": False}
    if fields:
        body["_source"] = list(fields)
    while True:
        found: list[Answer] = read(client, index, body)["hits"]["hits"]
        yield from found
        if len(found) < page:
            return
        body["search_after"] = found[-1]["sort"]


def composite(
    client: OpenSearch, index: str, query: Answer, sources: Sequence[Answer], inside: Answer, page: int = MOST_BUCKETS
) -> Iterator[Answer]:
    """All buckets of a composite aggregation with what is computed inside each."""
    asked: Answer = {"size": page, "sources": list(sources)}
    aggregations: Answer = {"page": {"composite": asked}}
    if inside:
        aggregations["page"]["aggs"] = inside
    body: Answer = {"size": 0, "query": query, "track_total_hits": False, "aggs": aggregations}
    while True:
        answer: Answer = read(client, index, body).get("aggregations", {}).get("page", {})
        found: list[Answer] = answer.get("buckets", [])
        yield from found
        if len(found) < page:
            return
        asked["after"] = answer["after_key"]


def extreme(client: OpenSearch, query: Answer, field: str, order: str, index: str = ALL_EVENTS) -> datetime | None:
    """The first ("asc") or last ("desc") value of a time; sorting, a server passes over all that cannot be it."""
    body: Answer = {"size": 1, "query": query, "sort": [{field: order}], "track_total_hits": False, "_source": False}
    found = read(client, index, body)["hits"]["hits"]
    return moment(found[0]["sort"][0]) if found else None
