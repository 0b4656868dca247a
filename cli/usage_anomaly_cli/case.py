"""What is known of the doer once everything is read: its calls, what it made, what of that still runs?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from usage_anomaly.anomalies import Actor, Step
from usage_anomaly.callers import role_of
from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment import guidance
from usage_anomaly.enrichment.evidence import Signals
from usage_anomaly.resources import MICRO, Ledger, Run, resources, runs
from usage_anomaly.usage import UsageEvent
from usage_anomaly_cli.deeds import ActorRead, Deed, Done, Mark, Outcome, is_spend
from usage_anomaly_cli.reading import Result
from usage_anomaly_cli.reckoning import Reject

PAUSE = timedelta(minutes=5)  # like calls with no longer pause between are told in one line
READING_PAUSE = timedelta(hours=1)  # the same for calls that only read, all of one account together
MOST_DOERS = 3  # that commands are written against; an address or a service can be thousands


class Line(msgspec.Struct):
    """Like calls without a long pause between, of one account and day."""

    account_id: str
    mark: Mark
    first: datetime
    last: datetime
    counted: bool = False  # by CloudTrail
    calls: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)  # source, call
    outcomes: Counter[Outcome] = msgspec.field(default_factory=Counter)
    errors: Counter[str] = msgspec.field(default_factory=Counter)
    regions: Counter[str] = msgspec.field(default_factory=Counter)
    addresses: Counter[str] = msgspec.field(default_factory=Counter)
    agents: Counter[str] = msgspec.field(default_factory=Counter)
    used: Counter[tuple[str, str | None]] = msgspec.field(default_factory=Counter)  # unit, group
    about: dict[str, None] = msgspec.field(default_factory=dict)
    ids: dict[str, None] = msgspec.field(default_factory=dict)


class Kept(msgspec.Struct, frozen=True):
    """What of one kind the doer made, what of it runs, and its rate; quantities are in the kind's units."""

    kind: str
    made: int
    running: Counter[tuple[str, str]]  # by account and region
    usd_per_hour: float  # of those whose rate is known
    unpriced: int


class Case:
    """Gathers what the payloads hold; the records of others leave no more than releases, definitions and IAM users' keys."""

    def __init__(self) -> None:
        self.objects = self.records = self.copies = self.untimed = self.outside = 0
        self.rejected: list[Reject] = []
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.done: dict[bytes, Done] = {}
        self.keys: set[tuple[str, str]] = set()
        self.alike: Counter[str] = Counter()
        self.ledgers: dict[tuple[str, str], Ledger] = defaultdict(Ledger)  # by account and kind

    def add(self, result: Result[ActorRead]) -> None:
        """Count one object in."""
        self.objects += 1
        self.records += result.records
        self.rejected += [Reject(result.name, each.reason, each.count) for each in result.rejected]
        read = result.value
        if read is None:
            return
        self.untimed += read.untimed
        self.outside += read.outside
        self.keys |= read.keys
        self.alike.update(read.alike)
        if read.first is not None and read.last is not None:
            self.first = read.first if self.first is None else min(self.first, read.first)
            self.last = read.last if self.last is None else max(self.last, read.last)
        for event in read.others:
            self._ledger(event).take(event)
        for done in read.done:
            if done.key in self.done:
                self.copies += 1
                continue
            self.done[done.key] = done
            for event in _uses(done.events):
                self._ledger(event).take(event)

    def _ledger(self, event: UsageEvent) -> Ledger:
        return self.ledgers[event.account_id, event.kind]

    def deeds(self) -> list[Deed]:
        """In order of time."""
        return sorted(
            (done.deed for done in self.done.values()), key=lambda each: (each.time, each.event_id, each.call)
        )

    def uses(self) -> list[UsageEvent]:
        """What its calls used, in order of time."""
        found = [event for done in self.done.values() for event in _uses(done.events)]
        return sorted(found, key=lambda each: (each.event_time, each.event_id, each.group or ""))

    def released(self, uses: Iterable[UsageEvent]) -> dict[Run, datetime]:
        """When what was used was seen released, by anybody."""
        found: dict[Run, datetime] = {}
        for event in uses:
            for run, resource in zip(runs(event), resources(event), strict=True):
                when = self._ledger(event).released_at(resource, event.event_time)
                if when is not None:
                    found[run] = when
        return found

    def kept(self, catalog: Catalog) -> list[Kept]:
        """What it made, kind by kind. A rate is the launch's."""
        by_kind: dict[str, list[UsageEvent]] = defaultdict(list)
        for event in self.uses():
            by_kind[event.kind].append(event)
        return [self._kept(kind, events, catalog) for kind, events in sorted(by_kind.items())]

    def _kept(self, kind: str, events: Sequence[UsageEvent], catalog: Catalog) -> Kept:
        last: dict[tuple[str, str, str], UsageEvent] = {}
        for event in events:
            last.update((resource, event) for resource in resources(event))
        gone = self.released(events) if catalog.kind_of(kind).releasable else {}
        running: Counter[tuple[str, str]] = Counter()
        usd, unpriced = 0.0, 0
        for resource, event in last.items():
            if catalog.kind_of(kind).releasable and (*resource, event.event_time) not in gone:
                running[resource[:2]] += event.units_each
                rate = self._rate(event)
                usd += rate or 0.0
                unpriced += event.units_each if rate is None else 0
        made = sum(event.units_each for event in last.values()) + _unnamed(events)
        return Kept(kind, made, running, usd, unpriced)

    def _rate(self, event: UsageEvent) -> float | None:
        """USD an hour of one of its resources."""
        if event.usd_per_hour is not None:
            return event.usd_per_hour * event.units_each / max(1, event.quantity)
        ledger = self._ledger(event)
        micro = ledger.defined_rate(event) if event.group is not None else ledger.started_rate(event)
        return None if micro is None else micro / MICRO / max(1, len(event.resource_ids))

    def steps(self, catalog: Catalog) -> list[Step]:
        """What stops the doer, then what it made that still runs."""
        uses = self.uses()
        steps = [step for each in self._actors() for step in guidance.against_doer(_facts(each), self._signals(each))]
        for kind in sorted({event.kind for event in uses}):
            ours = [event for event in uses if event.kind == kind]
            facts = guidance.facts(ours, self.released(ours), "", (), None)
            steps += [
                step for step in guidance.against_spend(catalog.kind_of(kind), facts) if any(facts.resources.values())
            ]
        commands = [step.command for step in steps]
        return [step for at, step in enumerate(steps) if step.command is None or step.command not in commands[:at]]

    def _signals(self, actor: Actor) -> Signals:
        """Whether all that it did is known and of one day: a role that changed things on an earlier day works here."""
        span = self.last - self.first if self.first is not None and self.last is not None else timedelta()
        changes = (done.deed for done in self.done.values() if done.deed.mark != "read")
        times = [deed.time for deed in changes if deed.arn and role_of(deed.arn) == actor.arn]
        new = not self.outside and (not times or max(times) - min(times) < timedelta(days=1))
        return Signals(days_read=span / timedelta(days=1), new_actor=new)

    def _actors(self) -> list[Actor]:
        """Those that made the calls, first those that changed the most; who only read is stopped only if nobody changed."""
        calls: Counter[tuple[str, str]] = Counter()
        changes = any(done.deed.mark != "read" for done in self.done.values())
        for done in self.done.values():
            deed = done.deed
            if deed.arn and deed.arn.startswith("arn:") and not (changes and deed.mark == "read"):
                key = deed.access_key_id or ""
                named = (role_of(deed.arn), key if key.startswith("AKIA") else "")
                calls[named] += 1
        ranked = sorted(calls, key=lambda each: (-calls[each], each))[:MOST_DOERS]
        return [
            Actor(
                arn=arn,
                type=None,
                access_key_id=key or None,
                long_lived_key=bool(key),
                source_address=None,
                user_agent=None,
                share=1.0,  # of its own calls
                calls=calls[arn, key],
            )
            for arn, key in ranked
        ]


