"""Do all accounts together do something that is worth reading six weeks of them, and what has to be read then?

Every tick asks two cheap questions of each kind with news: whether any window since then reaches the organization's floor,
and whether accounts share what they did not share before. Only then all accounts' sums are read, and of what is shared who
shared it before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime

from usage_anomaly.coverage import Coverage
from usage_anomaly.detection.judging import MEMORY, Rules
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.detection.readiness import baseline_lacks
from usage_anomaly.history import Doer, History
from usage_anomaly.series import BUCKETS_PER_DAY, BUCKETS_PER_HOUR, bucket_of, bucket_start
from usage_anomaly.totals import CappedTotal, Trait, traits

RULE = FIGURES.shared_use

Cap = Callable[[str], int]  # by account id: what of its use in a bucket counts for all


def total_of(history: History, kind: str, cap: Cap, low: int, end: datetime) -> CappedTotal:
    """The capped use of all accounts from bucket `low` on."""
    total = CappedTotal()
    for account_id, start, quantity in history.totals(kind, bucket_start(low), end):
        total.put(account_id, bucket_of(start), quantity, cap(account_id))
    return total


def unusual(
    history: History, kind: str, cap: Cap, rules: Rules, coverage: Coverage, first: int, end: datetime, *, shares: bool
) -> bool:
    """Whether use since bucket `first` may be unusual for all accounts. `shares`: the kind's doers are few enough to look at.

    It may say so of what is usual after all, and never says usual of what is not.
    """
    total = total_of(history, kind, cap, first - BUCKETS_PER_HOUR, end)
    used = total.used_since(first)
    if any(total.quantity(last - length + 1, last) >= bound for last in used for length, bound in _bounds(rules)):
        return True
    days = {each // BUCKETS_PER_DAY * BUCKETS_PER_DAY for each in used}
    ready = shares and any(baseline_lacks(coverage, each) is None for each in days)
    return ready and _shares_something_new(history, kind, first, end)


def note_shared(history: History, kind: str, total: CappedTotal, first: int, end: datetime) -> None:
    """Note what uses from bucket `first` on could share, and of what accounts did share who had it before."""
    low = first - RULE.buckets + 1
    rows = list(history.doers(kind, bucket_start(low), end))
    _note(total, rows)
    before = bucket_start(first - BUCKETS_PER_DAY - MEMORY), bucket_start(low)
    for trait in sorted(_shared(total, rows, first)):
        _note(total, history.doers(kind, *before, trait), trait)


def _bounds(rules: Rules) -> list[tuple[int, int]]:
    """Lengths of windows, and the least use in them that any detector tells of."""
    longest = max(each.buckets for each in rules.windows)
    usual = (each.buckets for each in FIGURES.baseline.windows if each.buckets <= longest)
    return [
        *((each.buckets, rules.limit * each.factor) for each in rules.windows),
        *((each, rules.floor(each)) for each in usual),
    ]


def _shares_something_new(history: History, kind: str, first: int, end: datetime) -> bool:
    total = CappedTotal()
    rows = list(history.doers(kind, bucket_start(first - RULE.buckets + 1), end))
    _note(total, rows)
    shared = _shared(total, rows, first)
    return any(not _is_known(history, kind, trait, min(ends), max(ends)) for trait, ends in sorted(shared.items()))


def _shared(total: CappedTotal, rows: Iterable[Doer], first: int) -> dict[Trait, list[int]]:
    """In which buckets from `first` on an hour ends in which so many accounts had a trait."""
    found: dict[Trait, list[int]] = defaultdict(list)
    for end in sorted({bucket_of(each.start) for each in rows}):
        if end >= first:
            for spread in total.shared(end - RULE.buckets + 1, end, RULE.accounts):
                found[spread.trait].append(end)
    return found


def _is_known(history: History, kind: str, trait: Trait, first: int, last: int) -> bool:
    """Whether a trait was known in each hour that ends in [first, last]; read from the newest on, and no further than needed."""
    needed = 1 if trait.what == "image" else RULE.accounts
    since, until = bucket_start(last - BUCKETS_PER_DAY - MEMORY + 1), bucket_start(first - BUCKETS_PER_DAY + 1)
    seen: dict[str, int] = {}
    for row in history.doers(kind, since, until, trait) if since < until else ():
        if trait in traits(row):
            bucket = seen[row.account_id] = bucket_of(row.start)
            if sum(each < bucket + RULE.buckets for each in seen.values()) >= needed:
                return True
    return False


def _note(total: CappedTotal, rows: Iterable[Doer], only: Trait | None = None) -> None:
    for row in rows:
        for trait in traits(row):
            if only is None or trait == only:
                total.note(trait, row.account_id, bucket_of(row.start))
