"""How does the usage of trail files come into the cluster as history that nobody is told of?

Processes read, threads write, and no more waits in between than they can take up soon. A busy cluster gets smaller batches
from fewer threads. An object is noted as taken when the last of its usage events stands in the cluster, never before.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec.structs import replace
from opensearchpy import OpenSearch

from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.envelopes import Payload, delivery_minute
from usage_anomaly.errors import UnusableInput
from usage_anomaly.ingesting import NO_TIME
from usage_anomaly.intake import read_object
from usage_anomaly.search import indexes
from usage_anomaly.search.client import READ_WAITS, Answer, SearchRefused, SearchUnavailable, answering, patiently
from usage_anomaly.search.events import Written, write
from usage_anomaly.search.indexes import PROFILES
from usage_anomaly.seen import KEY_BYTES
from usage_anomaly.usage import UsageEvent
from usage_anomaly_cli.bundled import loaded
from usage_anomaly_cli.reading import Result, Source, read_objects, why_not
from usage_anomaly_cli.taken import Item, Taken

MOST_WRITERS = 4  # as many connections as the client keeps
MOST_EVENTS = 2_000  # of a batch; about 2 MB
LEAST_SHARE = 1 / 16
RECOVERY = 1 / 16  # of the full pace, by each batch that was taken at once
# Seconds for a batch; a cluster that takes nothing for so long is down. What is written carries the time of the first try,
# and the roll-up looks back by five minutes only.
PATIENCE = 240.0
SPARE = timedelta(hours=1)  # a call is not later than its delivery, but clocks differ
LONGEST_LOCATION = 1_024  # a name in an archive may be longer than the index takes
DROPPED_AT_ONCE = 1_000
MOST_FAILURES = 5  # that are remembered by name

_JSON = msgspec.json.Encoder()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is taken in: usage in [since, until) (UTC), read by `jobs` processes; the cluster keeps `retention_days`."""

    since: datetime
    until: datetime
    retention_days: int
    jobs: int = 1


class UsageRead(msgspec.Struct, frozen=True):
    """What a reading process sends back of a payload: its usage events, and how many records tell no time."""

    events: list[UsageEvent]
    untimed: int


class Tally(msgspec.Struct):
    """What became of everything so far. `failed` objects are those of which nothing could be had."""

    objects: int = 0
    records: int = 0
    before: int = 0  # objects that an earlier run finished
    old: int = 0  # objects delivered before the span
    passed: int = 0  # objects that are no trail files by their names
    created: int = 0
    existing: int = 0
    outside: int = 0  # events outside the span
    pauses: int = 0
    rejected: Counter[str] = msgspec.field(default_factory=Counter)
    failed: int = 0
    failures: list[tuple[str, str]] = msgspec.field(default_factory=list)  # the first of them, with the reason
    profiles: int = 0
    broken_off: str | None = None

    def seen(self) -> int:
        """How many objects there were."""
        return self.objects + self.before + self.old + self.passed


class Pace:
    """How many batches are under way at once, and how large they are. Halved by each pause the cluster asks for."""

    def __init__(self) -> None:
        self.pauses = 0
        self._share = 1.0
        self._lock = threading.Lock()

    @property
    def writers(self) -> int:
        return max(1, round(MOST_WRITERS * self._share))

    @property
    def events(self) -> int:
        return round(MOST_EVENTS * self._share)

    def slower(self) -> None:
        with self._lock:
            self.pauses += 1
            self._share = max(LEAST_SHARE, self._share / 2)

    def faster(self) -> None:
        with self._lock:
            self._share = min(1.0, self._share + RECOVERY)


