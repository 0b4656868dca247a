"""Are the incidents of the design told once and in time, and are the habits left alone?"""

from __future__ import annotations

import dataclasses
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.replay.trails import ACCOUNTS, limit_passed, replayed, rooms, told

from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.anomalies.view import uses
from usage_anomaly.usage import UsageEvent
from usage_anomaly_generator import Delivery, Habit, Incident, demo, expectations, generate
from usage_anomaly_generator.calls import Span
from usage_anomaly_generator.delivery import Late
from usage_anomaly_generator.incidents import takeovers

SEED = 11
TWO_TICKS = timedelta(minutes=2)
# Scenario number, incident, its kind; the rate is checked by the price table where the records have a price.
INCIDENTS = [
    pytest.param("leaked_key", "ec2.instances", {}, id="1-leaked-key"),
    pytest.param("stolen_administrator", "ecs.tasks", {}, id="2-stolen-administrator-tasks"),
    pytest.param("stolen_administrator", "ec2.instances", {}, id="2-stolen-administrator-instances"),
    pytest.param("task_miners", "ecs.tasks", {}, id="3-task-miners"),
    pytest.param("lambda_loop", "lambda.invocations", {"hours": 0.4}, id="4-lambda-loop"),
    pytest.param("model_theft", "bedrock.invocations", {}, id="5-model-theft"),
    pytest.param("giant_node", "ec2.instances", {}, id="6-giant-node"),
    pytest.param("provisioner_loop", "ec2.instances", {}, id="7-provisioner-loop"),
    pytest.param("thin_spread", "ec2.instances", {}, id="8-thin-spread"),
    pytest.param("driver_leak", "ebs.volumes", {}, id="9-driver-leak-volumes"),
    pytest.param("driver_leak", "ebs.snapshots", {}, id="9-driver-leak-snapshots"),
    pytest.param("refused_launches", "ec2.instances.attempts", {}, id="10-refused-launches"),
]


PRICED = {"ec2.instances", "ecs.tasks", "ebs.volumes", "ebs.snapshots"}
TASKS = {each.name: each for each in (takeovers.MINER, takeovers.SMALL_MINER)}
LEAKED_GIB = 20


def by_table(event: UsageEvent) -> float:
    """USD per hour of one unit, from what the generator says of it: a task's size from its definition."""
    table, group = rooms()[1], event.group or ""
    match event.kind:
        case "ec2.instances":
            price = table.ec2(event.region, group)
        case "ecs.tasks":
            price = table.fargate(event.region, TASKS[group].cpu / 1024, TASKS[group].mib / 1024)
        case "ebs.volumes":
            price = table.ebs(event.region, "gp3", LEAKED_GIB)
        case "ebs.snapshots":
            price = table.snapshot(event.region, LEAKED_GIB)
        case _:
            return 0.0
    assert price is not None
    return price.usd


def planned(name: str, options: dict[str, Any]) -> Incident:
    span = Span(demo.START, demo.START + timedelta(days=demo.DAYS))
    return dataclasses.replace(demo.place(name, span), options=options)


@pytest.mark.parametrize(("name", "kind", "options"), INCIDENTS)
def test_an_incident_is_told_once_within_two_ticks(name: str, kind: str, options: dict[str, Any]) -> None:
    """On-call hears of it when the record that shows it has arrived, and once, in the midst of the week's habits."""
    incident = planned(name, options)
    (expected,) = [
        each for each in expectations(demo.ORGANIZATION, [incident], demo.START, demo.DAYS, SEED) if each.kind == kind
    ]
    objects = generate(demo.ORGANIZATION, demo.HABITS_OF_THE_DEMO, [incident], demo.START, demo.DAYS, SEED)
    replay, arrived = replayed(objects)
    during = [
        each
        for each in replay.outcomes()
        if (each.account_id, each.kind) == (expected.account, kind)
        and each.told
        and each.told.alerts[0].at >= expected.first
    ]
    assert len(during) == 1
    (outcome,) = during
    assert outcome.told is not None
    passed = limit_passed([(at, event) for at, event in arrived if at >= incident.at], expected.account, kind)
    assert passed is not None
    assert outcome.told.alerts[0].at - passed <= TWO_TICKS
    assert Counter(alert.reason for alert in outcome.told.alerts)["opened"] == 1
    events = list(uses(replay.series[expected.account, kind], outcome.extent))
    own = [event for event in events if expected.first <= event.event_time <= expected.last]
    used = Counter[str]()
    for event in own:
        used[event.region] += event.quantity
    assert used.total() >= expected.quantity
    assert expected.regions.keys() <= used.keys()


@pytest.mark.parametrize(("name", "kind", "options"), INCIDENTS)
def test_quantity_regions_and_rate_are_exact(name: str, kind: str, options: dict[str, Any]) -> None:
    """Without habits beside it, the anomaly is the incident to the last instance and dollar."""
    incident = planned(name, options)
    (expected,) = [
        each for each in expectations(demo.ORGANIZATION, [incident], demo.START, demo.DAYS, SEED) if each.kind == kind
    ]
    replay, _ = replayed(generate(demo.ORGANIZATION, [], [incident], demo.START, demo.DAYS, SEED))
    (outcome,) = [
        each for each in replay.outcomes() if each.told and each.kind == kind and each.account_id != ORGANIZATION
    ]
    events = list(uses(replay.series[expected.account, kind], outcome.extent))
    regions = Counter[str]()
    for event in events:
        regions[event.region] += event.quantity
    assert outcome.account_id == expected.account
    assert (regions.total(), dict(regions)) == (expected.quantity, expected.regions)
    view = replay.view((expected.account, kind), outcome.extent)
    rate = sum(by_table(event) * event.quantity for event in events)
    assert view.micro / 1e6 == pytest.approx(rate, abs=1e-3)
    assert bool(rate) == (kind in PRICED)
    if name == "leaked_key":
        assert rate == pytest.approx(47 * 24.48)
    if name == "giant_node":
        assert rate > 100


