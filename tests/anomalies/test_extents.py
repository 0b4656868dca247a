"""Which stretches of a series become one anomaly each?"""

from __future__ import annotations

import pytest
from tests.anomalies.test_series import FIRST, event, of

from usage_anomaly.anomalies.extents import Extent, Extents
from usage_anomaly.coverage import Coverage
from usage_anomaly.detection.judging import Rules
from usage_anomaly.series import BUCKETS_PER_DAY

DAY = 24 * 60
KNOWN = Coverage(FIRST + BUCKETS_PER_DAY * day for day in range(60))


def extents(
    calls: list[tuple[float, int]], *, limit: int = 5, burn: float | None = None, usd: float | None = None
) -> list[Extent]:
    """The extents of launches at (minutes, quantity); 5 per 10 minutes, 15 an hour, 60 a day."""
    series = of([event(number, at, quantity=count, usd=usd) for number, (at, count) in enumerate(calls)])
    found = Extents(series, Rules(limit=limit, burn_limit=burn), KNOWN)
    found.refresh(0)
    return found.all()


def told(*args: object, **kwargs: object) -> list[tuple[int, int]]:
    """Start and end of the telling extents, in buckets from the first."""
    return [(each.start - FIRST, each.last_seen - FIRST) for each in extents(*args, **kwargs) if each.telling]  # type: ignore[arg-type]  # passed through


def test_use_up_to_the_limit_is_usual() -> None:
    """The limit is what an account may use, not where it becomes unusual."""
    assert extents([(0, 5)]) == []
    assert told([(0, 6)]) == [(0, 0)]


def test_a_limit_of_nothing_tells_the_first_use() -> None:
    """A purchase is news by itself; how many times the limit it is has no number."""
    assert told([(0, 1)], limit=0) == [(0, 0)]


def test_a_burst_starts_at_the_first_use_of_the_window_that_fired() -> None:
    """The alert says when it began, not when it passed the limit."""
    assert told([(0, 2), (5, 4)]) == [(0, 1)]
    assert told([(0, 2), (10, 6)]) == [(2, 2)]


def test_a_loop_below_the_burst_limit_is_found_within_the_hour() -> None:
    """Twenty nodes an hour, never more than the limit in ten minutes (scenario 7)."""
    assert told([(5 * n, 2) for n in range(12)]) == [(0, 11)]


