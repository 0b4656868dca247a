"""How is an alert put into one message for every kind of subscriber?

One publish to the topic: mail and everything else gets the readable text, a chat channel the custom notification that
Amazon Q Developer renders, a queue the anomaly and its mail as JSON. In chat every value from a record or a tag is made inert for
markdown: no mention, no link, no formatting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from usage_anomaly.alerts import words
from usage_anomaly.alerts.mail import Mail
from usage_anomaly.alerts.plain import ascii_line, inert
from usage_anomaly.anomalies import Anomaly
from usage_anomaly.enrichment import wording
from usage_anomaly.enrichment.accounts import Account, account_type, environment, ownership

MOST_BYTES = 256 * 1_024  # of an SNS message, all its parts together
SUBJECT_CHARACTERS = 99
UNKNOWN = "unknown"
IDS_SHOWN = 10
_TITLE, _LINE, _VALUE = 200, 300, 100
_STEPS_SHOWN = 3
_COMMANDS = "the commands, all ids, the evidence: usage-anomaly show"
# Slack reads <...> and &; both render the entities. The rest has no escape that works in Slack and in Teams: look-alikes.
_MARKDOWN = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "*": "\u2217", "_": "\u02cd", "~": "\u223c", "`": "\u02cb", "|": "\u2223"}
    | {"[": "(", "]": ")", "#": "\u266f", "@": "(at)", "\\": "\u2216"}
)


def markdown(text: str, limit: int = _VALUE) -> str:
    """One line that is shown as it is in a chat channel."""
    return inert(text, limit).translate(_MARKDOWN)


def attributes(anomaly: Anomaly, account: Account | None) -> dict[str, str]:
    """What subscribers filter by. All values are texts; `severity` is a number's."""
    named = {
        "account_id": anomaly.account_id,
        "account_type": account_type(account),
        "environment": environment(account),
        "owner": ownership(account).owner,
        "kind": anomaly.kind,
        "state": anomaly.state,
    }
    texts = {name: inert(value, _VALUE) if value else UNKNOWN for name, value in named.items()}
    return {"severity": f"{anomaly.severity:.1f}", **texts}


def message(anomaly: Anomaly, mail: Mail) -> str:
    """The body of a publish with MessageStructure json. Mail takes `default`."""
    chat = msgspec.json.encode(custom_notification(anomaly, mail)).decode()
    body = b""
    for queued in _smaller_and_smaller(anomaly):
        parts = {"default": mail.text, "https": chat, "http": chat, "sqs": _for_queue(queued, mail)}
        body = msgspec.json.encode(parts)
        if len(body) <= MOST_BYTES:
            break
    return body.decode()


def _smaller_and_smaller(anomaly: Anomaly) -> Iterator[object]:
    """What a queue gets of it: all, the figures and findings, the name by which the rest is found."""
    yield anomaly
    yield replace(anomaly, resource_ids=(), evidence=(), guidance=())
    yield {"id": anomaly.id, "kind": anomaly.kind, "account_id": anomaly.account_id, "sequence": anomaly.sequence}


def custom_notification(anomaly: Anomaly, mail: Mail, rows: Sequence[tuple[str, str]] = ()) -> dict[str, object]:
    """The event that Amazon Q Developer in chat applications renders; all messages of an anomaly stand in one thread.

    `rows` are labels and texts to stand below the place.
    """
    steps = list(dict.fromkeys(step.text for step in anomaly.guidance if step.kind == "contain"))
    context = {
        "severity": f"{anomaly.severity:.1f}",
        "account": markdown(anomaly.account_id),
        "kind": markdown(anomaly.kind),
        "usd_per_hour": words.usd_per_hour(anomaly.cost.usd_per_hour),
    }
    content: dict[str, object] = {
        "textType": "client-markdown",
        "title": markdown(mail.subject, _TITLE),
        "description": "\n".join(_lines(anomaly, mail, rows)),
        "nextSteps": [markdown(text, _LINE) for text in (*steps[:_STEPS_SHOWN], f"{_COMMANDS} {anomaly.id}")],
    }
    return {
        "version": "1.0",
        "source": "custom",
        "id": f"{markdown(anomaly.id, _LINE)}-{anomaly.sequence}",
        "content": content,
        "metadata": {
            "threadId": markdown(anomaly.id, _LINE),
            "summary": markdown(mail.subject, _TITLE),
            "eventType": anomaly.state,
            "relatedResources": [markdown(each) for each in anomaly.resource_ids[:IDS_SHOWN]],
            "additionalContext": context,
        },
    }


def bare_mail(anomaly: Anomaly, gaps: tuple[str, ...]) -> Mail:
    """What is said when the assessment itself failed: the facts of the extent, without any wording that could fail too."""
    when = words.span(anomaly.first_use, anomaly.last_use)
    what = wording.counted(anomaly.total, inert(anomaly.unit, 60))
    rows = (
        ("WHAT", f"{what}, {when} UTC; state {anomaly.state}"),
        ("WHERE", f"account {inert(anomaly.account_id, 14)}: {_listed(anomaly.regions)}"),
        *(("WHY", inert(finding.reason, _LINE)) for finding in anomaly.findings[:5]),
        ("GAPS", "; ".join(inert(gap, _LINE) for gap in gaps) or "not assessed"),
        ("RECORD", inert(anomaly.id, 130)),
    )
    text = "\n".join(f"{name:<8}{value}" for name, value in rows)
    return Mail(
        subject=ascii_line(f"[not assessed] {anomaly.account_id}: {what}", SUBJECT_CHARACTERS),
        text=text + "\n",
        brief=rows[:-1],
    )


def _for_queue(anomaly: object, mail: Mail) -> str:
    return msgspec.json.encode({"anomaly": anomaly, "mail": {"subject": mail.subject, "text": mail.text}}).decode()


def _lines(anomaly: Anomaly, mail: Mail, more: Sequence[tuple[str, str]]) -> list[str]:
    """The mail's first lines, in a channel's space."""
    rows = [
        ("Account", _place(anomaly)),
        *((name.capitalize(), text) for name, text in mail.brief),
        *more,
        *(("Missing", note) for note in anomaly.notes[:5]),
    ]
    return [f"*{name}* {markdown(text, _LINE)}" for name, text in rows]


def _place(anomaly: Anomaly) -> str:
    named = anomaly.account_name != anomaly.account_id
    return f"{anomaly.account_name} {anomaly.account_id}" if named else anomaly.account_id


def _listed(regions: Mapping[str, int]) -> str:
    return words.listed({inert(name, 30): count for name, count in regions.items()}, 6) or "region not in the records"
