"""How is it said to a person why something was told or not?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from math import ceil, floor

from usage_anomaly.alerts.plain import inert
from usage_anomaly.alerts.words import clock, day, number, several, span, usd_per_hour
from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.series import BUCKET_SECONDS
from usage_anomaly_cli.explanation import Around, Compared, Explanation, Here

WIDTH = 9
HEADER = ("DETECTOR", "WINDOW", "COMPARED", "VERDICT")
BUCKET = timedelta(seconds=BUCKET_SECONDS)
_NAME, _WHY = 60, 300


def lines(told: Explanation, read: Sequence[tuple[str, str]], given: str) -> list[str]:
    """The answer after what was `read`; `given` are the paths and files, for the commands that come next."""
    who = "all accounts together" if told.account_id == ORGANIZATION else _whose(told)
    head = [*read, ("Asked", f"{told.kind} in {who}, {_moment(told.asked)} UTC")]
    head += [("Gap", f"{inert(each.region, 30)}: nothing {span(each.start, each.end)}") for each in told.gaps]
    head += [("Absent", inert(each, 200)) for each in told.unseen]
    if told.around is None:
        return [_line(*each) for each in (*head, *_no_use(told, given))]
    head += _series(told, told.around)
    tail = _anomalies(told.anomalies, given)
    return [*(_line(*each) for each in head), "", *_table(told), "", *(_line(*each) for each in tail)]


def _whose(told: Explanation) -> str:
    """The account's name, where one is known, its id and its type."""
    name = "" if told.account_name == told.account_id else f"{inert(told.account_name, _NAME)} "
    return f"{name}{inert(told.account_id, 14)} ({told.account_type if told.account_type != 'unknown' else 'of unknown type'})"


def _no_use(told: Explanation, given: str) -> Iterator[tuple[str, str]]:
    """Nothing was used: between which uses, and how to ask about those."""
    before, after = told.before, told.after
    if before is None and after is None:
        others = ", ".join(told.used_kinds) or "nothing that is counted"
        yield "Silent", f"no {told.unit} in all that was read; used there: {others}"
        return
    if before is not None and after is not None:
        when = f"between {_moment(before + BUCKET)} and {_moment(after)}"
    else:
        when = f"after {_moment(before + BUCKET)}" if before is not None else f"before {_moment(after or told.asked)}"
    yield "Silent", f"no use {when} UTC, and only what is used is judged"
    name = "Next"
    for each in (before, after):
        if each is not None:
            yield name, _again(told, each, given)
            name = ""


def _again(told: Explanation, moment: datetime, given: str) -> str:
    return (
        f"usage-anomaly explain {given} --kind {told.kind} --account {inert(told.account_id, 14)} "
        f"--at {moment:%Y-%m-%dT%H:%MZ}"
    )


def _series(told: Explanation, around: Around) -> Iterator[tuple[str, str]]:
    start = around.bucket
    elsewhere = "" if start <= told.asked < start + BUCKET else ", the last use before"
    yield (
        "Bucket",
        f"{_moment(start)}-{clock(start + BUCKET)} UTC{elsewhere}: {several(around.quantity, told.one, told.unit)}",
    )
    yield "Around", f"{around.hour:,} in the hour and {around.day:,} in the day that end with it"
    known = several(len(around.days_before), "known day", "known days")
    used = [f"{each.quantity:,} on {day(each.day)}" for each in around.days_before if each.quantity]
    days = ", ".join(used) or "none"
    at_this_time = f"the most in an hour at this time on {known} before: {days}"
    yield "Days", at_this_time if around.days_before else "none is known before"


def _table(told: Explanation) -> list[str]:
    rows = [HEADER, *(_row(each, told) for each in told.compared)]
    rows += [(name.replace("_", " "), "-", "-", f"nothing to compare: {why}") for name, why in told.absent.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]


def _row(each: Compared, told: Explanation) -> tuple[str, str, str, str]:
    why = f": {inert(each.why, _WHY)}" if each.why else ""
    verdict = "TOLD" if each.verdict == "told" else each.verdict
    return (
        each.detector.replace("_", " "),
        window(each.window_minutes),
        compared(each, told),
        verdict + why,
    )


def compared(each: Compared, told: Explanation) -> str:
    """The numbers that were compared; what is new is not even summed where nobody can say that it is."""
    if each.detector == "first_use" and each.verdict == "not judged":
        return "-"
    if each.detector == "burn_rate":
        return f"{exactly(each.actual)} USD/h added, limit {exactly(each.bound)}"
    left = f" ({each.left_out:,} more judged elsewhere)" if each.left_out else ""
    amount = f"{each.actual:,.0f} {told.one if each.actual == 1 and each.unit == told.unit else each.unit}{left}"
    if each.detector == "threshold":
        return f"{amount}, limit {each.bound:,.0f}{' set by --limits' if told.limit_is_set else ''}"
    if each.score is None or each.expected is None or each.score_needed is None:
        return f"{amount}, floor {each.bound:,.0f}"
    known = "before the open anomaly" if each.days_known is None else f"{each.days_known} days known"
    return f"{amount}, usual {number(each.expected)} ({known}), score {scored(each.score, each.score_needed)}"


def window(minutes: int) -> str:
    """ "10 minutes", "1 hour", "1 day", "8 h 20 min"."""
    hours, rest = divmod(minutes, 60)
    if not hours:
        return f"{minutes} minutes"
    if rest:
        return f"{hours} h {rest} min"
    return "1 day" if hours == 24 else f"{hours} hour" if hours == 1 else f"{hours} hours"


def scored(score: float, needed: float) -> str:
    """ "6.02 of 6.11": a score that is not high enough must not look as if it were, nor the reverse."""
    least = floor(needed * 100) if score >= needed else ceil(needed * 100)
    return f"{floor(score * 100) / 100:,.2f} of {least / 100:,.2f}"


def exactly(amount: float) -> str:
    """USD to the micro-dollar, in which they are compared; no tail of zeros."""
    text = f"{amount:,.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _anomalies(here: Sequence[Here], given: str) -> Iterator[tuple[str, str]]:
    name = "Anomaly"
    for each in here:
        yield name, f"{inert(each.id, 200)}: {_standing(each)}"
        yield "", f"severity {number(each.severity)}, {_rate(each)}; {_alerts(each)}"
        name = ""
    if not here:
        yield name, "none at this time"
        return
    yield "Next", f"usage-anomaly replay {given}"
    yield "", f"usage-anomaly show {inert(here[0].id, 200)}"


def _standing(each: Here) -> str:
    when = span(each.start, each.last_seen + BUCKET)
    return f"{when}, ended before this" if each.ended else f"{when}, open here"


def _rate(each: Here) -> str:
    rate = usd_per_hour(each.usd_per_hour)
    return rate if each.usd_per_hour is not None else f"USD/h {rate}"


def _alerts(each: Here) -> str:
    if not each.told:
        return "recorded, not told"
    alerts = ", ".join(f"{alert.reason} {day(alert.at)} {clock(alert.at)}" for alert in each.alerts)
    return f"told: {alerts}" + (f" ({each.closed_reason})" if each.closed_reason else "")


def _moment(time: datetime) -> str:
    return f"{day(time)} {time:%Y %H:%M}"


def _line(name: str, text: str) -> str:
    return f"{name:<{WIDTH}}{text}"
