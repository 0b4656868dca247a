"""Is what the learned detectors say told once, whatever breaks between their saying it and our telling it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from itertools import takewhile
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws
from tests.anomalies.test_learned import said
from tests.anomalies.test_series import START, event
from tests.replay.test_promises import ACCOUNTS
from tests.ticking.conftest import Executions, MemoryHistory, make_table, reader_of
from tests.ticking.test_ticks import Fragile, Killed, Watched, always

from usage_anomaly.anomalies import Anomaly
from usage_anomaly.anomalies.overrides import NONE, Overrides
from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.catalog import ATTEMPTS, Catalog
from usage_anomaly.detection.learned import OVERLAP, Learned, News, Unread
from usage_anomaly.enrichment.accounts import Account
from usage_anomaly.listening import JOB, Look
from usage_anomaly.search.client import SearchUnavailable
from usage_anomaly.series import bucket_of
from usage_anomaly.state import Table, progress
from usage_anomaly.state import told as rows
from usage_anomaly.ticking import Report, tick
from usage_anomaly.usage import UsageEvent
from usage_anomaly.workflow import Input

ACCOUNT, KIND = "111122223333", "ec2.instances"
TYPED = "111122224444"
DAY = 24 * 60
SPIKE = 10 * DAY + 303  # minutes from START, after enough days to know habits
ALL = {**ACCOUNTS, TYPED: Account(id=TYPED, name="shop", tags={"AccountType": "production"})}


class MemoryDetectors:
    """Says what the search room would: each result from its computation on, `most` at a time; silent while `away`."""

    def __init__(self, *results: Learned, most: int = 500) -> None:
        self.results, self.most, self.away = list(results), most, False
        self.unread: tuple[Unread, ...] = ()
        self.reason: str | None = None

    def news(self, since: datetime, until: datetime, seen: Collection[str], more: Callable[[], bool]) -> News:
        if self.away:
            raise SearchUnavailable("OpenSearch does not answer")
        computed = sorted(self.results, key=lambda each: (each.executed_at, each.key))
        found = [each for each in computed if since - OVERLAP < each.executed_at <= until and each.key not in seen]
        taken = list(takewhile(lambda _: more(), found[: self.most]))
        reached = until if len(found) == len(taken) else max([since, *(each.executed_at for each in taken)])
        return News(tuple(taken), self.unread, reached)

    def lacks(self, account_id: str, now: datetime) -> str | None:
        return self.reason


class Deployment:
    """Ticks over a history and what the detectors say of it."""

    def __init__(self, catalog: Catalog, table: Table, *results: Learned, overrides: Overrides = NONE) -> None:
        self.detectors = MemoryDetectors(*results)
        self.history, self.executions, self.table = MemoryHistory(), Executions(), table
        self.underway: list[tuple[datetime, UsageEvent]] = []
        self.reader = msgspec.structs.replace(reader_of(catalog, self.history, ALL, overrides), learned=self.detectors)

    def tick(self, minute: float, table: Any = None, time_left: Callable[[], float] = always) -> Report:
        now = START + timedelta(minutes=minute)
        for moment, each in self.underway:
            if moment <= now:
                self.history.ingest(moment, [each])
        return tick(self.reader, table or self.table, self.executions.start, now, time_left)

    def ticks(self, first: int, last: int, step: int = 1) -> None:
        for minute in range(first, last + 1, step):
            self.tick(minute)

    def ingest(self, events: Iterable[UsageEvent], delay: float = 2) -> None:
        """Let them arrive so many minutes after they were used."""
        self.underway += [(each.event_time + timedelta(minutes=delay), each) for each in events]

    @property
    def alerts(self) -> list[str]:
        return [each.reason for each in self.inputs]

    @property
    def inputs(self) -> list[Input]:
        return [msgspec.json.decode(each, type=Input) for each in self.executions.inputs.values()]

    @property
    def newest(self) -> Anomaly:
        return self.inputs[-1].anomaly

    def row(self, account_id: str = ACCOUNT) -> rows.Row:
        return rows.load(self.table, account_id, KIND)


def days(count: int = 10, account_id: str = ACCOUNT) -> list[UsageEvent]:
    """One small machine each noon."""
    machines = (event(900 + day, DAY * day + 720, ids=[f"i-day-{day}"], usd=0.1) for day in range(count))
    return [msgspec.structs.replace(each, account_id=account_id) for each in machines]


def pair_of_machines(at: float = SPIKE, number: int = 1) -> UsageEvent:
    """Two machines, which no limit of a development account minds."""
    return event(number, at, ids=[f"i-{number}-a", f"i-{number}-b"], usd=4.0)


@pytest.fixture
def deployment(catalog: Catalog, table: Table) -> Deployment:
    """Ten quiet days, a spike that only a forest minds, and its result 20 minutes later."""
    found = Deployment(catalog, table, said(SPIKE - 1))
    found.ingest([*days(), pair_of_machines()])
    return found


def detectors_of(anomaly: Anomaly) -> set[str]:
    return {each.detector for each in anomaly.findings}


def test_a_strong_result_is_told_once_with_all_that_our_sums_say(deployment: Deployment) -> None:
    """The plugin opens; who, what, how much come from the usage events."""
    deployment.ticks(SPIKE - 5, SPIKE + 18)
    assert deployment.alerts == []
    deployment.ticks(SPIKE + 19, SPIKE + 60)
    assert deployment.alerts == ["opened"]
    told = deployment.newest
    assert (told.total, told.resource_ids, told.regions) == (2, ("i-1-a", "i-1-b"), {"us-east-1": 2})
    assert told.findings == (said(SPIKE - 1).finding,)
    assert told.ready["learned"] == "yes"
    assert told.detected_at == START + timedelta(minutes=SPIKE + 19)


def test_a_weak_result_alone_is_kept_and_not_told(deployment: Deployment) -> None:
    """It may still stand beside what another detector says of its window later."""
    weak = said(SPIKE - 1, score=0.3)
    deployment.detectors.results = [weak]
    deployment.ticks(SPIKE, SPIKE + 60)
    assert deployment.alerts == []
    assert deployment.row().learned == (weak,)


def test_a_weak_result_joins_what_was_told_and_tells_nothing_again(catalog: Catalog, table: Table) -> None:
    """The limit told it at once; twenty minutes later the forest says the same."""
    young = Deployment(catalog, table, said(2 * DAY, score=0.3))
    young.ingest([*days(2), event(1, 2 * DAY + 1, ids=["i-1", "i-2", "i-3", "i-4"], usd=1.0)])
    young.ticks(2 * DAY, 2 * DAY + 40)
    assert young.alerts == ["opened"]
    assert detectors_of(young.newest) == {"threshold"}
    assert young.newest.ready["learned"] == "2 of the 7 days known that it needs"
    young.ingest([event(2, 2 * DAY + 45, ids=[f"i-{each}" for each in range(10, 20)], usd=1.0)])
    young.ticks(2 * DAY + 46, 2 * DAY + 60)
    assert young.alerts == ["opened", "grown"]
    assert detectors_of(young.newest) == {"threshold", "learned"}


def test_why_the_learned_detectors_do_not_judge_is_said(deployment: Deployment) -> None:
    """Whoever reads an alert knows who had no say in it."""
    deployment.detectors.reason = "no anomaly-detection plugin in the cluster"
    deployment.ingest([event(5, SPIKE + 1, ids=[f"i-{each}" for each in range(30)], usd=30.0)])
    deployment.tick(SPIKE + 4)
    assert {each.anomaly.account_id: each.anomaly.ready["learned"] for each in deployment.inputs} == {
        ACCOUNT: "no anomaly-detection plugin in the cluster"
    }


@pytest.mark.parametrize("kind", [f"{KIND}{ATTEMPTS}", "console.logins", "bedrock.invocations"])
def test_of_what_no_detector_sums_that_is_said(deployment: Deployment, kind: str) -> None:
    """A result for the account's machines says nothing of its refused calls or logins."""
    many = event(5, SPIKE + 1, ids=[], quantity=100_000, direction="attempt" if kind.endswith(ATTEMPTS) else "use")
    deployment.ingest([msgspec.structs.replace(many, kind=kind)])
    deployment.tick(SPIKE + 4)
    (ready,) = {each.anomaly.ready["learned"] for each in deployment.inputs if each.anomaly.account_id == ACCOUNT}
    assert ready == "no detector sums it"


