"""How is an anomaly told by mail?

Plain text, one label per question, in the order in which a woken person asks: what, where, cost, who; then the commands.
Every value from a record or a tag passes `plain.inert`; nothing stands in a command that `guidance` did not validate.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Literal

import msgspec

from usage_anomaly.alerts import commands, updates, words
from usage_anomaly.alerts.plain import ascii_line, inert
from usage_anomaly.anomalies import Anomaly, Statement
from usage_anomaly.catalog import Kind, costs_nothing, has_price, is_attempts
from usage_anomaly.detection import Finding
from usage_anomaly.enrichment import wording
from usage_anomaly.enrichment.accounts import Account, account_name, ownership
from usage_anomaly.enrichment.cost import UNPRICED
from usage_anomaly.enrichment.evidence import ORGANIZATION
from usage_anomaly.enrichment.severity import label

Recipient = Literal["replay", "deployment"]
Line = tuple[str, str]

SUBJECT_CHARACTERS = 99  # SNS takes fewer than 100
_LABEL_WIDTH = 8
_SENTENCE = 300
_REGIONS_SHOWN = 6
_ACCOUNTS_SHOWN = 20
_WHO_SHOWN = 6
_REASONS_SHOWN = 5
_CHECKS_SHOWN = 2
_DAY = 1_440
_UPPER = "upper bound: only recorded releases end it"
_LOOKED_FOR = {"BEFORE": ("before",), "ALSO": ("identity", "through", "also"), "ORG": ("organization",)}
_FIELD_WORDS = (
    ("access_key_id", "key"),
    ("actor_arn", "actor"),
    ("source_address", "address"),
    ("image_id", "image"),
)


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """`subject` is printable ASCII below 100 characters; `text` has no control character but the newline.

    `brief` is what a chat channel has room for: labels with their first lines.
    """

    subject: str
    text: str
    brief: tuple[Line, ...] = ()


class Breakdown(msgspec.Struct, frozen=True):
    """How many accounts an organization's anomaly is in, and a table of them: lines that are inert already."""

    accounts: int
    lines: tuple[str, ...]


def render(
    anomaly: Anomaly,
    kind: Kind,
    account: Account | None,
    *,
    update: int,
    recipient: Recipient,
    first_total: int | None = None,
    table: Breakdown | None = None,
) -> Mail:
    """The mail of an anomaly's last alert. `update` numbers the mails after the first; `first_total` is what that one said.

    A replay's reader has no deployment: the lines to acknowledge and suppress are left out.
    """
    top = [
        *updates.line(anomaly, kind, update, acknowledgeable=recipient == "deployment", first_total=first_total),
        *answers(anomaly, kind, account, table),
    ]
    why = _why(anomaly)
    bottom = [*_prevent(anomaly), *why, *gaps(anomaly), *_record(anomaly), *_act(anomaly, recipient)]
    text = "\n".join([*_laid_out([*top, *_check(anomaly)]), "", *commands.lines(anomaly), "", *_laid_out(bottom)])
    brief = tuple(_brief(anomaly, top + why))
    return Mail(subject=_subject(anomaly, kind, account, table), text=text + "\n", brief=brief)


def answers(anomaly: Anomaly, kind: Kind, account: Account | None, table: Breakdown | None = None) -> list[Line]:
    """What, where, at which cost, by whom, what before and beside it, whose: inert texts under labels said once."""
    return [
        *_what(anomaly, kind, table),
        *_where(anomaly, table),
        *_cost(anomaly, kind),
        *_who(anomaly),
        *_more(anomaly),
        ("OWNER", _owner(anomaly, account)),
    ]


def _brief(anomaly: Anomaly, lines: Iterable[Line]) -> Iterable[Line]:
    """The first line of each label; where something was looked for, only what was found."""
    for name, text in lines:
        if name in _LOOKED_FOR:
            found = (each for topic in _LOOKED_FOR[name] for each in _said(anomaly, topic) if each.count)
            yield from ((name, _text(each)) for each in islice(found, 1))
        elif name not in ("", "IN"):
            yield name, text


def _check(anomaly: Anomaly) -> list[Line]:
    """What tells an incident from work: the first questions, for all of them stand under RECORD."""
    return _under(
        "CHECK", [inert(step.text, _SENTENCE) for step in commands.steps_of(anomaly, "check")[:_CHECKS_SHOWN]]
    )


