"""Which limits did people set for this deployment, as far as a tick can find out?

They stand in one parameter of Systems Manager, in the form of `replay --limits`. A tick must not fail for them: where the
parameter cannot be read, or holds anything that cannot be taken as a whole, those that were taken last stay, also in a
process that begins just then.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from usage_anomaly.anomalies.overrides import NONE, Overrides, read_overrides
from usage_anomaly.catalog import Catalog
from usage_anomaly.errors import UnusableInput
from usage_anomaly.state import Table, limits

READ_EVERY = timedelta(minutes=5)


class LimitsParameter:
    """The limits in the parameter `name`; an empty name stands for none. `problem` says why they are not the newest."""

    def __init__(self, client: Any, table: Table, name: str, catalog: Catalog) -> None:
        self._client, self._table, self._name, self._catalog = client, table, name, catalog
        self._read_at = datetime.min.replace(tzinfo=UTC)
        self._taken: Overrides | None = None
        self.problem: str | None = None

    def at(self, now: datetime) -> Overrides:
        """The limits to judge by; asks for the parameter at most every five minutes."""
        if self._name and now - self._read_at >= READ_EVERY:
            self._read_at = now
            self._read()
        return self._taken or NONE

    def _read(self) -> None:
        try:
            text = str(self._client.get_parameter(Name=self._name)["Parameter"]["Value"])
            found = self._decoded(text)
        except (ClientError, BotoCoreError, UnusableInput) as error:
            self.problem = str(error)
            if self._taken is None:
                self._taken = self._kept()
            return
        if found != self._taken:
            limits.keep(self._table, self._name, text)
        self._taken, self.problem = found, None

    def _kept(self) -> Overrides | None:
        text = limits.read(self._table, self._name)
        try:
            return None if text is None else self._decoded(text)
        except UnusableInput:  # taken by another version, whose catalog had more kinds; the problem is told already
            return None

    def _decoded(self, text: str) -> Overrides:
        return read_overrides(text.encode(errors="surrogatepass"), f"parameter {self._name}", self._catalog)
