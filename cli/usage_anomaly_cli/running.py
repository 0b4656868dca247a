"""How do trail files become anomalies on this machine?

Reads the objects in the order of their delivery, feeds the pure replay minute by minute, and puts the anomalies together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from usage_anomaly.anomalies import Anomaly, Query, State
from usage_anomaly.anomalies.life_cycle import QUIET
from usage_anomaly.anomalies.overrides import NONE, Overrides
from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.anomalies.view import gather, nets_unread_launch
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.detection.readiness import readiness
from usage_anomaly.enrichment.accounts import Account
from usage_anomaly.enrichment.compose import Material, compose
from usage_anomaly.enrichment.evidence import matching
from usage_anomaly.enrichment.expected import usual
from usage_anomaly.envelopes import Payload
from usage_anomaly.intake import ObjectRead, read_object
from usage_anomaly.replay import Arrival, Outcome, Replay
from usage_anomaly.series import bucket_of, bucket_start
from usage_anomaly.usage import UsageEvent
from usage_anomaly_cli.bundled import loaded
from usage_anomaly_cli.reading import Result, Source, read_objects
from usage_anomaly_cli.reckoning import GLOBAL_REGION, Reckoning
from usage_anomaly_cli.redaction import Redaction
from usage_anomaly_cli.report.timeline import Timeline, timeline

_LACKS = {
    "data events": "{service} data events",
    "read events": "calls that only read",
    "global events": f"records of {GLOBAL_REGION}, where global services log",
}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay is asked for. `since` and `until` (UTC) limit what is judged, not what is read.

    With a `redaction` all that follows, from the objects read to the sentences, knows pseudonyms only; so do `accounts` and
    `overrides`.
    """

    accounts: Mapping[str, Account]
    overrides: Overrides = NONE
    kinds: frozenset[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    jobs: int = 1
    redaction: Redaction | None = None


class Run(msgspec.Struct, frozen=True):
    """A finished replay."""

    replay: Replay
    reckoning: Reckoning
    now: datetime


def extract(payload: Payload, _name: str) -> ObjectRead:
    """What a reading process sends back of a payload."""
    return read_object(payload, *loaded())


def run(
    sources: Sequence[Source],
    plan: Plan,
    done: Callable[[], object],
    keep: Callable[[Sequence[UsageEvent]], object] | None = None,
) -> Run:
    """Replay the objects. `done` is called after each object, `keep` with the distinct usage events of each minute."""
    return run_beside(sources, plan, (), done, keep)[0]


def run_beside(
    sources: Sequence[Source],
    plan: Plan,
    others: Sequence[Overrides],
    done: Callable[[], object],
    keep: Callable[[Sequence[UsageEvent]], object] | None = None,
) -> list[Run]:
    """The same by the plan's limits and by others: everything is read once, and usage events are in memory once."""
    catalog, prices = loaded()
    reckoning = Reckoning()
    replays = [
        Replay(catalog, plan.accounts, kinds=plan.kinds, since=plan.since, until=plan.until, overrides=each)
        for each in (plan.overrides, *others)
    ]
    results: Iterable[Result[ObjectRead]] = read_objects(sources, plan.jobs, extract, frozenset(prices.regions))
    if plan.redaction is not None:
        results = map(plan.redaction.result, results)
    now = datetime(1970, 1, 1, tzinfo=UTC)
    for minute, arrivals in minutes(_counted(results, reckoning, done)):
        for replay in replays:
            replay.tick(minute, arrivals)
        now = minute
        if keep is not None:
            keep([event for event in replays[0].fresh if replays[0].wants(event.kind)])
    for replay in replays:
        replay.take_untimed(bytes(reckoning.untimed))
    return [Run(replay, reckoning, now) for replay in replays]


def _counted(
    results: Iterable[Result[ObjectRead]], reckoning: Reckoning, done: Callable[[], object]
) -> Iterator[ObjectRead]:
    for result in results:
        reckoning.add(result)
        if result.value is not None:
            yield result.value
        done()


def minutes(objects: Iterable[ObjectRead]) -> Iterator[tuple[datetime, list[Arrival]]]:
    """What arrived in each minute, in rising order.

    Objects without a delivery minute come first and may hold any minutes, so they wait in memory; those with one come in
    its order, and a minute is given out as soon as a later one begins.
    """
    waiting: dict[datetime, list[Arrival]] = {}
    for each in objects:
        for minute, arrival in each.arrivals:
            waiting.setdefault(minute, []).append(arrival)
        if len(each.arrivals) == 1 and each.delivered:
            newest = each.arrivals[0][0]
            for minute in sorted(minute for minute in waiting if minute < newest):
                yield minute, waiting.pop(minute)
    for minute in sorted(waiting):
        yield minute, waiting[minute]


def anomalies(finished: Run, plan: Plan) -> list[Anomaly]:
    """Every anomaly, told and recorded, with its enrichments, in order of start, account, kind and id."""
    found = composed(finished.replay.outcomes(), finished, plan)
    return sorted(found, key=lambda each: (each.start, each.account_id, each.kind, each.id))


def composed(outcomes: Iterable[Outcome], finished: Run, plan: Plan) -> list[Anomaly]:
    """The anomalies that these outcomes are, with their enrichments, in the same order."""
    ask = _Memory(finished.replay).ask
    return [compose(_material(outcome, finished, plan), ask) for outcome in outcomes]


def use_over_time(anomaly: Anomaly, finished: Run) -> Timeline:
    """The anomaly's quantity by time, beside what is usual and its limit."""
    pair = (anomaly.account_id, anomaly.kind)
    coverage = finished.replay.coverage(anomaly.account_id)
    until = finished.reckoning.last or finished.now
    return timeline(anomaly, finished.replay.members(pair), finished.replay.rules(pair), coverage.since, until)


def ready_accounts(finished: Run) -> Counter[str]:
    """How many of the accounts read each detector could judge at the end."""
    last = bucket_of(finished.reckoning.last or finished.now)
    coverages = (finished.replay.coverage(each) for each in finished.reckoning.accounts())
    found = (readiness(each, last).items() for each in coverages)
    return Counter(name for each in found for name, why in each if why == "yes")


def absent(finished: Run, plan: Plan) -> dict[str, str]:
    """The kinds that these records could not have shown, and what they lack."""
    return {
        name: f"{_LACKS[kind.needs].format(service=kind.title.partition(' ')[0])}: {kind.many} are not seen"
        for name, kind in sorted(loaded()[0].kinds.items())
        if finished.reckoning.lacks(kind.needs, name) and (plan.kinds is None or name in plan.kinds)
    }


def _material(outcome: Outcome, finished: Run, plan: Plan) -> Material:
    replay, now = finished.replay, finished.now
    pair = (outcome.account_id, outcome.kind)
    catalog, prices = loaded()
    members = replay.members(pair)
    gathered = gather(members, outcome.extent)
    covered = replay.coverage(outcome.account_id)
    return Material(
        kind=catalog.kind_of(outcome.kind),
        kind_name=outcome.kind,
        account_id=outcome.account_id,
        account=plan.accounts.get(outcome.account_id),
        extent=outcome.extent,
        told=outcome.told,
        view=replay.view(pair, outcome.extent),
        state=_recorded_state(outcome, now),
        uses=gathered.uses,
        released=gathered.released,
        expected=usual(members, outcome.extent, covered),
        covered_from=None if covered.since is None else bucket_start(covered.since),
        median_rate_used=any(
            nets_unread_launch(series, outcome.extent.findings, outcome.extent.last_seen) for series in members
        ),
        ready=readiness(covered, outcome.extent.last_seen),
        now=now,
        prices_date=prices.date,
        alone=len(finished.reckoning.accounts()) == 1,
        taken=frozenset(each.id for each in replay.told.get(pair, ())),
    )


def _recorded_state(outcome: Outcome, now: datetime) -> State:
    """Recorded anomalies have no life cycle: open until two hours without use, then quiet."""
    watermark = now - timedelta(minutes=FIGURES.life_cycle.watermark_minutes)
    return "quiet" if watermark >= bucket_start(outcome.extent.last_seen) + QUIET else "open"


class _Memory:
    """Answers queries from the replay's series; asks only those that can hold an answer."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def ask(self, query: Query) -> list[UsageEvent]:
        low = 0 if query.start is None else bucket_of(query.start)
        high = 1 << 62 if query.end is None else bucket_of(query.end)
        events = [
            event
            for (account_id, kind), series in self._replay.series.items()
            if account_id != ORGANIZATION
            and query.account_id in (None, account_id)
            and query.not_account_id != account_id
            and query.kind in (None, kind)
            and query.not_kind != kind
            for event in series.events(low, high)
        ]
        return matching(query, events)
