"""What could uses of one kind in several accounts have in common?"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import datetime
from functools import lru_cache
from itertools import chain

from opensearchpy import OpenSearch

from usage_anomaly.callers import ip_of
from usage_anomaly.history import Doer
from usage_anomaly.search.client import Answer
from usage_anomaly.search.indexes import days_between, moment
from usage_anomaly.search.paging import BUCKET, MOST_BUCKETS, composite, terms, within
from usage_anomaly.totals import Trait

# The address as it was written: `ip_of` makes of it what it made for the event, and OpenSearch writes some otherwise.
_TRAITS = ("account_id", "image_id", "source_address", "actor_arn", "actor_session", "invoked_by")
MOST_TRAITS = 200  # in one request; a query takes 1,024 clauses
_ip_of = lru_cache(maxsize=4_000)(ip_of)
_SPECIAL = re.compile(r"[*?\\]")


def doers(
    client: OpenSearch,
    kind: str,
    start: datetime,
    end: datetime,
    having: Collection[Trait] | None = None,
    page: int = MOST_BUCKETS,
) -> Iterator[Doer]:
    """Each combination of what uses in five minutes could share; at least all that has one of the traits, some twice."""
    wanted = [[]] if having is None else _parts(sorted(having))
    return chain.from_iterable(_doers(client, kind, start, end, part, page) for part in wanted)


def _doers(
    client: OpenSearch, kind: str, start: datetime, end: datetime, having: list[Trait], page: int
) -> Iterator[Doer]:
    counts: list[Answer] = [{"term": {"kind": kind}}, {"range": {"quantity": {"gt": 0}}}, within(start, end)]
    query: Answer = {"bool": {"filter": counts, "must_not": [{"term": {"direction": "release"}}]}}
    if having:
        query["bool"] |= {"should": list(chain.from_iterable(map(_having, having))), "minimum_should_match": 1}
    sources = [BUCKET, *map(terms, _TRAITS)]
    for each in composite(client, days_between(start, end), query, sources, {}, page):
        key = each["key"]
        yield Doer(
            account_id=key["account_id"],
            start=moment(key["bucket"]),
            image_id=key["image_id"],
            source_ip=_ip_of(key["source_address"]),
            actor_arn=key["actor_arn"],
            actor_session=key["actor_session"],
            invoked_by=key["invoked_by"],
        )


def _parts(having: list[Trait]) -> Iterator[list[Trait]]:
    return (having[at : at + MOST_TRAITS] for at in range(0, len(having), MOST_TRAITS))


def _having(trait: Trait) -> list[Answer]:
    """Filters of which one lets through all that has a trait. An actor is named alike in every account, its ARN is not."""
    if trait.what == "image":
        return [{"term": {"image_id": trait.name}}]
    if trait.what == "address":
        return [{"term": {"source_ip": trait.name}}]
    arn = {"wildcard": {"actor_arn": {"value": "*:" + _SPECIAL.sub(r"\\\g<0>", trait.name)}}}
    return [{"term": {"actor_session": trait.name.rpartition("/")[2]}}, arn]
