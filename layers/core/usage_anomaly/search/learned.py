"""What have the learned detectors found since the last look, and do they judge an account?

Reads the result index by the time a result was *computed* (`execution_end_time`), never by the time of its window: after an
outage of the cluster the plugin catches up on old windows, and a cursor on windows would stand beyond them. Results are
written in the background and may be searchable a while later, so each look reaches back by OVERLAP; what two looks both see
is told apart by its key. Results are kept for some days (`LearnedResultDays`): an outage of ours that is longer loses what
is older.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from math import inf

import msgspec
from opensearchpy import OpenSearch

from usage_anomaly.detection.learned import OVERLAP, Learned, News, Unread, read_result
from usage_anomaly.search.asking import Asking
from usage_anomaly.search.client import Answer, SearchRefused, SearchUnavailable, Wait, read
from usage_anomaly.search.detectors import ALL_RESULTS
from usage_anomaly.search.indexes import ALL_EVENTS, milliseconds, moment
from usage_anomaly.search.plugin import is_here

PAGE = 1_000
MOST = 500  # results of one look: each takes some writes, and the tick has more to do
FRESH = timedelta(hours=1)  # six windows of a detector; nothing used is a result too
_ANALYSIS = {"exists": {"field": "task_id"}}  # somebody started it by hand, over the past


class Results(msgspec.Struct, frozen=True):
    """The learned detectors of a cluster, as `listening.Detectors` asks them."""

    client: OpenSearch

    def news(self, since: datetime, until: datetime, seen: Collection[str], more: Callable[[], bool]) -> News:
        return new_results(self.client, since, until, seen, more)

    def lacks(self, account_id: str, now: datetime) -> str | None:
        return lacks(self.client, account_id, now)


def new_results(
    client: OpenSearch,
    since: datetime,
    until: datetime,
    seen: Collection[str] = (),
    more: Callable[[], bool] = lambda: True,
    *,
    page: int = PAGE,
    most: int = MOST,
    wait: Wait = time.sleep,
) -> News:
    """What was found in (since - OVERLAP, until] without what is `seen`, by key, up to `most` and as long as `more` allows;
    where more was found, `until` of the answer says how far it goes. Historical analyses are left out.

    Raises SearchUnavailable or SearchRefused. Without detectors, or before their first result, there is no news.
    """
    found: dict[str, Learned] = {}
    unread: list[Unread] = []
    reached = since  # a look never goes back: what it has seen before would be news again
    for hit in _hits(client, since - OVERLAP, until, page, wait):
        result = read_result(hit["_source"])
        new = isinstance(result, Learned) and result.key not in seen and result.key not in found
        if not more() or (new and len(found) == most):
            until = reached
            break
        reached = max(reached, moment(hit["sort"][0]))
        if isinstance(result, Unread):
            unread.append(result)
        elif new:
            kind = result.kind or _dearest(client, result, wait)
            found[result.key] = msgspec.structs.replace(result, kind=kind)
            if kind is None:
                unread.append(Unread(f"a result about USD per hour in {result.account_id} whose usage events are gone"))
    return News(tuple(found.values()), tuple(unread), until)


def lacks(client: OpenSearch, account_id: str, now: datetime, wait: Wait = time.sleep) -> str | None:
    """Why the learned detectors do not judge an account by now, or None. A detector that runs gives a result for each window.

    Never raises for a cluster that does not answer: an alert does not wait for what it would say beside.
    """
    span = {"gt": milliseconds(now - FRESH), "format": "epoch_millis"}
    of = {"path": "entity", "ignore_unmapped": True, "query": {"term": {"entity.value": account_id}}}
    wanted: Answer = {"filter": [{"range": {"execution_end_time": span}}, {"nested": of}]}
    body: Answer = {"size": 1, "_source": False, "query": {"bool": {**wanted, "must_not": [_ANALYSIS]}}}
    try:
        if read(client, ALL_RESULTS, body, wait)["hits"]["hits"]:
            return None
        here = is_here(Asking(client, lambda: inf, wait))
    except (SearchUnavailable, SearchRefused):
        return "nobody could say whether it runs"
    return "no result for this account in the last hour" if here else "no anomaly-detection plugin in the cluster"


def _hits(client: OpenSearch, after: datetime, until: datetime, page: int, wait: Wait) -> Iterator[Answer]:
    span = {"gt": milliseconds(after), "lte": milliseconds(until), "format": "epoch_millis"}
    body: Answer = {
        "size": page,
        "query": {
            "bool": {
                "filter": [{"range": {"execution_end_time": span}}, {"range": {"anomaly_grade": {"gt": 0}}}],
                "must_not": [_ANALYSIS],
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


def _dearest(client: OpenSearch, result: Learned, wait: Wait) -> str | None:
    """The kind that added most USD per hour in its window; None where none did.

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
    return kinds[0]["key"] if kinds and kinds[0]["most"]["value"] else None
