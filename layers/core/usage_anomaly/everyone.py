"""Do all accounts together do something that is worth reading six weeks of them, and what has to be read then?

Every tick asks two cheap questions of each kind with news: whether any window since then reaches the organization's floor,
and whether accounts share what they did not share before. Only then all accounts' sums are taken, kept ones up to some hours
ago; and only where something new is shared, or something was told, it is read of all that is shared who shared it before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from itertools import pairwise

from usage_anomaly.coverage import Coverage
from usage_anomaly.detection.judging import MEMORY, Rules
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.detection.readiness import baseline_lacks
from usage_anomaly.detection.shared_use import is_known
from usage_anomaly.history import MEMORY as READ_BACK
from usage_anomaly.history import Doer, History
from usage_anomaly.series import BUCKETS_PER_DAY, BUCKETS_PER_HOUR, Past, bucket_of, bucket_start
from usage_anomaly.totals import CappedTotal, Trait, traits

RULE = FIGURES.shared_use

LATELY = 3 * BUCKETS_PER_HOUR
BACK = (1, 5, 14)  # days: what is shared often is soon found
FRESH = 7 * BUCKETS_PER_HOUR  # most records have come in by then
KEPT_BACK = READ_BACK + 14 * BUCKETS_PER_DAY  # what goes on for two weeks is judged with what was before it

Cap = Callable[[str], int]  # by account id: what of its use in a bucket counts for all


def total_of(history: History, kind: str, cap: Cap, past: Past, end: datetime) -> CappedTotal:
    """The capped use of all accounts: a past, and what was used from its cut on."""
    total = CappedTotal(past)
    for account_id, start, quantity in history.totals(kind, bucket_start(past.cut), end):
        total.put(account_id, bucket_of(start), quantity, cap(account_id))
    return total


def total_with(
    history: History, kind: str, cap: Cap, kept: Past | None, first: int, news: int, end: datetime
) -> tuple[CappedTotal, Past | None]:
    """The capped use of all accounts as far back as bucket `first` needs it, and the past to be kept in place of `kept`.

    A past holds each bucket as the limits of its time had it. It may lack what the news are of: from bucket `news` on the
    use is read.
    """
    cut = bucket_of(end) // BUCKETS_PER_HOUR * BUCKETS_PER_HOUR - FRESH
    low = first - READ_BACK
    anew = Past(cut=min(low, cut - KEPT_BACK))
    past = shortened(kept, news) if kept is not None and low < kept.cut <= low + KEPT_BACK else anew
    total = total_of(history, kind, cap, past, end)
    cut = max(cut, past.cut)
    return total, None if past is kept and past.cut == cut else total.past(cut, KEPT_BACK)


def shortened(kept: Past, news: int) -> Past:
    """What a past that is kept says of the time before the news: it may lack them."""
    return kept if news >= kept.cut else Past(cut=news, used=tuple(each for each in kept.used if each[0] < news))


def is_much(total: CappedTotal, rules: Rules, first: int) -> bool:
    """Whether use since bucket `first` may be unusual for all accounts: it may say so of what is usual after all, and never
    says usual of what is not. The total reaches back for the longest window."""
    used = total.used_since(first)
    return any(total.quantity(last - length + 1, last) >= bound for last in used for length, bound in _bounds(rules))


def is_ready(total: CappedTotal, coverage: Coverage, first: int) -> bool:
    """Whether enough days were known when any of the use since bucket `first` was."""
    days = {each // BUCKETS_PER_DAY * BUCKETS_PER_DAY for each in total.used_since(first)}
    return any(baseline_lacks(coverage, each) is None for each in days)


def note_shared(history: History, kind: str, total: CappedTotal, first: int, end: datetime) -> bool:
    """Note what uses from bucket `first` on could share, and who had before what accounts did share, until that is known.

    Whether anything is shared that was not known.
    """
    low = first - RULE.buckets + 1
    rows = list(history.doers(kind, bucket_start(low), end))
    _note(total, rows)
    shared = _shared(total, rows, first)
    if shared:  # what many share at this time of the day, many do on most days
        until = first - BUCKETS_PER_DAY + 1
        _note(total, history.doers(kind, bucket_start(until - LATELY), bucket_start(until)))
    for until, since in pairwise(
        [low, *(low - days * BUCKETS_PER_DAY for days in BACK), first - BUCKETS_PER_DAY - MEMORY]
    ):
        unknown = _unknown(total, shared)
        if unknown:
            _note(total, history.doers(kind, bucket_start(since), bucket_start(until), unknown), unknown)
    return bool(_unknown(total, shared))


def _bounds(rules: Rules) -> list[tuple[int, int]]:
    """Lengths of windows, and the least use in them that any detector tells of."""
    longest = max(each.buckets for each in rules.windows)
    usual = (each.buckets for each in FIGURES.baseline.windows if each.buckets <= longest)
    return [
        *((each.buckets, rules.limit * each.factor) for each in rules.windows),
        *((each, rules.floor(each)) for each in usual),
    ]


def _shared(total: CappedTotal, rows: Iterable[Doer], first: int) -> dict[Trait, list[int]]:
    """In which buckets from `first` on an hour ends in which so many accounts had a trait."""
    found: dict[Trait, list[int]] = defaultdict(list)
    for end in sorted({bucket_of(each.start) for each in rows}):
        if end >= first:
            for spread in total.shared(end - RULE.buckets + 1, end, RULE.accounts):
                found[spread.trait].append(end)
    return found


def _unknown(total: CappedTotal, shared: dict[Trait, list[int]]) -> set[Trait]:
    return {trait for trait, ends in shared.items() if not all(is_known(total, trait, end) for end in ends)}


def _note(total: CappedTotal, rows: Iterable[Doer], only: Collection[Trait] | None = None) -> None:
    for row in rows:
        for trait in traits(row):
            if only is None or trait in only:
                total.note(trait, row.account_id, bucket_of(row.start))
