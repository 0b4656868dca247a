"""Does a deployment's tick tell what a replay tells, once, whatever breaks in between?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws
from tests.anomalies.test_series import START, event
from tests.replay.driving import Delivered, run
from tests.replay.test_promises import ACCOUNTS, schedules
from tests.ticking.conftest import Executions, MemoryHistory, make_table, reader_of

from usage_anomaly.anomalies.life_cycle import WATERMARK, Due, Told
from usage_anomaly.anomalies.overrides import NONE, Limits, Overrides
from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.catalog import Catalog
from usage_anomaly.directory import Directory
from usage_anomaly.state import Table, cursor
from usage_anomaly.state import told as rows
from usage_anomaly.ticking import NotStarted, Report, tick
from usage_anomaly.workflow import Input

ACCOUNT, KIND = "111122223333", "ec2.instances"


def always() -> float:
    return 60.0


def one_tick(
    catalog: Catalog,
    history: MemoryHistory,
    table: Table,
    executions: Executions,
    minute: int,
    overrides: Overrides = NONE,
) -> Report:
    now = START + timedelta(minutes=minute)
    return tick(reader_of(catalog, history, ACCOUNTS, overrides), table, executions.start, now, always)


def told(table: Table) -> tuple[Told, ...]:
    return rows.load(table, ACCOUNT, KIND).told


def alerts(executions: Executions) -> list[tuple[str, str]]:
    inputs = [msgspec.json.decode(each, type=Input) for each in executions.inputs.values()]
    return [(each.anomaly.id, each.reason) for each in inputs]


INCIDENT = [event(number, 3 * number, ids=[f"i-{number}-{each}" for each in range(3)], usd=30.0) for number in range(4)]


def test_an_incident_is_told_once_and_its_snapshot_says_it_all(catalog: Catalog, table: Table) -> None:
    """The workflow's input alone suffices to replay an execution."""
    history, executions = MemoryHistory(), Executions()
    history.ingest(START + timedelta(minutes=5), INCIDENT[:1])
    first = one_tick(catalog, history, table, executions, 5)
    again = one_tick(catalog, history, table, executions, 6)
    assert (first.alerts, first.dispatched, again.alerts, again.dispatched) == (1, 1, 0, 0)
    ((name, snapshot),) = executions.inputs.items()
    assert name == "ec2-instances-111122223333-20261102T0000Z-1"
    start = msgspec.json.decode(snapshot, type=Input)
    assert (start.anomaly.total, start.reason, start.notify) == (3, "opened", True)
    assert start.anomaly.resource_ids == ("i-0-0", "i-0-1", "i-0-2")
    assert {each.detector for each in start.anomaly.findings} == {"threshold", "burn_rate"}


def visit_due_minutes(
    visit: Callable[[int], object], history: MemoryHistory, table: Table, last: int, before: int
) -> None:
    """The minutes between two arrivals in which something is due; a deployment visits every minute."""
    newest = history.newest_ingest()
    watermark = START if newest is None else newest - WATERMARK
    while True:
        dues = rows.load(table, ACCOUNT, KIND).dues
        ready = [each.at for each in dues if each.watermark is None or each.watermark <= watermark]
        waits = [max(last + 1, int((each - START) / timedelta(minutes=1))) for each in ready]
        if not waits or min(waits) >= before:
            return
        last, said = min(waits), rows.load(table, ACCOUNT, KIND).told
        visit(last)
        if rows.load(table, ACCOUNT, KIND).told == said:  # nothing more to say before something arrives
            return


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(schedules(), st.sampled_from([{}, {KIND: {ACCOUNT: 4}}, {"burn_rate_usd_per_hour": {"development": 40.0}}]))
def test_a_deployment_tells_what_a_replay_tells(catalog: Catalog, schedule: list[Delivered], limits: Limits) -> None:
    """Replay and deployment agree: same ids, same alerts at the same minutes, whatever the schedule and the limits."""
    overrides = Overrides(limits)
    replay = run(catalog, schedule, ACCOUNTS, overrides)
    history, executions = MemoryHistory(), Executions()
    with mock_aws():
        table = make_table()
        visit = partial(one_tick, catalog, history, table, executions, overrides=overrides)
        arrivals = sorted({minute for minute, _ in schedule})
        for last, minute in zip([arrivals[0], *arrivals], arrivals, strict=False):
            visit_due_minutes(visit, history, table, last, minute)
            history.ingest(START + timedelta(minutes=minute), [each for at, each in schedule if at == minute])
            visit(minute)
        deployed = {each.id: (each.alerts, each.closed_reason, each.joined_to) for each in told(table)}
    replayed = {
        each.id: (each.alerts, each.closed_reason, each.joined_to) for each in replay.told.get((ACCOUNT, KIND), [])
    }
    assert deployed == replayed


