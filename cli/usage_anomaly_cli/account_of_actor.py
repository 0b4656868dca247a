"""How is it said what one doer did: who it is, its calls in order of time, what it left behind, what to do next?"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

import msgspec

from usage_anomaly.alerts.plain import inert
from usage_anomaly.alerts.words import day, number, several, things
from usage_anomaly.anomalies import Step
from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment.wording import agent
from usage_anomaly.usage import UNKNOWN
from usage_anomaly_cli.account_of_replay import REDACTED, WIDTH
from usage_anomaly_cli.case import Case, Kept, Line
from usage_anomaly_cli.deeds import Created, Deed, Mark
from usage_anomaly_cli.doers import SAID, Doer
from usage_anomaly_cli.record_text import inert_line

SHOWN = 4  # of addresses, agents, keys, regions in a head line
IDS_SHOWN = 3
CREATED_SHOWN = ALIKE_SHOWN = 10
STEPS_SHOWN = 12
_COMMAND = 1_000
_WIDEST = 60  # of a column; what is longer runs over
_HEADER = ("TIME UTC", "DOES", "CALLS", "WHERE", "FROM")


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What the account is told from."""

    doer: Doer
    case: Case
    deeds: Sequence[Deed]
    lines: Sequence[Line]
    catalog: Catalog
    prices_date: str
    seconds: float
    paths: str  # as a printed command repeats them
    redacted: bool


def head(told: Told) -> list[str]:
    """Whom the argument was taken for, what was read, and what is common to its calls."""
    case = told.case
    rejected = sum(each.count for each in case.rejected)
    said = [
        _said("Actor", f"{inert(told.doer.text, 200)}, taken for {SAID[told.doer.sort]}"),
        _said(
            "Read",
            f"{several(case.objects, 'object', 'objects')}, {several(case.records, 'record', 'records')}, "
            f"{rejected:,} rejected; {number(max(told.seconds, 0.1))} s",
        ),
    ]
    if case.first is not None and case.last is not None:
        said.append(_said("Covers", f"{_moment(case.first)} - {_moment(case.last)} UTC"))
    if told.redacted:
        said.append(_said("Redacted", REDACTED))
    return [*said, *(_of_deeds(told) if told.deeds else _nothing(told))]


def _of_deeds(told: Told) -> list[str]:
    case = told.case
    deeds = [deed for deed in told.deeds if deed.counted is None]
    outcomes = Counter(deed.outcome for deed in deeds)
    marks = Counter(deed.mark for deed in deeds)
    told_marks = ", ".join(f"{marks[mark]:,} {words}" for mark, words in _MARKS.items() if marks[mark])
    calls = several(len(deeds), "call", "calls") + (f": {told_marks}" if deeds else "")
    refused = f"; {outcomes['refused']:,} refused" if outcomes["refused"] else ""
    dry = f"; {several(outcomes['dry run'], 'dry run', 'dry runs')}" if outcomes["dry run"] else ""
    twice = f"; {case.copies:,} more delivered twice" if case.copies else ""
    keys = _counted(deed.access_key_id for deed in told.deeds)
    lines = [
        _said(
            "Did",
            f"{calls}{refused}{dry}{twice}{_counts(told)}",
        ),
        _said("When", f"{_moment(told.deeds[0].time)} - {_moment(told.deeds[-1].time)} UTC"),
        _said(
            "Who",
            _few(_counted(deed.arn for deed in told.deeds), 200) or "not established: the records hold no identity",
        ),
        _said("Accounts", _few(_counted(deed.account_id for deed in told.deeds))),
        _said("Regions", _few(_counted(deed.region for deed in told.deeds))),
        _said("From", _few(_counted(deed.source_address for deed in told.deeds)) or "no address in the records"),
        _said("With", _few(_counted(deed.user_agent for deed in told.deeds), 60) or "no user agent in the records"),
    ]
    if keys:
        lines.append(_said("Keys", _few(keys)))
    doers = {deed.arn for deed in told.deeds}
    others = sorted({key for arn, key in case.keys if key not in keys and arn in doers})
    if others:
        shown = ", ".join(inert(key, 40) for key in others[:SHOWN])
        more = f" and {len(others) - SHOWN:,} more" if len(others) > SHOWN else ""
        lines.append(_said("", f"the same user's, not used here: {shown}{more}"))
    return lines


