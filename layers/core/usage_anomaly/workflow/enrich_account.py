"""Whose account is it? (step "Look up account")

This process's memory, then the table (kept a day), then AWS Organizations. An account that cannot be looked up is none,
and the alert says why.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from datetime import datetime
from typing import Any

import msgspec

from usage_anomaly import organization
from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.enrichment.accounts import Account
from usage_anomaly.state import Table, accounts

Memory = MutableMapping[str, tuple[datetime, Account]]
_ID_DIGITS = 12


class AccountInput(msgspec.Struct, frozen=True, kw_only=True):
    account_id: str


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """The account, or None with what is missing."""

    account: Account | None = None
    gaps: tuple[str, ...] = ()


def run(event: Mapping[str, Any], memory: Memory, table: Table, client: Any, now: datetime) -> dict[str, Any]:
    """The account as JSON values. Raises what Organizations and DynamoDB raise when they are only busy."""
    given = msgspec.convert(event, AccountInput)
    found: dict[str, Any] = msgspec.to_builtins(look(given.account_id, memory, table, client, now))
    return found


def look(account_id: str, memory: Memory, table: Table, client: Any, now: datetime) -> Looked:
    """The account from the first place that knows it; what Organizations says is kept in both others."""
    if account_id == ORGANIZATION:
        return Looked()
    if len(account_id) != _ID_DIGITS or not account_id.isdecimal():
        return Looked(gaps=("account: the records hold no account id",))
    known = memory.get(account_id)
    if known is not None and now - known[0] < accounts.KEPT:
        return Looked(account=known[1])
    account = accounts.read(table, account_id, now)
    if account is None:
        try:
            account = organization.look_up(client, account_id)
        except organization.UnknownAccount:
            return Looked(gaps=("account: not in this organization",))
        except organization.NotPermitted:
            return Looked(gaps=("account: this deployment may not ask AWS Organizations",))
        accounts.keep(table, account, now)
    memory[account_id] = (now, account)
    return Looked(account=account)
