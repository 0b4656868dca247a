"""What could uses of one kind in several accounts have in common?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

from opensearchpy import OpenSearch

from usage_anomaly.callers import ip_of
from usage_anomaly.history import Doer
from usage_anomaly.search.client import Answer
from usage_anomaly.search.indexes import days_between, moment
from usage_anomaly.search.paging import BUCKET, MOST_BUCKETS, composite, terms, within
from usage_anomaly.totals import Trait

# The address as it was written: `ip_of` makes of it what it made for the event, and OpenSearch writes some otherwise.
_TRAITS = ("account_id", "image_id", "source_address", "actor_arn", "actor_session", "invoked_by")
_NEWEST_FIRST: Answer = {"bucket": {"date_histogram": {**BUCKET["bucket"]["date_histogram"], "order": "desc"}}}
_ip_of = lru_cache(maxsize=4_000)(ip_of)
_SPECIAL = re.compile(r"[*?\\]")


def doers(
    client: OpenSearch, kind: str, start: datetime, end: datetime, trait: Trait | None = None, page: int = MOST_BUCKETS
) -> Iterator[Doer]:
    """Each combination of what uses in five minutes could share, the newest first; at least all that has the trait."""
    counts: list[Answer] = [{"term": {"kind": kind}}, {"range": {"quantity": {"gt": 0}}}, within(start, end)]
    having = [] if trait is None else [_having(trait)]
    query = {"bool": {"filter": [*counts, *having], "must_not": [{"term": {"direction": "release"}}]}}
    sources = [_NEWEST_FIRST, *map(terms, _TRAITS)]
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


def _having(trait: Trait) -> Answer:
    """A filter that lets through all that has a trait. An actor is named alike in every account, its ARN is not."""
    if trait.what == "image":
        return {"term": {"image_id": trait.name}}
    if trait.what == "address":
        return {"term": {"source_ip": trait.name}}
    session = {"term": {"actor_session": trait.name.rpartition("/")[2]}}
    arn = {"wildcard": {"actor_arn": {"value": "*:" + _SPECIAL.sub(r"\\\g<0>", trait.name)}}}
    return {"bool": {"should": [session, arn], "minimum_should_match": 1}}
