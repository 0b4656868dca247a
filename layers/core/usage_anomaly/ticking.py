"""What does this minute tell?

First whatever waits is dispatched and the news are noted: usage that came in since the cursor, and what the learned detectors
said since the last look, one row for each kind and account, so that both can move on at once and no end of a tick loses any.
Then the longest waiting pair is judged first, as far as the time goes: what is told is written together with the snapshots of
new alerts, on condition of the row's version; an execution's name is its id and sequence. Every step may be repeated or cut
off anywhere, and one pair that cannot be judged holds up no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache, partial

import msgspec

from usage_anomaly.anomalies.life_cycle import WATERMARK, Due, Tick, Told, due, step, update
from usage_anomaly.anomalies.rules import ORGANIZATION, Pair
from usage_anomaly.bench import Asked, Bench, Read, Reader, as_told, ask, lay_out, read_together, view_of
from usage_anomaly.coverage import Coverage
from usage_anomaly.enrichment.accounts import AccountType, account_type
from usage_anomaly.errors import UsageAnomalyError
from usage_anomaly.listening import listen
from usage_anomaly.series import bucket_of, bucket_start
from usage_anomaly.snapshots import snapshot
from usage_anomaly.state import Table, cursor
from usage_anomaly.state import told as rows
from usage_anomaly.workflow import Input, execution_name

OVERLAP = timedelta(minutes=5)  # a bulk request may take that long until it is searchable
FORGET = timedelta(days=100)  # closed anomalies leave the row: Step Functions has forgotten their executions too
MOST_ROW_BYTES = 300_000  # an item takes 400 kB; the oldest closed anomalies go first
LEAST_SECONDS = 10.0
AT_ONCE = 25  # pairs; the past of a busy one is some 2 MB
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

Start = Callable[[str, bytes], None]


class NotStarted(UsageAnomalyError):
    """An execution could not be started; its snapshot waits for the next tick."""


class Report(msgspec.Struct):
    """What a tick did. `finished` False: the time ran out, and what waits longest comes first in the next tick."""

    touched: int = 0
    learned: int = 0  # kinds and accounts of which the learned detectors said something
    unread: int = 0  # documents beside what they said that are no result of ours
    judged: int = 0
    alerts: int = 0
    overtaken: int = 0  # rows that another tick wrote first; their news stay
    dispatched: int = 0
    finished: bool = True


class _Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A pair that has to be judged: its row and news, read before its history, and what was told of it."""

    news: rows.News | None
    row: rows.Row
    told: Sequence[Told]
    asked: Asked


def tick(reader: Reader, table: Table, start: Start, now: datetime, time_left: Callable[[], float]) -> Report:
    """Note what is new, judge it, write what is told, dispatch what waits.

    `start(name, input)` must count a name that was started before as started, and raise NotStarted. `time_left` gives the
    seconds until the function is cut off. Raises the first failure after everything else was done.
    """
    failures: list[Exception] = []
    report = Report(dispatched=dispatch(table, start, now, failures))
    touched = _note_news(reader, table, now)
    report.touched = len(touched)
    half = time_left() / 2
    heard = _listen(reader, table, now, lambda: time_left() >= half, report, failures)
    newest = reader.history.newest_ingest()
    minute = now.replace(second=0, microsecond=0)
    moment = Tick(minute=minute, watermark=min(newest or now, now) - WATERMARK)
    coverage_of = cache(partial(_coverage, reader))
    pairs = [*rows.due_pairs(table, now), *touched, *heard]
    for opened, read in _opened(reader, table, pairs, coverage_of, moment, failures):
        if time_left() < LEAST_SECONDS:
            report.finished = False
            break
        with _noted(failures):
            _judge(reader, table, opened, read, moment, report)
    report.dispatched += dispatch(table, start, now, failures)
    if failures:
        raise failures[0]
    return report


def dispatch(table: Table, start: Start, now: datetime, failures: list[Exception]) -> int:
    """Start the workflow for every snapshot that waits; after a crash between start and mark, the name is known.

    One that cannot be started holds up no other; why is added to `failures`.
    """
    started = 0
    for each in rows.waiting(table, now):
        name = execution_name(msgspec.json.decode(each.snapshot, type=Input).anomaly)
        try:
            start(name, each.snapshot)
        except NotStarted as error:
            failures.append(error)
            continue
        rows.dispatched(table, each, now)
        started += 1
    return started