def test_a_slow_leak_is_found_within_the_day_and_stays_one_anomaly() -> None:
    """Three an hour pass no short window but sixty a day (scenario 9)."""
    found = told([(30 * n, 2) for n in range(3 * 48)])
    assert found == [(0, 30 * 143 // 5)]


def test_findings_within_two_hours_are_one_thing_later_ones_another() -> None:
    """One incident, one page; a second wave at night is a second one."""
    assert told([(0, 6), (120, 6)]) == [(0, 24)]
    assert told([(0, 6), (125, 6)]) == [(0, 0), (25, 25)]


def test_a_burst_does_not_make_the_rest_of_its_day_unusual() -> None:
    """47 at ten o'clock are more than a day may bring; a single launch at noon is still no news."""
    assert told([(0, 70), (180, 1), (360, 1), (900, 1)]) == [(0, 0)]


def test_one_large_machine_passes_the_burn_rate_alone() -> None:
    """One call, one instance, 109 USD/h (scenario 6)."""
    (found,) = extents([(0, 1)], burn=20, usd=109.2)
    assert [finding.detector for finding in found.findings] == ["burn_rate"]
    assert found.findings[0].actual == pytest.approx(109.2)
    assert extents([(0, 1)], burn=20, usd=19.0) == []


def test_a_nightly_batch_is_recorded_from_the_fourth_night_on_whatever_the_weekday() -> None:
    """The nightly batch is not news; the first nights nobody can know it is one."""
    for weekday in range(7):
        found = extents([(DAY * (weekday + night) + 120 + night % 3 * 7, 40 + night) for night in range(8)])
        telling = [(each.start - FIRST) // BUCKETS_PER_DAY - weekday for each in found if each.telling]
        recorded = [(each.start - FIRST) // BUCKETS_PER_DAY - weekday for each in found if not each.telling]
        assert set(telling) <= {0, 1, 2}
        assert recorded[-5:] == [3, 4, 5, 6, 7]


def test_a_habit_tripled_is_told() -> None:
    """Forty every night excuse forty, not a hundred and twenty."""
    nights = [(DAY * night + 120.0, 40) for night in range(8)]
    found = extents([*nights, (DAY * 8 + 120, 120)])
    assert [(each.start - FIRST) // BUCKETS_PER_DAY for each in found if each.telling][-1] == 8


def test_a_habit_at_another_hour_is_told() -> None:
    """The batch of two o'clock says nothing about seven in the evening."""
    nights = [(DAY * night + 120.0, 40) for night in range(8)]
    assert told([*nights, (DAY * 7 + 19 * 60, 40)])[-1] == (7 * BUCKETS_PER_DAY + 228, 7 * BUCKETS_PER_DAY + 228)


def test_an_incident_that_lasts_for_days_does_not_become_its_own_habit() -> None:
    """A retry loop from Friday night on is one anomaly until it stops (scenario 4)."""
    assert told([(10 * n, 8) for n in range(144 * 6)]) == [(0, 2 * (144 * 6 - 1))]


def test_a_habit_at_night_hides_no_leak_by_day() -> None:
    """What is excused at two o'clock is only that."""
    nights = [(DAY * night + 120.0, 40) for night in range(6)]
    leak = [(DAY * 5 + 600 + 20 * n, 4) for n in range(20)]
    found = [each for each in extents([*nights, *leak]) if each.telling]
    assert (found[-1].start - FIRST) // BUCKETS_PER_DAY == 5
    assert found[-1].last_seen - FIRST > 5 * BUCKETS_PER_DAY + 190


def test_findings_say_actual_limit_and_share_of_sure_records() -> None:
    """A finding is a sentence with numbers."""
    (found,) = extents([(0, 20)])
    (finding,) = [each for each in found.findings if each.window_minutes == 10]
    assert finding.reason == "20 units in 10 minutes, limit 5 for accounts"
    assert finding.score == 0.75
    assert finding.confidence == 1.0


def test_a_nightly_batch_excuses_no_slow_leak() -> None:
    """A leak of 96 a day must not be compared with nights of 200."""
    nights = [(DAY * night + 120.0, 200) for night in range(12)]
    leak = [(DAY * 8 + 600 + 30.0 * n, 2) for n in range(3 * 48)]
    found = [each for each in extents([*nights, *leak]) if each.telling and each.start - FIRST > 8 * BUCKETS_PER_DAY]
    assert found
    assert found[0].findings[0].window_minutes > 60


def test_the_release_of_a_told_machine_hides_no_new_one() -> None:
    """A relaunch after containment: 109 USD/h told, released three hours later, and 100 USD/h started at once."""
    series = of(
        [
            event(1, 0, ids=["i-1"], usd=109.0),
            event(2, 190, direction="release", ids=["i-1"]),
            event(3, 200, ids=["i-2"], usd=100.0),
        ]
    )
    found = Extents(series, Rules(limit=10, burn_limit=50), KNOWN)
    found.refresh(0)
    assert [each.start - FIRST for each in found.all() if each.telling] == [0, 40]


def test_the_replacement_of_an_older_node_is_netted() -> None:
    """Karpenter ends nodes that were launched hours ago and were never unusual."""
    series = of(
        [
            *(event(number, number, ids=[f"old-{number}"], usd=4.0) for number in range(4)),
            *(event(10 + n, 300 + n, ids=[f"new-{n}"], usd=4.0) for n in range(4)),
            *(event(20 + n, 300 + n, direction="release", ids=[f"old-{n}"]) for n in range(4)),
        ]
    )
    found = Extents(series, Rules(limit=10, burn_limit=16), KNOWN)
    found.refresh(0)
    assert found.all() == []


def test_a_resource_named_twice_in_a_release_is_released_once() -> None:
    """One odd record must not hide 30 USD/h."""
    series = of([event(1, 0, ids=["a"], usd=30.0), event(2, 5, direction="release", ids=["a", "a"])])
    assert series.net_micro(FIRST, FIRST + 12) == 0
