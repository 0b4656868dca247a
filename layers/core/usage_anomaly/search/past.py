"""The past that the workflow's enrichments ask, as OpenSearch keeps it (`workflow.reading.Past`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from opensearchpy import OpenSearch

from usage_anomaly.anomalies import Query
from usage_anomaly.search import history
from usage_anomaly.usage import UsageEvent
from usage_anomaly.workflow.reading import MOST_EVENTS


class SearchedPast(msgspec.Struct, frozen=True):
    """The past as OpenSearch keeps it."""

    client: OpenSearch

    def ask(self, query: Query) -> Sequence[UsageEvent]:
        return history.ask(self.client, query, MOST_EVENTS)

    def tallied(self, account_id: str, kind: str, start: datetime, end: datetime) -> Sequence[UsageEvent]:
        return list(history.events(self.client, account_id, kind, start, end, tally=True))

    def coverage(self, account_id: str) -> datetime | None:
        return history.coverage(self.client, account_id)