def test_results_that_are_read_twice_are_told_once(deployment: Deployment, table: Table) -> None:
    """A look's progress is written last, and a slower tick may set it back."""
    deployment.tick(SPIKE + 20)
    progress.write(table, JOB, Look())
    deployment.tick(SPIKE + 21)
    assert deployment.alerts == ["opened"]
    assert len(deployment.row().learned) == 1


def test_after_an_outage_it_is_told_once(deployment: Deployment) -> None:
    """Detect stood still for two days; the result index holds three."""
    deployment.tick(SPIKE - 5)
    deployment.ticks(SPIKE + 2 * DAY, SPIKE + 2 * DAY + 3)
    assert deployment.alerts == ["opened"]


def test_what_was_told_outlives_its_result(deployment: Deployment) -> None:
    """The index forgets after three days; a late record of that hour must withdraw nothing."""
    deployment.tick(SPIKE + 20)
    deployment.detectors.results = []
    deployment.tick(SPIKE + 10 * DAY)
    deployment.history.ingest(
        START + timedelta(minutes=SPIKE + 10 * DAY), [event(7, SPIKE + 4, ids=["i-late"], usd=0.1)]
    )
    deployment.tick(SPIKE + 10 * DAY + 1)
    (told,) = deployment.row().told
    assert told.closed_reason is None
    assert "withdrawn" not in {each.anomaly.closed_reason for each in deployment.inputs}


