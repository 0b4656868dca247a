"""Which learned findings open an anomaly, which join one, and which are recorded only?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.anomalies.test_series import FIRST, START, event, of

from usage_anomaly.anomalies.extents import Extent, Extents
from usage_anomaly.coverage import Coverage
from usage_anomaly.detection import Finding
from usage_anomaly.detection.judging import Rules
from usage_anomaly.detection.learned import Learned
from usage_anomaly.series import BUCKETS_PER_DAY
from usage_anomaly.usage import UsageEvent

DAY = 24 * 60
# Enough for habits and not yet for what is new; and too little for either.
KNOWN = Coverage(FIRST + BUCKETS_PER_DAY * day for day in range(-10, 60))
YOUNG = Coverage(FIRST + BUCKETS_PER_DAY * day for day in range(-3, 60))
RULES = Rules(limit=5, burn_limit=50)


def said(minutes: float, actual: float = 80.0, *, of_money: bool = False, **fields: Any) -> Learned:
    """So many vCPUs where 8 were expected, in the ten minutes from `minutes` on; strong and sure."""
    start = START + timedelta(minutes=minutes)
    plain: dict[str, Any] = {
        "detector": "learned",
        "scope": "region",
        "region": "us-east-1",
        "window_start": start,
        "window_end": start + timedelta(minutes=10),
        "window_minutes": 10,
        "actual": actual,
        "expected": 8.0,
        "score": 0.9,
        "confidence": 0.9,
        "reason": f"{actual:.0f} vCPUs in 10 minutes, about 8 expected; learned, grade 0.90, confidence 0.90",
    }
    return Learned(
        key=f"{minutes}-{actual}-{fields.get('region')}",
        account_id="111122223333",
        kind="ec2.instances",
        executed_at=start + timedelta(minutes=20),
        finding=Finding(**{**plain, **fields}),
        of_money=of_money,
    )


def weak(minutes: float, **fields: Any) -> Learned:
    return said(minutes, **{"score": 0.3, **fields})


def launches(*calls: tuple[float, int]) -> list[UsageEvent]:
    """Launches at (minutes, quantity), 2 USD/h each."""
    return [
        event(number, at, ids=[f"i-{number}-{each}" for each in range(count)], usd=2.0 * count)
        for number, (at, count) in enumerate(calls)
    ]


def extents(
    events: Sequence[UsageEvent], *learned: Learned, rules: Rules = RULES, known: Coverage = KNOWN
) -> list[Extent]:
    found = Extents(of(events), rules, known, learned)
    found.refresh(0)
    return found.all()


def told(*args: Any, **kwargs: Any) -> list[tuple[int, int]]:
    """Start and end of the telling extents, in buckets from the first."""
    return [(each.start - FIRST, each.last_seen - FIRST) for each in extents(*args, **kwargs) if each.telling]


def recorded(*args: Any, **kwargs: Any) -> str:
    """Why the one learned finding is recorded and not told."""
    (extent,) = extents(*args, **kwargs)
    assert not extent.telling
    (finding,) = extent.findings
    return finding.reason.partition("; recorded: ")[2]


def test_a_strong_one_opens_an_anomaly_of_what_its_window_used() -> None:
    """Ten small machines where one is usual, below every limit: what no other detector sees."""
    calls = launches((0, 1), (303, 2), (311, 2), (400, 1))
    assert told(calls) == []
    (found,) = extents(calls, said(302))
    assert (found.start - FIRST, found.last_seen - FIRST, found.telling) == (60, 62, True)
    assert [each.reason for each in found.findings] == [said(302).finding.reason]
    assert found.peak == 0, "growth comes from our own sums"


@pytest.mark.parametrize("minutes", [295, 298, 300, 302])
def test_it_ends_in_the_last_bucket_with_use_that_its_window_touches(minutes: float) -> None:
    """The plugin's windows begin when its job did, and may end in a bucket of ours that nobody used."""
    assert told(launches((303, 2)), said(minutes)) == [(60, 60)]


def test_a_window_without_use_opens_nothing() -> None:
    """Its usage events were deleted, or counted a machine twice: there is nothing to tell of."""
    assert extents(launches((0, 1)), said(302)) == []


