"""Is what was told counted as found, late, double or false as the page says?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from benchmarks.detection.accounts import draw_accounts
from benchmarks.detection.compare import Curve, Point
from benchmarks.detection.judge import Opening, openings, replayed
from benchmarks.detection.labels import Label
from benchmarks.detection.organization import Organization
from benchmarks.detection.page import written
from benchmarks.detection.score import Causes, score, together
from msgspec.structs import replace
from tests.benchmarks.making import launch_at

from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.usage import UsageEvent

FIRST = datetime(2026, 3, 2, tzinfo=UTC)
ACCOUNT = draw_accounts(Random(1), 1)[0]
START = FIRST + timedelta(days=9)
KIND = "ec2.instances"
LABEL = Label(
    id="1",
    row="7 provisioner loop",
    kinds=(KIND, "ebs.volumes"),
    accounts=(ACCOUNT.id,),
    start=START,
    end=START + timedelta(hours=3),
    visible_at=START + timedelta(minutes=10),
    quantity=40,
    usd_per_hour=8.0,
)


def planted(*arrived: tuple[datetime, UsageEvent]) -> Organization:
    """An organization of one account and one incident."""
    return Organization(
        seed=1, first=FIRST, days=21, accounts=(ACCOUNT,), arrived=list(arrived), labels=(LABEL,), late={}
    )


def told(after: timedelta, *, kind: str = KIND, account: str = ACCOUNT.id, quantity: float = 40) -> Opening:
    """An opening so long after the incident's start, about the use of the ten minutes before."""
    opened = START + after
    start = opened - timedelta(minutes=15)
    return Opening(
        account_id=account,
        kind=kind,
        start=start,
        end=start + timedelta(minutes=10),
        opened=opened,
        quantity=quantity,
        usd_per_hour=6.0,
    )


def test_what_is_told_during_the_incident_finds_it() -> None:
    """The plainest case, with its minutes and its errors."""
    scored = score(planted(), [told(timedelta(minutes=14), quantity=44)])
    assert (scored.recall, scored.false_rate) == (1.0, 0.0)
    (found,) = scored.found
    assert found.minutes == 4
    assert found.quantity() == (44, 40)
    assert found.usd() == (6.0, 8.0)


def test_the_organizations_own_anomaly_finds_it_too() -> None:
    """One instance in each of many accounts is told over all of them."""
    assert score(planted(), [told(timedelta(minutes=14), account=ORGANIZATION)]).recall == 1.0


@pytest.mark.parametrize(
    ("opening", "why"),
    [
        (told(timedelta(minutes=-5)), "nothing was told of it"),
        (told(timedelta(hours=40)), "nothing was told of it"),
        (told(timedelta(minutes=14), kind="rds.instances"), "nothing was told of it"),
        (told(timedelta(minutes=14), account="111122223333"), "nothing was told of it"),
    ],
    ids=["before", "long after", "another kind", "another account"],
)
def test_what_is_told_of_something_else_does_not_find_it(opening: Opening, why: str) -> None:
    """Else every noisy detector would find everything."""
    scored = score(planted(), [opening] if opening.account_id != "111122223333" else [])
    assert scored.recall == 0.0
    assert scored.found[0].why == why


def test_an_anomaly_that_was_open_before_is_a_false_alarm_and_said_to_hide_it() -> None:
    """Whoever was told yesterday is not told again when the incident begins."""
    early = told(timedelta(minutes=-60))
    covering = replace(early, end=LABEL.end)
    scored = score(planted(), [covering])
    assert (scored.recall, len(scored.false)) == (0.0, 1)
    assert scored.found[0].why == "another anomaly of the kind was already open"


def test_what_is_told_a_day_after_its_end_is_too_late() -> None:
    """A mail about last week's money helps nobody."""
    late = told(timedelta(hours=2))
    scored = score(planted(), [replace(late, opened=LABEL.end + timedelta(hours=25))])
    assert scored.recall == 0.0
    assert scored.found[0].why == "told too late"