def _facts(actor: Actor) -> guidance.Facts:
    return guidance.Facts(account_id="", main=actor, automation=None, resources={}, functions={}, launchers={})


def _uses(events: Iterable[UsageEvent]) -> list[UsageEvent]:
    return [event for event in events if event.direction == "use" and not event.dry_run and is_spend(event)]


def _unnamed(events: Iterable[UsageEvent]) -> int:
    """What was used without naming a resource; CloudTrail's counts and single calls are two counts of the same."""
    single: Counter[tuple[str, str]] = Counter()
    counted: Counter[tuple[str, str]] = Counter()
    for event in events:
        if not event.resource_ids:
            (counted if event.aggregated else single)[event.account_id, event.region] += event.quantity
    return (single | counted).total()


def lines(deeds: Iterable[Deed], *, reads: bool) -> list[Line]:
    """Like calls in one line, in order of their first; without `reads` the calls that only read share lines."""
    open_lines: dict[tuple[str | bool, ...], Line] = {}
    told: list[Line] = []
    for deed in deeds:
        together = deed.mark == "read" and not reads
        counted = deed.counted is not None
        like = (deed.account_id, counted, *(("read",) if together else (deed.source, deed.call)))
        line = open_lines.get(like)
        pause = READING_PAUSE if together else PAUSE
        if line is None or deed.time - line.last > pause or deed.time.date() != line.first.date():
            line = open_lines[like] = Line(deed.account_id, deed.mark, deed.time, deed.time, counted)
            told.append(line)
        _take(line, deed)
    return told


def _take(line: Line, deed: Deed) -> None:
    line.last = deed.time
    line.calls[deed.source, deed.call] += 1 if deed.counted is None else deed.counted
    line.outcomes[deed.outcome] += 1
    if deed.outcome == "refused":
        line.errors[deed.error_code or "no code"] += 1
    line.regions[deed.region] += 1
    if deed.source_address:
        line.addresses[deed.source_address] += 1
    if deed.user_agent:
        line.agents[deed.user_agent] += 1
    if deed.outcome == "done" or not deed.ids:
        line.about.update(dict.fromkeys(deed.about))
    if deed.outcome == "done":
        line.ids.update(dict.fromkeys(deed.ids))
        for used in deed.used:
            line.used[used.unit, used.group] += used.quantity
