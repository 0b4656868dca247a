"""Do the three promises of the design hold for any schedule of delivery?

(a) for a fixed delivery schedule, order within a minute, duplicates and the archive's shape change no byte; (b) once
everything has arrived, extents equal those of an on-time run; (c) each told extent has one id, one "opened", at most one
"closed", a rising sequence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.anomalies.test_series import START, event
from tests.replay.driving import Delivered, arrival, run, told

from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment.accounts import Account
from usage_anomaly.replay import Outcome, Replay
from usage_anomaly.series import bucket_of
from usage_anomaly.usage import UsageEvent

ACCOUNTS = {"111122223333": Account(id="111122223333", name="sandbox", tags={"AccountType": "development"})}
HOURS = 40


@st.composite
def schedules(draw: st.DrawFn) -> list[Delivered]:
    """Launches and releases of up to two days in bursts, each with a delay of up to a day."""
    calls: list[Delivered] = []
    launched: list[str] = []
    for burst in range(draw(st.integers(1, 4))):
        base = draw(st.integers(0, HOURS * 60))
        for _ in range(draw(st.integers(1, 6))):
            minutes = base + draw(st.integers(0, 150))
            delay = draw(st.sampled_from([1, 3, 7, 7, 7, 60, 180, 1440]))
            number = len(calls)
            if launched and draw(st.integers(0, 3)) == 0:
                ids = draw(st.lists(st.sampled_from(launched), min_size=1, max_size=4, unique=True))
                what = event(number, minutes, direction="release", ids=ids)
            else:
                ids = [f"i-{burst}-{number}-{each}" for each in range(draw(st.integers(1, 5)))]
                launched += ids
                what = event(number, minutes, ids=ids, usd=draw(st.sampled_from([None, 0.1, 9.0, 150.0])))
            calls.append((minutes + delay, what))
    # A last sign of life, so that every run has read equally far.
    calls.append((HOURS * 60 + 4000, event(len(calls), HOURS * 60 + 3990, ids=["i-last"], usd=0.01)))
    return calls


def on_time(schedule: Sequence[Delivered]) -> list[Delivered]:
    """The same records, each a minute after its time."""
    return [(int((each.event_time - START) / timedelta(minutes=1)) + 1, each) for _, each in schedule]


@given(schedules(), st.integers(0, 2**32))
def test_order_duplicates_and_shape_change_no_byte(catalog: Catalog, schedule: list[Delivered], seed: int) -> None:
    """Promise (a)."""
    random = Random(seed)
    plain = run(catalog, schedule, ACCOUNTS)
    other = Replay(catalog, ACCOUNTS)
    seen: list[UsageEvent] = []
    for minute in sorted({minute for minute, _ in schedule}):
        new = [each for at, each in schedule if at == minute]
        random.shuffle(new)
        again = random.sample(seen, min(len(seen), random.randrange(3)))
        cut = random.randrange(len(new) + 1)
        other.tick(START + timedelta(minutes=minute), [arrival([*new[cut:], *again]), arrival(new[:cut]), arrival(new)])
        seen += new
    assert told(other) == told(plain)
    assert other.counts.distinct == plain.counts.distinct


@given(schedules())
def test_late_leads_to_the_same_extents_as_on_time(catalog: Catalog, schedule: list[Delivered]) -> None:
    """Promise (b): whatever was told in between, the truth at the end is the same."""
    late, punctual = run(catalog, schedule, ACCOUNTS), run(catalog, on_time(schedule), ACCOUNTS)
    in_play = [
        each for each in late.outcomes() if each.told is None or each.told.closed_reason not in ("withdrawn", "joined")
    ]
    expected = [
        each
        for each in punctual.outcomes()
        if each.told is None or each.told.closed_reason not in ("withdrawn", "joined")
    ]
    assert [(each.kind, each.account_id, each.extent) for each in in_play] == [
        (each.kind, each.account_id, each.extent) for each in expected
    ]
    pair = ("111122223333", "ec2.instances")
    assert [late.view(pair, each.extent) for each in in_play if each.account_id == pair[0]] == [
        punctual.view(pair, each.extent) for each in expected if each.account_id == pair[0]
    ]


@given(schedules())
def test_each_told_extent_has_one_id_one_opening_and_one_end(catalog: Catalog, schedule: list[Delivered]) -> None:
    """Promise (c), watched at every tick."""
    replay = Replay(catalog, ACCOUNTS)
    sequences: Counter[str] = Counter()
    for minute in sorted({minute for minute, _ in schedule}):
        replay.tick(START + timedelta(minutes=minute), [arrival(each for at, each in schedule if at == minute)])
        every = [each for rows in replay.told.values() for each in rows]
        assert len({each.id for each in every}) == len(every)
        for each in every:
            reasons = Counter(alert.reason for alert in each.alerts)
            assert reasons["opened"] == 1
            assert each.alerts[0].reason == "opened"
            assert reasons["closed"] <= 1
            assert each.sequence == len(each.alerts) >= sequences[each.id]
            assert [alert.at for alert in each.alerts] == sorted(alert.at for alert in each.alerts)
            sequences[each.id] = each.sequence
        assert sequences.keys() == {each.id for each in every}
    for outcome in replay.outcomes():
        assert outcome.told is not None or not outcome.extent.telling


@st.composite
def invocations(draw: st.DrawFn) -> list[Delivered]:
    """Calls of one function told singly, by CloudTrail's counts, or both, each with a delay of up to a day."""
    calls: list[Delivered] = []
    for _ in range(draw(st.integers(1, 25))):
        minutes = draw(st.integers(0, 40))
        aggregated = draw(st.booleans())
        quantity = draw(st.integers(1, 90)) if aggregated else draw(st.integers(1, 30))
        plain = event(len(calls), minutes - minutes % 5 if aggregated else minutes, quantity=quantity, name="Invoke")
        what = replace(plain, kind="lambda.invocations", unit="invocations", aggregated=aggregated)
        calls.append((minutes + draw(st.sampled_from([1, 7, 60, 1440])), what))
    calls.append((3000, event(len(calls), 2999, ids=["i-last"], usd=0.01)))
    return calls


@given(invocations(), st.randoms(use_true_random=False))
def test_calls_told_twice_count_once_whatever_comes_first(
    catalog: Catalog, schedule: list[Delivered], lot: Random
) -> None:
    """Promises (a) and (b) where a trail has data events and their five-minute counts."""
    late, punctual = run(catalog, schedule, ACCOUNTS), run(catalog, on_time(schedule), ACCOUNTS)
    shuffled = list(schedule)
    lot.shuffle(shuffled)
    assert told(run(catalog, shuffled, ACCOUNTS)) == told(late)
    extents = [
        [(each.kind, each.extent) for each in replay.outcomes() if not gone(each)] for replay in (late, punctual)
    ]
    assert extents[0] == extents[1]
    assert late.counts.usage == punctual.counts.usage
    counts: Counter[tuple[int, bool]] = Counter()
    for _, each in schedule:
        if each.kind == "lambda.invocations":
            counts[bucket_of(each.event_time), each.aggregated] += each.quantity
    expected = sum(max(counts[bucket, False], counts[bucket, True]) for bucket in {bucket for bucket, _ in counts})
    assert late.counts.usage["lambda.invocations"] == expected


def gone(outcome: Outcome) -> bool:
    return outcome.told is not None and outcome.told.closed_reason in ("withdrawn", "joined")
