"""Does what an account always does stay silent, and is three times as much of it told?

Six generated weeks of one account with one habit each, over both clock changes and two month ends of a spring and an
autumn. The first week knows nothing yet; from then on nothing may be told.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest
from benchmarks.detection.calendars import first_day
from benchmarks.detection.delivery import Delivered
from benchmarks.detection.habits import ROWS
from benchmarks.detection.judge import Opening, openings, replayed
from benchmarks.detection.setting import Setting

pytestmark = pytest.mark.long

DAYS, WARM_UP = 42, 7
SEEDS = {1: "spring", 6: "autumn"}
HARMLESS = sorted(name for name, row in ROWS.items() if not row.row.startswith("(also)"))
# Dry runs count nothing, whatever their number.
COUNTED = [name for name in HARMLESS if name != "eks_dry_runs"]


def told(name: str, seed: int, arrived: Delivered) -> list[Opening]:
    """What is told of one habit after the first week."""
    account = ROWS[name].account(seed)
    first = Setting(account, first_day(seed), DAYS, name, seed).bounds()[0]
    known = first + timedelta(days=WARM_UP)
    return [each for each in openings(replayed((account,), first, arrived)) if each.opened >= known]


def busiest(name: str, seed: int, arrived: Delivered) -> date:
    """The working day of the last three weeks with most use; by UTC."""
    used = Counter[date]()
    for event in {event.event_id: event for _, event in arrived}.values():
        if event.direction != "release" and event.event_time.date() >= first_day(seed) + timedelta(days=21):
            used[event.event_time.date()] += event.quantity
    return max(used, key=lambda day: (day.weekday() < 5, used[day], day))


@pytest.mark.parametrize("seed", SEEDS, ids=SEEDS.values())
@pytest.mark.parametrize("name", HARMLESS)
def test_a_habit_is_silent_after_its_first_week(name: str, seed: int) -> None:
    """A person who is woken by the nightly batch switches the mails off."""
    assert told(name, seed, ROWS[name].events(seed, DAYS)) == []


@pytest.mark.parametrize("seed", SEEDS, ids=SEEDS.values())
@pytest.mark.parametrize("name", COUNTED)
def test_three_times_the_habit_is_told_that_day(name: str, seed: int) -> None:
    """What excuses forty every night must not excuse a hundred and twenty."""
    on = busiest(name, seed, ROWS[name].events(seed, DAYS))
    found = told(name, seed, ROWS[name].events(seed, DAYS, tripled_on=on))
    assert [each for each in found if abs(each.start.date() - on) <= timedelta(days=1)] != []
