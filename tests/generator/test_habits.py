"""Does each habit have the shape of what it is named after?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from tests.generator.conftest import MONDAY

from usage_anomaly_generator import HABITS, Habit, Organization, demo, records, usage
from usage_anomaly_generator.calls import Record

ORGANIZATION = Organization((demo.PRODUCTION,))
DAYS = 14
SATURDAY = 5


def made(name: str, options: Mapping[str, Any] | None = None, seed: int = 1) -> list[Record]:
    habit = Habit(name, demo.PRODUCTION.name, options or {})
    return list(records(ORGANIZATION, [habit], [], MONDAY, DAYS, seed))


def time_of(record: Record) -> datetime:
    return datetime.fromisoformat(record["eventTime"])


def instances(record: Record) -> list[str]:
    """Ids that a successful launch, start, stop or end names."""
    elements = record["responseElements"] or {}
    return [item["instanceId"] for item in elements.get("instancesSet", {"items": []})["items"]]


def launches(of: list[Record]) -> Iterator[tuple[datetime, list[str]]]:
    return ((time_of(record), instances(record)) for record in of if record["eventName"] == "RunInstances")


def by_day(of: list[Record], count: Callable[[Record], int], name: str) -> Counter[date]:
    days: Counter[date] = Counter()
    for record in of:
        if record["eventName"] == name:
            days[time_of(record).date()] += count(record)
    return days


def most_within(of: list[Record], minutes: int) -> int:
    """The largest number of instances launched within that time."""
    starts = [(at, len(ids)) for at, ids in launches(of)]
    width = timedelta(minutes=minutes)
    return max(sum(count for at, count in starts if first <= at < first + width) for first, _ in starts)


def split(days: Counter[date]) -> tuple[list[int], list[int]]:
    """Counts of working days, counts of weekend days."""
    working = [count for day, count in days.items() if day.weekday() < SATURDAY]
    return working, [count for day, count in days.items() if day.weekday() >= SATURDAY]


@pytest.mark.parametrize("name", HABITS)
def test_every_habit_stays_in_its_account_and_span(name: str) -> None:
    """A habit that leaked into another account or day would be an incident of its own."""
    found = made(name)
    assert found
    assert {record["recipientAccountId"] for record in found} == {demo.PRODUCTION.id}
    assert all(MONDAY <= time_of(record) < MONDAY + timedelta(days=DAYS) for record in found)


@pytest.mark.parametrize("name", HABITS)
def test_every_habit_can_be_tripled(name: str) -> None:
    """A test that triples a habit must get about three times as much of it."""
    plain, tripled = (sum(map(amount, made(name, {"scale": scale}))) for scale in (1, 3))
    assert 2 * plain < tripled < 4 * plain


def amount(record: Record) -> int:
    """Instances of a launch or an end, else one call: some habits grow by calls, some by what a call asks for."""
    return len(instances(record)) or 1


def test_mornings_are_smaller_at_weekends() -> None:
    """The habit rule must know working days from weekends; both launch at the same hour."""
    found = made("auto_scaling_mornings")
    working, weekend = split(by_day(found, lambda record: len(instances(record)), "RunInstances"))
    assert min(working) >= 12
    assert max(weekend) <= 7
    assert {at.hour for at, _ in launches(found)} == {7}


def test_what_starts_in_the_morning_ends_in_the_evening() -> None:
    """Burn rate is net of releases: an instance that never ended would burn for ever."""
    found = made("auto_scaling_mornings")
    started = sorted(instance for _, ids in launches(found) for instance in ids)
    ended = {i: time_of(r) for r in found if r["eventName"] == "TerminateInstances" for i in instances(r)}
    assert started == sorted(ended)
    assert {at.hour for at in ended.values()} == {18}


@pytest.mark.parametrize("service", ["emr", "batch"])
def test_the_batch_comes_every_night_at_the_same_hour_in_like_size(service: str) -> None:
    """From the fourth night on it is no news: two thirds of its size were there at that hour on three nights."""
    found = made("nightly_batch", {"service": service})
    nights = by_day(found, lambda record: len(instances(record)), "RunInstances")
    assert len(nights) == DAYS
    assert 20 <= min(nights.values()) <= max(nights.values()) <= 60
    assert min(nights.values()) >= 2 / 3 * max(nights.values())
    assert {at.hour for at, _ in launches(found)} == {1}


def test_the_batch_ends_two_hours_later() -> None:
    """Nothing of the night burns in the morning."""
    found = made("nightly_batch")
    started = {instance: at for at, ids in launches(found) for instance in ids}
    ended = {i: time_of(r) for r in found if r["eventName"] == "TerminateInstances" for i in instances(r)}
    assert set(started) == set(ended)
    assert all(timedelta(hours=1.9) < ended[i] - started[i] < timedelta(hours=2.3) for i in started)


def test_ci_stays_below_a_staging_accounts_limits() -> None:
    """1-4 instances per commit is what CI does all day; limits 5 in ten minutes, 15 an hour, 60 a day."""
    for seed in range(5):
        found = made("ci_runs", seed=seed)
        assert {len(ids) for _, ids in launches(found)} <= {1, 2, 3, 4}
        assert most_within(found, 10) <= 4
        assert most_within(found, 60) <= 15
        assert most_within(found, 24 * 60) <= 60
    working, weekend = split(by_day(found, lambda record: 1, "RunInstances"))
    assert sum(weekend) < sum(working) / 5


def test_node_replacement_releases_what_it_launches() -> None:
    """Replacing nodes adds nothing: each launch has a release within minutes, and a CreateFleet that is not counted."""
    found = made("spot_replacement")
    counts = Counter(record["eventName"] for record in found)
    assert counts["CreateFleet"] == counts["RunInstances"]
    assert counts["RunInstances"] - counts["TerminateInstances"] in (0, 1)
    assert most_within(found, 24 * 60) <= 20


def test_rotation_has_twice_the_nodes_for_about_an_hour() -> None:
    """As many released as launched, the same afternoon, once a week."""
    found = made("node_group_rotation")
    days = by_day(found, lambda record: len(instances(record)), "RunInstances")
    assert [day.weekday() for day in days] == [1, 1]
    assert days == by_day(found, lambda record: len(instances(record)), "TerminateInstances")
    assert most_within(found, 10) <= 10


def test_invocations_go_on_by_night_and_at_weekends() -> None:
    """Lambda never sleeps: less by night, less at weekends, never nothing."""
    days: Counter[tuple[date, bool]] = Counter()
    for record in made("lambda_day_and_night"):
        at = time_of(record)
        days[at.date(), 8 <= at.hour < 18] += 1
    for day in {day for day, _ in days}:
        assert 0 < days[day, False] < days[day, True]
    working, weekend = split(Counter({day: count for (day, daytime), count in days.items() if daytime}))
    assert max(weekend) < min(working)


def test_volumes_of_the_churn_are_deleted() -> None:
    """A leak is an incident; churn is not."""
    found = made("volume_churn")
    created = {r["responseElements"]["volumeId"] for r in found if r["eventName"] == "CreateVolume"}
    deleted = {r["requestParameters"]["volumeId"] for r in found if r["eventName"] == "DeleteVolume"}
    assert deleted == created
    assert len(created) > 200


def test_snapshots_are_kept_for_a_week() -> None:
    """The nightly backup deletes as many as it makes once it has run for seven nights."""
    found = made("nightly_snapshots")
    made_nightly = by_day(found, lambda record: 1, "CreateSnapshot")
    deleted = by_day(found, lambda record: 1, "DeleteSnapshot")
    assert set(made_nightly.values()) == {8}
    assert (len(made_nightly), len(deleted)) == (DAYS, DAYS - 7)


def test_a_preview_uses_database_gateway_and_address_until_friday() -> None:
    """The three kinds that nothing else in the demo uses."""
    found = [record for record in made("preview_environment") if not record["readOnly"]]
    assert [(record["eventName"], time_of(record).weekday()) for record in found[:6]] == [
        ("AllocateAddress", 0),
        ("CreateNatGateway", 0),
        ("CreateDBInstance", 0),
        ("DeleteDBInstance", 4),
        ("DeleteNatGateway", 4),
        ("ReleaseAddress", 4),
    ]


@pytest.mark.parametrize("name", ["eks_probes", "config_sweeps", "refused_log_delivery", "legacy_key"])
def test_noise_uses_nothing(name: str) -> None:
    """Probes, reads and refused log delivery must stay silent: they use nothing and, by services, attempt nothing."""
    assert usage(ORGANIZATION, [Habit(name, demo.PRODUCTION.name)], [], MONDAY, DAYS, 1) == {}


def test_machines_are_started_on_working_days_only() -> None:
    """StartInstances counts what was stopped; its record has no instance type."""
    found = made("workbench")
    assert Counter(record["eventName"] for record in found) == {"StartInstances": 10, "StopInstances": 10}
    assert all(time_of(record).weekday() < SATURDAY for record in found)


def test_the_clock_change_moves_nothing() -> None:
    """Everything is UTC: the habits of the last Sunday in October are those of any Sunday."""
    sundays = [datetime(2026, 10, day, tzinfo=MONDAY.tzinfo) for day in (18, 25)]
    hours = []
    for sunday in sundays:
        found = records(ORGANIZATION, [Habit("auto_scaling_mornings", demo.PRODUCTION.name)], [], sunday, 1, 1)
        hours.append([record["eventTime"][11:] for record in found])
    assert hours[0] == hours[1]


def test_a_habit_can_begin_and_end_within_the_span() -> None:
    """A habit that triples on the last day is two habits that meet."""
    turn = MONDAY + timedelta(days=10)
    before = Habit("nightly_batch", demo.PRODUCTION.name, end=turn)
    tripled = Habit("nightly_batch", demo.PRODUCTION.name, {"scale": 3}, start=turn)
    found = list(records(ORGANIZATION, [before, tripled], [], MONDAY, 11, 1))
    nights = by_day(found, lambda record: len(instances(record)), "RunInstances")
    *usual, last = (nights[day] for day in sorted(nights))
    assert last > 2 * max(usual)