def _counts(told: Told) -> str:
    counted = sum(deed.counted or 0 for deed in told.deeds)
    said = f"; {counted:,} more by CloudTrail's count of five minutes each, single ones among them" if counted else ""
    return said + _left_out(told.case)


def _left_out(case: Case) -> str:
    outside = f"; {case.outside:,} outside the span asked for" if case.outside else ""
    return outside + (f"; {case.untimed:,} without a time, not listed" if case.untimed else "")


_MARKS: Mapping[Mark, str] = {"write": "that write", "identity": "on identities", "read": "that read"}


def _nothing(told: Told) -> list[str]:
    """That there is nothing, and what is like it."""
    lines = [_said("Did", f"nothing in these records{_left_out(told.case)}")]
    alike = sorted(told.case.alike.items(), key=lambda item: (-item[1], item[0]))
    for at, (identity, count) in enumerate(alike[:ALIKE_SHOWN]):
        lines.append(_said("" if at else "Alike", f"{several(count, 'record', 'records')} of {inert(identity, 200)}"))
    if len(alike) > ALIKE_SHOWN:
        lines.append(_said("", f"{len(alike) - ALIKE_SHOWN:,} more"))
    return lines if alike else [*lines, _said("Alike", "nobody of a like name, key or network either")]


def table(told: Told) -> list[str]:
    """The calls in order of time, a heading for each day."""
    alone = len({line.account_id for line in told.lines}) <= 1
    rows = [(line, _row(line, alone)) for line in told.lines]
    if not rows:
        return []
    every = [_HEADER, *(row for _, row in rows)]
    widths = [min(_WIDEST, max(len(cells[column]) for cells in every)) for column in range(4)]
    text = ["", _aligned(_HEADER, widths)]
    today: date | None = None
    for line, cells in rows:
        if line.first.date() != today:
            today = line.first.date()
            text.append(f"{day(line.first)} {line.first:%Y}")
        text.append(_aligned(cells, widths))
        about = _about(line, told.catalog)
        if about:
            text.append(f"{'':<{widths[0] + widths[1] + 4}}{about}")
    return text


def _row(line: Line, alone: bool) -> tuple[str, ...]:
    regions = _names(line.regions, 2)
    return (
        f"{line.first:%H:%M:%S}" + (f"-{line.last:%H:%M:%S}" if line.first != line.last else ""),
        "IDENTITY" if line.mark == "identity" else line.mark,
        _calls(line),
        regions if alone else f"{inert(line.account_id, 24)} {regions}",
        f"{_names(line.addresses, 1)} {_names(Counter(_programs(line)), 1)}".strip(),
    )


def _programs(line: Line) -> dict[str, int]:
    programs: Counter[str] = Counter()
    for name, count in line.agents.items():
        programs[agent(name)] += count
    return programs