@pytest.mark.parametrize("unsure", [{"score": 0.69}, {"confidence": 0.69}])
def test_a_weak_one_alone_is_recorded(unsure: dict[str, Any]) -> None:
    """A forest of few windows grades every busy one."""
    assert recorded(launches((303, 2)), said(302, **unsure)) == (
        "no other detector says the same, and its grade or confidence is low"
    )


def test_a_new_account_is_not_told_by_the_forest_alone() -> None:
    """It knows no time of day: until habits can be known, each morning's jobs would be told."""
    assert recorded(launches((303, 2)), said(302), known=YOUNG) == "3 of the 7 days known that it needs"


AGREEING = [weak(302), said(302, score=1.0, confidence=0.1), weak(295), weak(304)]


@pytest.mark.parametrize("learned", AGREEING)
def test_a_weak_one_joins_what_another_detector_says_of_its_window(learned: Learned) -> None:
    """It says more about why, and moves neither start nor end."""
    calls = launches((303, 7), (311, 1))
    (without,), (found,) = extents(calls, known=YOUNG), extents(calls, learned, known=YOUNG)
    assert {each.detector for each in without.findings} == {"threshold"}
    assert msgspec.structs.replace(found, findings=without.findings) == without
    assert learned.finding in found.findings
    assert len(found.findings) == len(without.findings) + 1


def test_a_weak_one_joins_an_hour_that_passes_its_limit_later() -> None:
    """Its window is the first of the hour; the limit is passed in the last."""
    calls = launches((303, 4), (315, 4), (330, 4), (350, 4))
    (found,) = extents(calls, weak(302), known=YOUNG)
    assert {each.detector for each in found.findings} == {"learned", "threshold"}
    assert told(calls, weak(302), known=YOUNG) == told(calls, known=YOUNG)


@pytest.mark.parametrize(
    ("at", "joins"), [(280, False), (285, False), (286, True), (304, True), (305, False), (330, False)]
)
def test_a_weak_one_of_another_time_joins_nothing(at: float, joins: bool) -> None:
    """The limit's ten minutes end with the bucket of the seven, at five past."""
    calls = launches((281, 1), (291, 1), (303, 7), (312, 1), (331, 1))
    (found,) = (each for each in extents(calls, weak(at), known=YOUNG) if each.telling)
    windows = {(each.detector, each.window_minutes) for each in found.findings}
    assert windows == {("threshold", 10), *([("learned", 10)] if joins else [])}


def test_a_habit_is_recorded_however_sure_the_forest_is() -> None:
    """The nightly batch is not news: a forest of eight windows has forgotten it each night."""
    nights = [(DAY * day + 303.0, 4) for day in range(10)]
    why = recorded(launches(*nights), said(DAY * 9 + 302))
    assert why.endswith("saw two thirds of it at this hour")


def test_as_many_but_larger_machines_are_no_habit() -> None:
    """What was learned are vCPUs; the same number of machines may cost ten times as much."""
    nights = launches(*((DAY * day + 303.0, 2) for day in range(9)))
    large = event(99, DAY * 9 + 303, ids=["i-x", "i-y"], usd=40.0)
    assert told([*nights, large], said(DAY * 9 + 302)) == [(BUCKETS_PER_DAY * 9 + 60, BUCKETS_PER_DAY * 9 + 60)]


def test_machines_that_replace_older_ones_are_recorded() -> None:
    """A rolling update launches what ran before, with another image."""
    group = [
        msgspec.structs.replace(event(number, at, ids=[f"i-{number}"], usd=2.0), launcher_id="asg/web", image_id=image)
        for number, (at, image) in enumerate(
            [(10.0, "ami-1"), (11.0, "ami-1"), (DAY + 303, "ami-2"), (DAY + 304, "ami-2")]
        )
    ]
    assert "replace older ones" in recorded(group, said(DAY + 302))


PERSONS = msgspec.structs.replace(RULES, by_person=True, whose="this account")


