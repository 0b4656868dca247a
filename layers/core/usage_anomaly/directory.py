"""Which account is this, as far as a tick may find out?

A tick must not wait for AWS Organizations, whose request rates are low: it reads what is kept in memory and in the table,
and asks for a few accounts that nobody knows yet. What nobody can say now is None, and judged as it was before.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.enrichment.accounts import Account
from usage_anomaly.state import Table, accounts
from usage_anomaly.workflow import enrich_account

QUESTIONS_A_TICK = 5
FORGET_MISSES = timedelta(minutes=10)


class Directory:
    """Accounts by id: this process's memory, the table, and up to five questions a tick to Organizations."""

    def __init__(self, table: Table, organizations: Any) -> None:
        self._table, self._organizations = table, organizations
        self._memory: enrich_account.Memory = {}
        self._missing: dict[str, datetime] = {}
        self._now = datetime.min.replace(tzinfo=UTC)
        self._left = 0

    def begin(self, now: datetime) -> None:
        """A tick begins."""
        self._now, self._left = now, QUESTIONS_A_TICK

    def account(self, account_id: str) -> Account | None:
        """The account, or None where it is not known, or not now."""
        known = self._memory.get(account_id)
        if known is not None and self._now - known[0] < accounts.KEPT:
            return known[1]
        missed = self._missing.get(account_id)
        if account_id == ORGANIZATION or (missed is not None and self._now - missed < FORGET_MISSES):
            return None
        found = accounts.read(self._table, account_id, self._now)
        if found is not None:
            self._memory[account_id] = (self._now, found)
            return found
        return self._ask(account_id) or (known[1] if known is not None else None)

    def _ask(self, account_id: str) -> Account | None:
        if self._left == 0:
            return None
        self._left -= 1
        try:
            found = enrich_account.look(account_id, self._memory, self._table, self._organizations, self._now).account
        except (ClientError, BotoCoreError):  # busy or out of reach: the tick goes on without it
            found, self._left = None, 0
        if found is None:
            self._missing[account_id] = self._now
        return found