class Killed(Exception):
    """The function was cut off."""


class Fragile:
    """Counts side effects and is cut off before or after one of them."""

    def __init__(self, at: int, after: bool) -> None:
        self.at, self.after, self.effects = at, after, 0

    def guard(self, effect: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Any, **named: Any) -> Any:
            self.effects += 1
            if self.effects == self.at and not self.after:
                raise Killed
            result = effect(*arguments, **named)
            if self.effects == self.at:
                raise Killed
            return result

        return guarded


class Watched:
    """The table with every writing call guarded."""

    def __init__(self, table: Table, fragile: Fragile) -> None:
        self._table, self.name = table, table.name
        self.get_item, self.query = table.get_item, table.query
        self.put_item = fragile.guard(table.put_item)
        self.update_item = fragile.guard(table.update_item)
        self.delete_item = fragile.guard(table.delete_item)
        transact = fragile.guard(table.meta.client.transact_write_items)
        self.meta = type("Meta", (), {"client": type("Client", (), {"transact_write_items": staticmethod(transact)})})


def ingest_all(history: MemoryHistory, minute: int) -> None:
    for number, each in enumerate(INCIDENT):
        if 3 * number + 2 <= minute:
            history.ingest(START + timedelta(minutes=3 * number + 2), [each])


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 19))
def test_a_kill_at_any_side_effect_loses_and_doubles_nothing(
    catalog: Catalog, table: Table, at: int, after: bool
) -> None:
    """Enumerated: every write and every start of a tick, cut off before and after it."""
    history, executions, fragile = MemoryHistory(), Executions(), Fragile(at, after)
    starts: Counter[str] = Counter()

    def start(name: str, snapshot: bytes) -> None:
        starts[name] += name not in executions.inputs
        executions.start(name, snapshot)

    watched = Watched(table, fragile)
    for minute in range(2, 60):
        ingest_all(history, minute)
        now = START + timedelta(minutes=minute)
        try:
            tick(reader_of(catalog, history, ACCOUNTS), watched, fragile.guard(start), now, always)
        except Killed:
            continue
    assert fragile.effects >= at, "the tick has fewer side effects than are enumerated"
    (row,) = told(table)
    assert Counter(reason for _, reason in alerts(executions)) == Counter(alert.reason for alert in row.alerts)
    assert [reason for _, reason in alerts(executions)].count("opened") == 1
    assert set(starts.values()) == {1}
    assert list(rows.waiting(table, START + timedelta(days=1))) == []


def test_two_ticks_at_once_tell_once(catalog: Catalog, table: Table) -> None:
    """The second one runs entirely between the first one's reading and writing."""
    history, executions = MemoryHistory(), Executions()
    history.ingest(START + timedelta(minutes=5), INCIDENT)
    outer = reader_of(catalog, history, ACCOUNTS)
    inner_reports: list[Report] = []

    class Interrupted(Watched):
        def __init__(self) -> None:
            super().__init__(table, Fragile(0, False))
            transact = table.meta.client.transact_write_items

            def overtaken(**arguments: Any) -> Any:
                if not inner_reports:
                    inner_reports.append(Report())
                    inner_reports[0] = one_tick(catalog, history, table, executions, 6)
                return transact(**arguments)

            self.meta = type(
                "Meta", (), {"client": type("Client", (), {"transact_write_items": staticmethod(overtaken)})}
            )

    report = tick(outer, Interrupted(), executions.start, START + timedelta(minutes=6), always)
    assert inner_reports[0].alerts == 1
    assert report.overtaken >= 1
    assert [reason for _, reason in alerts(executions)] == ["opened"]
    assert len(told(table)) == 1


def test_after_a_day_of_downtime_what_happened_is_told_once(catalog: Catalog, table: Table) -> None:
    """Ingest went on; detect starts again and catches up from its cursor."""
    history, executions = MemoryHistory(), Executions()
    one_tick(catalog, history, table, executions, 0)
    ingest_all(history, 60)
    history.ingest(START + timedelta(hours=20), [event(99, 1190, ids=["i-late"], usd=0.01)])
    one_tick(catalog, history, table, executions, 24 * 60)
    one_tick(catalog, history, table, executions, 24 * 60 + 1)
    assert [reason for _, reason in alerts(executions)][:1] == ["opened"]
    assert Counter(reason for _, reason in alerts(executions))["opened"] == 1
    assert told(table)[0].alerts[0].at == START + timedelta(days=1)


