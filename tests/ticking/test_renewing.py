"""Are the pasts that ticks read made each day, whatever cuts the job off, and made anew when something older comes in?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from msgspec.structs import replace
from tests.anomalies.test_series import START, event, of
from tests.ticking.conftest import MemoryHistory

from usage_anomaly.anomalies.rules import Pair
from usage_anomaly.catalog import Catalog
from usage_anomaly.history import MEMORY, Kept, PastOvertaken, cut_of, is_late
from usage_anomaly.renewing import JOB, Progress, Renewed, make, renew
from usage_anomaly.search.client import SearchUnavailable
from usage_anomaly.series import Past, bucket_of, bucket_start
from usage_anomaly.state import Table, progress
from usage_anomaly.usage import UsageEvent

ACCOUNTS = [f"{n:012}" for n in range(1, 6)]
KIND = "ec2.instances"
DAY = 1_440


def days(first: int, last: int, accounts: Sequence[str] = ACCOUNTS) -> list[UsageEvent]:
    """One machine a day in each account."""
    return [
        replace(event(100 * day + number, day * DAY + 60, ids=[f"i-{day}"], usd=0.1), account_id=account)
        for day in range(first, last)
        for number, account in enumerate(accounts)
    ]


def at(day: int, minute: int = 15) -> int:
    return day * DAY + minute


class Job:
    """The job over a history in memory; `left` are the seconds that each pair finds left."""

    def __init__(self, catalog: Catalog, table: Table, history: MemoryHistory | None = None) -> None:
        self.catalog, self.table = catalog, table
        self.history = history or MemoryHistory()

    def run(self, minute: int, pairs: int = 1_000) -> Renewed:
        left = iter([900.0] * pairs)
        now = START + timedelta(minutes=minute)
        return renew(self.history, self.catalog, self.table, now, lambda: next(left, 0.0))

    def ingest(self, minute: int, events: Sequence[UsageEvent]) -> None:
        self.history.ingest(START + timedelta(minutes=minute), events)

    def cuts(self) -> dict[str, int]:
        """The day of each account's cut, counted from START."""
        kept = {account: self.history.past(account, KIND).past for account in ACCOUNTS}
        return {account: (past.cut - bucket_of(START)) // 288 for account, past in kept.items() if past}

    def expected(self, account: str, day: int) -> Past:
        events = [each for _, each in self.history.rows.values() if each.account_id == account]
        cut = bucket_of(START) + 288 * day
        return of([each for each in events if bucket_of(each.event_time) < cut]).past(cut, MEMORY)


@pytest.fixture
def job(catalog: Catalog, table: Table) -> Job:
    return Job(catalog, table)


def test_what_a_past_may_lack_is_late(job: Job) -> None:
    """The job of a day begins after midnight: what comes a moment before it must be late by the day before already."""
    for minute in (0, 1, 700, 1_439):
        now = START + timedelta(days=30, minutes=minute)
        newest = bucket_start(cut_of(now + timedelta(days=1))) - timedelta(seconds=1)
        assert is_late(newest, now)
        assert not is_late(newest + timedelta(seconds=1), now)


def test_each_day_is_added_to_the_pasts_of_those_who_used_something(job: Job) -> None:
    """A pair without use keeps the past that it has: nothing was used since."""
    job.ingest(at(10, 0), days(0, 10))
    assert job.run(at(10)) == Renewed(written=5)
    assert set(job.cuts().values()) == {5}
    job.ingest(at(11, 0), days(10, 11, ACCOUNTS[:2]))
    for day in range(11, 16):
        job.ingest(at(day, 0), days(day, day + 1, ACCOUNTS[:1]))
        job.run(at(day))
    assert job.cuts() == dict(zip(ACCOUNTS, [10, 10, 10, 10, 10], strict=True))
    job.run(at(16))
    assert job.cuts() == dict(zip(ACCOUNTS, [11, 11, 10, 10, 10], strict=True))
    for account, day in job.cuts().items():
        assert job.history.past(account, KIND).past == job.expected(account, day)


def test_before_a_day_has_settled_nothing_is_made(job: Job) -> None:
    """What came in a second before midnight is noted by a tick first."""
    job.ingest(at(10, 0), days(0, 10))
    job.run(at(10, 9))
    assert set(job.cuts().values()) == {4}
    job.run(at(10, 10))
    assert set(job.cuts().values()) == {5}
    assert job.run(at(10, 600)) == Renewed()


def test_a_run_that_is_cut_off_goes_on_where_it_stopped(job: Job) -> None:
    """A large organization takes more than one run; it must come to its end, and then be known to be there."""
    job.ingest(at(10, 0), days(0, 10))
    assert job.run(at(10), pairs=2) == Renewed(written=2, finished=False)
    assert list(job.cuts()) == ACCOUNTS[:2]
    unfinished = progress.read(job.table, JOB, Progress)
    assert (unfinished.finished, unfinished.cut) == (None, None)
    assert unfinished.began == START + timedelta(minutes=at(10))
    assert job.run(at(10, 75), pairs=2) == Renewed(written=2, finished=False)
    assert job.run(at(10, 135), pairs=2) == Renewed(written=1)
    finished = progress.read(job.table, JOB, Progress)
    assert finished.finished == START + timedelta(minutes=at(10, 135))
    assert finished.cut == START + timedelta(days=5)


@pytest.mark.parametrize("origin", ["backfill", "live"])
def test_what_comes_in_late_is_in_the_pasts_of_the_next_run(job: Job, origin: str) -> None:
    """A backfill is judged by no tick, and is there to say what is usual: the job alone sees it."""
    job.ingest(at(20, 0), days(15, 20))
    job.run(at(20))
    late = [replace(each, origin=origin, event_id=f"late-{each.event_id}") for each in days(2, 12, ACCOUNTS[:3])]
    job.ingest(at(20, 30), late)
    assert job.run(at(20, 75)).written == 3
    for account, day in job.cuts().items():
        assert day == 15
        assert job.history.past(account, KIND).past == job.expected(account, 15)
    assert len(job.expected(ACCOUNTS[0], 15).used) == 10
    assert job.run(at(20, 135)) == Renewed()


def test_the_first_run_makes_anew_what_ticks_made_before_a_backfill(job: Job, catalog: Catalog) -> None:
    """A tick of a new deployment makes a past of next to nothing, and the job runs up to an hour later."""
    job.ingest(at(20, 0), days(19, 20))
    for account in ACCOUNTS:
        make(job.history, catalog, (account, KIND), bucket_of(START) + 288 * 15, whole=True)
    job.ingest(at(20, 10), [replace(each, origin="backfill") for each in days(2, 19)])
    assert job.run(at(20, 60)) == Renewed(written=5)
    for account in ACCOUNTS:
        assert job.history.past(account, KIND).past == job.expected(account, 15)


def test_a_large_backfill_comes_to_its_end_too(job: Job) -> None:
    """Each run goes on after the last pair; what comes in meanwhile waits for the next round."""
    job.ingest(at(20, 0), days(15, 20))
    job.run(at(20))
    job.ingest(at(20, 30), [replace(each, event_id=f"late-{each.event_id}") for each in days(2, 12)])
    assert job.run(at(20, 75), pairs=3) == Renewed(written=3, finished=False)
    job.ingest(at(20, 80), [replace(event(9_000, 3 * DAY, ids=["i-x"], usd=0.1), account_id=ACCOUNTS[0])])
    assert job.run(at(20, 135), pairs=3) == Renewed(written=2)
    assert job.run(at(20, 195)) == Renewed(written=1)
    for account, day in job.cuts().items():
        assert job.history.past(account, KIND).past == job.expected(account, day)


class Raced(MemoryHistory):
    """Somebody else writes a pair's past just before we do."""

    def keep_past(self, account_id: str, kind: str, past: Past, kept: Kept) -> None:
        if account_id == ACCOUNTS[1]:
            super().keep_past(account_id, kind, Past(cut=past.cut), kept)
        super().keep_past(account_id, kind, past, kept)


def test_a_tick_that_wrote_meanwhile_is_not_overwritten(catalog: Catalog, table: Table) -> None:
    """It has seen a late event that the job read too early for."""
    job = Job(catalog, table, Raced())
    job.ingest(at(10, 0), days(0, 10))
    assert job.run(at(10)) == Renewed(written=4, overtaken=1)
    raced = job.history.past(ACCOUNTS[1], KIND).past
    assert raced is not None
    assert raced.used == ()
    with pytest.raises(PastOvertaken):
        job.history.keep_past(ACCOUNTS[0], KIND, Past(), Kept())


class Broken(MemoryHistory):
    """One pair cannot be read: for good, or because the cluster does not answer."""

    error: Exception = ValueError("no past")

    def past(self, account_id: str, kind: str) -> Kept:
        if account_id == ACCOUNTS[2]:
            raise self.error
        return super().past(account_id, kind)


def test_a_pair_that_fails_holds_up_no_other_and_is_heard_of(catalog: Catalog, table: Table) -> None:
    """Its ticks read its events for longer, and somebody hears of it by the function's error."""
    job = Job(catalog, table, Broken())
    job.ingest(at(10, 0), days(0, 10))
    with pytest.raises(ValueError, match="no past"):
        job.run(at(10))
    assert set(job.history.pasts) == {(account, KIND) for account in ACCOUNTS if account != ACCOUNTS[2]}
    assert progress.read(table, JOB, Progress).cut == START + timedelta(days=5)


def test_a_cluster_that_does_not_answer_is_asked_again_from_there(catalog: Catalog, table: Table) -> None:
    """Else a minute of it would leave half of the organization a day behind."""
    history = Broken()
    history.error = SearchUnavailable("away")
    job = Job(catalog, table, history)
    job.ingest(at(10, 0), days(0, 10))
    with pytest.raises(SearchUnavailable):
        job.run(at(10))
    done = set[Pair](job.history.pasts)
    assert done == {(account, KIND) for account in ACCOUNTS[:2]}
    job.history = MemoryHistory()
    job.history.rows, job.history.pasts = history.rows, history.pasts
    assert job.run(at(10, 75)) == Renewed(written=3)


def test_a_past_that_is_too_old_is_made_anew(job: Job) -> None:
    """An account that was quiet for two months starts again: nothing of then is told as usual."""
    job.ingest(at(10, 0), days(0, 10, ACCOUNTS[:1]))
    job.run(at(10))
    job.ingest(at(70, 0), days(64, 66, ACCOUNTS[:1]))
    cut = bucket_of(START) + 288 * 65
    assert make(job.history, job.catalog, (ACCOUNTS[0], KIND), cut, whole=False)
    kept = job.history.past(ACCOUNTS[0], KIND).past
    assert kept is not None
    assert len(kept.used) == 1
