"""What does an anomaly's record hold beyond its mail: every step, the policy, the ids, the evidence?"""

from __future__ import annotations

from collections.abc import Iterator

from usage_anomaly.alerts.plain import inert
from usage_anomaly.alerts.words import several
from usage_anomaly.anomalies import Anomaly, Statement

IDS_A_LINE = 6
LONGEST = 4_000  # a command with a full lot of ids


def lines(anomaly: Anomaly) -> Iterator[str]:
    """The record as text, one section after the other; empty sections are left out."""
    yield f"RECORD OF {inert(anomaly.id, 200)}"
    for kind, title in (("check", "To check"), ("contain", "To contain"), ("prevent", "To prevent")):
        steps = [step for step in anomaly.guidance if step.kind == kind]
        if steps:
            yield f"\n{title}"
        for number, step in enumerate(steps, start=1):
            yield f"{number} {inert(step.text, 400)}"
            if step.command is not None:
                yield from (f"    {inert_line(line)}" for line in step.command.splitlines())
    if anomaly.evidence:
        yield "\nEvidence (statement; events it rests on, up to five ids)"
        yield from (_statement(each) for each in anomaly.evidence)
    if anomaly.resource_ids:
        yield f"\n{several(anomaly.resource_count, 'resource id', 'resource ids')}"
        ids = [inert(each) for each in anomaly.resource_ids]
        yield from ("    " + " ".join(ids[at : at + IDS_A_LINE]) for at in range(0, len(ids), IDS_A_LINE))
        if anomaly.resource_count > len(ids):
            yield f"    and {anomaly.resource_count - len(ids):,} more"


def inert_line(line: str) -> str:
    """A line of a command or policy, its blanks at the start kept."""
    text = line.lstrip(" ")
    return " " * (len(line) - len(text)) + inert(text, LONGEST)


def _statement(statement: Statement) -> str:
    ids = " ".join(inert(each, 60) for each in statement.event_ids)
    return f"- {inert(statement.text, 300)}; {statement.count:,}" + (f": {ids}" if ids else "")
