"""What can only OpenSearch itself show? Its limit on buckets, its rules for fields, and what a set-up leaves untouched."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from opensearchpy import OpenSearch
from tests.search.making import ACCOUNT, NOW, event, plenty
from tests.search.serving import LOOPBACK

from usage_anomaly.search import history, indexes, setup
from usage_anomaly.search.client import SearchRefused, read
from usage_anomaly.search.events import write
from usage_anomaly.search.paging import MOST_BUCKETS
from usage_anomaly.usage import UsageEvent

pytestmark = [LOOPBACK, pytest.mark.node, pytest.mark.parametrize("url", ["node"], indirect=True)]

SERIES = 12_000
START, END = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
Request = tuple[str, str, Any]  # method, path, answer


@pytest.fixture
def requests(bare: OpenSearch, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Every request that the client makes from here on."""
    made: list[Request] = []
    perform = bare.transport.perform_request

    def noting(method: str, url: str, *arguments: Any, **rest: Any) -> Any:
        answer = perform(method, url, *arguments, **rest)
        made.append((method, url, answer))
        return answer

    monkeypatch.setattr(bare.transport, "perform_request", noting)
    return made


@pytest.fixture
def tight(client: OpenSearch) -> Iterator[OpenSearch]:
    """A cluster that takes no request of more buckets than one page of ours; a domain takes 65,535 unless told otherwise."""
    limit = {"search.max_buckets": MOST_BUCKETS}
    client.cluster.put_settings(body={"transient": limit})
    yield client
    client.cluster.put_settings(body={"transient": dict.fromkeys(limit)})


def series(number: int) -> list[UsageEvent]:
    """One launch in each of so many accounts, spread over an hour."""
    return [event(each, each % 60, account_id=f"{each:012}") for each in range(number)]


def test_twelve_thousand_series_are_read_to_the_last_within_the_limit_on_buckets(
    tight: OpenSearch, requests: list[Request]
) -> None:
    """An organization on its first morning: a page too large is refused, a page forgotten is an account unjudged."""
    batch = series(SERIES)
    assert write(tight, batch, NOW, plenty, 36).created == SERIES
    tight.indices.refresh(index=indexes.ALL_EVENTS)
    requests.clear()
    touched = history.touched(tight, NOW - timedelta(minutes=1), NOW)
    assert {(each.account_id, each.first) for each in touched} == {(each.account_id, each.event_time) for each in batch}
    assert len(touched) == SERIES
    pages = [len(answer["aggregations"]["page"]["buckets"]) for _, _, answer in requests]
    assert pages == [MOST_BUCKETS, MOST_BUCKETS, SERIES - 2 * MOST_BUCKETS]
    assert len(list(history.totals(tight, "ec2.instances", START, END))) == SERIES


@pytest.mark.parametrize("way", ["terms", "composite"])
def test_a_search_of_too_many_buckets_is_refused_at_once_and_says_so(tight: OpenSearch, way: str) -> None:
    """OpenSearch answers it as if it were busy: tried again it would fail for ever, and the tick with it."""
    write(tight, series(MOST_BUCKETS + 1), NOW, plenty, 36)
    tight.indices.refresh(index=indexes.ALL_EVENTS)
    field, size = {"field": "account_id"}, MOST_BUCKETS + 1
    ways = {
        "terms": {"terms": {**field, "size": size}},
        "composite": {"composite": {"size": size, "sources": [{"it": {"terms": field}}]}},
    }
    waited: list[float] = []
    with pytest.raises(SearchRefused, match="too_many_buckets_exception: Trying to create too many buckets"):
        read(tight, indexes.ALL_EVENTS, {"size": 0, "aggs": {"it": ways[way]}}, waited.append)
    assert waited == []


@pytest.mark.parametrize("tally", [False, True])
def test_the_events_of_twelve_thousand_accounts_are_read_to_the_last(tight: OpenSearch, tally: bool) -> None:
    """Organization totals and busy kinds page on their own."""
    batch = series(SERIES)
    write(tight, batch, NOW, plenty, 36)
    tight.indices.refresh(index=indexes.ALL_EVENTS)
    found = list(history.events(tight, None, "ec2.instances", START, END, tally=tally))
    assert {each.event_id for each in found} == {each.event_id for each in batch}
    assert len(found) == SERIES


def test_a_second_set_up_writes_nothing(bare: OpenSearch, requests: list[Request]) -> None:
    """Every deployment runs it; a cluster whose state changes is a cluster in which something can go wrong."""
    setup.configure(bare)
    write(bare, [event(1)], NOW, plenty, 36)
    assert {method for method, _, _ in requests} >= {"PUT", "POST"}
    bare.cluster.health(params={"wait_for_events": "languid", "wait_for_no_initializing_shards": "true"})
    before = bare.cluster.state()
    requests.clear()
    assert setup.configure(bare) == []
    assert {method for method, _, _ in requests} <= {"GET", "HEAD"}
    assert len(requests) > 2
    assert bare.cluster.state() == before


def test_a_wrong_type_is_refused_with_its_reason_and_the_rest_of_the_batch_kept(client: OpenSearch) -> None:
    """One number that no field holds must not cost the launches beside it."""
    poison = event(3, quantity=2**63)
    written = write(client, [event(1), event(2), poison, event(4, source_ip="no address")], NOW, plenty, 36)
    assert written.created == 3
    ((refused, reason),) = [(each.event, each.reason) for each in written.rejected]
    assert refused == poison
    assert reason.startswith("mapper_parsing_exception: failed to parse field [quantity] of type [long]")
    client.indices.refresh(index=indexes.ALL_EVENTS)
    assert len(list(history.events(client, ACCOUNT, "ec2.instances", START, END))) == 3