def test_growth_is_told_as_growth_not_as_forty_mails() -> None:
    """A loop of 2,000 invocations a minute is one anomaly that grows."""
    replay, _ = replayed(
        generate(demo.ORGANIZATION, [], [planned("lambda_loop", {"hours": 1.2})], demo.START, demo.DAYS, SEED)
    )
    (row,) = replay.told[demo.STAGING.id, "lambda.invocations"]
    reasons = [alert.reason for alert in row.alerts]
    assert reasons[0] == "opened"
    assert set(reasons[1:]) <= {"grown"}
    assert 1 <= len(reasons[1:]) <= 4


HABITS = [
    pytest.param(Habit("auto_scaling_mornings", demo.PRODUCTION.name), id="auto-scaling-mornings"),
    pytest.param(Habit("nightly_batch", demo.PRODUCTION.name), id="nightly-batch"),
    pytest.param(Habit("nightly_batch", demo.PRODUCTION.name, {"size": 55}), id="large-nightly-batch"),
    pytest.param(Habit("ci_runs", demo.STAGING.name), id="ci"),
    pytest.param(Habit("eks_probes", demo.PRODUCTION.name, {"per_day": 40}), id="dry-runs"),
    pytest.param(Habit("spot_replacement", demo.PRODUCTION.name), id="spot-replacement"),
    pytest.param(Habit("volume_churn", demo.PRODUCTION.name), id="volume-churn"),
    pytest.param(Habit("workbench", demo.SANDBOX.name), id="workbench"),
    pytest.param(Habit("config_sweeps", demo.PRODUCTION.name), id="config-sweeps"),
    pytest.param(Habit("refused_log_delivery", demo.STAGING.name), id="refused-log-delivery"),
    pytest.param(Habit("lambda_day_and_night", demo.STAGING.name), id="lambda-day-and-night"),
]


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize("weekday", [0, 4])
def test_a_habit_is_silent_from_the_fourth_time_on(habit: Habit, weekday: int) -> None:
    """Don't wake me for the nightly batch; ten days, begun on a Monday and on a Friday."""
    start = datetime(2026, 11, 2, tzinfo=UTC) + timedelta(days=weekday)
    replay, _ = replayed(generate(demo.ORGANIZATION, [habit], [], start, 10, SEED))
    working = habit.name == "auto_scaling_mornings"
    fourth = start + timedelta(days=5 if working and weekday == 4 else 3)
    assert [each for each in told(replay) if each[2] >= fourth] == []
    assert not replay.told.get((ORGANIZATION, "ec2.instances"))


def test_a_tripled_nightly_batch_is_told() -> None:
    """The habit excuses what it is, not three times it."""
    start = datetime(2026, 11, 2, tzinfo=UTC)
    usual = Habit("nightly_batch", demo.PRODUCTION.name, end=start + timedelta(days=8))
    tripled = Habit("nightly_batch", demo.PRODUCTION.name, {"scale": 3}, start=start + timedelta(days=8))
    replay, _ = replayed(generate(demo.ORGANIZATION, [usual, tripled], [], start, 9, SEED))
    assert [at.day for _, kind, at in told(replay) if kind == "ec2.instances" and at.day >= 5] == [10]


def test_the_same_records_delivered_twice_change_nothing() -> None:
    """In one live bucket 27 % of the records stood in two objects."""
    incident = planned("leaked_key", {})
    outcomes = []
    for delivery in (Delivery(duplicates=0.0), Delivery(duplicates=1.0)):
        replay, _ = replayed(generate(demo.ORGANIZATION, [], [incident], demo.START, demo.DAYS, SEED, delivery))
        outcomes.append((told(replay), replay.counts.usage, replay.counts.distinct))
    assert outcomes[0] == outcomes[1]


def test_a_day_delivered_six_hours_late_makes_no_false_alarm_and_loses_no_incident() -> None:
    """Late is the same as on time, but later."""
    day = datetime(2026, 11, 24, tzinfo=UTC)
    late = Delivery(late=(Late(Span(day, day + timedelta(days=2)), timedelta(hours=6)),))
    incident = planned("leaked_key", {})
    habits = demo.HABITS_OF_THE_DEMO
    punctual, _ = replayed(generate(demo.ORGANIZATION, habits, [incident], demo.START, demo.DAYS, SEED))
    delayed, _ = replayed(generate(demo.ORGANIZATION, habits, [incident], demo.START, demo.DAYS, SEED, late))

    def extents(replay: Any) -> list[Any]:
        return [(each.account_id, each.kind, each.extent) for each in replay.outcomes() if each.extent.telling]

    assert extents(delayed) == extents(punctual)
    assert [each[:2] for each in told(delayed)] == [each[:2] for each in told(punctual)]


def test_an_account_of_unknown_type_has_stagings_limits() -> None:
    """No accounts file is no reason to see nothing."""
    incident = planned("provisioner_loop", {"hours": 2})
    replay, _ = replayed(generate(demo.ORGANIZATION, [], [incident], demo.START, demo.DAYS, SEED), {})
    assert [each[:2] for each in told(replay)] == [(demo.STAGING.id, "ec2.instances")]
    assert demo.STAGING.id in ACCOUNTS