def _calls(line: Line) -> str:
    ranked = sorted(line.calls.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{_service(source)} {inert(call, 60)} x{count:,}" for (source, call), count in ranked[:3]]
    more = f" and {len(ranked) - 3:,} other names" if len(ranked) > 3 else ""
    total = f"{line.calls.total():,} calls: " if len(ranked) > 1 else ""
    by = " (counted by CloudTrail)" if line.counted else ""
    not_done = []
    if line.outcomes["dry run"]:
        not_done.append(several(line.outcomes["dry run"], "dry run", "dry runs"))
    if line.outcomes["refused"]:
        not_done.append(f"{line.outcomes['refused']:,} REFUSED: {_names(line.errors, 2)}")
    return f"{total}{', '.join(parts)}{more}{by}" + (f" ({'; '.join(not_done)})" if not_done else "")


def _about(line: Line, catalog: Catalog) -> str:
    """How much they used, and whom or what they were about, as far as it is known."""
    ids = list(line.ids) or list(line.about)
    ranked = sorted(line.used.items(), key=lambda item: (-item[1], item[0][1] or item[0][0]))
    used = ", ".join(_quantity(count, unit, group, catalog) for (unit, group), count in ranked[:3])
    shown = ", ".join(inert(each, 80) for each in ids[:IDS_SHOWN])
    more = f" and {len(ids) - IDS_SHOWN:,} more" if len(ids) > IDS_SHOWN else ""
    return f"{used}{': ' if used and shown else ''}{shown}{more}"


def _quantity(count: int, unit: str, group: str | None, catalog: Catalog) -> str:
    kind = next((each for each in catalog.kinds.values() if each.many == unit), None)
    return things(count, {inert(group, 40): count} if group else {}, kind.one if kind else unit, unit)


def tail(told: Told) -> list[str]:
    """What it made, what of that still runs, and the commands that come next."""
    text: list[str] = [""] if told.deeds else []
    made = [_kept(each, told) for each in told.case.kept(told.catalog) if each.made]
    text += [_said("" if at else "Made", each) for at, each in enumerate(made)]
    text += _created(told)
    steps = told.case.steps(told.catalog)
    if steps:
        text += [*([""] if made or text[1:] else []), "To stop it, where it is not meant to be"]
    for step_number, step in enumerate(steps[:STEPS_SHOWN], start=1):
        text += _step(step_number, step)
    if len(steps) > STEPS_SHOWN:
        text.append(f"{len(steps) - STEPS_SHOWN:,} more")
    return text


def _kept(kept: Kept, told: Told) -> str:
    kind = told.catalog.kind_of(kept.kind)
    made = several(kept.made, kind.one, kind.many)
    if not kind.releasable:
        return made
    if not kept.running:
        return f"{made}, all seen released"
    usd = f"{number(kept.usd_per_hour)} USD/h" if kept.usd_per_hour else "rate unknown"
    more = f" + {kept.unpriced:,} unpriced" if kept.unpriced and kept.usd_per_hour else ""
    rate = f", {usd}{more} at list prices of {told.prices_date}" if kept.usd_per_hour else f", {usd}"
    places: Counter[str] = Counter()
    for (_, region), count in kept.running.items():
        places[region] += count
    return f"{made}, {kept.running.total():,} not seen released{rate}: {_few(places)}"


def _created(told: Told) -> list[str]:
    """The identities that it made, each with the command that looks at it."""
    found: dict[Created, datetime] = {}
    for deed in told.deeds:
        if deed.created is not None:
            found.setdefault(deed.created, deed.time)
    lines = []
    for at, (created, time) in enumerate(list(found.items())[:CREATED_SHOWN]):
        whose = f" of {inert(created.whose, 120)}" if created.whose else ""
        lines.append(_said("" if at else "Created", f"{day(time)} {time:%H:%M:%S} {created.what}{whose}"))
        end = "-- " if created.identity.startswith("-") else ""  # a user's name may look like an option
        lines.append(f"{'':<{WIDTH}}    usage-anomaly actor {end}{quoted(created.identity)} {told.paths}")
    if len(found) > CREATED_SHOWN:
        lines.append(_said("", f"{len(found) - CREATED_SHOWN:,} more (--format jsonl)"))
    return lines


def quoted(text: str) -> str:
    """A value of a record within a command: quoted for the shell, and inert."""
    return shlex.quote(inert(text, _COMMAND))


def _step(step_number: int, step: Step) -> Iterable[str]:
    yield f"{step_number} {inert(step.text, 400)}"
    if step.command is not None:
        yield from (f"    {inert_line(line)}" for line in step.command.splitlines())


def _counted(values: Iterable[str | None]) -> Counter[str]:
    return Counter(value for value in values if value)


def _few(counts: Mapping[str, int], longest: int = 40) -> str:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{inert(name, longest)} {count:,}" for name, count in ranked[:SHOWN])
    return shown + (f" and {len(ranked) - SHOWN:,} more" if len(ranked) > SHOWN else "")


def _names(counts: Mapping[str, int], most: int) -> str:
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    shown = ", ".join(inert(name, 40) for name in ranked[:most])
    return shown + (f" and {len(ranked) - most:,} more" if len(ranked) > most else "")


def _service(source: str) -> str:
    return inert(source.removesuffix(".amazonaws.com") or UNKNOWN, 40)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)), cells[-1]]).rstrip()


def _said(name: str, text: str) -> str:
    return f"{name:<{WIDTH}}{text}"


def _moment(time: datetime) -> str:
    return f"{day(time)} {time:%Y %H:%M:%S}"