def test_a_tick_that_runs_out_of_time_goes_on_next_minute(catalog: Catalog, table: Table) -> None:
    """The cursor moves only when everything was judged."""
    history, executions = MemoryHistory(), Executions()
    history.ingest(START + timedelta(minutes=5), INCIDENT)
    short = tick(
        reader_of(catalog, history, ACCOUNTS), table, executions.start, START + timedelta(minutes=6), lambda: 1.0
    )
    assert (short.finished, short.alerts) == (False, 0)
    assert one_tick(catalog, history, table, executions, 600).alerts == 1


def test_one_instance_in_each_of_many_accounts_is_one_organization_anomaly(catalog: Catalog, table: Table) -> None:
    """Thin spreading over accounts must not hide."""
    history, executions = MemoryHistory(), Executions()
    spread = [
        msgspec.structs.replace(event(number, number / 20, ids=[f"i-{number}"], usd=0.1), account_id=f"{number:012}")
        for number in range(1, 61)
    ]
    history.ingest(START + timedelta(minutes=5), spread)
    one_tick(catalog, history, table, executions, 6)
    ((identity, reason),) = alerts(executions)
    assert reason == "opened"
    assert identity.startswith("ec2-instances-organization-")
    (snapshot,) = executions.inputs.values()
    anomaly = msgspec.json.decode(snapshot, type=Input).anomaly
    assert anomaly.total == 60
    assert len(anomaly.accounts) == 40
    assert rows.load(table, ORGANIZATION, KIND).told[0].id == identity


def test_a_stale_writer_changes_nothing(catalog: Catalog, table: Table) -> None:
    """A row is written on condition of its version; what is due is found by its time."""
    read = rows.load(table, ACCOUNT, KIND)
    row = rows.Row(dues=(Due(START),))
    assert rows.save(table, ACCOUNT, KIND, read, row, [])
    assert not rows.save(table, ACCOUNT, KIND, read, row, [])
    assert list(rows.due_pairs(table, START)) == [(ACCOUNT, KIND)]
    assert list(rows.due_pairs(table, START - timedelta(minutes=1))) == []


def test_news_that_come_while_others_are_judged_stay(table: Table) -> None:
    """The second arrival must not be ticked off with the first."""
    rows.note_news(table, ACCOUNT, KIND, START + timedelta(hours=1), START)
    read = rows.news(table, ACCOUNT, KIND)
    assert read is not None
    rows.note_news(table, ACCOUNT, KIND, START, START + timedelta(minutes=1))
    rows.judged(table, ACCOUNT, KIND, read)
    left = rows.news(table, ACCOUNT, KIND)
    assert left is not None
    assert left.first == START
    rows.judged(table, ACCOUNT, KIND, left)
    assert rows.news(table, ACCOUNT, KIND) is None


def test_a_load_that_never_fits_one_tick_starves_nobody(catalog: Catalog, table: Table) -> None:
    """Each tick has time for two pairs only: the longest waiting comes first, and all are told in the end."""
    history, executions = MemoryHistory(), Executions()
    for account in range(6):
        moved = [
            msgspec.structs.replace(each, account_id=f"{account:012}", event_id=f"{account}-{each.event_id}")
            for each in INCIDENT
        ]
        history.ingest(START + timedelta(minutes=5), moved)
    for minute in range(20, 32):
        left = iter([60.0, 60.0, *[0.0] * 20])
        reader = reader_of(catalog, history, ACCOUNTS)
        tick(reader, table, executions.start, START + timedelta(minutes=minute), lambda left=left: next(left))  # type: ignore[misc]  # bound at once
    opened = {identity for identity, reason in alerts(executions) if reason == "opened"}
    assert {each.split("-")[2] for each in opened} >= {f"{account:012}" for account in range(6)}


def test_one_pair_that_cannot_be_judged_holds_up_no_other(catalog: Catalog, table: Table) -> None:
    """A broken row is heard of by the function's error, after everything else was done."""
    history, executions = MemoryHistory(), Executions()
    history.ingest(START + timedelta(minutes=5), INCIDENT)
    broken = {"pk": f"PAIR#000000000000#{KIND}", "sk": "TOLD", "told": "no json", "version": 1, "work": "DUE"}
    table.put_item(Item={**broken, "at": rows.stamp(START)})
    with pytest.raises(msgspec.DecodeError):
        one_tick(catalog, history, table, executions, 20)
    assert [reason for _, reason in alerts(executions)] == ["opened"]