def _laid_out(lines: Iterable[Line]) -> list[str]:
    return [f"{name:<{_LABEL_WIDTH}}{text}".rstrip() for name, text in lines]


def _said(anomaly: Anomaly, topic: str) -> list[Statement]:
    return [statement for statement in anomaly.evidence if statement.topic == topic]


def _text(statement: Statement) -> str:
    return inert(statement.text, _SENTENCE)


def things(anomaly: Anomaly, kind: Kind, longest: int = 50) -> str:
    """The quantity with what it was: "47 p3.16xlarge", "300 refused calls for instances"; names of `longest` characters."""
    if is_attempts(anomaly.kind):
        return f"{words.several(anomaly.total, 'refused call', 'refused calls')} for {kind.many}"
    groups = {inert(name, longest): count for name, count in anomaly.groups.items()}
    return words.things(anomaly.total, groups, kind.one, kind.many)


def _accounts(table: Breakdown | None) -> list[str]:
    return [words.several(table.accounts, "account", "accounts")] if table else []


def _subject(anomaly: Anomaly, kind: Kind, account: Account | None, table: Breakdown | None) -> str:
    """ "[9.4 CRITICAL] sandbox-ml 111122223333: 47 p3.16xlarge, 1,151 USD/h, one access key"."""
    reason = anomaly.alerts[-1].reason if anomaly.alerts else "opened"
    state = "" if reason == "opened" else f", {reason}"
    number = ascii_line(anomaly.account_id, 14)
    name = ascii_line(_name(anomaly, account), 22)
    where = number if name == number else f"{name} {number}"
    named = things(anomaly, kind)
    bare = named if is_attempts(anomaly.kind) else words.several(anomaly.total, kind.one, kind.many)
    rate = anomaly.cost.usd_per_hour is not None and not costs_nothing(kind, anomaly.kind)
    parts = [*([_rate(anomaly)] if rate else []), *_doer_in_short(anomaly)]
    head = f"[{anomaly.severity:.1f} {label(anomaly.severity)}{state}] {where}: "
    texts = (", ".join([*_accounts(table), said, *parts]) for said in (named, bare))
    full, short = (ascii_line(head + text, 2 * SUBJECT_CHARACTERS) for text in texts)
    return full if len(full) <= SUBJECT_CHARACTERS else ascii_line(short, SUBJECT_CHARACTERS)


def _rate(anomaly: Anomaly) -> str:
    """What is known of the rate, and for how much it is not: a part without a price is not free."""
    missing = wording.unpriced(anomaly.notes)
    return words.usd_per_hour(anomaly.cost.usd_per_hour) + (f" + {missing:,} unpriced" if missing else "")


def _doer_in_short(anomaly: Anomaly) -> list[str]:
    main = anomaly.actors[0] if anomaly.actors else None
    automation = wording.trustworthy(anomaly.automation, anomaly.actors, anomaly.evidence)
    if automation:
        return [ascii_line(automation, 24)]
    if main is None:
        return []
    if main.long_lived_key:
        return ["one access key" if main.share > 0.995 else "an access key"]
    return [ascii_line(wording.identity(main.arn), 40)] if main.arn else []


def _name(anomaly: Anomaly, account: Account | None) -> str:
    return account_name(account, anomaly.account_name or anomaly.account_id)


def _what(anomaly: Anomaly, kind: Kind, table: Breakdown | None) -> list[Line]:
    within = "".join(f"{each}: " for each in _accounts(table))
    calls = _said(anomaly, "calls")
    when = words.span(anomaly.first_use, anomaly.last_use) + " UTC"
    if is_attempts(anomaly.kind):
        return [("WHAT", f"{within}{_text(calls[0]) if calls else things(anomaly, kind)}, {when}")]
    sizes = _said(anomaly, "size")
    named = _with_size(things(anomaly, kind), _text(sizes[0]) if sizes else "")
    by = f" by {_text(calls[0])}" if calls and kind.keep == "events" else ""
    releases = _said(anomaly, "released")
    released = f"; {_released(anomaly, releases[0])}" if releases else ("; no release seen" if kind.releasable else "")
    return [("WHAT", f"{within}{named}, {when}{by}{released}")]


