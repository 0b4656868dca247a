"""What has changed since the reader was first told?"""

from __future__ import annotations

from datetime import datetime

from usage_anomaly.alerts import words
from usage_anomaly.alerts.plain import inert
from usage_anomaly.anomalies import Alert, Anomaly
from usage_anomaly.catalog import Kind, is_attempts
from usage_anomaly.enrichment import wording


def line(
    anomaly: Anomaly, kind: Kind, update: int, *, acknowledgeable: bool, first_total: int | None
) -> list[tuple[str, str]]:
    """The line that opens every mail but the first: its number and time, when it was first told, what is new."""
    if not anomaly.alerts or anomaly.alerts[-1].reason == "opened":
        return []
    last, first = anomaly.alerts[-1], anomaly.alerts[0]
    at = "" if first_total is None else f" at {first_total:,}"
    pending = " Nobody has acknowledged." if acknowledgeable and last.reason != "closed" else ""
    text = f"{update}, {_time(last.at)}: {_news(anomaly, kind, last)}. First told {_since(first.at, last.at)}{at}.{pending}"
    return [("UPDATE", text)]


def _news(anomaly: Anomaly, kind: Kind, alert: Alert) -> str:
    things = "refused calls" if is_attempts(anomaly.kind) else kind.many
    if alert.reason == "grown":
        if anomaly.last_use > alert.at:  # told afterwards: what it was at that time is not kept
            return f"grown; {anomaly.total:,} {things} by {_since(anomaly.last_use, alert.at)} (end of what was read)"
        return f"grown to {anomaly.total:,} {things}"
    if alert.reason == "quiet":
        return f"no new {things} since {_since(anomaly.last_use, alert.at)}{_running(anomaly, kind, '; ')}"
    if alert.reason == "reminder":
        return f"nothing has ended it{_running(anomaly, kind, '; ')}"
    return _closed(anomaly, kind, things)


def _closed(anomaly: Anomaly, kind: Kind, things: str) -> str:
    ended = f"all {anomaly.total:,} {things} are" if anomaly.total != 1 else f"the one {kind.one} is"
    said = {
        "released": f"closed, {ended} released",
        "expired": f"closed, no new {things} for a day",
        "withdrawn": "closed, withdrawn: records that came later undo the finding",
        "joined": f"closed, it is one with {inert(anomaly.joined_to or 'another anomaly', 80)}",
        "acknowledged": "closed, acknowledged",
    }
    return said.get(anomaly.closed_reason or "", "closed")


def _running(anomaly: Anomaly, kind: Kind, before: str) -> str:
    """What still runs, for what can be released: "31 of 47 not seen released"."""
    if not kind.releasable or is_attempts(anomaly.kind):
        return ""
    left = max(0, anomaly.total - anomaly.released)
    return (
        f"{before}{left:,} of {anomaly.total:,} not seen released"
        if left
        else f"{before}{wording.released(anomaly.released, anomaly.total, others=False)}"
    )


def _time(time: datetime) -> str:
    return f"{words.day(time)} {words.clock(time)} UTC"


def _since(time: datetime, now: datetime) -> str:
    return words.clock(time) if time.date() == now.date() else f"{words.day(time)} {words.clock(time)}"