def test_an_account_that_nobody_can_name_now_undoes_nothing(catalog: Catalog, table: Table) -> None:
    """A lookup that fails for a day must not withdraw what the account's own limits told."""
    history, executions = MemoryHistory(), Executions()
    small = [event(1, 0, ids=["i-1", "i-2", "i-3"], usd=0.1)]  # above development's limit, below staging's
    history.ingest(START + timedelta(minutes=5), small)
    one_tick(catalog, history, table, executions, 6)
    forgetful = reader_of(catalog, history, {})
    history.ingest(START + timedelta(minutes=7), [event(2, 1, ids=["i-4"], usd=0.1)])
    tick(forgetful, table, executions.start, START + timedelta(minutes=8), always)
    assert [reason for _, reason in alerts(executions)] == ["opened"]


def test_more_alerts_than_a_transaction_takes_are_told_in_several_ticks(
    catalog: Catalog, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost beyond the limit of 100 writes."""
    monkeypatch.setattr(rows, "MOST_SNAPSHOTS", 3)
    history, executions = MemoryHistory(), Executions()
    bursts = [event(number, 300 * number, ids=[f"i-{number}-{n}" for n in range(3)], usd=1.0) for number in range(8)]
    history.ingest(START + timedelta(minutes=2400), bursts)
    for minute in range(2401, 2410):
        one_tick(catalog, history, table, executions, minute)
    assert [reason for _, reason in alerts(executions)].count("opened") == 8


def test_growth_is_told_when_its_half_hour_is_over_though_nothing_arrives(catalog: Catalog, table: Table) -> None:
    """Six at five past, 48 more at a quarter past, then silence: told at 35 past, not two hours later."""
    history, executions = MemoryHistory(), Executions()
    history.ingest(START + timedelta(minutes=5), [event(1, 3, ids=[f"a-{n}" for n in range(6)], usd=1.0)])
    one_tick(catalog, history, table, executions, 5)
    history.ingest(START + timedelta(minutes=15), [event(2, 13, ids=[f"b-{n}" for n in range(24)], usd=1.0)])
    for minute in range(15, 40):
        one_tick(catalog, history, table, executions, minute)
    assert [(alert.reason, alert.at - START) for alert in told(table)[0].alerts] == [
        ("opened", timedelta(minutes=5)),
        ("grown", timedelta(minutes=35)),
    ]


def test_history_that_was_deleted_undoes_nothing(catalog: Catalog, table: Table) -> None:
    """Machines of 50 days ago still run: retention is no release, and their reminders go on."""
    history, executions = MemoryHistory(), Executions()
    history.ingest(START + timedelta(minutes=5), INCIDENT)
    one_tick(catalog, history, table, executions, 20)
    late = 50 * 24 * 60
    del history.rows[("e0000", KIND, "")]
    history.ingest(START + timedelta(minutes=late), [event(900, late - 5, ids=["i-new"], usd=0.01)])
    one_tick(catalog, history, table, executions, late)
    one_tick(catalog, history, table, executions, late + 1)
    reasons = [reason for _, reason in alerts(executions)]
    assert "closed" not in reasons
    assert reasons[:2] == ["opened", "quiet"]


def test_a_snapshot_that_cannot_start_holds_up_no_other(catalog: Catalog, table: Table) -> None:
    """One bad input must not silence every later alert; somebody hears of it by the function's error."""
    history, executions = MemoryHistory(), Executions()
    other = [
        msgspec.structs.replace(each, account_id="111122224444", event_id=f"x{each.event_id}") for each in INCIDENT
    ]
    history.ingest(START + timedelta(minutes=5), [*INCIDENT, *other])

    def start(name: str, snapshot: bytes) -> None:
        if ACCOUNT in name:
            raise NotStarted(name)
        executions.start(name, snapshot)

    now = START + timedelta(minutes=20)
    with pytest.raises(NotStarted):
        tick(reader_of(catalog, history, ACCOUNTS), table, start, now, always)
    assert [identity for identity, _ in alerts(executions)] == ["ec2-instances-111122224444-20261102T0000Z"]
    assert cursor.read(table) == now
    assert len(list(rows.waiting(table, now))) == 1


def test_a_busy_organizations_stops_no_detection(catalog: Catalog, table: Table) -> None:
    """A tick judges by staging's limits what it cannot ask about now."""

    class Busy:
        def describe_account(self, **_: object) -> object:
            raise ClientError({"Error": {"Code": "TooManyRequestsException", "Message": ""}}, "DescribeAccount")

    history, executions = MemoryHistory(), Executions()
    history.ingest(START + timedelta(minutes=5), INCIDENT)
    directory, now = Directory(table, Busy()), START + timedelta(minutes=20)
    directory.begin(now)
    reader = msgspec.structs.replace(reader_of(catalog, history, {}), account=directory.account)
    assert tick(reader, table, executions.start, now, always).alerts == 1