class _Begun:
    """An object some of whose events may still be under way."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.batches = 0  # that hold events of it
        self.all_handed_out = False
        self.whole = True  # nothing of it was left for later


class _Batch:
    def __init__(self) -> None:
        self.events: list[UsageEvent] = []
        self.of: list[_Begun] = []


def extract(payload: Payload, _name: str) -> UsageRead:
    """What a reading process makes of a payload."""
    read = read_object(payload, *loaded())
    found = [event for _, arrival in read.arrivals for _, events in arrival.wanted for event in events]
    return UsageRead([_as_history(event) for event in found], len(read.untimed) // KEY_BYTES)


def _as_history(event: UsageEvent) -> UsageEvent:
    location = event.record_location
    if location is not None and len(location) > LONGEST_LOCATION:
        location = None
    return replace(event, origin="backfill", record_location=location)


def local_items(sources: Iterable[Source]) -> Iterator[Item]:
    """Files and members of archives; what was unfolded is new each time, and so is read in each run."""
    for source in sources:
        changed = 0
        with suppress(OSError):  # what cannot be read is told when it is read
            changed = Path(source.path).stat().st_mtime_ns
        place = source.start if source.member is None else source.member
        path = os.fsencode(Path(source.path).absolute()).decode("utf-8", "backslashreplace")  # names may be any bytes
        yield Item(source, f"{path} {changed} {'' if place is None else place}")


def not_taken(
    items: Iterable[Item], taken: Taken, start: datetime, tally: Tally, done: Callable[[], object]
) -> Iterator[Item]:
    """Those that have to be read: not finished before, trail files by their names, not delivered before `start`."""
    for item in items:
        delivered = delivery_minute(item.source.name)
        if taken.holds(item):
            tally.before += 1
        elif item.source.unusable is not None and item.source.unusable == why_not(item.source.name):
            tally.passed += 1
        elif delivered is not None and delivered + SPARE < start:
            tally.old += 1
        else:
            yield item
            continue
        done()


def refuse_unprepared(client: OpenSearch) -> None:
    """Raise UnusableInput where an index would get other fields than ours, which nothing could mend."""
    try:
        answer: Answer = _ask(lambda: client.indices.get_index_template(name=indexes.EVENTS))
    except SearchRefused as error:
        if error.status != 404:
            raise UnusableInput(
                f"{error}: see that --auth and --region are right, and that this role is the stack's BackfillRoleArn"
            ) from error
        raise UnusableInput(
            f"the cluster has no index template {indexes.EVENTS}: deploy the application first"
        ) from error
    template = answer["index_templates"][0]["index_template"].get("template", {})
    lacking = indexes.event_fields().keys() - template.get("mappings", {}).get("properties", {}).keys()
    if lacking:
        raise UnusableInput(
            f"the cluster's index template {indexes.EVENTS} is older than this command (it lacks "
            f"{', '.join(sorted(lacking))}): deploy this version first"
        )


class Backfill:
    """One run. `tally` is right at any time; what is under way is not in it. `pairs` (`account#kind` and `organization#kind`)
    may have new events."""

    def __init__(
        self, client: OpenSearch, plan: Plan, taken: Taken, rejects: IO[bytes] | None, clock: Callable[[], datetime]
    ) -> None:
        self.tally = Tally()
        self.pairs: set[str] = set()
        self._clock = clock
        self._client, self._plan, self._taken, self._rejects = client, plan, taken, rejects
        self._pace = Pace()
        self._stopping = threading.Event()
        self._batch = _Batch()
        self._under_way: dict[Future[Written], _Batch] = {}

    def run(self, items: Iterable[Item], done: Callable[[], object]) -> None:
        """Take the items in; `done` is called after each is read. What ends it early is told in the tally, and what was
        taken until then stays taken."""
        order: deque[Item] = deque()

        def sources() -> Iterator[Source]:
            for item in items:
                order.append(item)
                yield item.source

        regions = frozenset(loaded()[1].regions)
        with (
            ThreadPoolExecutor(MOST_WRITERS) as self._pool,
            closing(read_objects(sources(), self._plan.jobs, extract, regions)) as results,
        ):
            try:
                for result in results:
                    self._take(order.popleft(), result)
                    done()
                self._send()
                self._settle(self._under_way)
            except (SearchUnavailable, SearchRefused, UnusableInput) as error:
                self.tally.broken_off = str(error)
            finally:
                self._stop()

    def _stop(self) -> None:
        """Let writers give up what the cluster does not take now, and note what it took."""
        self._stopping.set()
        for future in wait(self._under_way).done:
            with suppress(SearchUnavailable, SearchRefused):
                self._settle([future])
        self.tally.pauses = self._pace.pauses

    def _take(self, item: Item, result: Result[UsageRead]) -> None:
        self.tally.objects += 1
        self.tally.records += result.records
        if item.fetched:
            Path(item.source.path).unlink()
        begun = _Begun(item)
        if result.value is None:
            self._fail(result.name, result.rejected[0].reason)
            begun.whole = False
        else:
            for each in result.rejected:
                self._reject(result.name, each.reason, each.count)
            if result.value.untimed:
                self._reject(result.name, NO_TIME, result.value.untimed)
            for event in result.value.events:
                self._add(event, begun)
        begun.all_handed_out = True
        self._note(begun)

    def _add(self, event: UsageEvent, begun: _Begun) -> None:
        if not self._plan.since <= event.event_time < self._plan.until:
            self.tally.outside += 1
            begun.whole = False
            return
        if not self._batch.of or self._batch.of[-1] is not begun:
            self._batch.of.append(begun)
            begun.batches += 1
        self.pairs.update(f"{each}#{event.kind}" for each in (event.account_id, ORGANIZATION))
        self._batch.events.append(event)
        if len(self._batch.events) >= self._pace.events:
            self._send()

    def _send(self) -> None:
        if not self._batch.events:
            return
        while len(self._under_way) >= self._pace.writers:
            self._settle(wait(self._under_way, return_when=FIRST_COMPLETED).done)
        self._under_way[self._pool.submit(self._write, self._batch.events)] = self._batch
        self._batch = _Batch()

    def _write(self, events: Sequence[UsageEvent]) -> Written:
        end, pauses = time.monotonic() + PATIENCE, self._pace.pauses

        def time_left() -> float:
            return 0.0 if self._stopping.is_set() else end - time.monotonic()

        def pause(seconds: float) -> None:
            self._pace.slower()
            self._stopping.wait(seconds)

        written = write(self._client, events, self._clock(), time_left, self._plan.retention_days, pause)
        if self._pace.pauses == pauses:
            self._pace.faster()
        return written

    def _settle(self, futures: Iterable[Future[Written]]) -> None:
        """Wait for these batches and note what they finish. Raises what kept one of them from being written."""
        for future in list(futures):
            batch = self._under_way.pop(future)
            written = future.result()
            self.tally.created += written.created
            self.tally.existing += written.existing
            for each in written.rejected:
                self._reject(each.event.record_location, each.reason, 1, each.event)
            later = any(each.retryable for each in written.rejected)
            for begun in batch.of:
                begun.batches -= 1
                begun.whole = begun.whole and not later
                self._note(begun)

    def _note(self, begun: _Begun) -> None:
        if begun.whole and begun.all_handed_out and not begun.batches:
            self._taken.add(begun.item)

    def _fail(self, name: str, reason: str) -> None:
        self.tally.failed += 1
        if len(self.tally.failures) < MOST_FAILURES:
            self.tally.failures.append((name, reason))
        self._tell(name, reason, 1, None)

    def _reject(self, name: str | None, reason: str, count: int, event: UsageEvent | None = None) -> None:
        self.tally.rejected[reason.partition(": ")[0]] += count  # what follows may quote the record
        self._tell(name, reason, count, event)

    def _tell(self, name: str | None, reason: str, count: int, event: UsageEvent | None) -> None:
        if self._rejects is not None:
            line: dict[str, Any] = {"object": name, "reason": reason, "count": count, "event": event}
            self._rejects.write(_JSON.encode(line) + b"\n")
            self._rejects.flush()  # before its object is noted as taken


def drop_profiles(client: OpenSearch, pairs: Iterable[str], tally: Tally) -> None:
    """Delete the profiles of these pairs: they were computed without what came in now, and the next tick makes them anew.

    Of what is not dropped, as when a run broke off, the application's hourly job makes new ones.
    """
    ids = sorted(pairs)
    if not ids:
        return
    try:
        # What was written last is not found yet, and a profile made without it would stay.
        _ask(lambda: client.indices.refresh(index=indexes.ALL_EVENTS))
        for start in range(0, len(ids), DROPPED_AT_ONCE):
            tally.profiles += _dropped(client, ids[start : start + DROPPED_AT_ONCE])
    except (SearchUnavailable, SearchRefused) as error:
        tally.broken_off = str(error)


def _dropped(client: OpenSearch, ids: Sequence[str]) -> int:
    lines = b"".join(_JSON.encode({"delete": {"_index": PROFILES, "_id": each}}) + b"\n" for each in ids)
    statuses = [item["delete"]["status"] for item in _ask(lambda: client.bulk(body=lines))["items"]]
    refused = [status for status in statuses if status not in (200, 404)]  # 404: no such profile, or no index yet
    if refused:
        raise SearchUnavailable(f"{len(refused)} profiles cannot be dropped: {refused[0]}")
    return statuses.count(200)


def _ask(send: Callable[[], Any]) -> Any:
    def answered() -> Any:
        with answering():
            return send()

    return patiently(answered, READ_WAITS)
