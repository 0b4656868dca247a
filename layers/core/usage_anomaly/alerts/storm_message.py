"""How is a storm told: by mail with a table of its accounts, in chat, and as one message for every subscriber?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from msgspec.structs import replace

from usage_anomaly.alerts import mail, words
from usage_anomaly.alerts.mail import Breakdown, Mail
from usage_anomaly.alerts.notification import MOST_BYTES, custom_notification
from usage_anomaly.alerts.plain import inert
from usage_anomaly.alerts.storm import Storm, StormAccount
from usage_anomaly.catalog import Kind, costs_nothing

ACCOUNTS_SHOWN = 25
_IN_CHAT = 5
_HEADER = ("SEV", "NAME", "NUMBER", "QUANTITY", "USD/h", "WHO", "FIRST USE UTC")
_FIGURES = (3, 4)  # columns set to the right


def render(storm: Storm, kind: Kind) -> Mail:
    """The mail of a storm."""
    return mail.render(storm.together, kind, None, update=0, recipient="replay", table=breakdown(storm, kind))


def breakdown(storm: Storm, kind: Kind) -> Breakdown:
    """The accounts as the mail shows them, the largest first."""
    lines = [f"the largest first{_marked(storm.accounts)}", *table(storm.accounts[:ACCOUNTS_SHOWN], kind, storm)]
    more = accounts(storm) - min(ACCOUNTS_SHOWN, len(storm.accounts))
    if more > 0:
        lines.append(f"and {more:,} more: usage-anomaly show {storm.id}")
    lines.extend(
        f"all accounts, also those below their own limits: usage-anomaly show {inert(each, 130)}"
        for each in storm.organization
    )
    return Breakdown(accounts(storm), tuple(lines))


def accounts(storm: Storm) -> int:
    """How many accounts it is in."""
    return len(storm.accounts) + storm.accounts_left_out


def table(rows: Sequence[StormAccount], kind: Kind, storm: Storm) -> list[str]:
    """A line for each account below a header, in columns; nothing of a record or a tag begins a line."""
    lines = [_HEADER, *(cells(row, kind, storm) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADER))]
    return [_aligned(line, widths) for line in lines]


def rate(row: StormAccount, kind: Kind, kind_name: str) -> str:
    """USD per hour as the table says it: what is known, and for how much it is not."""
    if costs_nothing(kind, kind_name):
        return "-"
    if row.usd_per_hour is None:
        return words.UNKNOWN
    return words.number(row.usd_per_hour) + (f" + {row.unpriced:,} unpriced" if row.unpriced else "")


def notification(storm: Storm, said: Mail) -> dict[str, object]:
    """The storm in a chat channel; every value is inert for markdown."""
    return custom_notification(storm.together, said, list(_rows(storm)))


def message(storm: Storm, said: Mail) -> str:
    """The body of a publish with MessageStructure json, below SNS's size: a queue's part gives way first."""
    chat = msgspec.json.encode(notification(storm, said)).decode()
    for each in _ever_shorter(storm):
        queue = msgspec.json.encode({"storm": each, "mail": said}).decode()
        body = msgspec.json.encode({"default": said.text, "https": chat, "http": chat, "sqs": queue})
        if len(body) <= MOST_BYTES:
            return body.decode()
    return msgspec.json.encode({"default": said.text, "https": chat, "http": chat, "sqs": said.text}).decode()


def _ever_shorter(storm: Storm) -> Iterator[Storm]:
    yield storm
    bare = replace(storm, together=replace(storm.together, resource_ids=(), evidence=(), guidance=()))
    yield bare
    for kept in (4 * ACCOUNTS_SHOWN, ACCOUNTS_SHOWN, 0):
        yield replace(bare, accounts=bare.accounts[:kept], accounts_left_out=max(0, accounts(bare) - kept))


def cells(row: StormAccount, kind: Kind, storm: Storm) -> tuple[str, ...]:
    """Severity, name, number, quantity, USD/h, who and first use of an account, as inert texts."""
    return (
        f"{row.severity:.1f}",
        "-" if row.account_name == row.account_id else inert(row.account_name, 24),
        inert(row.account_id, 14),
        f"{row.quantity:,}",
        rate(row, kind, storm.together.kind),
        inert(row.who, 32),
        f"{words.day(row.first_use)} {words.clock(row.first_use)}",
    )


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    parts = [
        cell.rjust(width) if column in _FIGURES else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(parts).rstrip()


def _marked(rows: Sequence[StormAccount]) -> str:
    singly = sum(row.told_singly for row in rows)
    return f"; {singly:,} critical, told singly too" if singly else ""


def _rows(storm: Storm) -> Iterator[tuple[str, str]]:
    ranked = storm.accounts[:_IN_CHAT]
    named = ", ".join(f"{inert(row.account_name, 24)} {row.quantity:,}" for row in ranked)
    more = accounts(storm) - len(ranked)
    yield "Accounts", f"{accounts(storm):,}: {named}" + (f" and {more:,} more" if more > 0 else "")
    same = ", ".join(f"{each.what} {inert(each.value, 40)} in {each.accounts:,}" for each in storm.shared)
    yield "Same", same or "no key, actor, address or image in two of them"
