"""What happens in a generated organization over six weeks, and what of it should be told?

From one seed: accounts, the habits of each, incidents among them after the first week, and how all of it arrives. The same
seed gives the same events, labels and minutes, whatever the interpreter's hash order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from random import Random

import msgspec

from benchmarks.detection.accounts import Account, draw_accounts
from benchmarks.detection.calendars import DAYS, first_day
from benchmarks.detection.delivery import Delivered, Schedule, deliver
from benchmarks.detection.habits import ROWS, arrival, inside
from benchmarks.detection.incidents import INCIDENTS, TRIPLED
from benchmarks.detection.incidents.cast import Cast, IncidentRow
from benchmarks.detection.labels import Label, make_label
from benchmarks.detection.setting import Setting
from usage_anomaly.usage import UsageEvent

WARM_UP = 7  # days before the first incident, and before an alarm counts as false
APART = timedelta(days=1)
MARGIN_HOURS = 8  # between the end of the last incident and the end of the data
FILLED = 0.6  # of the slots (an account's week) at most
MORE_HABITS = 3
TRIPLES = ("nightly_batch", "nightly_velero", "auto_scaling_mornings")
FRIDAY = 4

Busy = dict[tuple[str, str], list[tuple[datetime, datetime]]]


class Organization(msgspec.Struct, frozen=True):
    """All that a detector may see (`accounts`, `arrived`) and all that it is measured by."""

    seed: int
    first: datetime
    days: int
    accounts: tuple[Account, ...]
    arrived: Delivered  # in order of delivery
    labels: tuple[Label, ...]
    late: dict[str, date]  # accounts one of whose days arrives six hours late

    @property
    def end(self) -> datetime:
        return self.first + timedelta(days=self.days)

    def begins(self, account: Account) -> datetime:
        """When the account's records begin."""
        return self.first + timedelta(days=account.begins)


