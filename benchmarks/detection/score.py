"""Which incidents were found, how soon and how often, and what was told that was none?

An incident is found when something told of one of its kinds, in one of its accounts or over the organization, overlaps it
(from its start to two hours after its end), does not leave all of it to an earlier one, and was opened, or told to have grown
to twice, after its start and within a day of its end. What was told and fits no incident is a false alarm, once the account is
known for seven days.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from benchmarks.detection.judge import Opening
from benchmarks.detection.labels import Label
from benchmarks.detection.organization import WARM_UP, Organization
from benchmarks.detection.setting import tag_of
from usage_anomaly.anomalies.rules import ORGANIZATION

AFTER_END = timedelta(hours=2)
OPENED_WITHIN = timedelta(days=1)
WEEK = timedelta(days=7)
UNKNOWN = "nothing generated"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """An incident with what was told of it, in order of opening; `why` is what can be said of a miss."""

    label: Label
    openings: tuple[Opening, ...]
    why: str = ""

    @property
    def minutes(self) -> float | None:
        """From the minute in which it was visible to the first opening; negative where it was told sooner."""
        if not self.openings:
            return None
        first = min(at for each in self.openings for at in tellings(each, self.label))
        return (first - self.label.visible_at) / timedelta(minutes=1)

    def repeats(self) -> list[int]:
        """How many openings each kind and account has that has any."""
        return list(Counter((each.account_id, each.kind) for each in self.openings).values())

    def quantity(self) -> tuple[float, float] | None:
        """Told and true quantity of the label's first kind; None where that kind was not told with a quantity."""
        told = [each.quantity for each in self._first_kind() if each.quantity is not None]
        return (sum(told), self.label.quantity) if told else None

    def usd(self) -> tuple[float, float] | None:
        """Told and true USD per hour of the label's first kind."""
        told = [each.usd_per_hour for each in self._first_kind() if each.usd_per_hour is not None]
        true = self.label.usd_per_hour
        return (sum(told), true) if told and true else None

    def _first_kind(self) -> list[Opening]:
        """What accounts were told of the first kind; the organization's only where no account was told."""
        same = [each for each in self.openings if each.kind == self.label.kinds[0]]
        return [each for each in same if each.account_id != ORGANIZATION] or same


class FalseAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """Something told that fits no incident, and which habits (or incident) made most of what it is about."""

    seed: int
    opening: Opening
    causes: str


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One detector on some organizations."""

    found: tuple[Found, ...]
    false: tuple[FalseAlarm, ...]
    account_weeks: float
    first_week: int = 0  # told in an account's first seven days, fitting no incident

    @property
    def recall(self) -> float:
        return sum(bool(each.openings) for each in self.found) / max(1, len(self.found))

    @property
    def false_rate(self) -> float:
        """False alarms for each account and week."""
        return len(self.false) / max(self.account_weeks, 1e-9)


def fits(opening: Opening, label: Label) -> bool:
    """Whether something told tells the incident."""
    return (
        opening.kind in label.kinds
        and opening.account_id in (*label.accounts, ORGANIZATION)
        and opening.start <= label.end + AFTER_END
        and label.start <= opening.end
        and not any(first <= label.start and label.end <= last for first, last in opening.without)
        and bool(tellings(opening, label))
    )


def tellings(opening: Opening, label: Label) -> list[datetime]:
    """The minutes after the incident's start, and within a day of its end, in which something was told."""
    return [at for at in (opening.opened, *opening.grown) if label.start <= at <= label.end + OPENED_WITHIN]


def score(organization: Organization, told: Sequence[Opening], causes: Causes | None = None) -> Score:
    """What one detector told of one organization, against what was planted; false alarms have causes where they are given."""
    ordered = sorted(told, key=lambda each: (each.opened, each.account_id, each.kind, each.start))
    found = []
    for label in organization.labels:
        matched = tuple(each for each in ordered if fits(each, label))
        found.append(Found(label=label, openings=matched, why="" if matched else _why(label, ordered)))
    known = {each.id: organization.begins(each) + WARM_UP * timedelta(days=1) for each in organization.accounts}
    known[ORGANIZATION] = organization.first + WARM_UP * timedelta(days=1)
    unfit = [each for each in ordered if not any(fits(each, label) for label in organization.labels)]
    late = [each for each in unfit if each.opened >= known[each.account_id]]
    weeks = [(organization.end - known[each.id]) / WEEK for each in organization.accounts]
    return Score(
        found=tuple(found),
        false=tuple(
            FalseAlarm(seed=organization.seed, opening=each, causes=causes.of(each) if causes else "") for each in late
        ),
        account_weeks=sum(max(0.0, each) for each in weeks),
        first_week=len(unfit) - len(late),
    )


def together(scores: Iterable[Score]) -> Score:
    """The scores of several organizations as one."""
    every = list(scores)
    return Score(
        found=tuple(each for score in every for each in score.found),
        false=tuple(each for score in every for each in score.false),
        account_weeks=sum(score.account_weeks for score in every),
        first_week=sum(score.first_week for score in every),
    )


def _why(label: Label, told: Sequence[Opening]) -> str:
    """What can be said of a miss from what was told around it."""
    near = [
        each
        for each in told
        if each.kind in label.kinds
        and each.account_id in (*label.accounts, ORGANIZATION)
        and each.start <= label.end + AFTER_END
        and label.start <= each.end
    ]
    if any(each.opened < label.start for each in near):
        return "another anomaly of the kind was already open"
    return "told too late" if near else "nothing was told of it"


class Causes:
    """What made the events that an opening is about."""

    def __init__(self, organization: Organization) -> None:
        self.late = organization.late
        rows: dict[tuple[str, str], list[tuple[datetime, str, int]]] = defaultdict(list)
        for event in {event.event_id: event for _, event in organization.arrived}.values():
            if event.direction != "release" and event.quantity:
                row = (event.event_time, tag_of(event.event_id).partition("@")[0], event.quantity)
                rows[event.account_id, event.kind].append(row)
                rows[ORGANIZATION, event.kind].append(row)
        self.rows = {place: sorted(found) for place, found in rows.items()}

    def of(self, opening: Opening) -> str:
        """The largest causes by quantity, those above a fifth of it."""
        rows = self.rows.get((opening.account_id, opening.kind), [])
        shares: Counter[str] = Counter()
        for _, tag, quantity in rows[bisect_left(rows, (opening.start,)) : bisect_right(rows, (opening.end,))]:
            shares[tag.rpartition("/")[0] or tag] += quantity
        total = sum(shares.values())
        named = [tag for tag, quantity in shares.most_common(3) if quantity * 5 >= total]
        if self.late.get(opening.account_id) in (opening.start.date(), opening.end.date()):
            named.append("late day")
        return " + ".join(named) or UNKNOWN