def test_a_second_opening_of_one_kind_counts_as_a_repeat() -> None:
    """Once is the promise; another kind of the same incident is no repeat."""
    both = [told(timedelta(minutes=14)), told(timedelta(minutes=90)), told(timedelta(minutes=20), kind="ebs.volumes")]
    scored = score(planted(), both)
    assert sorted(scored.found[0].repeats()) == [1, 2]
    assert scored.false == ()


def test_what_leaves_the_incident_to_an_earlier_opening_is_no_repeat() -> None:
    """A day's sum is told without what was told before: it is about the account's other use."""
    first = told(timedelta(minutes=14))
    day = replace(
        told(timedelta(hours=18)), start=START - timedelta(hours=1), without=((START, LABEL.end + timedelta(hours=1)),)
    )
    assert score(planted(), [first, day]).found[0].repeats() == [1]
    assert score(planted(), [first, replace(day, without=())]).found[0].repeats() == [2]
    assert score(planted(), [day]).recall == 0.0


def test_a_false_alarm_counts_after_the_first_week_only() -> None:
    """A new deployment knows no habits yet; the page says how it fares in its first week apart."""
    warm = told(timedelta(days=-8))
    cold = told(timedelta(days=5))
    scored = score(planted(), [warm, cold])
    assert (len(scored.false), scored.first_week) == (1, 1)
    assert scored.account_weeks == 2.0
    assert scored.false_rate == 0.5


def test_a_false_alarm_names_the_habit_that_made_most_of_it() -> None:
    """Without the habit's name nobody knows what to mend."""
    opening = told(timedelta(days=5))
    arrived = [
        (opening.opened, launch_at(ACCOUNT, opening.start + timedelta(minutes=1), 9, "nightly_batch@x#1")),
        (opening.opened, launch_at(ACCOUNT, opening.start + timedelta(minutes=2), 1, "ci_runs@x#1")),
    ]
    organization = planted(*arrived)
    scored = score(organization, [opening], Causes(organization))
    assert [each.causes for each in scored.false] == ["nightly_batch"]


def test_scores_of_several_seeds_add_up() -> None:
    """The page's figures are of all seeds together."""
    one, none = score(planted(), [told(timedelta(minutes=14))]), score(planted(), [])
    both = together([one, none])
    assert (both.recall, both.account_weeks, len(both.found)) == (0.5, 4.0, 2)


def test_the_judge_tells_a_burst_and_says_how_much_it_was() -> None:
    """The one place that drives the judge: if it fed it wrongly, every figure would be zero."""
    arrived = [
        (
            START + timedelta(minutes=8 + index),
            launch_at(ACCOUNT, START + timedelta(minutes=index), 5, f"burst#{index}"),
        )
        for index in range(10)
    ]
    found = openings(replayed((ACCOUNT,), FIRST, arrived))
    assert [(each.kind, each.quantity, each.account_id) for each in found] == [(KIND, 50, ACCOUNT.id)]
    assert START < found[0].opened < START + timedelta(minutes=30)


def test_a_curves_recall_at_a_rate_is_its_best_with_no_more_false_alarms() -> None:
    """Curves are not monotone: alarms that run into each other hide incidents."""
    points = tuple(
        Point(threshold=threshold, found=found, planted=10, false=false, account_weeks=10.0)
        for threshold, found, false in ((1.0, 6, 90), (2.0, 9, 20), (3.0, 5, 1))
    )
    curve = Curve(name="some", points=points, customary=score(planted(), []))
    assert (curve.recall_at(2.0), curve.recall_at(0.1), curve.recall_at(0.0)) == (0.9, 0.5, None)


def test_the_page_takes_figures_between_its_markers_only() -> None:
    """What people wrote around the figures has to survive the next run."""
    page = "before\n<!-- table -->\nold\n<!-- /table -->\nafter\n"
    assert written(page, {"table": "new"}) == "before\n<!-- table -->\nnew\n<!-- /table -->\nafter\n"
    with pytest.raises(ValueError, match="ours"):
        written(page, {"ours": "new"})
