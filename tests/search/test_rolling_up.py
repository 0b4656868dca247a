"""Does the hourly job do all of its work, whatever cuts it off or fails?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from moto import mock_aws
from opensearchpy import OpenSearch
from tests.search.making import ACCOUNT, NOW, event, kept
from tests.search.serving import LOOPBACK
from tests.search.test_history import put
from tests.ticking.conftest import make_table

from usage_anomaly import rolling_up
from usage_anomaly.catalog import Catalog
from usage_anomaly.rolling_up import Report, Stores, run
from usage_anomaly.search.client import SearchUnavailable
from usage_anomaly.search.history import History
from usage_anomaly.series import bucket_of

pytestmark = LOOPBACK
FIRST, LATER = NOW + timedelta(minutes=10), NOW + timedelta(hours=1)


@pytest.fixture
def stores(client: OpenSearch) -> Iterator[Stores]:
    with mock_aws():
        yield Stores(client=client, archive=History(client, lambda _: False), table=make_table())


def plenty() -> float:
    return 900.0


def twice_then_none() -> Callable[[], float]:
    """The time that a run sees left: enough at its beginning and for two hours of events."""
    left = iter([900.0, 900.0, 900.0])
    return lambda: next(left, 0.0)


def rolled_up(client: OpenSearch) -> dict[str, int]:
    client.indices.refresh(index="usage-hourly-*")
    hits = client.search(index="usage-hourly-*", body={"size": 1_000})["hits"]["hits"]
    return {hit["_source"]["hour"]: hit["_source"]["quantity"] for hit in hits}


def test_one_run_sums_up_remembers_and_forgets(stores: Stores, catalog: Catalog) -> None:
    """What it did is said in its log line."""
    put(stores.client, [event(day, -1_440 * day) for day in range(9)])
    stores.client.indices.create(index="usage-events-2026.01.01")
    report = run(stores, catalog, 36, FIRST, plenty)
    assert report == Report(hours=9, pasts=1, deleted=("usage-events-2026.01.01",))
    assert len(rolled_up(stores.client)) == 9
    past = kept(stores.client, ACCOUNT, "ec2.instances").past
    assert past is not None
    assert past.cut == bucket_of((NOW - timedelta(days=5)).replace(hour=0, minute=0))
    assert [quantity for _, quantity, _ in past.used] == [1, 1, 1]
    assert run(stores, catalog, 36, LATER, plenty) == Report()


def test_only_hours_with_news_are_rolled_up_again(stores: Stores, catalog: Catalog) -> None:
    """A day of events is summed up once, not once an hour."""
    put(stores.client, [event(1), event(2, -60)])
    assert run(stores, catalog, 36, FIRST, plenty).hours == 2
    put(stores.client, [event(3, -30)], NOW + timedelta(minutes=30))
    assert run(stores, catalog, 36, LATER, plenty).hours == 1
    assert rolled_up(stores.client) == {"2026-11-25T10:00:00Z": 1, "2026-11-25T09:00:00Z": 2}


def test_a_run_that_is_cut_off_goes_on_with_the_next_hour(stores: Stores, catalog: Catalog) -> None:
    """A backfill of five weeks is more than a run can sum up; what comes in meanwhile is not lost over it."""
    put(stores.client, [event(hour, -60 * hour) for hour in range(6)])
    first = run(stores, catalog, 36, FIRST, twice_then_none())
    assert (first.hours, first.finished) == (2, False)
    put(stores.client, [event(20, -60 * 5)], NOW + timedelta(minutes=20))
    assert run(stores, catalog, 36, NOW + timedelta(minutes=30), plenty).hours == 4
    assert run(stores, catalog, 36, LATER, plenty).hours == 1
    assert rolled_up(stores.client) == {f"2026-11-25T{hour:02}:00:00Z": 1 + (hour == 5) for hour in range(5, 11)}


def test_a_step_that_fails_holds_up_no_other(stores: Stores, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Detection needs the pasts, also on a day when nothing can be summed up; and somebody hears of it."""
    put(stores.client, [event(day, -1_440 * day) for day in range(9)])

    def away(*_: Any) -> int:
        raise SearchUnavailable("away")

    monkeypatch.setattr(rolling_up, "roll_up", away)
    with pytest.raises(SearchUnavailable):
        run(stores, catalog, 36, FIRST, plenty)
    assert kept(stores.client, ACCOUNT, "ec2.instances").past is not None
    monkeypatch.undo()
    assert run(stores, catalog, 36, LATER, plenty).hours == 9


def test_what_a_run_did_can_be_logged() -> None:
    """The report is one JSON object."""
    assert msgspec.to_builtins(Report(hours=1, deleted=("x",)))["deleted"] == ("x",)
