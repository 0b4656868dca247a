"""Does a series answer the same, whatever the order its events came in?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from usage_anomaly.resources import Ledger, resources
from usage_anomaly.series import Series, bucket_of, bucket_start
from usage_anomaly.totals import CappedTotal
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
    name: str = "RunInstances",
    region: str = "us-east-1",
    group: str | None = None,
) -> UsageEvent:
    return UsageEvent(
        event_id=f"e{number:04}",
        event_time=START + timedelta(minutes=minutes),
        event_source="ec2.amazonaws.com",
        event_name=name,
        kind="ec2.instances",
        account_id="111122223333",
        region=region,
        direction=direction,
        quantity=len(ids) if quantity is None else quantity,
        unit="instances",
        usd_per_hour=usd,
        group=group,
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


Call = tuple[int, str, bool, int]  # five minutes, region, whether aggregated, quantity
CALLS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["us-east-1", "eu-west-1"]), st.booleans(), st.integers(1, 50)),
    max_size=20,
)


def invocations(calls: Sequence[Call]) -> list[UsageEvent]:
    return [
        replace(
            event(number, buckets * 5 + number / 10, quantity=quantity, name="Invoke", region=region),
            kind="lambda.invocations",
            aggregated=aggregated,
            truncated=number % 3 == 0 and not aggregated,
        )
        for number, (buckets, region, aggregated, quantity) in enumerate(calls)
    ]


@given(CALLS, st.randoms(use_true_random=False))
def test_of_single_and_aggregated_calls_the_larger_count_stands(calls: list[Call], lot: Random) -> None:
    """A trail with both tells of each call twice; whichever comes first or late, it counts once."""
    events = invocations(calls)
    lot.shuffle(events)
    series = Series(tally=True)
    for each in events:
        before = series.quantity(FIRST, FIRST + 3)
        series.add(each)
        assert series.quantity(FIRST, FIRST + 3) >= before  # what comes late never takes a call back
    for bucket in range(4):
        counts: Counter[tuple[str, bool]] = Counter()
        for at, region, aggregated, quantity in calls:
            counts[region, aggregated] += quantity if at == bucket else 0
        regions = {region for region, _ in counts}
        expected = sum(max(counts[region, False], counts[region, True]) for region in regions)
        place = FIRST + bucket
        assert series.quantity(place, place) == expected
        assert series.tallied(bucket_start(place)) == expected
        uses = list(series.uses(place, place))
        assert sum(each.quantity for each in uses) == expected
        assert all(len({each.aggregated for each in uses if each.region == region}) <= 1 for region in regions)
        assert series.truncated(place, place) == sum(each.quantity for each in uses if each.truncated)


def test_one_account_cannot_fill_the_organization() -> None:
    """Each account counts up to its own limit per bucket; a late correction replaces, not adds."""
    total = CappedTotal()
    total.put("a", 5, 400, 10)
    total.put("b", 5, 3, 10)
    total.put("b", 5, 4, 10)
    assert total.quantity(0, 10) == 14
    assert total.used_since(0) == [5]


def test_a_launch_tried_again_counts_once() -> None:
    """A retry with the same client token answers with the instances of the first: nothing new runs."""
    retried = [event(1, 0, ids=["i-1", "i-2"], usd=4.0), event(2, 7, ids=["i-1", "i-3"], usd=4.0)]
    series, high = of(retried), FIRST + 12
    assert (series.quantity(FIRST, high), series.net_micro(FIRST, high), series.standing_micro(FIRST, high)) == (
        3, 6_000_000, 6_000_000,
    )  # fmt: skip
    assert [(each.quantity, each.resource_ids, each.usd_per_hour) for each in series.uses(FIRST, high)] == [
        (2, ("i-1", "i-2"), 4.0),
        (1, ("i-3",), 2.0),
    ]
    gone = of([*retried, event(3, 20, direction="release", ids=["i-1"])])
    assert (gone.resources(FIRST, high), gone.gone(FIRST, high), gone.net_micro(FIRST, high)) == (3, 1, 4_000_000)


def test_a_second_start_or_another_life_is_no_retry() -> None:
    """What is started stood still, also where a shutdown from inside left no record; a released name may come again."""
    for name in ("StartInstances", "ResumeCluster"):
        starts = of([event(n, 10 * n, ids=["i-1"], name=name) for n in range(3)])
        assert starts.quantity(FIRST, FIRST + 12) == 3
    made = [event(1, 0, ids=["db1"]), event(3, 20, ids=["db1"])]
    assert of(made).quantity(FIRST, FIRST + 12) == 1
    assert of([*made, event(2, 10, direction="release", ids=["db1"])]).quantity(FIRST, FIRST + 12) == 2


def test_a_name_is_another_resource_in_each_region() -> None:
    """The name of a database is unique in its region only: eight copies are eight, and one stop stops one."""
    copies = [event(n, n, ids=["db1"], usd=1.0, region=f"us-east-{n}") for n in range(8)]
    series = of([*copies, event(9, 30, direction="release", ids=["db1"], region="us-east-2")])
    high = FIRST + 12
    assert (series.quantity(FIRST, high), series.resources(FIRST, high), series.gone(FIRST, high)) == (8, 8, 1)
    assert series.net_micro(FIRST, high) == series.standing_micro(FIRST, high) == 7_000_000


def test_what_hangs_on_an_instance_ends_with_it() -> None:
    """Volumes made to go with their instance go; of others nothing is known, so nothing is taken off."""
    volumes = event(1, 0, ids=["i-1:/dev/sda1", "i-1:/dev/sdb", "i-2:/dev/sda1"], usd=3.0, quantity=3)
    ended = event(2, 20, direction="release", ids=["i-1", "i-other"], quantity=0)
    for order in ([volumes, ended], [ended, volumes]):
        series = of(order)
        assert (series.resources(FIRST, FIRST + 12), series.gone(FIRST, FIRST + 12)) == (3, 2)
        assert series.net_micro(FIRST, FIRST + 12) == series.standing_micro(FIRST, FIRST + 12) == 1_000_000
        assert series.launches_read(ended)


def test_use_of_nothing_is_kept_and_counts_nothing() -> None:
    """A launch without a block device mapping says nothing of its volumes: no call, no actor, no truncation."""
    series = of([event(1, 0, quantity=0), event(2, 1, ids=["i-1"])])
    assert len(list(series.events(FIRST, FIRST))) == 2
    assert [each.event_id for each in series.uses(FIRST, FIRST)] == ["e0002"]


def test_one_id_may_stand_for_many_units() -> None:
    """A cluster of four nodes is deleted by one id: all four are gone, and nothing of their rate is left."""
    cluster = replace(event(1, 0, ids=["dwh"], quantity=4, usd=13.04, name="CreateCluster"), units_each=4)
    series = of([cluster, event(2, 30, direction="release", ids=["dwh"])])
    assert series.net_micro(FIRST, FIRST + 12) == 0
    assert series.standing_micro(FIRST, FIRST + 12) == 0
    assert (series.quantity(FIRST, FIRST + 12), series.resources(FIRST, FIRST), series.gone(FIRST, FIRST)) == (4, 4, 4)


def test_tasks_cost_what_their_definition_says() -> None:
    """A service's record names its task definition, not its size; the last one before counts, a later one does not."""
    events = [
        event(1, 0, direction="definition", quantity=0, usd=0.1, group="web:1"),
        event(2, 5, direction="definition", quantity=0, usd=9.0, group="other:1"),
        event(3, 10, quantity=48, group="web:1"),
        event(4, 15, direction="definition", quantity=0, usd=0.5, group="web:1"),
        event(5, 20, quantity=2, group="web:1"),
        event(6, 25, quantity=2, group="unknown:1"),
    ]
    series = of(events)
    assert series.net_micro(FIRST, FIRST + 12) == 4_800_000 + 1_000_000
    assert series.standing_micro(FIRST, FIRST + 3) == 4_800_000
    assert series.quantity(FIRST, FIRST + 12) == 52, "a definition is no use"
    assert of([events[2]]).net_micro(FIRST, FIRST + 12) == 0, "unknown adds no money"


