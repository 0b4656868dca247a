"""Does the index answer as the same events in memory do, to the last page?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opensearchpy import OpenSearch
from tests.search.making import ACCOUNT, NOW, event, plenty
from tests.search.serving import LOOPBACK

from usage_anomaly.anomalies import Query
from usage_anomaly.enrichment.evidence import matching
from usage_anomaly.search import history, indexes
from usage_anomaly.search.events import write
from usage_anomaly.series import Series, bucket_of, bucket_start
from usage_anomaly.usage import UsageEvent

pytestmark = LOOPBACK
OTHERS = ("111122224444", "111122225555")
START, END = datetime(2026, 11, 25, 10, tzinfo=UTC), datetime(2026, 11, 25, 11, tzinfo=UTC)


def put(client: OpenSearch, events: list[UsageEvent], at: datetime = NOW) -> None:
    written = write(client, events, at, plenty, 36)
    assert written.rejected == []
    client.indices.refresh(index="usage-events-*")


def mixed() -> list[UsageEvent]:
    """Events that agree and differ in every field a query can name, some of them finer than a millisecond."""
    return [
        event(
            number // 2,
            number / 3 + number % 7 / 60_000_000,
            group=(None, "m5.large")[number % 2],
            kind=("ec2.instances", "ebs.volumes", "ec2.instances.attempts")[number % 3],
            direction=("use", "release", "attempt")[number % 3],
            account_id=(ACCOUNT, *OTHERS)[number % 5 % 3],
            region=("us-east-1", "eu-west-1")[number % 4 // 2],
            actor_arn=(None, "arn:aws:iam::111122223333:role/ci", "arn:aws:iam::111122223333:role/CI")[number % 3],
            access_key_id=(None, "AKIAEXAMPLE000000001")[number % 5 // 4],
            source_address=("203.0.113.77", "ec2.amazonaws.com", None)[number % 7 % 3],
            image_id=(None, "ami-1")[number % 6 // 5],
            error_code=(None, None, "AccessDenied", "Client.DryRunOperation")[number % 8 // 2],
        )
        for number in range(60)
    ]


MIXED = mixed()
TIMES = st.sampled_from([each.event_time + timedelta(microseconds=off) for each in MIXED[::9] for off in (-1, 0, 1)])


def values(field: str) -> st.SearchStrategy[str | None]:
    """A value that occurs, one that does not, or none at all."""
    known = sorted({value for each in MIXED if isinstance(value := getattr(each, field), str)})
    return st.none() | st.none() | st.sampled_from([*known, "elsewhere"])


QUERIES = st.builds(
    Query,
    kind=values("kind"),
    direction=values("direction"),
    account_id=values("account_id"),
    not_account_id=values("account_id"),
    not_kind=values("kind"),
    region=values("region"),
    actor_arn=values("actor_arn"),
    access_key_id=values("access_key_id"),
    source_address=values("source_address"),
    image_id=values("image_id"),
    succeeded=st.booleans(),
    start=st.none() | TIMES,
    end=st.none() | TIMES,
)


@given(query=QUERIES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_query_means_the_same_in_the_index_and_in_memory(client: OpenSearch, query: Query) -> None:
    """Evidence is found in memory by replay and in the index by a deployment: both must say the same."""
    if not client.indices.exists(index="usage-events-2026.11.25"):
        put(client, MIXED)
    assert history.ask(client, query, page=7) == matching(query, MIXED)


def test_the_latest_events_are_given_where_there_are_too_many(client: OpenSearch) -> None:
    """What happened just before an anomaly is worth more than what happened a month ago."""
    put(client, [event(number, number / 10) for number in range(30)])
    found = history.ask(client, Query(kind="ec2.instances"), limit=10, page=4)
    assert [each.event_id for each in found] == [event(number).event_id for number in range(20, 30)]


@pytest.mark.parametrize("page", [1, 7, 1_000])
def test_history_is_read_to_its_last_page(client: OpenSearch, page: int) -> None:
    """A first page only would look like a quiet account; two groups of one record must not fall between two pages."""
    same = [event(number // 2, 5, group=(None, "m5.large")[number % 2]) for number in range(20)]
    ahead = [event(100 + number, number) for number in range(5)]
    outside = [event(200, 60), event(201, -0.001), event(202, 1, kind="ebs.volumes"), event(203, 1, account_id="x")]
    put(client, [*same, *ahead, *outside])
    found = list(history.events(client, ACCOUNT, "ec2.instances", START, END, page=page))
    wanted = sorted([*same, *ahead], key=lambda each: (each.event_time, each.event_id, each.group or ""))
    assert found == wanted


@pytest.mark.parametrize("tally", [False, True])
@pytest.mark.parametrize("page", [1, 3, 1_000])
def test_the_events_of_several_accounts_come_account_after_account(client: OpenSearch, tally: bool, page: int) -> None:
    """Read together they are what is read of each; whose last page is missing can so be told by the account."""
    same = [event(number // 2, number % 4, group=(None, "m5.large")[number % 2]) for number in range(12)]
    others = [event(50 + number, 9 - number % 5, account_id=OTHERS[number % 3 % 2]) for number in range(9)]
    put(client, [*others, *same, event(99, 1, account_id="elsewhere")])
    accounts = sorted([ACCOUNT, *OTHERS])
    alone = [
        each
        for account_id in accounts
        for each in history.events(client, account_id, "ec2.instances", START, END, tally=tally, page=page)
    ]
    whose = frozenset([*accounts, "nobody"])
    assert list(history.events(client, whose, "ec2.instances", START, END, tally=tally, page=page)) == alone
    assert {each.account_id for each in alone} == set(accounts)
    assert sum(each.quantity for each in alone) == 21


@pytest.mark.parametrize("tally", [False, True])
def test_the_first_events_of_an_account_are_had_without_all_others(
    client: OpenSearch, monkeypatch: pytest.MonkeyPatch, tally: bool
) -> None:
    """A tick that has room for so many events must not read the million that one account may have."""
    put(client, [event(number, number) for number in range(50)])
    searches, search = [], client.search

    def counting(**asked: Any) -> Any:
        searches.append(asked)
        return search(**asked)

    monkeypatch.setattr(client, "search", counting)
    found = history.events(client, ACCOUNT, "ec2.instances", START, END, tally=tally, page=2)
    assert [each.event_id for each in islice(found, 2)] == [
        event(each).event_id for each in ((0, 5) if tally else (0, 1))
    ]
    assert len(searches) <= 3 + tally


def test_bounds_are_kept_finer_than_a_millisecond(client: OpenSearch) -> None:
    """OpenSearch rounds times to milliseconds; a window that takes a neighbour in counts it twice."""
    moments = [START + timedelta(microseconds=each) for each in (0, 400, 800)]
    put(client, [event(number, event_time=each) for number, each in enumerate(moments)])
    found = history.events(client, ACCOUNT, "ec2.instances", moments[1], moments[2])
    assert [each.event_time for each in found] == [moments[1]]


@pytest.mark.parametrize("page", [2, 500])
def test_busy_kinds_come_back_merged_as_in_memory(client: OpenSearch, page: int) -> None:
    """A retry loop makes 50,000 calls a minute: their sums are read, and are those of the calls."""
    batch = [
        event(
            number,
            number % 17,
            kind="lambda.invocations",
            event_name="Invoke",
            quantity=number % 5 + 1,
            usd=None if number % 11 == 0 else 0.25,
            function_name=("resize", "thumbnail", None)[number % 3],
            source_address=("203.0.113.7", "203.0.113.8")[number % 2],
            dry_run=number % 13 == 0,
            truncated=number % 4 == 0,
            aggregated=number % 7 == 0,
        )
        for number in range(300)
    ]
    put(client, batch)
    found = list(history.events(client, ACCOUNT, "lambda.invocations", START, END, tally=True, page=page))
    in_memory = Series(tally=True)
    for each in batch:
        in_memory.add(each)
    merged = list(in_memory.events(bucket_of(START), bucket_of(END)))
    assert len(found) < len(batch)
    assert sorted(map(msgspec.json.encode, found)) == sorted(map(msgspec.json.encode, merged))


@pytest.mark.parametrize("page", [1, 2, 1_000])
def test_what_was_touched_is_told_once_per_kind_and_account(client: OpenSearch, page: int) -> None:
    """The cursor's span is (since, until]: a batch on its edge is judged by exactly one tick."""
    put(client, [event(1, 1), event(2, -9), event(3, 2, account_id=OTHERS[0]), event(4, 3, kind="ebs.volumes")])
    put(client, [event(5, 4, account_id=OTHERS[1])], NOW + timedelta(minutes=1))
    put(client, [event(6, 4, account_id="9", origin="backfill")])
    found = history.touched(client, NOW - timedelta(minutes=1), NOW, page=page)
    assert sorted((each.account_id, each.kind, each.first) for each in found) == [
        (ACCOUNT, "ebs.volumes", event(0, 3).event_time),
        (ACCOUNT, "ec2.instances", event(0, -9).event_time),
        (OTHERS[0], "ec2.instances", event(0, 2).event_time),
    ]
    later = history.touched(client, NOW, NOW + timedelta(minutes=1))
    assert [each.account_id for each in later] == [OTHERS[1]]