def _released(anomaly: Anomaly, statement: Statement) -> str:
    """The figures that the alerts rest on; a resource that was started twice counts twice."""
    return wording.released(anomaly.released, anomaly.total, statement.count > 0)


def _with_size(things: str, size: str) -> str:
    if not size:
        return things
    return f"{things[:-1]}; {size})" if things.endswith(")") else f"{things} ({size})"


def _where(anomaly: Anomaly, table: Breakdown | None) -> list[Line]:
    regions = words.listed({inert(name, 30): count for name, count in anomaly.regions.items()}, _REGIONS_SHOWN)
    known = "".join(f"; {_text(statement)}" for statement in _said(anomaly, "where"))
    usual = "" if anomaly.expected is None else f". Usual: {words.number(anomaly.expected)}"
    lines = [("WHERE", f"{regions}{known}{usual}")]
    if table:
        lines.extend(_under("IN", table.lines))
    elif anomaly.accounts:
        ranked = sorted(anomaly.accounts.items(), key=lambda item: (-item[1], item[0]))
        rows = [f"{inert(name, 14)} {count:,}" for name, count in ranked[:_ACCOUNTS_SHOWN]]
        more = len(ranked) - _ACCOUNTS_SHOWN
        lines.extend(_under("IN", [words.several(len(ranked), "account", "accounts") + ":", *rows]))
        if more > 0:
            lines.append(("", f"and {more:,} more"))
    return lines


def _under(name: str, texts: Iterable[str]) -> list[Line]:
    """Several lines under one label."""
    return [(name if at == 0 else "", text) for at, text in enumerate(texts)]


def _cost(anomaly: Anomaly, kind: Kind) -> list[Line]:
    cost = anomaly.cost
    if costs_nothing(kind, anomaly.kind):
        return [("COST", f"none: {'refused calls' if is_attempts(anomaly.kind) else kind.many} cost nothing")]
    if cost.usd_per_hour is None:
        return [("COST", inert(cost.basis, _SENTENCE) if has_price(kind) else UNPRICED)]
    figures = _rate(anomaly)
    if cost.usd_so_far is not None:
        figures += f"; {words.about(cost.usd_so_far)} USD so far"
    if cost.usd_month_end is not None and cost.usd_per_hour > 0:
        figures += f"; {words.about(cost.usd_month_end)} USD by month end if nothing stops it"
    sure = "" if cost.confidence >= 0.995 else f"; confidence {cost.confidence:.0%}"
    most = f"; {_UPPER}" if kind.releasable and cost.usd_per_hour > 0 else ""
    return _under("COST", [figures, f"{inert(cost.basis, 2 * _SENTENCE)}, before discounts{sure}{most}"])


def _who(anomaly: Anomaly) -> list[Line]:
    statements = [*_said(anomaly, "who")[:_WHO_SHOWN], *_said(anomaly, "automation")]
    texts = [_text(statement) for statement in statements]
    left = wording.by_others(anomaly.actors, anomaly.total)
    if left:
        texts.insert(len(anomaly.actors), f"others: {left:,} of {anomaly.total:,}")
    return _under("WHO", texts or ["not established: the records hold no identity"])


def _more(anomaly: Anomaly) -> list[Line]:
    before = [_text(statement) for statement in _said(anomaly, "before")]
    also = [_text(statement) for topic in ("identity", "through", "also") for statement in _said(anomaly, topic)]
    return [*_under("BEFORE", before), *_under("ALSO", also), *_under("ORG", _organization(anomaly))]


def _organization(anomaly: Anomaly) -> list[str]:
    """What was found elsewhere, then in one line what was looked for and not found."""
    statements = _said(anomaly, "organization")
    found = [_text(statement) for statement in statements if statement.count]
    missing = [_searched(statement) for statement in statements if not statement.count]
    alone = any(statement.text.endswith(wording.ALONE) for statement in statements if not statement.count)
    answer = wording.ALONE if alone else "none found"
    return [*found, f"same {', '.join(missing)} in other accounts: {answer}"] if missing else found


def _searched(statement: Statement) -> str:
    return next((word for field, word in _FIELD_WORDS if getattr(statement.query, field) is not None), "doer")


