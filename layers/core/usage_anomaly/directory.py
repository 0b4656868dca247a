"""Which account is this, as far as a tick may find out?

A tick must not wait for AWS Organizations, whose request rates are low: it asks for a few unknown accounts a tick and judges
the others by staging's limits until a later one knows them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from usage_anomaly.enrichment.accounts import Account
from usage_anomaly.state import Table
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
        """The account, or None where it is not known, or not yet."""
        missed = self._missing.get(account_id)
        if missed is not None and self._now - missed < FORGET_MISSES:
            return None
        if account_id not in self._memory:
            if self._left == 0:
                return None
            self._left -= 1
        try:
            found = enrich_account.look(account_id, self._memory, self._table, self._organizations, self._now).account
        except (ClientError, BotoCoreError):  # busy or out of reach: detection goes on without it
            found, self._left = None, 0
        if found is None:
            self._missing[account_id] = self._now
        return found