def test_totals_are_those_of_the_series(client: OpenSearch) -> None:
    """An organization is judged by sums alone; they must be what the accounts' own series hold."""
    batch = [event(n, n, quantity=n, account_id=(ACCOUNT, *OTHERS)[n % 3], dry_run=n % 5 == 0) for n in range(40)]
    put(client, [*batch, event(99, 1, direction="release", quantity=50)])
    expected: dict[tuple[str, datetime], int] = {}
    for each in batch:
        key = (each.account_id, bucket_start(bucket_of(each.event_time)))
        expected[key] = expected.get(key, 0) + (0 if each.dry_run else each.quantity)
    found = {
        (account, start): quantity
        for account, start, quantity in history.totals(client, "ec2.instances", START, END, page=3)
    }
    assert found == {key: quantity for key, quantity in expected.items() if quantity}


@pytest.mark.parametrize("page", [1, 1_000])
def test_totals_count_single_or_aggregated_calls_as_the_series_do(client: OpenSearch, page: int) -> None:
    """Else a trail with both would make the organization unusual at half its limit."""
    batch = [
        event(
            n, n % 11, kind="lambda.invocations", quantity=n % 9 + 1, region=f"eu-west-{n % 2}", aggregated=n % 3 == 0
        )
        for n in range(60)
    ]
    put(client, batch)
    series = Series(tally=True)
    for each in batch:
        series.add(each)
    first = bucket_of(START)
    expected = {(ACCOUNT, bucket_start(at)): series.quantity(at, at) for at in range(first, first + 3)}
    found = history.totals(client, "lambda.invocations", START, END, page=page)
    assert {(account, start): quantity for account, start, quantity in found} == expected