def test_stopping_and_starting_one_machine_touches_no_other_turn() -> None:
    """A machine stopped and started 4,000 times once took hours: each turn may change its neighbours only."""
    ledger = Ledger()
    changed = 0
    for turn in range(4_000):
        start = ledger.take(event(2 * turn, 20 * turn, ids=["i-1"], name="StartInstances"))
        stop = ledger.take(event(2 * turn + 1, 20 * turn + 10, direction="release", ids=["i-1"]))
        changed += len(start.worth) + len(start.ended) + len(stop.worth) + len(stop.ended)
    assert changed <= 4_000
    late = ledger.take(event(9_001, 20_001, direction="release", ids=["i-1"]))
    assert len(late.worth) + len(late.ended) <= 3


_NAMES = [*(f"i-{n}" for n in range(5)), "i-1:/dev/sda1", "i-2:/dev/sdb"]
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 600),
        st.sampled_from(["RunInstances", "StartInstances", "release", "release", "holders", "service", "definition"]),
        st.lists(st.sampled_from(_NAMES), max_size=3, unique=True),
        st.sampled_from([None, 0.1, 1.5, 24.48]),
        st.sampled_from(["us-east-1", "us-east-1", "us-east-2"]),
    ),
    max_size=25,
)
_ALL = (FIRST, FIRST + 200)


