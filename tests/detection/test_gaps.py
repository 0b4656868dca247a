"""Are silences of a trail found as plain counting finds them, at a cost that no record can raise?"""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from usage_anomaly.coverage import EXPECTED_BUCKETS, SILENCE_HOURS, gaps
from usage_anomaly.series import BUCKETS_PER_HOUR, bucket_of

FIRST = bucket_of(datetime(2026, 11, 2, 7, tzinfo=UTC)) // BUCKETS_PER_HOUR


def counted(busy: dict[int, int]) -> list[Fraction]:
    """What usually lies in each silence that is long enough, hour by hour."""
    hours = range(min(busy), max(busy) + 1)
    overall = Fraction(sum(busy.values()), len(hours))
    usual: list[Fraction] = []
    for each in range(24):
        alike = [busy.get(hour, 0) for hour in hours if hour % 24 == each]
        usual.append(Fraction(sum(alike), len(alike)) if len(alike) > 2 else overall)
    silences = [range(before + 1, after) for before, after in pairwise(sorted(busy))]
    return [sum((usual[hour % 24] for hour in each), Fraction()) for each in silences if len(each) >= SILENCE_HOURS]


@given(st.dictionaries(st.integers(0, 24 * 8), st.integers(1, (1 << BUCKETS_PER_HOUR) - 1), min_size=2, max_size=150))
def test_a_silence_is_a_gap_where_twenty_busy_buckets_are_usual(bits: dict[int, int]) -> None:
    """Every hour of the day counts as often as the trail has it."""
    presence = {FIRST + hour: each for hour, each in bits.items()}
    expected = counted({hour: each.bit_count() for hour, each in presence.items()})
    assume(all(abs(each - Fraction(EXPECTED_BUCKETS)) > Fraction(1, 10**6) for each in expected))
    assert len(gaps({("111122223333", "eu-west-1"): presence})) == sum(each > EXPECTED_BUCKETS for each in expected)


def test_a_century_in_every_region_costs_no_more_than_a_day() -> None:
    """Times and regions are whatever a record says: hour by hour, these would take a quarter of an hour."""
    first, last = (bucket_of(datetime(year, 1, 1, tzinfo=UTC)) // BUCKETS_PER_HOUR for year in (2006, 2099))
    assert gaps({("111122223333", f"r-{n}"): {first: 1, last: 1} for n in range(10_000)}) == []
