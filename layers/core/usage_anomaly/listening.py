"""What have the learned detectors said since the last look, and of which kinds and accounts?

Each result is kept in the row of its kind and account, then these have news, then the look moves on: a tick may be cut off
anywhere between, and a result that is seen again changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import msgspec
from msgspec.structs import replace

from usage_anomaly.anomalies.rules import Pair
from usage_anomaly.catalog import Catalog
from usage_anomaly.detection.learned import REMEMBERED, Detectors, Learned, Unread, remembered
from usage_anomaly.state import Table, progress
from usage_anomaly.state import told as rows

JOB = "learned"
MOST_KEYS = 8_000  # 220 kB of an item's 400; a large node's memory has room for so many series


class Look(msgspec.Struct, frozen=True):
    """How far the last look came, and the keys of the newest results that were noted, the oldest first."""

    until: datetime | None = None
    keys: tuple[str, ...] = ()


class Heard(msgspec.Struct, frozen=True):
    """The kinds and accounts of new results, and the documents that are no result of ours."""

    pairs: tuple[Pair, ...]
    unread: tuple[Unread, ...]


def listen(detectors: Detectors, catalog: Catalog, table: Table, now: datetime) -> Heard:
    """Note every new result with its pair; then move the look on."""
    look = progress.read(table, JOB, Look)
    news = detectors.news(look.until or now - REMEMBERED, now, frozenset(look.keys))
    found: dict[Pair, list[Learned]] = defaultdict(list)
    for each in news.results:
        if each.kind is not None and catalog.judges(each.kind) and each.finding.window_end > now - REMEMBERED:
            found[each.account_id, each.kind].append(each)
    for pair, results in sorted(found.items()):
        _keep(table, pair, results, now)
        rows.note_news(table, *pair, min(each.finding.window_start for each in results), now)
    keys = (*look.keys, *(each.key for each in news.results))
    progress.write(table, JOB, Look(news.until, keys[-MOST_KEYS:]))
    return Heard(tuple(sorted(found)), news.unread)


def _keep(table: Table, pair: Pair, results: list[Learned], now: datetime) -> None:
    """Keep the results in the pair's row, whatever a tick at the same time writes there."""
    kept = False
    while not kept:
        read = rows.load(table, *pair)
        learned = remembered([*read.learned, *results], now)
        kept = learned == read.learned or rows.save(table, *pair, read, replace(read, learned=learned), [])
