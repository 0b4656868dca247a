"""Is what an account or the organization meets for the first time told, once, and only once enough is known?"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace
from tests.anomalies.test_series import FIRST, START, event
from tests.replay.driving import run

from usage_anomaly.anomalies.extents import Extent, Extents
from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.catalog import Catalog
from usage_anomaly.coverage import Coverage
from usage_anomaly.detection.judging import Rules
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.places import Place, places
from usage_anomaly.replay import Outcome
from usage_anomaly.series import BUCKETS_PER_DAY, Series
from usage_anomaly.usage import UsageEvent

DAY = 24 * 60
ROLE = "arn:aws:iam::111122223333:role/{}"


def extents(events: list[UsageEvent], known_days: int = 60) -> list[Extent]:
    """The telling extents of one account's launches; limit 10 per 10 minutes."""
    series = Series()
    for each in events:
        series.add(each)
    coverage = Coverage(FIRST + BUCKETS_PER_DAY * day for day in range(known_days))
    found = Extents(series, Rules(limit=10, burn_limit=None), coverage)
    found.refresh(0)
    return [each for each in found.all() if each.telling]


def uses(day: int, count: int, *, region: str = "us-east-1", group: str = "m5.large", role: str = "app") -> UsageEvent:
    made = event(day * 100 + count, day * DAY + 600, quantity=count, region=region, group=group)
    return replace(made, event_id=f"{day}-{region}-{group}-{role}", actor_arn=ROLE.format(role))


def steady(days: range) -> list[UsageEvent]:
    """Two machines each working day at ten, by the role that always does it."""
    return [uses(day, 2) for day in days]


def test_places_are_regions_accelerators_and_who_is_no_service() -> None:
    """`ml.p4d` is p4d; `db.t4g` and `m5` accelerate nothing; Auto Scaling launches for somebody else."""
    launch = uses(0, 1, group="ml.p4d.24xlarge")
    assert Place("family", "p4d") in places(launch)
    assert [each.what for each in places(uses(0, 1, group="db.t4g.large"))] == ["region", "actor"]
    assert [each.what for each in places(replace(launch, invoked_by="autoscaling.amazonaws.com"))] == [
        "region",
        "family",
    ]


@pytest.mark.parametrize(
    ("new", "named"),
    [
        (uses(20, 5, region="sa-east-1"), "region sa-east-1"),
        (uses(20, 5, group="p4d.24xlarge"), "family p4d"),
        (uses(20, 11, role="stranger"), "actor role/stranger"),
    ],
    ids=["region", "accelerator", "actor"],
)
def test_a_first_use_at_the_floor_is_told(new: UsageEvent, named: str) -> None:
    """Five in a region nobody uses are below every limit, and still an intruder's first step."""
    (found,) = extents([*steady(range(20)), new])
    reasons = [each.reason for each in found.findings if each.detector == "first_use"]
    assert [named in each for each in reasons] == [True]


@pytest.mark.parametrize(
    "calls",
    [
        [uses(20, 4, region="sa-east-1")],
        [uses(20, 10, role="stranger")],
        [uses(1, 1, region="sa-east-1"), uses(20, 5, region="sa-east-1")],
    ],
    ids=["below the floor", "a new person within the limit", "used before"],
)
def test_what_is_small_or_known_is_silent(calls: list[UsageEvent]) -> None:
    """A single try elsewhere is no news."""
    assert extents([*steady(range(20)), *calls]) == []


def test_nothing_is_new_before_two_weeks_are_known() -> None:
    """On the tenth day most of what happens happens for the first time."""
    calls = [*steady(range(10)), uses(10, 5, region="sa-east-1")]
    assert extents(calls, known_days=11) == []


def test_a_gap_of_days_is_not_taken_for_knowledge() -> None:
    """Twenty days of which twelve were lost are eight known days."""
    series = Series()
    for each in [*steady(range(4)), *steady(range(16, 20)), uses(20, 5, region="sa-east-1")]:
        series.add(each)
    known = Coverage(FIRST + BUCKETS_PER_DAY * day for day in (*range(4), *range(16, 21)))
    found = Extents(series, Rules(limit=10, burn_limit=None), known)
    found.refresh(0)
    assert [each for each in found.all() if each.telling] == []


def test_a_first_use_is_told_once() -> None:
    """Who moves into a region uses it every day from then on."""
    moved = [uses(20 + day, 6, region="sa-east-1") for day in range(5)]
    assert len(extents([*steady(range(25)), *moved])) == 1


def group(day: int, count: int, image: str, *, named: bool) -> UsageEvent:
    """What a group launches at ten; volumes that outlive their instance have no id in the record."""
    ids = [f"v-{day}-{each}" for each in range(count)] if named else []
    made = event(day, day * DAY + 600, ids=ids, quantity=count)
    return replace(made, event_id=f"{image}-{day}", launcher_id="asg", image_id=image)


@pytest.mark.parametrize("named", [True, False])
def test_a_new_groups_first_launch_replaces_nothing(named: bool) -> None:
    """What a record does not name still runs: otherwise fifty such volumes are fewer than the none that ran before."""
    days = steady(range(20))
    assert len(extents([*days, group(20, 50, "ami-2", named=named)])) == 1
    rotated = [group(10, 50, "ami-1", named=named), *days, group(20, 50, "ami-2", named=named)]
    assert [each.start for each in extents(rotated)] == [FIRST + 10 * BUCKETS_PER_DAY + 120]


