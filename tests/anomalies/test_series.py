"""Does a series answer the same, whatever the order its events came in?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from usage_anomaly.series import CappedTotal, Series, bucket_of, bucket_start
from usage_anomaly.usage import Direction, UsageEvent

START = datetime(2026, 11, 2, tzinfo=UTC)
FIRST = bucket_of(START)


def event(
    number: int,
    minutes: float,
    *,
    direction: Direction = "use",
    ids: Sequence[str] = (),
    usd: float | None = None,
    quantity: int | None = None,
) -> UsageEvent:
    return UsageEvent(
        event_id=f"e{number:04}",
        event_time=START + timedelta(minutes=minutes),
        event_source="ec2.amazonaws.com",
        event_name="RunInstances",
        kind="ec2.instances",
        account_id="111122223333",
        region="us-east-1",
        direction=direction,
        quantity=len(ids) if quantity is None else quantity,
        unit="instances",
        usd_per_hour=usd,
        resource_ids=tuple(ids),
    )


def of(events: Sequence[UsageEvent]) -> Series:
    series = Series()
    for each in events:
        series.add(each)
    return series


def test_a_bucket_starts_where_it_says() -> None:
    """Ids and windows are made from bucket starts."""
    assert bucket_start(bucket_of(datetime(2026, 11, 25, 10, 9, 59, tzinfo=UTC))) == datetime(
        2026, 11, 25, 10, 5, tzinfo=UTC
    )


def test_a_release_takes_off_what_its_launch_added() -> None:
    """Karpenter replacing nodes adds nothing net."""
    series = of(
        [
            event(1, 0, ids=["i-1", "i-2"], usd=4.0),
            event(2, 30, direction="release", ids=["i-1"]),
        ]
    )
    assert series.net_micro(FIRST, FIRST + 12) == 2_000_000
    assert series.quantity(FIRST, FIRST + 12) == 2


def test_a_release_counts_once_until_the_next_start() -> None:
    """Stop, then terminate: the rate comes off once; a start in between adds it again."""
    stop_terminate = [
        event(1, 0, ids=["i-1"], usd=3.0),
        event(2, 10, direction="release", ids=["i-1"]),
        event(3, 20, direction="release", ids=["i-1"]),
    ]
    assert of(stop_terminate).net_micro(FIRST, FIRST + 12) == 0
    started = [*stop_terminate[:2], event(4, 15, ids=["i-1"]), stop_terminate[2]]
    assert of(started[:3]).net_micro(FIRST, FIRST + 12) == 3_000_000
    assert of(started).net_micro(FIRST, FIRST + 12) == 0


def test_a_release_whose_launch_was_not_read_takes_off_the_median_rate() -> None:
    """The trail began after the launch; the account's own launches say what such a resource costs."""
    series = of(
        [
            event(1, 0, ids=["i-1"], usd=1.0),
            event(2, 5, ids=["i-2"], usd=2.0),
            event(3, 10, ids=["i-3"], usd=9.0),
            event(4, 15, direction="release", ids=["i-old"]),
        ]
    )
    assert series.net_micro(FIRST, FIRST + 12) == 10_000_000


def test_use_without_a_price_adds_no_money_but_counts() -> None:
    """Unknown is not 0 in an alert, yet nothing can be added for it."""
    series = of([event(1, 0, ids=["i-1"]), event(2, 1, ids=["i-2"], usd=5.0)])
    assert series.net_micro(FIRST, FIRST) == 5_000_000
    assert series.quantity(FIRST, FIRST) == 2


def test_a_busy_kind_keeps_one_event_for_all_alike() -> None:
    """Two million invocations must not stand in memory one by one."""
    series = Series(tally=True)
    for number in range(1000):
        series.add(event(999 - number, number / 1000, quantity=1))
    kept = list(series.events(FIRST, FIRST))
    assert [each.quantity for each in kept] == [1000]
    assert kept[0].event_id == "e0999"  # the earliest


def test_one_account_cannot_fill_the_organization() -> None:
    """Each account counts up to its own limit per bucket; a late correction replaces, not adds."""
    total = CappedTotal()
    total.put("a", 5, 400, 10)
    total.put("b", 5, 3, 10)
    total.put("b", 5, 4, 10)
    assert total.quantity(0, 10) == 14
    assert total.used_since(0) == [5]


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 600),
        st.sampled_from(["use", "use", "release"]),
        st.lists(st.sampled_from([f"i-{n}" for n in range(6)]), max_size=3, unique=True),
        st.sampled_from([None, 0.1, 1.5, 24.48]),
    ),
    max_size=25,
)


@given(EVENTS, st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_series(rows, random) -> None:  # type: ignore[no-untyped-def]  # drawn values
    """Late is the same as on time: sums, nets and events agree with those of a punctual run."""
    events = [
        event(number, minutes, direction=direction, ids=ids, usd=usd if direction == "use" else None)
        for number, (minutes, direction, ids, usd) in enumerate(rows)
    ]
    punctual = of(sorted(events, key=lambda each: each.event_time))
    shuffled = list(events)
    random.shuffle(shuffled)
    late = Series()
    for each in shuffled:
        late.add(each)
        late.net_micro(FIRST, FIRST + 200)  # sums asked for in between must not go stale
    for low in range(FIRST, FIRST + 130, 7):
        for length in (0, 1, 11):
            assert late.quantity(low, low + length) == punctual.quantity(low, low + length)
            assert late.net_micro(low, low + length) == punctual.net_micro(low, low + length)
    assert list(late.events(FIRST, FIRST + 200)) == list(punctual.events(FIRST, FIRST + 200))