@pytest.mark.parametrize(
    "strange",
    [{"kind": "quantum.computers"}, {"kind": "identity.changes"}, {"kind": None}, {"account_id": "999900001111"}],
    ids=str,
)
def test_a_result_about_what_we_do_not_judge_does_no_harm(deployment: Deployment, strange: dict[str, Any]) -> None:
    """An older catalog may have known more kinds, and an account may have gone."""
    deployment.detectors.results.append(msgspec.structs.replace(said(SPIKE - 1, 90.0), **strange))
    deployment.ticks(SPIKE + 19, SPIKE + 22)
    assert deployment.alerts == ["opened"]
    assert deployment.newest.account_id == ACCOUNT


def test_documents_that_are_no_results_are_counted(deployment: Deployment) -> None:
    """Somebody's own detector may write into the index; that nothing of it is told is seen in the log."""
    deployment.detectors.unread = (Unread("none of ours"), Unread("no result"))
    assert deployment.tick(SPIKE + 20).unread == 2
    assert deployment.tick(SPIKE + 21).learned == 0


def test_what_somebody_allowed_is_not_told(catalog: Catalog, table: Table) -> None:
    """A limit that people set says what is usual."""
    deployment = Deployment(catalog, table, said(SPIKE - 1), overrides=Overrides({KIND: {ACCOUNT: 3}}))
    deployment.ingest([*days(), pair_of_machines()])
    deployment.ticks(SPIKE, SPIKE + 40)
    assert deployment.alerts == []


def test_growth_of_a_spike_comes_from_our_own_sums(catalog: Catalog, table: Table) -> None:
    """The plugin says a long spike once; what it leads to is told as with any other detector."""
    spike = [msgspec.structs.replace(pair_of_machines(SPIKE + 10 * each, each), account_id=TYPED) for each in range(10)]
    result = msgspec.structs.replace(said(SPIKE - 1), account_id=TYPED)
    deployment = Deployment(catalog, table, result)
    deployment.ingest([*days(account_id=TYPED), *spike])
    deployment.ticks(SPIKE, SPIKE + 330, 3)
    assert deployment.alerts == ["opened", "grown", "grown"]
    assert detectors_of(deployment.newest) == {"learned"}
    (told,) = deployment.row(TYPED).told
    assert told.seen == (bucket_of(spike[0].event_time), bucket_of(spike[-1].event_time))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 17))