class _Making:
    """An organization on its way."""

    def __init__(self, seed: int, count: int, days: int) -> None:
        self.seed, self.days, self.first = seed, days, first_day(seed)
        self.dice = Random(f"organization/{seed}")
        self.accounts = draw_accounts(self.dice, count)
        self.habits = self._draw_habits()
        self.schedules = {account.id: self._draw_schedule(account) for account in self.accounts}
        self.events: Delivered = []
        self.labels: list[Label] = []
        self.busy: Busy = defaultdict(list)
        self.weeks: set[tuple[str, int]] = set()  # slots taken

    def setting(self, account: Account, name: str, tripled_on: date | None = None) -> Setting:
        return Setting(account, self.first, self.days, f"{name}@{account.id}", self.seed, tripled_on)

    def _draw_habits(self) -> dict[str, list[str]]:
        """Each habit in one account at least, where its kind of account is there; then some more for each."""
        found: dict[str, list[str]] = {account.id: [] for account in self.accounts}
        for name, row in ROWS.items():
            fitting = [each for each in self.accounts if each.stage in row.stages]
            if fitting:
                fewest = min(len(found[each.id]) for each in fitting)
                found[self.dice.choice([each for each in fitting if len(found[each.id]) == fewest]).id].append(name)
        for account in self.accounts:
            fitting_names = [name for name, row in ROWS.items() if account.stage in row.stages]
            more = [name for name in self.dice.sample(fitting_names, MORE_HABITS) if name not in found[account.id]]
            found[account.id] += more
        return found

    def _draw_schedule(self, account: Account) -> Schedule:
        rows = [ROWS[name] for name in self.habits[account.id]]
        twice = max((row.twice for row in rows), default=0.0) or self.dice.choice((0.0, 0.0, 0.27))
        late = any(row.late for row in rows) or self.dice.random() < 0.15
        day = self.first + timedelta(days=self.dice.randrange(account.begins + 2, self.days - 2))
        return Schedule(twice, day if late else None)

    def plant(self) -> None:
        """Incidents until enough slots are taken; each row once, where it fits, before any comes twice."""
        most = FILLED * len(self.accounts) * (self.days // 7 - 1)
        rows = [*INCIDENTS, TRIPLED]
        self.dice.shuffle(rows)
        again = list(rows)
        self.dice.shuffle(again)
        for number, name in enumerate([*rows, *again]):
            if len(self.weeks) >= most:
                return
            identity = f"{self.seed}-{number:02}"
            if name == TRIPLED:
                self._triple(identity)
            else:
                self._plant(identity, INCIDENTS[name])

    def _plant(self, identity: str, row: IncidentRow) -> None:
        for _ in range(20):
            at = self._moment(row)
            fitting = [each for each in self.accounts if self._fits(each, row, at)]
            if row.newcomer:
                fitting = [each for each in fitting if each.begins]
            if len(fitting) < row.accounts:
                continue
            chosen = self.dice.sample(fitting, row.accounts)
            settings = tuple(self.setting(each, f"incident {row.name}/{identity}") for each in chosen)
            made = sorted(row.make(Cast(settings, at, self.dice)), key=lambda event: event.event_time)
            arrived = [
                pair for each in chosen for pair in self._delivered(each, (e for e in made if e.account_id == each.id))
            ]
            label = make_label(
                identity, row.name, row.kinds, {each.id: each.type for each in chosen}, arrived, tripled=False
            )
            if label is not None and self._take(label):
                self.events += arrived
                return

    def _moment(self, row: IncidentRow) -> datetime:
        first = datetime.combine(self.first, time(), UTC)
        last = self.days * 24 - row.hours - MARGIN_HOURS
        if row.newcomer:
            begins = max((each.begins for each in self.accounts), default=0)
            return first + timedelta(hours=round(self.dice.uniform(begins * 24 + 6, begins * 24 + 80), 2))
        at = first + timedelta(hours=round(self.dice.uniform(WARM_UP * 24, max(WARM_UP * 24 + 1, last)), 2))
        if row.night and self.dice.random() < 0.5:
            friday = at + timedelta(days=(FRIDAY - at.weekday()) % 7)
            at = min(friday.replace(hour=21, minute=at.minute), first + timedelta(hours=last))
        return at

    def _fits(self, account: Account, row: IncidentRow, at: datetime) -> bool:
        """Whether the account can have it then: its type, a week without another, not in its own first days."""
        week, day = self._week(at), (at.date() - self.first).days
        ready = day >= account.begins + WARM_UP or row.newcomer
        return account.stage in row.stages and ready and (account.id, week) not in self.weeks

    def _take(self, label: Label) -> bool:
        """Whether no other incident of its kinds and accounts is within a day; then its slots are taken."""
        places = [(account, kind) for account in label.accounts for kind in label.kinds]
        for place in places:
            if any(low - APART <= label.end and label.start <= high + APART for low, high in self.busy[place]):
                return False
        for place in places:
            self.busy[place].append((label.start, label.end))
        self.weeks.update((account, self._week(label.start)) for account in label.accounts)
        self.labels.append(label)
        return True

    def _triple(self, identity: str) -> None:
        """One day of one habit has three times the usual; its events are made with the habit."""
        able = [(each, name) for each in self.accounts for name in self.habits[each.id] if name in TRIPLES]
        self.dice.shuffle(able)
        for account, name in able:
            on = self.first + timedelta(days=self.dice.randrange(account.begins + 2 * WARM_UP, self.days - 2))
            begin = datetime.combine(on, time(12), UTC)
            if (
                on.weekday() >= 5
                or name not in self.habits[account.id]
                or (account.id, self._week(begin)) in self.weeks
            ):
                continue
            setting = self.setting(account, name, on)
            low, high = setting.at(on, 0), setting.at(on, 24)
            arrived = list(self._delivered(account, inside(ROWS[name].make(setting), setting)))
            day = [pair for pair in arrived if low <= pair[1].event_time < high]
            kinds = ("ebs.snapshots",) if name == "nightly_velero" else ("ec2.instances", "ebs.volumes")
            label = make_label(identity, TRIPLED, kinds, {account.id: account.type}, day, tripled=True)
            if label is not None and self._take(label):
                self.events += arrived
                self.habits[account.id].remove(name)
                return

    def _week(self, at: datetime) -> int:
        return (at.date() - self.first).days // 7

    def _delivered(self, account: Account, events: Iterable[UsageEvent]) -> Iterator[tuple[datetime, UsageEvent]]:
        return deliver(events, self.seed, self.schedules[account.id])

    def settle(self) -> None:
        """The habits of every account."""
        for account in self.accounts:
            for name in self.habits[account.id]:
                setting = self.setting(account, name)
                self.events += self._delivered(account, inside(ROWS[name].make(setting), setting))


def generate(seed: int, accounts: int = 12, days: int = DAYS) -> Organization:
    """The organization of a seed."""
    making = _Making(seed, accounts, days)
    making.plant()
    making.settle()
    return Organization(
        seed=seed,
        first=datetime.combine(making.first, time(), UTC),
        days=days,
        accounts=making.accounts,
        arrived=sorted(making.events, key=arrival),
        labels=tuple(sorted(making.labels, key=lambda label: (label.start, label.id))),
        late={key: each.late_on for key, each in making.schedules.items() if each.late_on is not None},
    )
