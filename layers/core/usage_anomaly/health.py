"""How well does the deployment itself work, and is that news?

The score is 100 less these deductions, never below 0. A probe that failed is *unknown*, and unknown costs points too: a
monitor that cannot see must not say that all is well. Windows are the last 15 minutes.

| area | finding | points |
|---|---|---|
| cluster | red | 40 |
| cluster | unknown | 30 |
| cluster | yellow, or shards without a node | 20 |
| detection | the detect function did not run | 30 |
| functions | two or more errors of one function, 5 % of its invocations | 20 |
| functions | unknown | 20 |
| functions | 1 % of all invocations failed, two or more | 10 |
| ingest | less than 95 % of its invocations succeeded, two or more failed | 20 |
| lag | ingest is called, and nothing was stored for over an hour | 30 |
| lag | ingest is called, and nothing was stored for over 15 minutes, or ever | 20 |
| lag | unknown | 20 |
| outbox | an alert waits over 15 minutes for its workflow | 30 |
| outbox | an alert waits over 5 minutes for its workflow | 15 |
| outbox | unknown | 15 |
| alerts | the slowest alert took over 5 minutes | 20 |
| alerts | unknown | 10 |
| workflow | five or more executions failed | 20 |
| workflow | one to four executions failed | 10 |
| workflow | unknown | 10 |
| dead_letters | 100 or more wait, or one for over an hour | 20 |
| dead_letters | unknown | 10 |
| dead_letters | one to 99 wait | 5 |
| history | the daily pasts were last made over 26 hours ago | 20 |
| history | unknown | 10 |

One error alone says nothing: Lambda tries again. A quiet organization stores nothing for days: lag counts only while
ingest is called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Literal

import msgspec

SCORE_TARGET = 80
SUCCESS_TARGET = 95.0  # per cent
ERRORS_TARGET = 1.0  # per cent
LATENCY_TARGET = 300.0  # seconds from the record's arrival to the alert
LAG_TARGET = 900.0  # seconds
WINDOW = timedelta(minutes=15)
INGEST, DETECT = "ingest", "detect"  # roles of functions that are judged by themselves

HISTORY_TARGET = 26 * 3_600.0  # seconds; the job is daily, and a large organization's takes more than one run

_HOUR = 3_600.0
_FAILING = 5.0  # per cent of one function's invocations
_RETRIED = 1  # so many errors a retry mends
_MANY_LETTERS = 100
_MANY_FAILED = 5
_REMIND_FIRST = timedelta(hours=6)
_REMIND = timedelta(hours=24)
_CLEAN_RUNS = 2  # runs without a trouble before it is said to be over: what flaps is told once

Area = Literal[
    "cluster", "detection", "functions", "ingest", "lag", "outbox", "alerts", "workflow", "dead_letters", "history"
]
# What a person does first; docs/operations.md says more.
REMEDY: dict[Area, str] = {
    "cluster": "look at the domain's health in the OpenSearch console: free storage, a node lost, replicas without a node",
    "detection": "look whether the detect schedule is enabled, then at the detect function's log",
    "functions": "read the named function's log for its error",
    "ingest": "read the ingest function's log; failed payloads wait in the failure bucket and are redriven",
    "lag": "look at the ingest function's log and the cluster; nothing is lost, it is stored late",
    "outbox": "look whether detect may start executions, and at the state machine's quota",
    "alerts": "look at the executions that ran long, and at the outbox",
    "workflow": "start each failed execution's input again under a new name (redrive delivers nothing); an alert may be missing",
    "dead_letters": "redrive runs by itself once the cluster is healthy; if they stay, read the redrive function's log",
    "history": "read the roll_up function's log; ticks read more events the longer it lasts, and miss nothing",
}


class Unknown(msgspec.Struct, frozen=True):
    """A probe that failed, and the name of its error."""

    error: str


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    status: Literal["green", "yellow", "red"]
    unassigned_shards: int


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """Invocations of one function within the window, and how many of them raised."""

    invocations: int = 0
    errors: int = 0


class Lag(msgspec.Struct, frozen=True):
    """Seconds since the newest usage event was stored; None: none ever was."""

    seconds: float | None


class Executions(msgspec.Struct, frozen=True, kw_only=True):
    """Executions of the workflow within the window. Failed: failed, timed out or aborted."""

    started: int = 0
    failed: int = 0


class Letters(msgspec.Struct, frozen=True, kw_only=True):
    """Failed payloads that wait for redrive, and the age of the oldest in seconds."""

    waiting: int = 0
    oldest_seconds: float = 0.0


class Seconds(msgspec.Struct, frozen=True):
    """The worst of something; None: there was none."""

    worst: float | None


class Probes(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen at one moment. `functions` is by role (ingest, detect, ...)."""

    cluster: Cluster | Unknown
    functions: Mapping[str, Calls] | Unknown
    lag: Lag | Unknown
    outbox: Seconds | Unknown  # age of the oldest snapshot not dispatched
    alerts: Seconds | Unknown  # the slowest alert of the window
    workflow: Executions | Unknown
    dead_letters: Letters | Unknown
    history: Seconds | Unknown  # since the daily pasts were all made


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """One deduction. `needs` is how many runs in a row must see it before it is told."""

    area: Area
    points: int
    text: str
    needs: int = 1


