"""Can people ask about this anomaly in their chat service?

The step "Share with chat": one anomaly becomes one document, which takes the place of the anomaly's earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from usage_anomaly.anomalies import Anomaly
from usage_anomaly.catalog import Catalog
from usage_anomaly.chat.documents import document
from usage_anomaly.chat_services import DataSource, Pace, share
from usage_anomaly.errors import UsageAnomalyError


class NotTaken(UsageAnomalyError):
    """The chat service refused the document twice; trying again changes nothing."""


class ShareInput(msgspec.Struct, frozen=True, kw_only=True):
    """The complete anomaly, and the message attributes of its alert (account_type, owner, ...)."""

    anomaly: Anomaly
    attributes: dict[str, Any] = {}


def run(
    event: Mapping[str, Any], catalog: Catalog, client: Any, source: DataSource, pace: Pace, now: datetime
) -> dict[str, Any]:
    """Share one anomaly: `{"shared": id}`. Raises NotTaken, SyncBusy and ChatUnavailable, the last two to be retried."""
    given = msgspec.convert(event, ShareInput)
    text = {name: value for name, value in given.attributes.items() if isinstance(value, str)}
    made = document(
        given.anomaly,
        catalog.kind_of(given.anomaly.kind),
        account_type=text.get("account_type") or "unknown",
        owner=text.get("owner", ""),
    )
    shared = share(client, source, [made], pace, now)
    if shared.refused:
        refusal = shared.refused[0]
        raise NotTaken(f"document {refusal.id}: {refusal.code}")
    return {"shared": made.id}
