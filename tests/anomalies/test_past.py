"""Does a series answer from the cut of its past on as if all of it had been read?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.anomalies.test_series import FIRST, START, event, of
from tests.ticking.conftest import MemoryHistory

from usage_anomaly import history, resources
from usage_anomaly.history import know_launchers, series_since
from usage_anomaly.places import Place
from usage_anomaly.series import BUCKETS_PER_DAY, Series, bucket_of
from usage_anomaly.usage import UsageEvent

ACCOUNT, KIND = "111122223333", "ec2.instances"
DAYS = 6
MEMORY = DAYS * BUCKETS_PER_DAY
END = FIRST + MEMORY
PLACES = [Place("region", "us-east-1"), Place("family", "p5")]
_IDS = ["i-1", "i-2", "i-1:/dev/sda1", "i-2:/dev/sdb"]


WHAT = st.sampled_from(
    ["launch", "launch", "start", "release", "release", "holders", "service", "definition", "dry run"]
)
ROWS = st.lists(
    st.tuples(
        st.integers(0, MEMORY - 1),
        WHAT,
        st.lists(st.sampled_from(_IDS), min_size=1, max_size=3, unique=True),
        st.sampled_from([None, 0.1, 1.5, 24.48]),
        st.sampled_from([None, "m5.large", "p5.48xlarge"]),
        st.sampled_from([(None, None), ("asg", None), ("asg", "ami-1"), ("asg", "ami-2")]),
        st.sampled_from([*["us-east-1"] * 4, "eu-west-1"]),
    ),
    min_size=2,
    max_size=30,
)
Row = tuple[int, str, list[str], float | None, str | None, tuple[str | None, str | None], str]


def made(number: int, row: Row) -> UsageEvent:
    """Launches, starts, releases, definitions and rotations of an account over six days, some in the same second."""
    bucket, what, ids, usd, group, (launcher, image), region = row
    minutes = 5 * bucket
    if what in ("release", "holders"):
        quantity = None if what == "release" else 0
        return event(number, minutes, direction="release", ids=ids, quantity=quantity, region=region)
    if what == "definition":
        return event(number, minutes, direction="definition", quantity=0, usd=usd, group="web:1", region=region)
    if what == "service":
        return event(number, minutes, quantity=3, group="web:1", region=region)
    if what == "start":
        return event(number, minutes, ids=ids, name="StartInstances", region=region)
    if what == "dry run":
        return replace(event(number, minutes, quantity=1, region=region), dry_run=True)
    launch = event(number, minutes, ids=ids, usd=usd, group=group, region=region)
    return replace(launch, launcher_id=launcher, image_id=image, truncated=number % 3 == 0)


def made_all(rows: Sequence[Row]) -> list[UsageEvent]:
    return [made(number, row) for number, row in enumerate(rows)]


def read(events: Sequence[UsageEvent], cut: int, *, tally: bool = False) -> Series:
    """The series as a tick reads it: the past of what was before the cut, then what came from it on."""
    kept = MemoryHistory()
    kept.ingest(START, events)
    before = Series(tally=tally)
    for each in events:
        if bucket_of(each.event_time) < cut:
            before.add(each)
    past = before.past(cut, MEMORY)
    end = START + timedelta(days=DAYS + 1)
    found = series_since(kept, ACCOUNT, KIND, cut, end, tally=tally, pasts={ACCOUNT: past})[ACCOUNT]
    if not tally:
        know_launchers(kept, ACCOUNT, KIND, found)
    return found


def same(part: Series, whole: Series, cut: int) -> None:
    """All that detectors and alerts ask of the time from the cut on, and the sums they compare it with."""
    assert part.used_since(FIRST) == whole.used_since(FIRST)
    assert list(part.counts(FIRST, END)) == list(whole.counts(FIRST, END))
    owned = [(cut, cut + 40)]
    for end in range(cut, END, 97):
        for length in (2, 12, 288, 600):
            span = (end - length + 1, end)
            assert part.quantity(*span) == whole.quantity(*span)
            assert part.net_micro(*span) == whole.net_micro(*span)
            assert part.first_used(*span) == whole.first_used(*span)
        span = (max(cut, end - 287), end)
        for name in ("truncated", "standing_micro", "resources", "gone", "replacing"):
            assert getattr(part, name)(*span) == getattr(whole, name)(*span), name
        assert part.taken_off(*span, owned) == whole.taken_off(*span, owned)
        assert part.quantity_at(PLACES[:1], *span) == whole.quantity_at(PLACES[:1], *span)
        assert part.quantity_at(PLACES[1:], *span) == whole.quantity_at(PLACES[1:], *span)
        assert list(part.uses(*span)) == list(whole.uses(*span))
        assert list(part.events(*span)) == list(whole.events(*span))
        if end - 287 >= cut:
            for memory in (1, 100, 1_000):
                assert part.news(end, memory) == whole.news(end, memory)
    for each in whole.events(cut, END):
        if each.direction == "use":
            assert part.earlier_rate(each) == whole.earlier_rate(each)
        elif each.direction == "release":
            assert part.launches_read(each) == whole.launches_read(each)


DAY = BUCKETS_PER_DAY
PLAIN, ASG, WEST = (None, None), ("asg", "ami-1"), "us-east-1"
OLD = (5, "launch", ["i-1", "i-2"], 24.48, "m5.large", PLAIN, WEST)
CASES: dict[str, list[Row]] = {
    "the release of an old machine takes off its own rate": [
        OLD,
        (3 * DAY, "release", ["i-1"], None, None, PLAIN, WEST),
    ],
    "what was stopped before takes off nothing": [
        OLD,
        (20, "release", ["i-1"], None, None, PLAIN, WEST),
        (3 * DAY, "release", ["i-1"], None, None, PLAIN, WEST),
    ],
    "a start costs what the launch did": [OLD, (3 * DAY, "start", ["i-1"], None, None, PLAIN, WEST)],
    "a launch tried again counts nothing": [OLD, (3 * DAY, "launch", ["i-1"], 24.48, "m5.large", PLAIN, WEST)],
    "old volumes end with their machine": [
        (5, "launch", ["i-1:/dev/sda1"], 0.1, None, PLAIN, WEST),
        (3 * DAY, "holders", ["i-1"], None, None, PLAIN, WEST),
    ],
    "a volume is launched again after its old machine ended": [
        (5, "launch", ["i-1:/dev/sda1"], 0.1, None, PLAIN, WEST),
        (20, "holders", ["i-1"], None, None, PLAIN, WEST),
        (3 * DAY, "launch", ["i-1:/dev/sda1"], 0.1, None, PLAIN, WEST),
    ],
    "a service costs what its old definition says": [
        (5, "definition", ["-"], 1.5, None, PLAIN, WEST),
        (3 * DAY, "service", ["-"], None, None, PLAIN, WEST),
    ],
    "an unknown machine takes off the median of the latest launches": [
        *(
            (at, "launch", [f"i-{at}"], usd, None, PLAIN, WEST)
            for at, usd in ((5, 0.1), (6, 0.1), (7, 1.5), (8, 24.48))
        ),
        (3 * DAY, "release", ["i-unknown"], None, None, PLAIN, WEST),
    ],
    "new machines replace old ones of their group": [
        (5, "launch", ["i-1", "i-2"], 0.1, None, ASG, WEST),
        (5 * DAY, "launch", ["i-3", "i-4"], 0.1, None, ("asg", "ami-2"), WEST),
    ],
    "what ended before is replaced by nothing": [
        (5, "launch", ["i-1", "i-2"], 0.1, None, ASG, WEST),
        (9, "release", ["i-1"], None, None, PLAIN, WEST),
        (5 * DAY, "launch", ["i-3", "i-4"], 0.1, None, ("asg", "ami-2"), WEST),
    ],
}


@pytest.mark.parametrize("case", CASES)
def test_what_matters_of_the_time_before_is_read(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """Each of these was once, or would be, another sum in a deployment than in a replay."""
    monkeypatch.setattr(history, "MEDIAN_OF", 3)
    monkeypatch.setattr(resources, "MEDIAN_OF", 3)
    events, cut = made_all(CASES[case]), FIRST + 2 * DAY
    same(read(events, cut), of(events), cut)
    last = max(each.event_id for each in events if bucket_of(each.event_time) < cut)
    know = Series.know
    monkeypatch.setattr(Series, "know", lambda self, each: None if each.event_id == last else know(self, each))
    with pytest.raises(AssertionError):
        same(read(events, cut), of(events), cut)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, st.integers(0, MEMORY))
def test_from_its_cut_on_a_series_answers_as_the_whole_one(
    monkeypatch: pytest.MonkeyPatch, rows: list[Row], shift: int
) -> None:
    """A tick reads six days of events in place of forty, and must tell what a replay of all of them tells."""
    monkeypatch.setattr(history, "MEDIAN_OF", 3)  # so that a few launches are more than the median is made of
    monkeypatch.setattr(resources, "MEDIAN_OF", 3)
    events, cut = made_all(rows), FIRST + shift
    same(read(events, cut), of(events), cut)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, st.integers(0, MEMORY), st.sampled_from([None, 1, 3, 10]))
def test_series_that_are_read_together_are_those_read_alone(
    monkeypatch: pytest.MonkeyPatch, rows: list[Row], shift: int, most: int | None
) -> None:
    """A tick reads the accounts of a kind at once; what has no room is left to be read alone, and never read in part."""
    monkeypatch.setattr(history, "MEDIAN_OF", 3)
    monkeypatch.setattr(resources, "MEDIAN_OF", 3)
    accounts, cut = ("1", "2", "3", "4"), FIRST + shift
    events = [replace(each, account_id=accounts[n % 3]) for n, each in enumerate(made_all(rows))]
    kept = MemoryHistory()
    kept.ingest(START, events)
    whole = {each: of([event for event in events if event.account_id == each]) for each in accounts}
    pasts = {
        each: of([event for event in events if event.account_id == each and bucket_of(event.event_time) < cut]).past(
            cut, MEMORY
        )
        for each in accounts
    }
    end = START + timedelta(days=DAYS + 1)
    found = series_since(kept, frozenset(accounts), KIND, cut, end, tally=False, pasts=pasts, most=most)
    behind = [each.account_id for each in events if bucket_of(each.event_time) >= cut]
    if most is None or len(behind) < most:
        assert list(found) == list(accounts)
    else:
        assert list(found) == [each for each in accounts if sum(other <= each for other in behind) < most]
    for account_id, series in found.items():
        know_launchers(kept, account_id, KIND, series)
        same(series, whole[account_id], cut)


@given(ROWS, st.lists(st.integers(0, MEMORY), min_size=2, max_size=4))
def test_a_past_made_of_a_past_is_that_of_all_events(rows: list[Row], shifts: list[int]) -> None:
    """The daily job goes on from yesterday's past and reads one more day."""
    events = made_all(rows)
    cuts = sorted(FIRST + shift for shift in shifts)
    kept = MemoryHistory()
    kept.ingest(START, events)
    past = of([]).past(FIRST, MEMORY)
    for low, high in zip([FIRST, *cuts], cuts, strict=False):
        until = START + timedelta(minutes=5 * (high - FIRST))
        past = series_since(kept, ACCOUNT, KIND, low, until, tally=False, pasts={ACCOUNT: past})[ACCOUNT].past(
            high, MEMORY
        )
        before = [each for each in events if bucket_of(each.event_time) < high]
        assert past == of(before).past(high, MEMORY)


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans(), st.integers(1, 50)), max_size=30), st.integers(0, 400))
def test_a_busy_kinds_past_holds_its_calls(calls: list[tuple[int, bool, int]], shift: int) -> None:
    """Of single and aggregated calls the larger count stands, before the cut too."""
    made = [
        replace(event(n, 5 * at, quantity=quantity, name="Invoke", usd=0.01), aggregated=aggregated, usd=0.5)
        for n, (at, aggregated, quantity) in enumerate(calls)
    ]
    whole = Series(tally=True)
    for each in made:
        whole.add(each)
    cut = FIRST + shift
    part = read(made, cut, tally=True)
    assert list(part.counts(FIRST, END)) == list(whole.counts(FIRST, END))
    for end in range(cut, FIRST + 420, 7):
        assert part.quantity(end - 300, end) == whole.quantity(end - 300, end)
        assert part.net_micro(end - 300, end) == whole.net_micro(end - 300, end)
        assert part.truncated(cut, end) == whole.truncated(cut, end)
        assert list(part.uses(cut, end)) == list(whole.uses(cut, end))