class Health(msgspec.Struct, frozen=True):
    """0-100 and what was deducted, the worst first."""

    score: int
    troubles: tuple[Trouble, ...]


def assess(probes: Probes) -> Health:
    """The score of one moment. At most one trouble for each area."""
    found = [
        *_cluster(probes.cluster),
        *_functions(probes.functions),
        *_lag(probes.lag, ingest_is_called(probes.functions)),
        *_outbox(probes.outbox),
        *_alerts(probes.alerts),
        *_workflow(probes.workflow),
        *_letters(probes.dead_letters),
        *_history(probes.history),
    ]
    troubles = tuple(sorted(found, key=lambda trouble: (-trouble.points, trouble.area)))
    return Health(score=max(0, 100 - sum(trouble.points for trouble in troubles)), troubles=troubles)


def error_rate(functions: Mapping[str, Calls]) -> float | None:
    """Per cent of all invocations that raised; None without invocations."""
    return _rate(sum(each.errors for each in functions.values()), sum(each.invocations for each in functions.values()))


def success_rate(functions: Mapping[str, Calls]) -> float | None:
    """Per cent of the payloads given to ingest that it took; None when none came."""
    failed = _rate(functions.get(INGEST, Calls()).errors, functions.get(INGEST, Calls()).invocations)
    return None if failed is None else 100.0 - failed


def _rate(errors: int, invocations: int) -> float | None:
    # Errors are counted when a call ends and invocations when it starts: a minute can have more of the first.
    return min(100.0, 100.0 * errors / invocations) if invocations else (100.0 if errors else None)


def _unknown(area: Area, points: int, what: str, probe: Unknown) -> Trouble:
    """One timeout is no news; two runs in a row are."""
    return Trouble(area=area, points=points, text=f"{what} is unknown: {probe.error}", needs=2)


def _cluster(probe: Cluster | Unknown) -> Iterator[Trouble]:
    if isinstance(probe, Unknown):
        yield _unknown("cluster", 30, "the cluster's health", probe)
    elif probe.status == "red":
        yield Trouble(area="cluster", points=40, text=f"the cluster is red, {_shards(probe)}")
    elif probe.status == "yellow" or probe.unassigned_shards:
        yield Trouble(area="cluster", points=20, text=f"the cluster is {probe.status}, {_shards(probe)}")


def _shards(probe: Cluster) -> str:
    count = probe.unassigned_shards
    return f"{count} shard without a node" if count == 1 else f"{count} shards without a node"


