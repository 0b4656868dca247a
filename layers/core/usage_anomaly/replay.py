"""What would have been told, had these records arrived as their objects say?

The same rules as a deployment's, over records at hand: go through the minutes in which something arrived, take in what is
new, judge the kinds and accounts it touched, and step their anomalies. No clock: a tick is a minute of delivery time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import force_setattr

from usage_anomaly.anomalies.extents import Extent, Extents
from usage_anomaly.anomalies.life_cycle import WATERMARK, Due, Tick, Told, View, due, update
from usage_anomaly.anomalies.overrides import NONE, Overrides
from usage_anomaly.anomalies.rules import ORGANIZATION, Pair, cap_of, releasable, rules_of, told_each
from usage_anomaly.anomalies.view import view
from usage_anomaly.catalog import ATTEMPTS, Catalog
from usage_anomaly.coverage import Coverage
from usage_anomaly.detection.judging import Rules, Verdict
from usage_anomaly.enrichment.accounts import Account, AccountType, account_type
from usage_anomaly.seen import KEY_BYTES, Seen
from usage_anomaly.series import Series, bucket_of
from usage_anomaly.totals import CappedTotal, traits
from usage_anomaly.usage import Direction, UsageEvent

MINUTE = timedelta(minutes=1)
# Texts of usage events that many share, and how many of them are looked for at a time.
REPEATING = tuple(
    field.name
    for field in msgspec.structs.fields(UsageEvent)
    if field.type in (str, str | None) and field.name not in ("event_id", "shared_event_id", "record_location")
)
MOST_TEXTS = 10_000


class Arrival(msgspec.Struct, frozen=True):
    """What one object, or one minute of a file without delivery time, brings.

    `keys` holds the sameness keys of its records, 16 bytes each; `wanted` the usage events of the records that some kind
    reads, by their position; `coverage` the first bucket with a record on each day of each account.
    """

    keys: bytes
    wanted: tuple[tuple[int, tuple[UsageEvent, ...]], ...]
    coverage: dict[str, tuple[int, ...]]


class Outcome(msgspec.Struct, frozen=True):
    """An extent with what was told of it (None: recorded only)."""

    kind: str
    account_id: str
    extent: Extent
    told: Told | None


class Counts(msgspec.Struct):
    """What was read, after duplicates were left out."""

    records: int = 0
    distinct: int = 0
    usage: Counter[str] = msgspec.field(default_factory=Counter)
    releases: Counter[str] = msgspec.field(default_factory=Counter)
    attempts: Counter[str] = msgspec.field(default_factory=Counter)


class Replay:
    """The state of a replay between two ticks. Feed it minutes in rising order, then ask for the outcomes."""

    def __init__(
        self,
        catalog: Catalog,
        accounts: Mapping[str, Account],
        *,
        kinds: frozenset[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        overrides: Overrides = NONE,
    ) -> None:
        self.catalog = catalog
        self.accounts = accounts
        self.overrides = overrides
        self.counts = Counts()
        self.series: dict[Pair, Series] = {}
        self.told: dict[Pair, list[Told]] = {}
        self.fresh: list[UsageEvent] = []  # the distinct usage events of the last tick, in order
        self._types = {each: account_type(account) for each, account in accounts.items()}
        self._kinds = kinds
        self._first = 0 if since is None else bucket_of(since)
        self._end = 1 << 62 if until is None else bucket_of(until)
        self._known = Seen()
        self._texts: dict[str, str] = {}
        self._coverage: dict[str, Coverage] = defaultdict(Coverage)
        self._totals: dict[str, CappedTotal] = {}
        self._extents: dict[Pair, Extents] = {}
        self._due: dict[Pair, list[Due]] = {}
        self._now: Tick | None = None

    def tick(self, minute: datetime, arrivals: Iterable[Arrival]) -> None:
        """Take in all that arrived in a minute and tell what it leads to."""
        arrivals = list(arrivals)
        self._catch_up(minute)
        touched: dict[Pair, int] = {}
        self._cover(arrivals, touched)
        self.fresh = self._take_new(arrivals)
        for pair, bucket in sorted({place for event in self.fresh for place in self._add(event)}):
            account_id, kind = pair
            if not self.catalog.judges(kind):
                continue
            for each in (pair, (ORGANIZATION, kind)):
                touched[each] = min(bucket, touched.get(each, bucket))
            total = self._totals.setdefault(kind, CappedTotal())
            cap = cap_of(self.catalog, pair, self.type_of(account_id), self.overrides)
            total.put(account_id, bucket, self.series[pair].quantity(bucket, bucket), cap)
        self._note_shared()
        now = self._now = Tick(minute=minute, watermark=minute - WATERMARK)
        for pair in sorted(touched):
            self._judge(pair, touched[pair])
        overdue = {pair for pair, waits in self._due.items() if any(each.now(now) for each in waits)}
        for pair in sorted({*touched, *overdue}):
            self._step(pair, now)

    def take_untimed(self, keys: bytes) -> None:
        """Count records that have no time and so no minute."""
        self.counts.records += len(keys) // KEY_BYTES
        self.counts.distinct += self._known.add(keys)

    def outcomes(self) -> list[Outcome]:
        """Every told anomaly, also those withdrawn or joined, and every recorded one, in order of account, kind, start."""
        found: list[Outcome] = []
        for pair in sorted(self._extents):
            account_id, kind = pair
            telling, recorded = self._split(pair)
            told = self.told.get(pair, [])
            places = {each.seen: each for each in told if each.closed_reason not in ("withdrawn", "joined")}
            found += [Outcome(kind, account_id, each, places.get((each.start, each.last_seen))) for each in telling]
            found += [Outcome(kind, account_id, each, None) for each in recorded]
            gone = (each for each in told if each.closed_reason in ("withdrawn", "joined"))
            found += [Outcome(kind, account_id, _last_known(each), each) for each in gone]
        return sorted(
            found, key=lambda each: (each.extent.start, each.account_id, each.kind, each.told.id if each.told else "")
        )

    def members(self, pair: Pair) -> list[Series]:
        """The series that an anomaly of this pair is about: one account's, or every account's for the organization."""
        account_id, kind = pair
        if account_id != ORGANIZATION:
            return [self.series[pair]]
        return [self.series[each] for each in sorted(self.series) if each[1] == kind]

    def view(self, pair: Pair, extent: Extent) -> View:
        """How an extent of the pair stands now."""
        name, catalog = pair[1], self.catalog
        return view(self.members(pair), extent, releasable=releasable(catalog, name), each=told_each(catalog, name))

    def type_of(self, account_id: str) -> AccountType:
        """Whose limits hold for an account."""
        return self._types.get(account_id, "unknown")

    def rules(self, pair: Pair) -> Rules:
        """What the pair is judged by."""
        return rules_of(self.catalog, pair, self.type_of(pair[0]), self.overrides)

    def judged(self, pair: Pair) -> Series | CappedTotal:
        """What is judged of a pair. Raises KeyError where it has no use."""
        return self._totals[pair[1]] if pair[0] == ORGANIZATION else self.series[pair]

    def compared(self, pair: Pair, bucket: int) -> list[Verdict]:
        """Every comparison for the windows of the pair that end with a bucket, in the light of all that was read.

        The walk begins anew, because the extents that a replay keeps remember only its last part.
        """
        extents = Extents(self.judged(pair).until(bucket), self.rules(pair), self._coverage[pair[0]])
        extents.refresh(0)
        return extents.compared(bucket)

    def coverage(self, account_id: str) -> Coverage:
        """Which days of an account, or of the whole organization, are known."""
        return self._coverage[account_id]

    def _catch_up(self, minute: datetime) -> None:
        """Visit the minutes before this one in which something was due though nothing arrived, as a deployment would."""
        if self._now is None:
            return
        reached: dict[Pair, datetime] = {}
        while True:
            waits = [
                (max(each.at, reached.get(pair, self._now.minute) + MINUTE), pair)
                for pair, dues in self._due.items()
                for each in dues
                if each.watermark is None or each.watermark <= self._now.watermark
            ]
            soonest = min((each for each in waits if each[0] < minute), default=None)
            if soonest is None:
                return
            at, pair = soonest
            reached[pair] = at
            before = self.told[pair]
            self._step(pair, Tick(minute=at, watermark=self._now.watermark))
            if self.told[pair] == before:  # nothing more to say before something arrives
                reached[pair] = minute

    def _cover(self, arrivals: Sequence[Arrival], touched: dict[Pair, int]) -> None:
        """Note the days that have records. A day that was not known changes what is usual on those after it."""
        for arrival in arrivals:
            for account_id, buckets in arrival.coverage.items():
                for who in (account_id, ORGANIZATION):
                    known = self._coverage[who]
                    changed = [each for each in map(known.note, buckets) if each is not None]
                    if changed:
                        first = min(changed)
                        pairs = (pair for pair in self._extents if pair[0] == who)
                        touched.update({pair: min(first, touched.get(pair, first)) for pair in pairs})

    def _take_new(self, arrivals: Sequence[Arrival]) -> list[UsageEvent]:
        """The usage events of records not seen in an earlier minute; of copies within a minute the least one counts."""
        copies: dict[bytes, tuple[UsageEvent, ...]] = {}
        for arrival in arrivals:
            for position, events in arrival.wanted:
                key = arrival.keys[position * KEY_BYTES : (position + 1) * KEY_BYTES]
                if key not in self._known:
                    copies[key] = min(copies.get(key, events), events, key=msgspec.json.encode)
        for arrival in arrivals:
            self.counts.records += len(arrival.keys) // KEY_BYTES
            self.counts.distinct += self._known.add(arrival.keys)
        return [self._sharing_texts(event) for key in sorted(copies) for event in copies[key]]

    def _sharing_texts(self, event: UsageEvent) -> UsageEvent:
        """The event, with one text in memory where others say the same: callers, agents, places and prices repeat."""
        if len(self._texts) > MOST_TEXTS:
            self._texts.clear()
        for name in REPEATING:
            text = getattr(event, name)
            if text is not None:
                force_setattr(event, name, self._texts.setdefault(text, text))
        return event

    def _add(self, event: UsageEvent) -> Iterator[tuple[Pair, int]]:
        """Count an event and put it into its series; gives the pair and bucket that it changed."""
        pair = (event.account_id, event.kind)
        tally = self.catalog.kind_of(event.kind).keep == "tally"
        series = self.series.get(pair)
        if series is None:
            series = self.series[pair] = Series(tally=tally)
        # Calls that CloudTrail also aggregated add only what they exceed its count by, and the reverse.
        twice = tally and event.direction == "use"
        before = series.tallied(event.event_time) if twice else 0
        changed = series.add(event)
        if self.wants(event.kind):
            by: dict[Direction, Counter[str]] = {
                "use": self.counts.usage,
                "release": self.counts.releases,
                "attempt": self.counts.attempts,
            }
            added = series.tallied(event.event_time) - before if twice else event.quantity
            if event.direction in by:  # a definition uses nothing
                by[event.direction][event.kind.removesuffix(ATTEMPTS)] += added
        for bucket in changed:
            yield pair, bucket

    def _note_shared(self) -> None:
        """What the new events could share with other accounts. A busy kind's callers are too many to keep."""
        for event in self.fresh:
            kind = self.catalog.kind_of(event.kind)
            if (
                kind.keep != "tally"
                and event.quantity
                and event.direction != "release"
                and not event.dry_run
                and self.catalog.judges(event.kind)
            ):
                for trait in traits(event):
                    self._totals[event.kind].note(trait, event.account_id, bucket_of(event.event_time))

    def _judge(self, pair: Pair, bucket: int) -> None:
        extents = self._extents.get(pair)
        rules = self.rules(pair)
        if extents is None:
            extents = self._extents[pair] = Extents(self.judged(pair), rules, self._coverage[pair[0]])
        extents.refresh(bucket, rules)

    def _step(self, pair: Pair, now: Tick) -> None:
        told = self.told.get(pair, [])
        telling, _ = self._split(pair)
        if not told and not telling:
            return
        views = [self.view(pair, each) for each in telling]
        ranges = [(each.start, each.last_seen) for each in telling]
        after, owners = update(pair[1], pair[0], told, ranges, views.__getitem__, now)
        self.told[pair] = after
        self._due[pair] = [each for owner, seen in zip(owners, views, strict=True) for each in due(after[owner], seen)]

    def _split(self, pair: Pair) -> tuple[list[Extent], list[Extent]]:
        """The extents that tell and the recorded ones, of the kinds and the time that are to be judged."""
        if not self.wants(pair[1]):
            return [], []
        every = [each for each in self._extents[pair].all() if each.last_seen >= self._first and each.start < self._end]
        return [each for each in every if each.telling], [each for each in every if not each.telling]

    def wants(self, kind: str) -> bool:
        """Whether a kind, or the refused calls for it, is to be judged and counted."""
        return self._kinds is None or kind.removesuffix(ATTEMPTS) in self._kinds


def _last_known(told: Told) -> Extent:
    """The extent of an anomaly that was withdrawn or joined, as it was last seen."""
    return Extent(start=told.seen[0], last_seen=told.seen[1], telling=True, findings=())