def _drawn(number: int, row: tuple[int, str, list[str], float | None, str]) -> UsageEvent:
    minutes, what, ids, usd, region = row
    if what in ("release", "holders"):
        quantity = None if what == "release" else 0
        return event(number, minutes, direction="release", ids=ids, region=region, quantity=quantity)
    if what == "definition":
        return event(number, minutes, direction="definition", quantity=0, usd=usd, region=region, group="web:1")
    if what == "service":
        return event(number, minutes, quantity=3, region=region, group="web:1")
    return event(number, minutes, ids=ids, usd=usd, region=region, name=what)


def _sums(series: Series, low: int, high: int) -> tuple[int, ...]:
    asked = (series.quantity, series.net_micro, series.standing_micro, series.resources, series.gone, series.truncated)
    return tuple(each(low, high) for each in asked)


@given(EVENTS, st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_series(rows, random) -> None:  # type: ignore[no-untyped-def]  # drawn values
    """Late is the same as on time: sums, nets and events agree with those of a punctual run."""
    events = [_drawn(number, row) for number, row in enumerate(rows)]
    punctual = of(sorted(events, key=lambda each: each.event_time))
    shuffled = list(events)
    random.shuffle(shuffled)
    late = Series()
    for each in shuffled:
        before = {key: late.quantity(key, key) for key in range(_ALL[0], _ALL[1])}
        changed = late.add(each)
        _sums(late, *_ALL)  # sums asked for in between must not go stale
        moved = {key for key, quantity in before.items() if late.quantity(key, key) != quantity}
        assert moved <= set(changed)
        assert min(changed) == bucket_of(each.event_time)
    for low in range(FIRST, FIRST + 130, 7):
        for length in (0, 1, 11):
            assert _sums(late, low, low + length) == _sums(punctual, low, low + length)
    assert list(late.events(*_ALL)) == list(punctual.events(*_ALL))
    assert list(late.uses(*_ALL)) == list(punctual.uses(*_ALL))


@given(EVENTS)
def test_what_stands_is_what_was_added_and_not_taken_off(rows) -> None:  # type: ignore[no-untyped-def]  # drawn values
    """Two ways to the same count: what the uses name, and what the sums say."""
    series = of([_drawn(number, row) for number, row in enumerate(rows)])
    counted = list(series.uses(*_ALL))
    assert series.quantity(*_ALL) == sum(each.quantity for each in counted)
    assert series.resources(*_ALL) == sum(len(each.resource_ids) for each in counted)
    ends = [series.released_at(each, use.event_time) for use in counted for each in resources(use)]
    assert series.gone(*_ALL) == sum(end is not None for end in ends)


def test_what_one_record_launched_in_groups_under_one_name_ends_with_it() -> None:
    """A domain's data nodes and masters are two events of one record; its deletion takes both off, in any order."""
    data = event(1, 0, ids=["logs"], usd=30.0, quantity=3, group="r6g.large.search")
    masters = event(1, 0, ids=["logs"], usd=6.0, quantity=3, group="m6g.large.search")
    warm = event(1, 0, ids=["logs"], quantity=2, group="ultrawarm1.medium.search")
    deleted = event(2, 10, ids=["logs"], direction="release", quantity=3)
    for order in permutations([data, masters, warm, deleted]):
        series = of([replace(each, units_each=each.quantity) for each in order])
        assert (series.net_micro(FIRST, FIRST), series.net_micro(FIRST, FIRST + 2)) == (36_000_000, 0)
        assert series.quantity(FIRST, FIRST + 2) == 8
