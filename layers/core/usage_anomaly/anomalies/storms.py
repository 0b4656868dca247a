"""Which anomalies are one storm: one kind that opens in many accounts at once?

A window of so many minutes that begins at an opening is full when it holds openings of so many accounts; full windows that
share an opening are one storm. A window can only fill while it lasts, so later openings make a storm longer and never give
it another beginning.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from usage_anomaly.anomalies import Anomaly
from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.detection.limits import FIGURES

RULE = FIGURES.storm
WINDOW = timedelta(minutes=RULE.minutes)
_UNDONE = ("withdrawn", "joined")


class Gathering(msgspec.Struct, frozen=True, kw_only=True):
    """The anomalies of one storm: the accounts' by their opening, the organization's own of that time, when it was full."""

    members: tuple[Anomaly, ...]
    organization: tuple[Anomaly, ...]
    full_at: datetime

    @property
    def first(self) -> datetime:
        return opened(self.members[0])

    @property
    def last(self) -> datetime:
        return opened(self.members[-1])


def opened(anomaly: Anomaly) -> datetime:
    """When it was first told."""
    return anomaly.alerts[0].at


def gather(anomalies: Iterable[Anomaly]) -> list[Gathering]:
    """The storms among these anomalies by kind and time, whatever their order.

    What was not told, is suppressed, or was undone by later records (withdrawn, joined) belongs to none.
    """
    kinds: dict[str, list[Anomaly]] = {}
    for each in anomalies:
        if each.alerts and not each.suppressed and each.closed_reason not in _UNDONE:
            kinds.setdefault(each.kind, []).append(each)
    return [gathering for kind in sorted(kinds) for gathering in _of_kind(kinds[kind])]


def _of_kind(anomalies: Sequence[Anomaly]) -> list[Gathering]:
    ordered = sorted(anomalies, key=lambda each: (opened(each), each.id))
    accounts = [each for each in ordered if each.account_id != ORGANIZATION]
    left = [each for each in ordered if each.account_id == ORGANIZATION]
    found = []
    for members, full_at in _runs(accounts):
        first, last = opened(members[0]) - WINDOW, opened(members[-1]) + WINDOW
        own = tuple(each for each in left if first <= opened(each) <= last)
        left = [each for each in left if each not in own]
        found.append(Gathering(members=members, organization=own, full_at=full_at))
    return found


def _runs(accounts: Sequence[Anomaly]) -> list[tuple[tuple[Anomaly, ...], datetime]]:
    """The members of each storm, and when the account came that made it one."""
    times = [opened(each) for each in accounts]
    runs: list[tuple[int, int, datetime]] = []
    for low, time in enumerate(times):
        high = bisect_right(times, time + WINDOW)
        firsts = {each.account_id: opened(each) for each in reversed(accounts[low:high])}
        if len(firsts) < RULE.accounts:
            continue
        full_at = sorted(firsts.values())[RULE.accounts - 1]
        if runs and low < runs[-1][1]:
            first, _, earlier = runs[-1]
            runs[-1] = (first, high, min(earlier, full_at))
        else:
            runs.append((low, high, full_at))
    return [(tuple(accounts[low:high]), full_at) for low, high, full_at in runs]