def _note_news(reader: Reader, table: Table, now: datetime) -> list[Pair]:
    """Note every pair with usage that came in since the cursor, and each kind's organization; then move the cursor."""
    since = cursor.read(table)
    since = _BEGINNING if since is None else since - OVERLAP
    found: dict[Pair, datetime] = {}
    for each in reader.history.touched(since, now):
        if reader.catalog.judges(each.kind):  # an older catalog may have known more
            for pair in ((each.account_id, each.kind), (ORGANIZATION, each.kind)):
                found[pair] = min(each.first, found.get(pair, each.first))
    midnight = since.replace(hour=0, minute=0, second=0, microsecond=0)
    for account_id in sorted({pair[0] for pair, first in found.items() if first < midnight}):
        for pair, first in _judged_otherwise(reader, account_id, since):
            found[pair] = min(first, found.get(pair, first))
    for pair, first in sorted(found.items()):
        rows.note_news(table, *pair, first, now)
    cursor.advance(table, now)
    return sorted(found)


def _listen(
    reader: Reader, table: Table, now: datetime, more: Callable[[], bool], report: Report, failures: list[Exception]
) -> Sequence[Pair]:
    """The pairs of which the learned detectors said something new. A look that fails holds up no pair; its cursor stays."""
    if reader.learned is None:
        return ()
    with _noted(failures):
        heard = listen(reader.learned, reader.catalog, table, now, more, failures)
        report.learned, report.unread = len(heard.pairs), len(heard.unread)
        return heard.pairs
    return ()


def _judged_otherwise(reader: Reader, account_id: str, since: datetime) -> Iterator[tuple[Pair, datetime]]:
    """What an account used after a day of which the first record came in only since: it says what is usual on later days.

    None where nothing had come in before: then all of it is news.
    """
    whose = _whose(account_id)
    known = Coverage(map(bucket_of, reader.history.days(whose, since)))
    if known.since is None:
        return
    noted = [each for each in map(known.note, map(bucket_of, reader.history.days(whose))) if each is not None]
    if noted:
        first = bucket_start(min(noted))
        for kind in reader.history.kinds(whose, first):
            if reader.catalog.judges(kind):
                yield (account_id, kind), first


def _coverage(reader: Reader, account_id: str) -> Coverage:
    """The days of an account, or of all."""
    return Coverage(map(bucket_of, reader.history.days(_whose(account_id))))


def _whose(account_id: str) -> str | None:
    return None if account_id == ORGANIZATION else account_id