def test_coverage_and_newest_ingest(client: OpenSearch) -> None:
    """How far back an account is known, and how far the live records have come; a backfill moves only the first."""
    assert history.coverage(client, ACCOUNT) is None
    assert history.newest_ingest(client) is None
    put(client, [event(1), event(2, account_id=OTHERS[0])])
    put(client, [event(3, -60, origin="backfill")], NOW + timedelta(hours=3))
    assert history.coverage(client, ACCOUNT) == START - timedelta(hours=1)
    assert history.coverage(client, None) == START - timedelta(hours=1)
    assert history.coverage(client, OTHERS[0]) == START
    assert history.newest_ingest(client) == NOW


def test_days_that_have_events_are_known_of_an_account_and_of_all(client: OpenSearch) -> None:
    """A day without records is a gap, and says nothing of what is usual."""
    put(client, [event(1, -3 * 1_440), event(2, -3 * 1_440 + 5), event(3, -1_440, account_id=OTHERS[0]), event(4)])
    midnight = START.replace(hour=0)
    assert history.days(client, ACCOUNT) == [START - timedelta(days=3), midnight]
    assert history.days(client, None) == [START - timedelta(days=3), midnight - timedelta(days=1), midnight]
    assert history.days(client, "9") == []
    put(client, [event(5, -2 * 1_440), event(6, -4 * 1_440, account_id=OTHERS[0])], NOW + timedelta(minutes=1))
    assert history.days(client, ACCOUNT, NOW) == [START - timedelta(days=3), midnight]
    assert history.days(client, ACCOUNT) == [START - timedelta(days=3), midnight - timedelta(days=2), midnight]
    assert history.days(client, None, NOW)[0] == START - timedelta(days=3)
    put(client, [event(7, -5 * 1_440, origin="backfill")], NOW + timedelta(minutes=2))
    assert history.days(client, ACCOUNT, NOW) == [START - timedelta(days=5), midnight - timedelta(days=3), midnight]


