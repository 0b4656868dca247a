"""Is the cost what the list price says, net of releases, and unknown where it is unknown?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.enrichment.incidents import PRICES_DATE, at, event, stolen_key

from usage_anomaly.anomalies import Cost
from usage_anomaly.enrichment import cost
from usage_anomaly.resources import Run, runs
from usage_anomaly.usage import UsageEvent

LIST = "Linux on-demand list price of 2026-11-20"


def priced(number: int, clock: str, quantity: int, rate: float, **fields: Any) -> UsageEvent:
    return event(number, at(clock), quantity=quantity, usd_per_hour=rate, **{"price_basis": LIST, **fields})


def estimate(
    uses: list[UsageEvent], clock: str, released: dict[Run, datetime] | None = None, median: bool = False
) -> Cost:
    return cost.estimate(uses, released or {}, at(clock), PRICES_DATE, median)


def test_what_runs_costs_until_now() -> None:
    """Four machines of 2 USD/h for 90 minutes are 12 USD."""
    found = estimate([priced(1, "10:00", 4, 8.0)], "11:30")
    assert (found.usd_per_hour, found.usd_so_far, found.confidence) == (8.0, 12.0, 1.0)
    assert found.basis == LIST
    hours = (datetime(2026, 12, 1, tzinfo=UTC) - at("11:30")) / timedelta(hours=1)
    assert found.usd_month_end == pytest.approx(12.0 + 8.0 * hours)


def test_released_costs_until_its_release() -> None:
    """Burn is net: one of four given back after half an hour leaves 6 USD/h."""
    launch = priced(1, "10:00", 4, 8.0)
    found = estimate([launch], "11:00", {runs(launch)[0]: at("10:30")})
    assert (found.usd_per_hour, found.usd_so_far) == (6.0, 7.0)


def test_release_before_the_launch_is_another_life() -> None:
    """A machine stopped yesterday and started today runs."""
    yesterday = priced(1, "8:00", 1, 2.0)
    today = priced(2, "10:00", 1, 2.0, resource_ids=yesterday.resource_ids)
    found = estimate([yesterday, today], "11:00", {runs(yesterday)[0]: at("9:00")})
    assert (found.usd_per_hour, found.usd_so_far) == (2.0, 4.0)


def test_each_run_ends_with_its_own_stop() -> None:
    """A machine that is stopped and started all day is paid for when it ran, not for the pauses."""
    first = priced(1, "8:00", 1, 2.0)
    starts = [first, *(priced(n, f"{7 + n}:00", 1, 2.0, resource_ids=first.resource_ids) for n in (2, 3))]
    stops = {run: use.event_time + timedelta(minutes=30) for use in starts for run in runs(use)}
    assert estimate(starts, "12:00", stops).usd_so_far == 3.0


def test_a_name_is_one_database_in_each_region_and_account() -> None:
    """Eight copies of db1 in eight regions are paid eight times, and stopping one stops no other."""
    copies = [
        priced(n, "10:00", 1, 2.0, resource_ids=("db1",), region=f"us-east-{n}", account_id=account)
        for n, account in enumerate(["111122223333", "444455556666"] * 4)
    ]
    assert estimate(copies, "11:00").usd_per_hour == 16.0
    assert estimate(copies, "11:00", {runs(copies[3])[0]: at("10:30")}).usd_per_hour == 14.0


def test_restarted_machine_is_paid_once() -> None:
    """Two starts of one id are one running machine."""
    first = priced(1, "10:00", 1, 2.0)
    again = priced(2, "10:30", 1, 2.0, resource_ids=first.resource_ids)
    found = estimate([again, first], "11:00")
    assert (found.usd_per_hour, found.usd_so_far) == (2.0, 2.0)


def test_all_released_costs_nothing_per_hour() -> None:
    """Closed as released means that the meter stands."""
    launch = priced(1, "10:00", 2, 4.0)
    found = estimate([launch], "12:00", dict.fromkeys(runs(launch), at("11:00")))
    assert (found.usd_per_hour, found.usd_so_far, found.usd_month_end) == (0.0, 4.0, 4.0)


def test_items_without_ids_count_as_running() -> None:
    """A cut record names fewer ids than it launched: the figure is an upper bound, never too low."""
    launch = priced(1, "10:00", 10, 20.0, resource_ids=("i-1",))
    assert estimate([launch], "11:00", {runs(launch)[0]: at("10:30")}).usd_per_hour == 18.0


def test_unknown_price_is_none_and_named() -> None:
    """A price nobody knows is not 0 USD."""
    found = estimate([event(1, at("10:00"), group="ml.p6")], "11:00")
    assert (found.usd_per_hour, found.usd_so_far, found.usd_month_end, found.confidence) == (None, None, None, 0.0)
    assert found.basis == "unknown: no list price for ml.p6"


def test_no_price_for_want_of_a_type_says_so() -> None:
    """A copied snapshot names no size: "no list price for type not in the record" blames the list."""
    found = estimate([event(1, at("10:00"), group=None, quantity=2)], "11:00")
    assert (found.usd_per_hour, found.basis) == (None, "unknown: the records tell no type or size")


def test_partly_unknown_says_for_how_many() -> None:
    """The rest is still told, and the reader knows what is missing."""
    uses = [priced(1, "10:00", 59, 59.0), event(2, at("10:00"), group="ml.p6", quantity=2)]
    found = estimate(uses, "10:30")
    assert found.usd_per_hour == 59.0
    assert found.basis == LIST + "; unknown for 2 of 61 (ml.p6)"
    assert found.confidence == pytest.approx(59 / 61, abs=1e-4)
    assert cost.gaps(uses, "instances") == ("price unknown for 2 of 61 instances (ml.p6 2)",)


def test_nothing_priced_leaves_no_gap_beside_the_basis() -> None:
    """The cost itself says that it is unknown, and why: once is enough."""
    assert cost.gaps([event(1, at("10:00"), group="ml.p6")], "instances") == ()


def test_calls_cost_what_the_last_hour_did() -> None:
    """Kinds priced per call have no running machine: their rate is what the last hour cost."""
    calls = [event(n, at("10:00") + timedelta(minutes=30 * n), usd=1.0, resource_ids=()) for n in range(4)]
    found = estimate(calls, "11:30")
    assert (found.usd_per_hour, found.usd_so_far) == (2.0, 4.0)


@pytest.mark.parametrize(
    ("fields", "confidence", "said"),
    [
        ({"price_basis": "estimate: us-east-1 price x 1.17"}, 0.6, "estimate"),
        ({"price_basis": "Windows, approximate"}, 0.5, "approximate"),
        ({"market": "spot"}, 0.5, "run on Spot, which costs less"),
        ({"market": "FARGATE_SPOT"}, 0.5, "run on Spot, which costs less"),
        ({"price_confidence": 0.7}, 0.7, LIST),
    ],
)
def test_estimates_are_less_sure(fields: dict[str, Any], confidence: float, said: str) -> None:
    """An estimate says how sure it is."""
    found = estimate([priced(1, "10:00", 2, 4.0, **fields)], "11:00")
    assert found.confidence == confidence
    assert said in found.basis


def test_median_rate_is_said() -> None:
    """A net that rests on launches nobody read is no list price."""
    found = estimate([priced(1, "10:00", 1, 2.0)], "11:00", median=True)
    assert "median rate" in found.basis
    assert found.confidence == 0.8


def test_per_call_kind_without_duration_says_why() -> None:
    """ "no list price for orders" would be a lie: the record lacks the duration."""
    found = cost.estimate([event(1, at("10:00"), group=None)], {}, at("11:00"), PRICES_DATE, False, priced=False)
    assert found.basis == cost.UNPRICED


@given(st.permutations(stolen_key()), st.integers(0, 20))
def test_order_changes_nothing_and_releases_only_lower(events: list[UsageEvent], released: int) -> None:
    """Same input, same bytes; and giving back never costs more."""
    uses = [each for each in events if each.direction == "use"]
    ids = sorted(each for use in uses for each in runs(use))[-released:] if released else []
    full = cost.estimate(uses, {}, at("12:00"), PRICES_DATE, False)
    less = cost.estimate(uses, dict.fromkeys(ids, at("11:00")), at("12:00"), PRICES_DATE, False)
    assert full == cost.estimate(sorted(uses, key=lambda each: each.event_id), {}, at("12:00"), PRICES_DATE, False)
    assert (less.usd_per_hour or 0) <= (full.usd_per_hour or 0)
    assert (less.usd_so_far or 0) <= (full.usd_so_far or 0)
