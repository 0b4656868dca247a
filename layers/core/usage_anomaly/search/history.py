"""What was used when, by whom? What has come in since the last look?

Spans are [start, end) unless said otherwise; times UTC. Every answer is read to its last page, and only of the days that it
can lie in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from itertools import chain, groupby

import msgspec
from opensearchpy import OpenSearch

from usage_anomaly.anomalies import Query
from usage_anomaly.enrichment.evidence import matching
from usage_anomaly.history import Doer, Kept, Wanted, Whose
from usage_anomaly.search import profiles
from usage_anomaly.search.client import Answer, read
from usage_anomaly.search.doers import doers
from usage_anomaly.search.earlier import earlier
from usage_anomaly.search.indexes import ALL_EVENTS, day_of, days_between, milliseconds, moment
from usage_anomaly.search.paging import (
    BUCKET,
    BY_ACCOUNT,
    MOST_BUCKETS,
    PAGE,
    composite,
    event,
    extreme,
    hits,
    ingested,
    of,
    terms,
    within,
)
from usage_anomaly.series import Past, bucket_of
from usage_anomaly.totals import Trait
from usage_anomaly.usage import UsageEvent

MOST_INDEXES = 1_000
# Each page of the tally carries a whole document per bucket.
TALLY_PAGE = 1_000
_BACKFILL = {"term": {"origin": "backfill"}}
_PAIR = [terms("account_id"), terms("kind")]
# What tells two doers of a busy kind apart: as in `series`, which merges the same events in memory.
_DOER = (
    "account_id", "direction", "region", "event_name", "group", "function_name", "actor_arn", "access_key_id", "invoked_by",
    "user_agent", "source_address", "error_code", "dry_run", "truncated",
    "aggregated",
)  # fmt: skip
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

    def used(self, start: datetime, end: datetime) -> Iterator[tuple[str, str]]:
        return pairs(self.client, days_between(start, end), [within(start, end)])

    def came(self, since: datetime, until: datetime, before: datetime) -> Iterator[tuple[str, str]]:
        return pairs(self.client, ALL_EVENTS, [ingested(since, until), within(None, before)])

    def newest_ingest(self) -> datetime | None:
        return newest_ingest(self.client)

    def days(self, whose: Whose, until: datetime | None = None) -> list[datetime]:
        return days(self.client, whose, until)

    def kinds(self, whose: Whose, since: datetime) -> list[str]:
        return kinds(self.client, whose, since)

    def events(self, whose: Whose, kind: str, start: datetime, end: datetime) -> Iterator[UsageEvent]:
        return events(self.client, whose, kind, start, end, tally=self.tallied(kind))

    def doers(
        self, kind: str, start: datetime, end: datetime, having: Collection[Trait] | None = None
    ) -> Iterator[Doer]:
        return doers(self.client, kind, start, end, having)

    def earlier(self, whose: Whose, kind: str, before: datetime, wanted: Wanted) -> Iterator[UsageEvent]:
        return earlier(self.client, whose, kind, before, wanted)

    def kept(self, account_ids: Sequence[str], kind: str) -> list[Kept]:
        return profiles.read(self.client, account_ids, kind)

    def keep_past(self, account_id: str, kind: str, past: Past, kept: Kept) -> None:
        profiles.write(self.client, account_id, kind, past, kept)

    def totals(self, kind: str, start: datetime, end: datetime) -> Iterator[tuple[str, datetime, int]]:
        return totals(self.client, kind, start, end)


def touched(client: OpenSearch, since: datetime, until: datetime, page: int = MOST_BUCKETS) -> list[Touched]:
    """The kinds and accounts whose events have an ingest_time in (since, until]; backfilled history touches nothing."""
    query = {"bool": {"filter": [ingested(since, until)], "must_not": [_BACKFILL]}}
    first: Answer = {"first": {"min": {"field": "event_time"}}}
    buckets = composite(client, ALL_EVENTS, query, _PAIR, first, page)
    return [Touched(each["key"]["account_id"], each["key"]["kind"], moment(each["first"]["value"])) for each in buckets]


def pairs(client: OpenSearch, index: str, filters: list[Answer], page: int = MOST_BUCKETS) -> Iterator[tuple[str, str]]:
    """Account and kind of what the filters let through, in order."""
    for each in composite(client, index, {"bool": {"filter": filters}}, _PAIR, {}, page):
        yield each["key"]["account_id"], each["key"]["kind"]


def events(
    client: OpenSearch,
    whose: Whose,
    kind: str,
    start: datetime,
    end: datetime,
    *,
    tally: bool = False,
    page: int | None = None,
) -> Iterator[UsageEvent]:
    """The usage of one kind in [start, end), account after account, by time and id in each, releases included.

    `tally`: for busy kinds, one event per five-minute bucket and doer, the earliest with the sums of all of them.
    """
    query = {"bool": {"filter": [*of(whose), {"term": {"kind": kind}}, within(start, end)]}}
    index = days_between(start, end)
    if tally:
        found = _tallied(client, index, query, page or TALLY_PAGE)
    else:
        read_all = map(event, hits(client, index, query, "asc", page or PAGE, by=BY_ACCOUNT))
        found = (each for each in read_all if start <= each.event_time < end)
    # Bucket after bucket: who takes only the first events does not wait for all of an account.
    for _, near in groupby(found, lambda each: (each.account_id, bucket_of(each.event_time))):
        yield from sorted(near, key=lambda each: (each.event_time, each.event_id, each.group or ""))


def totals(
    client: OpenSearch, kind: str, start: datetime, end: datetime, page: int = MOST_BUCKETS
) -> Iterator[tuple[str, datetime, int]]:
    """Account, start of bucket and quantity of every five-minute bucket with use; no releases, no dry runs.

    Of single calls and CloudTrail's aggregated ones the larger count of each region stands, as in `series`.
    """
    left_out = [{"term": {"direction": "release"}}, {"term": {"dry_run": True}}]
    query = {"bool": {"filter": [{"term": {"kind": kind}}, within(start, end)], "must_not": left_out}}
    summed: Answer = {"quantity": {"sum": {"field": "quantity"}}}
    sources = [terms("account_id"), BUCKET, terms("region"), terms("aggregated")]
    # Day after day: a search goes through all that it finds again for each of its pages.
    days = (composite(client, index, query, sources, summed, page) for index in days_between(start, end).split(","))
    found = chain.from_iterable(days)
    for (account_id, began), counts in groupby(found, lambda each: (each["key"]["account_id"], each["key"]["bucket"])):
        used: Counter[tuple[str, bool]] = Counter()
        for each in counts:  # documents older than the field `aggregated` are single calls
            used[each["key"]["region"], bool(each["key"]["aggregated"])] += round(each["quantity"]["value"])
        if quantity := sum(max(used[region, False], used[region, True]) for region in {region for region, _ in used}):
            yield account_id, moment(began), quantity


def coverage(client: OpenSearch, account_id: str | None) -> datetime | None:
    """The event_time of the first event of any kind, of an account or (None) of all; None when there is none."""
    return extreme(client, {"bool": {"filter": of(account_id)}}, "event_time", "asc")


def days(client: OpenSearch, whose: Whose, until: datetime | None = None) -> list[datetime]:
    """The time of the first event, of an account or (None) of all, and the beginning of each further day (UTC) with any.

    `until` leaves out what has come in since, but no backfilled history, which is no news at any time. An index holds one
    day, so one event of each is enough: the question costs the same however many there are.
    """
    came: list[Answer] = [] if until is None else [{"bool": {"should": [ingested(None, until), _BACKFILL]}}]
    query: Answer = {"bool": {"filter": [*of(whose), *came]}}
    indexes = {"days": {"terms": {"field": "_index", "size": MOST_INDEXES}}}
    body: Answer = {"size": 0, "query": query, "terminate_after": 1, "track_total_hits": False, "aggs": indexes}
    found = read(client, ALL_EVENTS, body).get("aggregations", {}).get("days", {}).get("buckets", ())
    known = sorted(each["key"] for each in found)
    first = extreme(client, query, "event_time", "asc", known[0]) if known else None
    return [] if first is None else [first, *map(day_of, known[1:])]


def kinds(client: OpenSearch, whose: Whose, since: datetime) -> list[str]:
    """What an account, or (None) any, used since a time."""
    query: Answer = {"bool": {"filter": [*of(whose), within(since, None)]}}
    return [each["key"]["kind"] for each in composite(client, ALL_EVENTS, query, [terms("kind")], {})]


def newest_ingest(client: OpenSearch) -> datetime | None:
    """When the last event came in. A backfill says nothing of how far the live records have come."""
    return extreme(client, {"bool": {"must_not": [_BACKFILL]}}, "ingest_time", "desc")


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
    wanted: Answer = {"bool": {"filter": filters, "must_not": left_out}}
    for hit in hits(client, ALL_EVENTS, wanted, "desc", min(page, limit)):
        found += matching(query, [event(hit)])
        if len(found) == limit:
            break
    return matching(query, found)


def _tallied(client: OpenSearch, index: str, query: Answer, page: int) -> Iterator[UsageEvent]:
    inside: Answer = {
        "quantity": {"sum": {"field": "quantity"}},
        "usd": {"sum": {"field": "usd"}},
        "priced": {"value_count": {"field": "usd"}},
        "first": {"top_hits": {"size": 1, "sort": [{"event_time": "asc"}, {"event_id": "asc"}]}},
    }
    account, *others = map(terms, _DOER)
    return map(_merged, composite(client, index, query, [account, BUCKET, *others], inside, page))


def _merged(bucket: Answer) -> UsageEvent:
    """The earliest event of a bucket with the sums of all; no price for the sum as soon as one is unknown."""
    first = event(bucket["first"]["hits"]["hits"][0])
    priced = bucket["priced"]["value"] == bucket["doc_count"]
    return msgspec.structs.replace(
        first, quantity=round(bucket["quantity"]["value"]), usd=bucket["usd"]["value"] if priced else None
    )
