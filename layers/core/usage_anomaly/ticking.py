"""What does this minute tell?

Each tick takes the kinds and accounts touched since the cursor, and those that are due; judges them, writes what is told
now together with the snapshots of new alerts, and starts the workflow for every snapshot that waits. Every step may be
repeated or cut off anywhere: a row is written on condition of its version, an execution's name is its id and sequence, and
the cursor moves last.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from usage_anomaly.anomalies.life_cycle import WATERMARK, Tick, Told, due, update
from usage_anomaly.anomalies.rules import ORGANIZATION, Pair
from usage_anomaly.bench import Bench, History, Reader, lay_out, snapshot, view_of
from usage_anomaly.errors import UsageAnomalyError
from usage_anomaly.series import bucket_start
from usage_anomaly.state import Table, cursor
from usage_anomaly.state import told as rows
from usage_anomaly.workflow import Input, execution_name

OVERLAP = timedelta(minutes=5)  # a bulk request may take that long until it is searchable
FORGET = timedelta(days=60)  # closed anomalies leave the row: no late record reaches them any more
LEAST_SECONDS = 10.0
NEVER = datetime.max.replace(tzinfo=UTC)


class NotStarted(UsageAnomalyError):
    """An execution could not be started; its snapshot waits for the next tick."""


class Report(msgspec.Struct):
    """What a tick did. `finished` False: the time ran out, and the next tick takes up where the cursor stands."""

    touched: int = 0
    due: int = 0
    alerts: int = 0
    overtaken: int = 0  # rows that another tick wrote first
    dispatched: int = 0
    finished: bool = True


def tick(
    reader: Reader,
    table: Table,
    start_execution: Callable[[str, bytes], None],
    now: datetime,
    time_left: Callable[[], float],
) -> Report:
    """Judge what is new, write what is told, dispatch what waits.

    `start_execution(name, input)` must count a name that was started before as started, and raise NotStarted. `time_left` gives the seconds
    until the function is cut off.
    """
    touched = _touched(reader.history, cursor.read(table), now)
    overdue = set(rows.due_pairs(table, now))
    report = Report(touched=len(touched), due=len(overdue))
    newest = reader.history.newest_ingest()
    minute = now.replace(second=0, microsecond=0)
    moment = Tick(minute=minute, watermark=min(newest or now, now) - WATERMARK)
    for pair in sorted({*touched, *overdue}):
        if time_left() < LEAST_SECONDS:
            report.finished = False
            break
        _judge(reader, table, pair, touched.get(pair), moment, report)
    failed: list[NotStarted] = []
    report.dispatched = dispatch(table, start_execution, now, failed)
    if report.finished:
        cursor.advance(table, now)
    if failed:  # all others were started and all that was read is judged; now somebody has to hear of it
        raise failed[0]
    return report


def dispatch(
    table: Table, start_execution: Callable[[str, bytes], None], now: datetime, failed: list[NotStarted]
) -> int:
    """Start the workflow for every snapshot that waits; after a crash between start and mark, the name is known.

    One that cannot be started holds up no other; it is added to `failed`.
    """
    started = 0
    for each in rows.waiting(table, now):
        name = execution_name(msgspec.json.decode(each.snapshot, type=Input).anomaly)
        try:
            start_execution(name, each.snapshot)
        except NotStarted as error:
            failed.append(error)
            continue
        rows.dispatched(table, each, now)
        started += 1
    return started


def _touched(history: History, since: datetime | None, now: datetime) -> dict[Pair, datetime]:
    """The pairs with news and the time of their earliest new event; each kind's organization too."""
    start = since - OVERLAP if since is not None else datetime(1970, 1, 1, tzinfo=UTC)
    found: dict[Pair, datetime] = {}
    for each in history.touched(start, now):
        for pair in ((each.account_id, each.kind), (ORGANIZATION, each.kind)):
            found[pair] = min(each.first, found.get(pair, each.first))
    return found


def _judge(reader: Reader, table: Table, pair: Pair, news: datetime | None, moment: Tick, report: Report) -> None:
    """Judge one pair from its earliest news on, and write what is told of it now."""
    read = rows.load(table, *pair)
    told = [each for each in read.told if not _forgotten(each, moment)]
    starts = [bucket_start(each.seen[0]) for each in told if each.state != "closed"]
    begin = min([*starts, *([news] if news is not None else [])], default=None)
    if begin is None:
        rows.save(table, *pair, read, told, NEVER, [])
        return
    bench = lay_out(reader, pair, begin, told, moment.minute)
    after, when, snapshots = _tell(reader, bench, moment)
    whole = (*(each for each in told if each not in bench.told), *after)
    if whole == read.told and not snapshots and news is not None:
        return
    if rows.save(table, *pair, read, whole, when, snapshots):
        report.alerts += len(snapshots)
    else:
        report.overtaken += 1


def _tell(reader: Reader, bench: Bench, moment: Tick) -> tuple[list[Told], datetime, list[Input]]:
    """What is told of a bench's extents now, when it is due again, and the snapshots of what is new."""
    views = [view_of(reader, bench, each) for each in bench.extents]
    after, owners = update(bench.pair[1], bench.pair[0], bench.told, bench.ranges(), views.__getitem__, moment)
    before = {each.id: each.sequence for each in bench.told}
    places = {owner: place for place, owner in enumerate(owners)}
    snapshots = [
        snapshot(reader, bench, each, bench.extents[places[index]] if index in places else None, moment)
        for index, each in enumerate(after)
        if each.sequence > before.get(each.id, 0)
    ]
    when = min((due(after[owner], views[place]) for owner, place in places.items()), default=NEVER)
    return after, when, snapshots[: rows.MOST_SNAPSHOTS]


def _forgotten(told: Told, moment: Tick) -> bool:
    return told.state == "closed" and bucket_start(told.seen[1]) < moment.minute - FORGET
