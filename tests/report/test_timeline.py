"""Do the bars, the usual level and the limit say what was judged?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.enrichment import incidents
from tests.report import hostile

from usage_anomaly.anomalies import Alert, Anomaly
from usage_anomaly.anomalies.rules import ORGANIZATION, rules_of
from usage_anomaly.catalog import Catalog
from usage_anomaly.detection.threshold import finding
from usage_anomaly.series import BUCKETS_PER_DAY, Series, bucket_of, bucket_start
from usage_anomaly_cli.report.timeline import BARS, Timeline, timeline

DAY = timedelta(days=1)
NOON = bucket_of(incidents.at("12:00"))


def series(uses: dict[int, int]) -> Series:
    """Quantities by bucket."""
    made = Series()
    for bucket, quantity in uses.items():
        ids = tuple(f"i-{bucket}-{at}" for at in range(quantity))
        made.add(incidents.event(bucket, bucket_start(bucket), quantity=quantity, resource_ids=ids))
    return made


def shown(catalog: Catalog, uses: dict[int, int], begin: int, end: int, coverage: int, **changes: Any) -> Timeline:
    account = changes.pop("account_id", incidents.ACCOUNT)
    template = hostile.kept(catalog, "word").anomaly
    anomaly: Anomaly = replace(
        template,
        start=bucket_start(begin),
        last_seen=bucket_start(end),
        account_id=account,
        **{"findings": (), "alerts": (), **changes},
    )
    rules = rules_of(catalog, (account, "ec2.instances"), "development")
    return timeline(anomaly, [series(uses)], rules, coverage, bucket_start(max(uses)))


@given(
    st.dictionaries(st.integers(NOON - 60 * BUCKETS_PER_DAY, NOON + 500), st.integers(1, 3), min_size=1, max_size=40),
    st.integers(0, 400 * BUCKETS_PER_DAY),
)
def test_bars_are_few_and_hold_the_use_of_the_anomaly(catalog: Catalog, uses: dict[int, int], length: int) -> None:
    """Whatever its length: no use of it is left out, none is counted twice."""
    begin = max(uses) - length
    found = shown(catalog, uses, begin, max(uses), begin - 100)
    assert len(found.actual) == len(found.usual) <= BARS
    assert 0 <= found.first <= found.last < len(found.actual)
    first = bucket_of(found.start)
    after = first + len(found.actual) * found.bar_buckets
    assert first + found.first * found.bar_buckets <= begin < first + (found.first + 1) * found.bar_buckets
    assert sum(found.actual) == sum(quantity for bucket, quantity in uses.items() if first <= bucket < after)
    assert max(uses) < after


@pytest.mark.parametrize(
    ("days", "bar", "limit"), [(0.1, "10 minutes", 2), (5, "hour", 6), (40, "day", 24), (900, "4 days", None)]
)
def test_each_length_of_bar_has_its_own_limit(catalog: Catalog, days: float, bar: str, limit: int | None) -> None:
    """The limit of 10 minutes beside the use of an hour would show as unusual what is not."""
    begin = NOON - int(days * BUCKETS_PER_DAY)
    found = shown(catalog, {begin: 1, NOON: 1}, begin, NOON, begin)
    assert (found.bar, found.limit) == (bar, limit)


def test_the_bar_of_a_finding_shows_its_figure(catalog: Catalog) -> None:
    """Bars on another grid would part the window that was judged, and stay below the limit it broke."""
    uses = {NOON + 1: 2, NOON + 2: 2}
    rules = rules_of(catalog, (incidents.ACCOUNT, "ec2.instances"), "development")
    told = finding(
        series(uses), NOON + 2, rules.windows[0], actual=4, limit=2, scope="account", unit="instances", whose="them"
    )  # fmt: skip
    found = shown(catalog, uses, NOON + 1, NOON + 2, NOON - 100, findings=(told,))
    assert max(found.actual) == 4


def test_usual_is_what_the_days_before_the_anomaly_used(catalog: Catalog) -> None:
    """A nightly batch shows beside itself; an incident of several days is never its own habit."""
    nights = {NOON - night * BUCKETS_PER_DAY: 3 for night in range(1, 4)}
    incident = {NOON + day * BUCKETS_PER_DAY + 100: 3 for day in range(8)}
    uses = {**nights, NOON: 3, **incident}
    found = shown(catalog, uses, NOON, max(uses), min(uses))
    at = {bucket: (bucket - bucket_of(found.start)) // found.bar_buckets for bucket in (NOON, *incident)}
    assert found.usual[at[NOON]] == 3
    assert [found.usual[at[bucket]] for bucket in incident] == [0] * 8


def test_what_was_not_read_is_not_drawn_as_silence(catalog: Catalog) -> None:
    """A zero before the first record would be a claim."""
    found = shown(catalog, {NOON: 3}, NOON, NOON, NOON - 10)
    assert bucket_of(found.start) >= NOON - 10 - found.bar_buckets
    assert set(found.usual) == {None}


def test_alerts_lie_within_the_chart_unless_they_came_days_later(catalog: Catalog) -> None:
    """Their marks belong beside the use; a backfill told a year later must not squeeze the chart."""
    for later, inside in ((timedelta(hours=26), True), (400 * DAY, False)):
        at = bucket_start(NOON) + later
        found = shown(catalog, {NOON: 3}, NOON, NOON, NOON - 10, alerts=(Alert(at, "opened"),))
        assert (bucket_of(at) < bucket_of(found.start) + len(found.actual) * found.bar_buckets) is inside


def test_the_organization_has_no_limit_by_day(catalog: Catalog) -> None:
    """It is judged in windows of up to an hour."""
    found = shown(
        catalog,
        {NOON - 40 * BUCKETS_PER_DAY: 1, NOON: 1},
        NOON - 40 * BUCKETS_PER_DAY,
        NOON,
        0,
        account_id=ORGANIZATION,
    )
    assert (found.bar, found.limit) == ("day", None)