def test_kinds_that_were_used_since_a_time(client: OpenSearch) -> None:
    """All of them are judged again when a day before becomes known."""
    put(
        client,
        [event(1, -60), event(2, 1, kind="ebs.volumes"), event(3, 0, kind="rds.instances", account_id=OTHERS[0])],
    )
    assert history.kinds(client, ACCOUNT, START) == ["ebs.volumes"]
    assert history.kinds(client, ACCOUNT, START - timedelta(hours=1)) == ["ebs.volumes", "ec2.instances"]
    assert history.kinds(client, None, START) == ["ebs.volumes", "rds.instances"]


def test_pairs_are_named_by_use_and_by_what_came_in(client: OpenSearch) -> None:
    """The daily job goes by them, backfilled history too: it is not judged, and belongs to what is usual."""
    put(client, [event(1, -1_440), event(2, 1, kind="ebs.volumes"), event(3, -2_880, account_id=OTHERS[0])])
    put(client, [event(4, -2_880, origin="backfill"), event(5, 1, account_id=OTHERS[1])], NOW + timedelta(minutes=1))
    searched = history.History(client, lambda _: False)
    midnight = START.replace(hour=0)
    assert list(searched.used(midnight - timedelta(days=1), midnight)) == [(ACCOUNT, "ec2.instances")]
    assert list(searched.used(midnight, midnight + timedelta(days=1))) == [
        (ACCOUNT, "ebs.volumes"),
        (OTHERS[1], "ec2.instances"),
    ]
    assert list(searched.came(NOW, NOW + timedelta(minutes=1), midnight)) == [(ACCOUNT, "ec2.instances")]
    assert list(searched.came(NOW - timedelta(minutes=1), NOW, midnight)) == [
        (ACCOUNT, "ec2.instances"),
        (OTHERS[0], "ec2.instances"),
    ]


@pytest.mark.parametrize("most", [2, 100])
def test_a_span_of_many_days_is_read_whole(client: OpenSearch, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Only the days of a span are asked; of a span too long to name in an address, all."""
    monkeypatch.setattr(indexes, "MOST_DAYS", most)
    batch = [event(day, -1_440 * day) for day in range(6)]
    put(client, batch)
    found = history.events(client, ACCOUNT, "ec2.instances", START - timedelta(days=4), START + timedelta(hours=1))
    assert list(found) == batch[4::-1]


def test_a_span_names_the_days_it_touches() -> None:
    """A day too few is a day of usage that nobody sees."""
    midnight = datetime(2026, 11, 30, tzinfo=UTC)
    named = {
        (-1, 0): "usage-events-2026.11.29",
        (-1, 1): "usage-events-2026.11.29,usage-events-2026.11.30",
        (0, 1): "usage-events-2026.11.30",
        (23, 25): "usage-events-2026.11.30,usage-events-2026.12.01",
        (0, 24): "usage-events-2026.11.30",
        (0, 0): "usage-events-2026.11.30",
    }
    for (low, high), expected in named.items():
        span = midnight + timedelta(hours=low), midnight + timedelta(hours=high)
        assert indexes.days_between(*span) == expected
