"""Is what a tick reads of many at once, or keeps of all, what it would read of each and anew?"""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.anomalies.test_series import START, event
from tests.ticking.conftest import Executions, MemoryHistory, reader_of

from usage_anomaly import ticking
from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.bench import ask, read_together
from usage_anomaly.catalog import Catalog
from usage_anomaly.coverage import Coverage
from usage_anomaly.everyone import KEPT_BACK, total_of, total_with
from usage_anomaly.history import MEMORY, Kept, Whose
from usage_anomaly.renewing import forget
from usage_anomaly.series import BUCKETS_PER_DAY, NEVER, Past, bucket_of
from usage_anomaly.state import Table, cursor
from usage_anomaly.ticking import tick
from usage_anomaly.usage import UsageEvent
from usage_anomaly.workflow import Input

KIND = "ec2.instances"
DAY = 1_440
CAP = 7
# Minutes from one arrival to the next, how late it comes, which account and how many.
ARRIVALS = st.lists(
    st.tuples(
        st.sampled_from([1, 30, 400, DAY, 9 * DAY]),
        st.sampled_from([0, 5, 5, 360, 430, 2 * DAY, 6 * DAY, 30 * DAY]),
        st.sampled_from("123"),
        st.integers(1, 9),
    ),
    min_size=1,
    max_size=14,
)


def cap(account_id: str) -> int:
    return CAP


@settings(max_examples=200)
@given(ARRIVALS, st.sampled_from([0, 100, 5 * BUCKETS_PER_DAY]))
def test_sums_of_all_accounts_that_are_kept_are_those_that_would_be_read(
    arrivals: list[tuple[int, int, str, int]], back: int
) -> None:
    """Whatever comes late: a sum that is kept and lacks it would make of a usual day an unusual one."""
    history, now, kept = MemoryHistory(), 60 * DAY, None
    for number, (pause, late, account_id, quantity) in enumerate(arrivals):
        now += pause
        moment = START + timedelta(minutes=now)
        made = replace(event(number, now - late, quantity=quantity), account_id=account_id)
        history.ingest(moment, [made])
        news, end = bucket_of(made.event_time), moment + timedelta(hours=1)
        first = news - back  # where something was told that the news may belong to
        total, renewed = total_with(history, KIND, cap, kept, first, news, end)
        low, high = first - MEMORY, bucket_of(end)
        whole = total_of(history, KIND, cap, Past(cut=low), end)
        assert list(total.counts(low, high)) == list(whole.counts(low, high))
        assert total.quantity(low, high) == whole.quantity(low, high)
        if renewed is None:
            assert kept is not None
            again = kept
        else:
            again = renewed
            assert total_of(history, KIND, cap, Past(cut=renewed.cut - KEPT_BACK), end).past(
                renewed.cut, KEPT_BACK
            ) == (renewed)
        kept = again


class Watched(MemoryHistory):
    """Notes from when on the sums of all accounts are read."""

    def __init__(self) -> None:
        super().__init__()
        self.since: list[int] = []

    def totals(self, kind, start, end):  # type: ignore[no-untyped-def]  # as the one it stands before
        self.since.append(bucket_of(start))
        return super().totals(kind, start, end)


def busy(day: int) -> list[UsageEvent]:
    """Forty accounts with six machines each at ten o'clock: more than the organization's limit."""
    found = []
    for account in range(40):
        ids = [f"i-{day}-{account}-{n}" for n in range(6)]
        made = event(100 * day + account, day * DAY + 600 + account % 20, ids=ids, usd=0.1)
        found.append(replace(made, account_id=f"{account:012}"))
    return found


def test_what_all_accounts_use_every_hour_is_not_read_every_minute(catalog: Catalog, table: Table) -> None:
    """A large organization passes its limit at any time; six weeks of all accounts are too much to read for it."""
    history, executions = Watched(), Executions()
    began, reader = START + timedelta(days=29), reader_of(catalog, history, {})
    history.ingest(began, [each for day in range(29) for each in busy(day)])
    cursor.advance(table, began + timedelta(hours=1))
    for minute in (612, 625):
        now = began + timedelta(minutes=minute)
        history.ingest(now, [each for each in busy(29) if each.event_time <= now])
        history.since.clear()
        tick(reader, table, executions.start, now, lambda: 600.0)
    assert min(history.since) >= bucket_of(now) - 8 * 12
    kept = history.past(ORGANIZATION, KIND).past
    assert kept is not None
    assert len(kept.used) == 29 * 4
    forget(history, KIND)  # as the daily job does where something came in late that no tick sees
    forget(history, "ebs.volumes")
    assert history.past(ORGANIZATION, KIND).past == Past()
    assert history.past(ORGANIZATION, "ebs.volumes") == Kept()
    history.ingest(now, [replace(busy(29)[0], event_id="one more")])
    tick(reader, table, executions.start, now + timedelta(minutes=1), lambda: 600.0)
    assert history.past(ORGANIZATION, KIND).past == kept