def _owner(anomaly: Anomaly, account: Account | None) -> str:
    if anomaly.account_id == ORGANIZATION:
        return "each account's own"
    if account is None:
        return "not known: no account of this id was found"
    owns = ownership(account)
    parts = [inert(value, 40) for value in (owns.owner, owns.team if owns.team != owns.owner else None) if value]
    named = (("cost centre", owns.cost_centre), ("OU", owns.ou), ("business unit", owns.business_unit))
    parts.extend(f"{word} {inert(value, 40)}" for word, value in named if value)
    return ", ".join(parts) or "not known: the account has no tag Owner, Team or CostCenter"


def _prevent(anomaly: Anomaly) -> list[Line]:
    steps = commands.steps_of(anomaly, "prevent")
    texts = [
        _with_policy(inert(step.text, _SENTENCE)) if step.command else inert(step.text, _SENTENCE) for step in steps
    ]
    attack = [f"ATT&CK {inert(step.text, 80)}" for step in commands.steps_of(anomaly, "attack")]
    return _under("PREVENT", [*texts, *attack])


def _with_policy(text: str) -> str:
    return f"{text[:-1]}; policy under RECORD)" if text.endswith(")") else f"{text} (policy under RECORD)"


def _why(anomaly: Anomaly) -> list[Line]:
    reasons = judged(anomaly)
    weighed = [inert(reason, 120) for reason in anomaly.severity_reasons[:_REASONS_SHOWN]]
    severity = [f"{anomaly.severity:.1f} of 10: {', '.join(weighed)}"] if weighed else []
    return _under("WHY", [*reasons[:_REASONS_SHOWN], *severity])


def judged(anomaly: Anomaly) -> list[str]:
    """Why it is unusual: one sentence a finding.

    A longer window may leave out bursts, or hours that were told before: what then stands beside more in an hour says nothing
    new.
    """
    limits = [finding for finding in anomaly.findings if finding.detector == "threshold"]
    most = max((finding.actual for finding in limits if finding.window_minutes < _DAY), default=0.0)
    rest = [each for each in anomaly.findings if not any(_says_as_much(other, each) for other in anomaly.findings)]
    return list(dict.fromkeys(_reason(finding, most, anomaly.total) for finding in rest))


def _says_as_much(shorter: Finding, longer: Finding) -> bool:
    """Whether one detector counted as much in a shorter window, where it says more about hours than about a day."""
    same = shorter.detector == longer.detector in ("threshold", "baseline")
    lasting = longer.window_minutes == _DAY or longer.detector == "baseline"
    return same and lasting and shorter.window_minutes < longer.window_minutes and shorter.actual >= longer.actual


def _reason(finding: Finding, most: float, total: int) -> str:
    beyond = most > 0 and finding.actual + most <= total
    day = "in 24 hours beyond the hours above" if beyond else "in 24 hours"
    return inert(finding.reason.replace(f"in {_DAY} minutes", day), _SENTENCE)


def gaps(anomaly: Anomaly) -> list[Line]:
    """What was not judged or not known, each with its reason."""
    missing: dict[str, list[str]] = {}
    for name, why in sorted(anomaly.ready.items()):
        if why != "yes":
            missing.setdefault(inert(why, 80), []).append(inert(name, 20).replace("_", " "))
    found = [f"{', '.join(names)}: {why}" for why, names in missing.items()]
    found.extend(inert(note, _SENTENCE) for note in anomaly.notes)
    if anomaly.truncated:
        found.append("records cut short: part of the quantity is what the request asked for")
    return [("GAPS", "; ".join(found))] if found else []


def _record(anomaly: Anomaly) -> list[Line]:
    command = commands.with_id(anomaly, commands.SHOW)
    ids = f" ({words.several(anomaly.resource_count, 'id', 'ids')})" if anomaly.resource_count else ""
    return [("RECORD", f"{command}{ids}")]


def _act(anomaly: Anomaly, recipient: Recipient) -> list[Line]:
    if recipient != "deployment":
        return []
    suppress = 'usage-anomaly suppress {} --until YYYY-MM-DD --up-to QUANTITY --reason "..."'
    return _under("ACT", [commands.with_id(anomaly, "usage-anomaly ack {}"), commands.with_id(anomaly, suppress)])
