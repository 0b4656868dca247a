"""Which commands stand in a mail, ready to paste?

Of each step the first place, then as many of its other places as there is room for; nothing stands in a command that
`guidance` did not validate.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

from usage_anomaly.alerts import words
from usage_anomaly.alerts.plain import inert
from usage_anomaly.anomalies import Anomaly, Step
from usage_anomaly.enrichment.evidence import ORGANIZATION

SHOW = "usage-anomaly show {}"
_SENTENCE = 300
_STEPS_SHOWN = 20
_COMMAND_CHARACTERS = 4_000  # room for 50 ids in each of three regions
_NO_COMMAND = "no command: it holds characters that none needs"
_WORTH_SHORTENING = 12  # characters of a step's text
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]{0,120}")
_ACCOUNT = re.compile(r"[0-9]{12}")
_COMMAND = re.compile(r"[ -~]+")


def lines(anomaly: Anomaly) -> list[str]:
    """Numbered, the command on a line of its own: ready to paste."""
    steps = steps_of(anomaly, "contain")
    if not steps:
        return ["No command: the records name no key and no resource that one could stop."]
    said, shown = [f"Run in {_account_said(anomaly)}:"], _fitting(steps)
    before = ""
    for number, step in enumerate(shown, start=1):
        said.append(f"{number} {_shortened(inert(step.text, _SENTENCE), before)}")
        before = inert(step.text, _SENTENCE)
        if step.command is not None:
            said.append("    " + (step.command if _COMMAND.fullmatch(step.command) else _NO_COMMAND))
    left = len(steps) - len(shown)
    return [*said, f"{words.several(left, 'more step', 'more steps')}: {with_id(anomaly, SHOW)}"] if left else said


def _fitting(steps: Sequence[Step]) -> list[Step]:
    """Those that the mail has room for: of each the first place, then their other places in order."""
    firsts = {_head(step.text): at for at, step in reversed(list(enumerate(steps)))}
    room, shown, full = _COMMAND_CHARACTERS, set[int](), set[str]()
    for at in (*sorted(firsts.values()), *range(len(steps))):
        size, head = len(steps[at].command or ""), _head(steps[at].text)
        if at in shown or head in full:
            continue
        if shown and (size > room or len(shown) == _STEPS_SHOWN):
            full.add(head)
            continue
        room -= size
        shown.add(at)
    return [steps[at] for at in sorted(shown)]


def _head(text: str) -> str:
    """A step without its place."""
    return text.rpartition(", ")[0] or text


def _shortened(text: str, before: str) -> str:
    """The same step in another region names only what differs from the line before."""
    parts = text.split(", ")
    pairs = zip(parts[:-1], before.split(", "), strict=False)
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
    return f"the same, {', '.join(parts[same:])}" if same and len(", ".join(parts[:same])) > _WORTH_SHORTENING else text


def _account_said(anomaly: Anomaly) -> str:
    if anomaly.account_id == ORGANIZATION:
        return "each account named"
    known = _ACCOUNT.fullmatch(anomaly.account_id)
    return f"account {anomaly.account_id if known else inert(anomaly.account_id, 14)}"


def steps_of(anomaly: Anomaly, kind: str) -> list[Step]:
    return [step for step in anomaly.guidance if step.kind == kind]


def with_id(anomaly: Anomaly, command: str) -> str:
    if _ID.fullmatch(anomaly.id):
        return command.format(anomaly.id)
    return "no command: the account's id in the records is not of the known form"