@pytest.mark.parametrize(("count", "tells"), [(5, False), (6, True)])
def test_what_somebody_allowed_is_recorded(count: int, tells: bool) -> None:
    """A limit that people set says what is usual here; above it the limit itself tells."""
    calls = launches((303, count))
    assert bool(told(calls, said(302), rules=PERSONS)) is tells
    if not tells:
        assert recorded(calls, said(302), rules=PERSONS) == "within the limit of 5 for this account"
        assert told(calls, said(302)), "the limit of its type is what everybody has, and allows nothing"


def test_a_burn_rate_that_somebody_allowed_silences_what_was_learned_of_money() -> None:
    """And of nothing else: who allows 50 USD/h has said nothing of vCPUs."""
    rules = msgspec.structs.replace(RULES, burn_by_person=True, whose="staging accounts")
    calls = launches((303, 5))
    assert recorded(calls, said(302, of_money=True), rules=rules) == "within the limit of 50 USD/h for staging accounts"
    assert told(calls, said(302), rules=rules) == [(60, 60)]
    assert told(calls, said(302, of_money=True)) == [(60, 60)]


def test_a_spike_that_goes_on_is_one_anomaly_to_its_end() -> None:
    """A forest says it once, when it begins: quiet would be told of what goes on."""
    spike = [(300.0 + 5 * n, 2) for n in range(60)]  # five hours
    after = [(600.0 + 30 * n, 1) for n in range(20)]
    rules = msgspec.structs.replace(RULES, limit=1_000, burn_limit=None)
    ((start, last),) = told(launches(*spike, *after), said(300), rules=rules)
    assert start == 60
    assert 119 <= last <= 121, "what is left of the spike in the last window"


def test_usual_use_after_a_spike_keeps_nothing_open() -> None:
    """An account that launches one every five minutes would have an anomaly for ever."""
    calls = launches((300, 5), *((305.0 + 5 * n, 1) for n in range(100)))
    assert told(calls, said(300), rules=msgspec.structs.replace(RULES, limit=1_000, burn_limit=None)) == [(60, 61)]


def test_after_a_week_a_spike_is_the_new_level() -> None:
    """A baseline thinks so too."""
    spike = [(300.0 + 60 * n, 2) for n in range(24 * 9)]
    rules = msgspec.structs.replace(RULES, limit=1_000, burn_limit=None)
    ((_, last),) = told(launches(*spike), said(300), rules=rules)
    assert last // BUCKETS_PER_DAY == 7


def test_of_many_the_sure_one_of_the_highest_grade_is_said() -> None:
    """Units differ: 90 USD/h are not more than 80 vCPUs."""
    sure = said(302, region="eu-west-1")
    many = [sure, weak(302), said(302, 900.0, score=0.8), said(302, 5_000.0, score=1.0, confidence=0.1)]
    (found,) = extents(launches((303, 7)), *many)
    assert [each for each in found.findings if each.detector == "learned"] == [sure.finding]


CALLS = st.lists(st.tuples(st.integers(0, 400).map(float), st.integers(1, 7)), min_size=1, max_size=12)
SAID = st.lists(
    st.builds(
        lambda at, score, region: said(at, score=score, region=region),
        st.integers(-10, 400),
        st.sampled_from([0.1, 0.8, 1.0]),
        st.sampled_from(["us-east-1", "eu-west-1"]),
    ),
    max_size=8,
    unique_by=lambda each: (each.finding.window_start, each.finding.region),
)


@given(CALLS, SAID, st.randoms())
def test_extents_begin_and_end_in_use_and_depend_on_no_order(
    calls: list[tuple[float, int]], learned: list[Learned], random: Random
) -> None:
    """Late is the same as on time: extents are a function of the series and of all that was said."""
    events = launches(*calls)
    found = extents(events, *learned)
    again = extents(random.sample(events, len(events)), *random.sample(learned, len(learned)))
    ranges = [(each.start, each.last_seen, each.telling) for each in found]
    assert [(each.start, each.last_seen, each.telling) for each in again] == ranges
    used = {FIRST + int(at // 5) for at, _ in calls}
    assert all({start, last} <= used for start, last, telling in ranges)
    assert [each for each in extents(events) if each.telling] == [] or any(telling for _, _, telling in ranges)
