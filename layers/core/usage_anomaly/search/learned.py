"""What have the learned detectors found since the last look?

Reads the result index by the time a result was *computed* (`execution_end_time`), never by the time of its window: after an
outage of the cluster the plugin catches up on old windows, and a cursor on windows would stand beyond them. Results are
written in the background and may be searchable a while later, so each look reaches back by OVERLAP; what two looks both see
is told apart by its key. Results are kept for some days (`LearnedResultDays`): an outage of ours that is longer loses what
is older.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta

import msgspec
from opensearchpy import OpenSearch

from usage_anomaly.detection.learned import Learned, Unread, read_result
from usage_anomaly.search.client import Answer, Wait, read
from usage_anomaly.search.detectors import ALL_RESULTS
from usage_anomaly.search.indexes import ALL_EVENTS, milliseconds

OVERLAP = timedelta(minutes=10)  # a node whose write queue is full tries again for minutes
PAGE = 1_000


class News(msgspec.Struct, frozen=True):
    """Results, each once, in the order they were computed; and documents that are none of ours, or no finding."""

    results: tuple[Learned, ...]
    unread: tuple[Unread, ...]


def new_results(
    client: OpenSearch, since: datetime, until: datetime, page: int = PAGE, wait: Wait = time.sleep
) -> News:
    """What was found in (since - OVERLAP, until]. Historical analyses, which somebody started by hand, are left out.

    Raises SearchUnavailable or SearchRefused. Without detectors, or before their first result, there is no news.
    """
    found: dict[str, Learned] = {}
    unread: list[Unread] = []
    for hit in _hits(client, since - OVERLAP, until, page, wait):
        result = read_result(hit["_source"])
        if isinstance(result, Unread):
            unread.append(result)
        elif result.key not in found:
            result = result if result.kind is not None else _named(client, result, wait)
            if isinstance(result, Unread):
                unread.append(result)
            else:
                found[result.key] = result
    return News(tuple(found.values()), tuple(unread))


def unseen(results: Iterable[Learned], seen: Collection[str]) -> list[Learned]:
    """The results that the look before did not have. `seen` are the keys of all that it had: no look reaches further back."""
    return [each for each in results if each.key not in seen]


def _hits(client: OpenSearch, after: datetime, until: datetime, page: int, wait: Wait) -> Iterator[Answer]:
    span = {"gt": milliseconds(after), "lte": milliseconds(until), "format": "epoch_millis"}
    body: Answer = {
        "size": page,
        "query": {
            "bool": {
                "filter": [{"range": {"execution_end_time": span}}, {"range": {"anomaly_grade": {"gt": 0}}}],
                "must_not": [{"exists": {"field": "task_id"}}],
            }
        },
        # Two documents that agree in all three say the same; if a page ends between them, one is enough.
        "sort": [{"execution_end_time": "asc"}, {"model_id": "asc"}, {"data_end_time": "asc"}],
        "track_total_hits": False,
    }
    while True:
        hits: list[Answer] = read(client, ALL_RESULTS, body, wait)["hits"]["hits"]
        yield from hits
        if len(hits) < page:
            return
        body["search_after"] = hits[-1]["sort"]


def _named(client: OpenSearch, result: Learned, wait: Wait) -> Learned | Unread:
    """The same of the kind that added most USD per hour in its window.

    An anomaly is of one kind: its extent, its guidance and its commands are the kind's. "Everything" has none of them.
    """
    finding = result.finding
    place = {"account_id": result.account_id, "region": finding.region, "direction": "use"}
    span = {"gte": milliseconds(finding.window_start), "lt": milliseconds(finding.window_end), "format": "epoch_millis"}
    terms: list[Answer] = [{"term": {field: value}} for field, value in place.items() if value is not None]
    spent = {"most": {"sum": {"field": "usd_per_hour"}}}
    body: Answer = {
        "size": 0,
        "query": {
            "bool": {"filter": [*terms, {"range": {"event_time": span}}], "must_not": [{"term": {"dry_run": True}}]}
        },
        "track_total_hits": False,
        "aggs": {"kinds": {"terms": {"field": "kind", "size": 1, "order": {"most": "desc"}}, "aggs": spent}},
    }
    kinds = read(client, ALL_EVENTS, body, wait).get("aggregations", {}).get("kinds", {}).get("buckets", [])
    if not kinds or not kinds[0]["most"]["value"]:
        return Unread(f"a result about USD per hour in {result.account_id} whose usage events are gone")
    return msgspec.structs.replace(result, kind=kinds[0]["key"])