def test_sums_that_are_kept_learn_of_late_use_that_is_too_little_to_be_judged(catalog: Catalog, table: Table) -> None:
    """After an outage the peak of a day may come in before its quiet hours."""
    history, executions = MemoryHistory(), Executions()
    began, reader = START + timedelta(days=29), reader_of(catalog, history, {})
    history.ingest(began, [each for day in range(29) for each in busy(day)])
    cursor.advance(table, began + timedelta(hours=1))
    late = replace(event(999_999, 29 * DAY + 800, quantity=3), account_id="000000000000")
    news = {1_320: busy(29), 1_340: [late], DAY + 625: busy(30)}
    for minute in (1_320, 1_330, 1_340, 1_350, DAY + 625):  # what came in within five minutes is looked at twice
        now = began + timedelta(minutes=minute)
        history.ingest(now, news.get(minute, ()))
        tick(reader, table, executions.start, now, lambda: 600.0)
        kept = history.past(ORGANIZATION, KIND).past
        assert kept is not None
        assert bucket_of(late.event_time) in [each for each, *_ in kept.used] or minute < DAY
    assert kept is not None
    assert kept.cut > bucket_of(late.event_time)


class Broken(MemoryHistory):
    """Cannot read one account, alone or among others."""

    def events(self, whose: Whose, kind, start, end):  # type: ignore[no-untyped-def]  # as the one it stands before
        if whose is not None and "000000000002" in ([whose] if isinstance(whose, str) else whose):
            raise msgspec.ValidationError("no event")
        return super().events(whose, kind, start, end)


def test_an_account_that_cannot_be_read_holds_up_none_of_those_read_with_it(catalog: Catalog, table: Table) -> None:
    """One document that is none: the others are told in the same minute, and the failure is heard of."""
    history, executions = Broken(), Executions()
    for account in range(4):
        made = event(account, 1, ids=[f"i-{account}-{n}" for n in range(30)], usd=1.0)
        history.ingest(START + timedelta(minutes=5), [replace(made, account_id=f"{account:012}")])
    with pytest.raises(msgspec.ValidationError, match="no event"):
        tick(reader_of(catalog, history, {}), table, executions.start, START + timedelta(minutes=6), lambda: 60.0)
    told = {msgspec.json.decode(each, type=Input).anomaly.account_id for each in executions.inputs.values()}
    assert told >= {"000000000000", "000000000001", "000000000003"}
    assert "000000000002" not in told


class Counted(MemoryHistory):
    """Counts the events that are taken."""

    taken = 0

    def events(self, whose: Whose, kind, start, end):  # type: ignore[no-untyped-def]  # as the one it stands before
        for each in super().events(whose, kind, start, end):
            self.taken += 1
            yield each


@pytest.mark.parametrize(("each_has", "fit"), [(5, 3), (30, 0)])
def test_accounts_that_are_read_from_different_days_on_share_one_room(
    catalog: Catalog, each_has: int, fit: int
) -> None:
    """New accounts have no past: each is read from another bucket on, and none of them may hold up the tick."""
    history, asked = Counted(), []
    for account in range(10):
        made = (event(100 * account + number, account * 10, usd=0.1) for number in range(each_has))
        history.ingest(START, [replace(each, account_id=f"{account:012}") for each in made])
        news = START + timedelta(minutes=account * 10)
        asked.append(ask((f"{account:012}", KIND), "unknown", Coverage([]), news, [], START + timedelta(hours=3)))
    read = read_together(reader_of(catalog, history, {}), asked, most=20)
    assert history.taken <= 20
    assert list(read) == [each.pair for each in asked[:fit]]
    assert all(len(list(each.series.events(0, NEVER))) == each_has for each in read.values())


@pytest.mark.parametrize("at_once", [1, 2, 25])
def test_the_longest_waiting_pair_comes_first_whatever_is_read_together(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Kinds are read one after the other; a tick that has no time for all of them must take turns."""
    monkeypatch.setattr(ticking, "AT_ONCE", at_once)
    pairs = [("1", "b"), ("1", "a"), ("2", "b"), ("2", "a"), ("3", "b"), ("1", "b")]
    parts = ticking._together(pairs)
    assert sorted(each for part in parts for each in part) == sorted(set(pairs))
    assert all(len(part) <= at_once and len({kind for _, kind in part}) == 1 for part in parts)
    assert [part[0] for part in parts] == sorted((part[0] for part in parts), key=pairs.index)
    assert parts[0][0] == pairs[0]
