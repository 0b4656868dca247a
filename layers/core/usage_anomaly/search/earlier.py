"""What happened before a cut that what follows depends on?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain, islice, zip_longest

from opensearchpy import OpenSearch

from usage_anomaly.history import Wanted, Whose
from usage_anomaly.resources import naming_parts
from usage_anomaly.search.client import Answer
from usage_anomaly.search.indexes import ALL_EVENTS
from usage_anomaly.search.paging import PAGE, event, hits, of, within
from usage_anomaly.usage import UsageEvent

MOST_TERMS = 1_000  # ids in one request
MOST_PREFIXES = 200  # each is looked up by itself
# What the worth of other events can depend on; nothing else of an earlier one is read.
_FIELDS = (
    "event_id", "event_time", "event_source", "event_name", "kind", "account_id", "region", "direction", "quantity", "unit",
    "group", "usd_per_hour", "launcher_id", "image_id", "resource_ids", "units_each", "dry_run",
)  # fmt: skip
_USE, _DEFINITION = ({"term": {"direction": each}} for each in ("use", "definition"))
_RATED = [_USE, *({"exists": {"field": each}} for each in ("usd_per_hour", "resource_ids"))]


def earlier(
    client: OpenSearch, whose: Whose, kind: str, before: datetime, wanted: Wanted, page: int = PAGE
) -> Iterator[UsageEvent]:
    """What is wanted of one kind of the time before; an event may come twice."""
    filters = [*of(whose), {"term": {"kind": kind}}, within(None, before)]
    found: list[Iterator[Answer]] = []
    for clauses in _requests(wanted):
        query: Answer = {"bool": {"filter": filters, "should": clauses, "minimum_should_match": 1}}
        found.append(hits(client, ALL_EVENTS, query, "asc", page, _FIELDS))
    if wanted.rated:
        query = {"bool": {"filter": [*filters, *_RATED], "must_not": [{"term": {"dry_run": True}}]}}
        found.append(islice(hits(client, ALL_EVENTS, query, "desc", wanted.rated, _FIELDS), wanted.rated))
    for each in map(event, chain.from_iterable(found)):
        if each.event_time < before:
            yield each


def _requests(wanted: Wanted) -> Iterator[list[Answer]]:
    """The clauses of each request: what does not fit into one goes on in the next."""
    clauses = (
        [[_any("resource_ids", part)] for part in _parts(wanted.resources, MOST_TERMS)],
        [list(map(_part_of, part)) for part in _parts(wanted.holders, MOST_PREFIXES)],
        [[_both(_USE, _any("launcher_id", part))] for part in _parts(wanted.launchers, MOST_TERMS)],
        [[_both(_DEFINITION, _any("group", part))] for part in _parts(wanted.groups, MOST_TERMS)],
    )
    for each in zip_longest(*clauses, fillvalue=()):
        yield list(chain.from_iterable(each))


def _parts(names: Iterable[str], most: int) -> Iterator[list[str]]:
    left = sorted(names)
    return (left[at : at + most] for at in range(0, len(left), most))


def _any(field: str, values: list[str]) -> Answer:
    return {"terms": {field: values}}


def _both(*filters: Answer) -> Answer:
    return {"bool": {"filter": list(filters)}}


def _part_of(holder: str) -> Answer:
    return {"prefix": {"resource_ids": naming_parts(holder)}}
