"""What was used in an hour, by account, kind and region?

Computed whole from the usage events of the hour, whenever any of them has come in, however late: the same events give the same
documents. They are kept for more than a year, when the events are long gone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby

import msgspec
from opensearchpy import OpenSearch

from usage_anomaly.search.bulk import Document, write
from usage_anomaly.search.client import Answer, Wait, read
from usage_anomaly.search.indexes import ALL_EVENTS, HOURLY, days_between, moment
from usage_anomaly.search.paging import BUCKET, PAGE, composite, ingested, terms, within

HOUR = timedelta(hours=1)
_PLACE = ("account_id", "kind", "region")
_RELEASE = {"term": {"direction": "release"}}
_NO_USE = [{"terms": {"direction": ["release", "definition"]}}, {"term": {"dry_run": True}}]
_MONEY = ("usd_per_hour", "usd")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """An hour (its beginning, UTC) of a kind in an account and region.

    `quantity` counts use and attempts, no dry runs; `released` what releases named; `calls` all usage events. The list price
    that use added per hour, and what calls cost, are None where no event says any.
    """

    hour: datetime
    account_id: str
    kind: str
    region: str
    quantity: int
    released: int
    usd_per_hour: float | None
    usd: float | None
    calls: int


def hours(client: OpenSearch, since: datetime | None, until: datetime) -> list[datetime]:
    """The hours with events that came in within (since, until], backfilled ones too, in order."""
    # Not a composite aggregation: of one date source OpenSearch 3.4 answers 500 (array index out of bounds).
    histogram = {"date_histogram": {"field": "event_time", "fixed_interval": "1h", "min_doc_count": 1}}
    body: Answer = {
        "size": 0,
        "query": {"bool": {"filter": [ingested(since, until)]}},
        "track_total_hits": False,
        "aggs": {"hours": histogram},
    }
    found = read(client, ALL_EVENTS, body).get("aggregations", {}).get("hours", {}).get("buckets", ())
    return [moment(each["key"]) for each in found]


def roll_up(client: OpenSearch, hour: datetime, version: int, wait: Wait = time.sleep) -> int:
    """Write the rows of an hour; returns how many. Raises SearchUnavailable."""
    return write(client, map(_document, rows(client, hour)), version, wait)


def rows(client: OpenSearch, hour: datetime, page: int = PAGE) -> Iterator[Row]:
    """The rows of an hour, in order of account, kind and region.

    Of single calls and CloudTrail's aggregated ones the larger count of five minutes stands, as in `series`.
    """
    query = {"bool": {"filter": [within(hour, hour + HOUR)]}}
    sources = [*map(terms, _PLACE), BUCKET, terms("aggregated")]
    used: Answer = {"bool": {"must_not": _NO_USE}}
    money = {each: {"stats": {"field": each}} for each in _MONEY}
    inside: Answer = {
        "used": {"filter": used, "aggs": {"quantity": {"sum": {"field": "quantity"}}, **money}},
        "released": {"filter": _RELEASE, "aggs": {"quantity": {"sum": {"field": "quantity"}}}},
    }
    found = composite(client, days_between(hour, hour + HOUR), query, sources, inside, page)
    for place, of_place in groupby(found, lambda each: tuple(each["key"][name] for name in _PLACE)):
        yield _row(hour, place, of_place)


def _row(hour: datetime, place: tuple[str, ...], found: Iterable[Answer]) -> Row:
    quantity = released = calls = 0
    money: dict[str, float | None] = dict.fromkeys(_MONEY)
    for _, counts in groupby(found, lambda each: each["key"]["bucket"]):
        both = list(counts)
        calls += sum(each["doc_count"] for each in both)
        released += sum(round(each["released"]["quantity"]["value"]) for each in both)
        standing = max(both, key=lambda each: float(each["used"]["quantity"]["value"]))
        quantity += round(standing["used"]["quantity"]["value"])
        for name in _MONEY:
            if standing["used"][name]["count"]:
                money[name] = (money[name] or 0.0) + standing["used"][name]["sum"]
    account_id, kind, region = place
    return Row(
        hour=hour,
        account_id=account_id,
        kind=kind,
        region=region,
        quantity=quantity,
        released=released,
        usd_per_hour=money["usd_per_hour"],
        usd=money["usd"],
        calls=calls,
    )


def _document(row: Row) -> Document:
    identity = f"{row.account_id}#{row.kind}#{row.region}#{row.hour:%Y%m%dT%H}"
    return Document(f"{HOURLY}-{row.hour:%Y.%m}", identity, row)