def _functions(probe: Mapping[str, Calls] | Unknown) -> Iterator[Trouble]:
    if isinstance(probe, Unknown):
        yield _unknown("functions", 20, "what the functions did", probe)
        return
    if DETECT in probe and not probe[DETECT].invocations:
        yield Trouble(area="detection", points=30, text="detect did not run in 15 minutes", needs=2)
    failing = sorted(
        (-_share(calls), role) for role, calls in probe.items() if calls.errors > _RETRIED and _share(calls) >= _FAILING
    )
    overall, errors = error_rate(probe), sum(each.errors for each in probe.values())
    if failing:
        named = ", ".join(f"{role} {probe[role].errors} of {probe[role].invocations}" for _, role in failing)
        yield Trouble(area="functions", points=20, text=f"failed invocations: {named}")
    elif overall is not None and overall >= ERRORS_TARGET and errors > _RETRIED:
        yield Trouble(area="functions", points=10, text=f"{overall:.1f} % of all invocations failed")
    success = success_rate(probe)
    if success is not None and success < SUCCESS_TARGET and probe[INGEST].errors > _RETRIED:
        yield Trouble(area="ingest", points=20, text=f"ingest took only {success:.1f} % of its payloads")


def _share(calls: Calls) -> float:
    return _rate(calls.errors, calls.invocations) or 0.0


def ingest_is_called(probe: Mapping[str, Calls] | Unknown) -> bool:
    """Unless known otherwise: a blind probe must not excuse a lag."""
    return isinstance(probe, Unknown) or INGEST not in probe or probe[INGEST].invocations > 0


def _lag(probe: Lag | Unknown, called: bool) -> Iterator[Trouble]:
    if isinstance(probe, Unknown):
        yield _unknown("lag", 20, "what was stored last", probe)
    elif called and probe.seconds is None:
        yield Trouble(area="lag", points=20, text="ingest is called and nothing was stored yet", needs=2)
    elif called and probe.seconds is not None and probe.seconds > LAG_TARGET:
        points = 30 if probe.seconds > _HOUR else 20
        text = f"ingest is called and nothing was stored for {_minutes(probe.seconds)}"
        yield Trouble(area="lag", points=points, text=text, needs=2)


def _outbox(probe: Seconds | Unknown) -> Iterator[Trouble]:
    if isinstance(probe, Unknown):
        yield _unknown("outbox", 15, "whether alerts wait", probe)
    elif probe.worst is not None and probe.worst > LATENCY_TARGET:
        points = 30 if probe.worst > LAG_TARGET else 15
        yield Trouble(area="outbox", points=points, text=f"an alert waits {_minutes(probe.worst)} for its workflow")


def _alerts(probe: Seconds | Unknown) -> Iterator[Trouble]:
    if isinstance(probe, Unknown):
        yield _unknown("alerts", 10, "how long alerts take", probe)
    elif probe.worst is not None and probe.worst > LATENCY_TARGET:
        yield Trouble(area="alerts", points=20, text=f"the slowest alert took {_minutes(probe.worst)}")


def _workflow(probe: Executions | Unknown) -> Iterator[Trouble]:
    if isinstance(probe, Unknown):
        yield _unknown("workflow", 10, "how executions end", probe)
    elif probe.failed:
        points = 20 if probe.failed >= _MANY_FAILED else 10
        yield Trouble(area="workflow", points=points, text=f"failed executions: {probe.failed} of {probe.started}")


def _letters(probe: Letters | Unknown) -> Iterator[Trouble]:
    if isinstance(probe, Unknown):
        yield _unknown("dead_letters", 10, "what waits for redrive", probe)
    elif probe.waiting:
        many = probe.waiting >= _MANY_LETTERS or probe.oldest_seconds > _HOUR
        text = f"failed payloads wait for redrive: {probe.waiting}"
        yield Trouble(area="dead_letters", points=20 if many else 5, text=text)