def test_a_kill_at_any_side_effect_loses_and_doubles_nothing(deployment: Deployment, at: int, after: bool) -> None:
    """Enumerated: every write of a tick that hears of a result, cut off before and after it."""
    deployment.tick(SPIKE)
    fragile = Fragile(at, after)
    watched = Watched(deployment.table, fragile)
    for minute in range(SPIKE + 19, SPIKE + 40):
        try:
            deployment.tick(minute, watched)
        except Killed:
            continue
    assert fragile.effects >= at, "the tick has fewer side effects than are enumerated"
    assert deployment.alerts == ["opened"]
    assert len(deployment.row().learned) == 1
    assert list(rows.waiting(deployment.table, START + timedelta(days=20))) == []


def test_a_result_that_comes_while_its_pair_is_judged_is_judged_next(deployment: Deployment) -> None:
    """The row is written on condition of its version: a tick that read it before loses nothing of it."""
    inner: list[Report] = []

    class Interrupted(Watched):
        def __init__(self) -> None:
            super().__init__(deployment.table, Fragile(0, False))
            transact = deployment.table.meta.client.transact_write_items

            def overtaken(**arguments: Any) -> Any:
                if not inner:
                    inner.append(Report())
                    inner[0] = deployment.tick(SPIKE + 20)
                return transact(**arguments)

            self.meta = type(
                "Meta", (), {"client": type("Client", (), {"transact_write_items": staticmethod(overtaken)})}
            )

    outer = deployment.tick(SPIKE + 10, Interrupted())
    assert (inner[0].alerts, outer.alerts) == (1, 0)
    assert outer.overtaken >= 1
    deployment.tick(SPIKE + 21)
    assert deployment.alerts == ["opened"]
    assert len(deployment.row().learned) == 1


def test_a_result_never_speaks_for_all_accounts(deployment: Deployment, table: Table) -> None:
    """The organization has no forest; what one account did is its own anomaly."""
    deployment.ticks(SPIKE + 19, SPIKE + 25)
    assert rows.load(table, ORGANIZATION, KIND).learned == ()
    assert {each.anomaly.account_id for each in deployment.inputs} == {ACCOUNT}


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.integers(0, 600), min_size=1, max_size=6, unique=True),
    st.integers(1, 5),
    st.randoms(),
    st.lists(st.integers(20, 900), min_size=1, max_size=6, unique=True),
)
def test_neither_order_nor_batches_of_results_change_what_is_found(
    catalog: Catalog, spikes: list[int], most: int, random: Random, looks: list[int]
) -> None:
    """Once everything has arrived, what is kept and what stands equal those of looks that were punctual."""
    uses = [pair_of_machines(SPIKE + at, number) for number, at in enumerate(spikes)]
    results = [said(SPIKE + at - 1, score=0.3 if number % 3 == 2 else 0.9) for number, at in enumerate(spikes)]
    late = [
        msgspec.structs.replace(each, executed_at=each.executed_at + timedelta(minutes=random.randrange(300)))
        for each in results
    ]
    standing: list[object] = []
    for said_by, minutes, at_once in (
        (results, range(20, 1_000, 60), 500),
        (late, [*sorted(looks), *range(1_000, 1_010)], most),
    ):
        with mock_aws():
            deployment = Deployment(catalog, make_table(), *said_by)
            deployment.detectors.most = at_once
            deployment.ingest([*days(), *uses])
            for minute in minutes:
                deployment.tick(SPIKE + minute)
            row = deployment.row()
        opened = Counter(each.anomaly.id for each in deployment.inputs if each.reason == "opened")
        assert set(opened.values()) <= {1}
        kept = {each.key for each in row.learned}
        assert kept == {each.key for each in results}
        stand = [each for each in row.told if each.closed_reason not in ("withdrawn", "joined")]
        standing.append(sorted((each.seen, each.excluded) for each in stand))
    assert standing[0] == standing[1]