@contextmanager
def _noted(failures: list[Exception]) -> Iterator[None]:
    """One pair holds up no other: its failure is noted, and raised after everything else was done."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - as said
        failures.append(error)


def _opened(
    reader: Reader,
    table: Table,
    pairs: Sequence[Pair],
    coverage_of: Callable[[str], Coverage],
    moment: Tick,
    failures: list[Exception],
) -> Iterator[tuple[_Opened, Read | None]]:
    """The pairs that have to be judged, with their series where these could be read together: some are read while those
    before them are judged."""
    before: tuple[list[_Opened], Future[dict[Pair, Read]]] | None = None
    with ThreadPoolExecutor(1) as ahead:
        for together in _together(pairs):
            opened = list[_Opened]()
            for pair in together:
                with _noted(failures):
                    opened += _open(reader, table, pair, coverage_of, moment)
            accounts = [each.asked for each in opened if each.asked.pair[0] != ORGANIZATION]
            reading = ahead.submit(read_together, reader, accounts)
            if before is not None:
                yield from _with_series(*before)
            before = opened, reading
        if before is not None:
            yield from _with_series(*before)


def _with_series(opened: Sequence[_Opened], reading: Future[dict[Pair, Read]]) -> Iterator[tuple[_Opened, Read | None]]:
    read = dict[Pair, Read]()
    with _noted([]):  # what cannot be read together is read alone, and fails there
        read = reading.result()
    for each in opened:
        yield each, read.pop(each.asked.pair, None)


def _together(pairs: Iterable[Pair]) -> list[list[Pair]]:
    """Pairs of one kind in parts, the part with the longest waiting pair first."""
    kinds: dict[str, list[Pair]] = {}
    places = {pair: place for place, pair in enumerate(dict.fromkeys(pairs))}
    for pair in places:
        kinds.setdefault(pair[1], []).append(pair)
    parts = [of[at : at + AT_ONCE] for of in kinds.values() for at in range(0, len(of), AT_ONCE)]
    return sorted(parts, key=lambda part: places[part[0]])


def _open(
    reader: Reader, table: Table, pair: Pair, coverage_of: Callable[[str], Coverage], moment: Tick
) -> Iterator[_Opened]:
    """What is known of a pair before its history is read; nothing where nothing is due."""
    news = rows.news(table, *pair)
    read = rows.load(table, *pair)
    if news is not None or any(each.now(moment) for each in read.dues):
        told = [each for each in read.told if not _forgotten(each, moment)]
        first = None if news is None else news.first
        asked = ask(pair, _type(reader, pair, read), coverage_of(pair[0]), first, told, moment.minute, read.learned)
        yield _Opened(news=news, row=read, told=told, asked=asked)


def _judge(reader: Reader, table: Table, opened: _Opened, read: Read | None, moment: Tick, report: Report) -> None:
    """Judge one pair from its earliest news on, and write what is told of it now."""
    report.judged += 1
    pair, told = opened.asked.pair, opened.told
    bench = lay_out(reader, opened.asked, read)
    after, dues = _tell(reader, bench, told, moment)
    changed = [each for each in after if each.sequence > _sequence(told, each)]
    snapshots = [_snapshot(reader, table, bench, each, moment) for each in changed]
    fits = rows.fitting(snapshots)
    if fits < len(changed):  # the rest is told at the next tick
        late = {each.id for each in changed[fits:]}
        after = [each for each in after if each.id not in late] + [each for each in told if each.id in late]
        dues = [Due(moment.minute), *dues]
    row = rows.Row(told=_bounded(after), dues=tuple(dues), account_type=opened.asked.which, learned=opened.row.learned)
    if not rows.save(table, *pair, opened.row, row, snapshots[:fits]):
        report.overtaken += 1
        return
    report.alerts += fits
    if bench.renewed is not None:
        reader.history.keep_past(*pair, bench.renewed, bench.kept)
    if opened.news is not None and fits == len(changed):
        rows.judged(table, *pair, opened.news)


def _tell(reader: Reader, bench: Bench, told: Sequence[Told], moment: Tick) -> tuple[list[Told], list[Due]]:
    """All that is told of the pair now, and when it is due again."""
    views = [view_of(reader, bench, each) for each in bench.extents]
    taken = {each.id for each in told}
    after, owners = update(bench.pair[1], bench.pair[0], bench.told, bench.ranges(), views.__getitem__, moment, taken)
    dues = [each for place, owner in enumerate(owners) for each in due(after[owner], views[place])]
    for each in bench.carried:
        standing = view_of(reader, bench, as_told(each))
        after.append(step(each, standing, moment))
        dues += due(after[-1], standing)
    moved = {each.id: each for each in after}
    return [*(moved.pop(each.id, each) for each in told), *moved.values()], dues  # in the order they were told


def _snapshot(reader: Reader, table: Table, bench: Bench, told: Told, moment: Tick) -> Input:
    extent = next((each for each in bench.extents if (each.start, each.last_seen) == told.seen), None)
    return snapshot(reader, bench, told, extent, moment, lambda each: rows.findings(table, each))


def _type(reader: Reader, pair: Pair, read: rows.Row) -> AccountType:
    """The account's type, or what it was judged as before when nobody can say now: a lookup that fails undoes nothing."""
    account = reader.account(pair[0])
    return account_type(account) if account is not None else read.account_type or "unknown"


def _sequence(told: Sequence[Told], each: Told) -> int:
    return next((before.sequence for before in told if before.id == each.id), 0)


def _forgotten(told: Told, moment: Tick) -> bool:
    return told.state == "closed" and bucket_start(told.seen[1]) < moment.minute - FORGET


def _bounded(told: Sequence[Told]) -> tuple[Told, ...]:
    """What fits an item: the oldest closed anomalies are left out."""
    kept = list(told)
    while len(msgspec.json.encode(kept)) > MOST_ROW_BYTES:
        oldest = min((each for each in kept if each.state == "closed"), key=lambda each: each.seen, default=None)
        if oldest is None:
            break
        kept.remove(oldest)
    return tuple(kept)