def _history(probe: Seconds | Unknown) -> Iterator[Trouble]:
    if isinstance(probe, Unknown):
        yield _unknown("history", 10, "how old the daily pasts are", probe)
    elif probe.worst is not None and probe.worst > HISTORY_TARGET:
        yield Trouble(area="history", points=20, text=f"the daily pasts were last made {_minutes(probe.worst)} ago")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds < 2 * _HOUR else f"{seconds / _HOUR:.0f} hours"


# What is news


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A trouble that is watched: how long, how bad it was when last told, how often seen and not seen in a row."""

    area: Area
    since: datetime
    points: int
    text: str
    seen: int = 1
    clean: int = 0
    told: int = 0  # the most points told; 0: not told yet
    remind_at: datetime | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a system alert."""

    what: Literal["began", "worse", "still", "over"]
    area: Area
    since: datetime
    text: str


def changes(before: tuple[Standing, ...], after: Health, now: datetime) -> tuple[tuple[Standing, ...], list[Change]]:
    """What is watched from now on, and what is news: a trouble that began, got worse, is over, or stands 6 h, then each 24 h.

    A trouble is over after two runs without it, so that what flaps is told once.
    """
    known = {standing.area: standing for standing in before}
    watched: list[Standing] = []
    news: list[Change] = []
    for trouble in after.troubles:
        standing = _seen(known.pop(trouble.area, None), trouble, now)
        what = _news(standing, trouble, now)
        if what:
            news.append(Change(what=what, area=standing.area, since=standing.since, text=standing.text))
            standing = _told(standing, what, now)
        watched.append(standing)
    for gone in known.values():
        clean = msgspec.structs.replace(gone, seen=0, clean=gone.clean + 1)
        if not gone.told:
            continue
        if clean.clean < _CLEAN_RUNS:
            watched.append(clean)
        else:
            news.append(Change(what="over", area=gone.area, since=gone.since, text=gone.text))
    return tuple(watched), news


def _seen(standing: Standing | None, trouble: Trouble, now: datetime) -> Standing:
    if standing is None:
        return Standing(area=trouble.area, since=now, points=trouble.points, text=trouble.text)
    seen = 1 if trouble.points > standing.points else standing.seen + 1
    return msgspec.structs.replace(standing, points=trouble.points, text=trouble.text, seen=seen, clean=0)


def _news(standing: Standing, trouble: Trouble, now: datetime) -> Literal["began", "worse", "still"] | None:
    if standing.points > standing.told:
        return None if standing.seen < trouble.needs else ("worse" if standing.told else "began")
    return "still" if standing.remind_at is not None and now >= standing.remind_at else None


def _told(standing: Standing, what: str, now: datetime) -> Standing:
    wait = _REMIND if what == "still" else _REMIND_FIRST
    return msgspec.structs.replace(standing, told=max(standing.told, standing.points), remind_at=now + wait)


class SystemAlert(msgspec.Struct, frozen=True):
    """`subject` is printable ASCII below 100 characters."""

    subject: str
    text: str


def write_alert(score: int, news: list[Change]) -> SystemAlert:
    """All changes of one run in one message."""
    first = news[0]
    more = f" and {len(news) - 1} more" if len(news) > 1 else ""
    subject = f"[health {score} of 100] {first.what}: {first.text}"
    room = 99 - len(more)
    subject = (subject if len(subject) <= room else subject[: room - 3] + "...") + more
    lines = [f"The usage anomaly deployment scores {score} of 100.", ""]
    for change in news:
        lines.append(f"{change.what.upper():<6}{change.area}: {change.text} (since {change.since:%Y-%m-%d %H:%M} UTC)")
        if change.what != "over":
            lines.append(f"      {REMEDY[change.area]}")
    lines += ["", "Each trouble is told when it begins, gets worse or is over, and again after 6 hours, then every 24."]
    return SystemAlert("".join(each if " " <= each <= "~" else "?" for each in subject), "\n".join(lines) + "\n")