def test_a_loop_that_a_new_image_breaks_replaces_no_more_than_ran_before() -> None:
    """Forty fail their check and end, forty more take their place, all day: few run, and hundreds were launched."""
    calls = [group(10, 40, "ami-1", named=True), *steady(range(20))]
    for number in range(12):
        ids = [f"l-{number}-{each}" for each in range(40)]
        made = event(500 + number, 20 * DAY + 600 + 10 * number, ids=ids)
        calls.append(replace(made, launcher_id="asg", image_id="ami-2"))
        calls.append(event(600 + number, 20 * DAY + 606 + 10 * number, ids=ids, direction="release"))
    assert [each.start for each in extents(calls)][1:] != []


def test_much_dearer_machines_replace_none() -> None:
    """Who may launch can put his machines into a group; what they cost stays news."""
    small, large = (
        replace(group(day, 40, image, named=True), usd_per_hour=usd)
        for day, image, usd in ((10, "ami-1", 4.0), (20, "ami-2", 3_920.0))
    )
    assert len(extents([small, *steady(range(20)), large])) == 2


def launch(account: int, minute: float, image: str, session: str = "rollout") -> tuple[int, UsageEvent]:
    made = event(account, minute, quantity=1, ids=[f"i-{account}-{minute}"], group="m5.large")
    account_id = f"{account:012}"
    made = replace(
        made,
        event_id=f"{account}/{minute}",
        account_id=account_id,
        image_id=image,
        actor_arn=f"arn:aws:iam::{account_id}:role/{session}-{account}",
    )
    return int(minute) + 6, made


def organization(catalog: Catalog, calls: list[tuple[int, UsageEvent]]) -> list[Outcome]:
    days = [
        launch(account, day * DAY + 300 + account * 97, "ami-known") for day in range(10) for account in range(1, 9)
    ]
    outcomes = run(catalog, [*days, *calls]).outcomes()
    return [each for each in outcomes if each.account_id == ORGANIZATION and each.told is not None]


def test_one_machine_in_each_of_five_accounts_from_a_new_image_is_an_incident(catalog: Catalog) -> None:
    """No account passes anything; together they are a campaign."""
    rollout = [launch(account, 10 * DAY + 600 + account * 5, "ami-new") for account in range(1, 7)]
    (found,) = organization(catalog, rollout)
    assert "image ami-new in " in found.extent.findings[0].reason
    assert found.told is not None
    fifth = START + timedelta(minutes=10 * DAY + 600 + 25)
    assert found.told.alerts[0].at - fifth <= timedelta(minutes=8)


def test_an_image_that_somebody_uses_already_is_none(catalog: Catalog) -> None:
    """A shared image is how organizations work."""
    rollout = [launch(account, 10 * DAY + 600 + account * 5, "ami-known") for account in range(1, 7)]
    assert organization(catalog, rollout) == []


def test_four_accounts_are_not_five(catalog: Catalog) -> None:
    """The figure stands in limits.json, and is what it says."""
    assert FIGURES.shared_use.accounts == 5
    few = [launch(account, 10 * DAY + 600 + account * 5, "ami-new") for account in range(1, 5)]
    assert organization(catalog, few) == []


def told(catalog: Catalog, delivered: list[tuple[int, UsageEvent]]) -> list[tuple[str, datetime]]:
    outcomes = run(catalog, delivered).outcomes()
    return [(each.account_id, each.told.alerts[0].at) for each in outcomes if each.told is not None]


def nightly(days: int, size: int = 40) -> list[tuple[int, UsageEvent]]:
    made = (event(day, day * DAY + 120 + day % 3 * 4, quantity=size) for day in range(days))
    return [(each * DAY + 140, use) for each, use in enumerate(made)]


INCIDENT = (16 * DAY + 905, event(999, 16 * DAY + 900, quantity=60))


def test_a_lost_night_of_seven_hours_makes_no_false_alarm_and_hides_nothing(catalog: Catalog) -> None:
    """The batch of the twelfth night was never delivered; the one after it is still a habit."""
    whole = nightly(21)
    lost = [each for each in whole if each[1].event_id != "e0012"]
    assert [at for _, at in told(catalog, [*lost, INCIDENT])] == [at for _, at in told(catalog, [*whole, INCIDENT])]


def test_a_day_that_is_delivered_again_changes_nothing(catalog: Catalog) -> None:
    """CloudTrail delivers some records twice; a redrive delivers a whole day twice."""
    whole = [*nightly(21), INCIDENT]
    again = [(at + 8 * 60, use) for at, use in whole if 12 * DAY <= at < 13 * DAY]
    assert told(catalog, [*whole, *again]) == told(catalog, whole)


def test_a_new_accounts_first_day_is_judged_by_limits_alone(catalog: Catalog) -> None:
    """Three launches are nothing; sixty are told, and the alert says that there was no baseline."""
    quiet = [(20, event(1, 10, quantity=3)), (300, event(2, 290, quantity=2))]
    assert told(catalog, quiet) == []
    replay = run(catalog, [*quiet, (600, event(3, 590, quantity=60))])
    (found,) = [each for each in replay.outcomes() if each.told is not None and each.account_id != ORGANIZATION]
    assert {each.detector for each in found.extent.findings} == {"threshold"}
