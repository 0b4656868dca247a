"""What have the learned detectors said since the last look, and of which kinds and accounts?

Each result is kept in the row of its kind and account, then these have news, then the look moves on: a tick may be cut off
anywhere between, and a result that is seen again changes nothing. It moves no further than to what could be kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from operator import itemgetter

import msgspec
from msgspec.structs import replace

from usage_anomaly.anomalies.rules import Pair
from usage_anomaly.catalog import Catalog
from usage_anomaly.detection.learned import OVERLAP, REMEMBERED, Detectors, Learned, Unread, remembered
from usage_anomaly.state import Table, progress
from usage_anomaly.state import told as rows

JOB = "learned"
MOST_KEYS = 8_000  # 310 kB of an item's 400; a large node's memory has room for so many series


class Look(msgspec.Struct, frozen=True):
    """How far the last look came, and when what the next one may see again was computed, by key: seconds since 1970."""

    until: datetime | None = None
    seen: Mapping[str, int] = {}


class Heard(msgspec.Struct, frozen=True):
    """The kinds and accounts of new results, and the documents that are no result of ours."""

    pairs: tuple[Pair, ...]
    unread: tuple[Unread, ...]


def listen(
    detectors: Detectors,
    catalog: Catalog,
    table: Table,
    now: datetime,
    more: Callable[[], bool],
    failures: list[Exception],
) -> Heard:
    """Note every new result with its pair, as long as `more` allows; then move the look on.

    A row that cannot be written holds up no other: why is added to `failures`, and its results are looked for again.
    """
    look = progress.read(table, JOB, Look)
    since = look.until or now - REMEMBERED
    news = detectors.news(since, now, look.seen.keys(), more)
    found: dict[Pair, list[Learned]] = defaultdict(list)
    for each in news.results:
        if each.kind is not None and catalog.judges(each.kind) and each.finding.window_end > now - REMEMBERED:
            found[each.account_id, each.kind].append(each)
    until, lost = news.until, set[str]()
    for pair, results in sorted(found.items()):
        try:
            _keep(table, pair, results, now)
            rows.note_news(table, *pair, min(each.finding.window_start for each in results), now)
        except Exception as error:  # noqa: BLE001 - raised by the tick once all is judged
            failures.append(error)
            until = since
            lost.update(each.key for each in results)
    progress.write(table, JOB, _moved(look, until, [each for each in news.results if each.key not in lost]))
    return Heard(tuple(sorted(found)), news.unread)


def _moved(look: Look, until: datetime, results: Iterable[Learned]) -> Look:
    """The look that goes on from `until`. Of more results than an item holds the next one begins behind the oldest."""
    seen = {**look.seen, **{each.key: int(each.executed_at.timestamp()) for each in results}}
    newest = sorted(seen.items(), key=itemgetter(1))[-MOST_KEYS:]
    if len(newest) < len(seen):
        until = max(until, datetime.fromtimestamp(newest[0][1], UTC) + OVERLAP)
    again = int((until - OVERLAP).timestamp())
    return Look(until, {key: at for key, at in newest if at >= again})


def _keep(table: Table, pair: Pair, results: list[Learned], now: datetime) -> None:
    """Keep the results in the pair's row, whatever a tick at the same time writes there."""
    kept = False
    while not kept:
        read = rows.load(table, *pair)
        learned = remembered([*read.learned, *results], now, [each.seen[0] for each in read.told])
        kept = learned == read.learned or rows.save(table, *pair, read, replace(read, learned=learned), [])
