"""Is the anomaly kept where people search? (step "Keep record")"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from usage_anomaly.anomalies import Anomaly
from usage_anomaly.search import anomalies


class RecordInput(msgspec.Struct, frozen=True, kw_only=True):
    """`attributes` are the alert's; empty where the assessment failed."""

    anomaly: Anomaly
    attributes: dict[str, str] = {}


def run(event: Mapping[str, Any], client: OpenSearch) -> dict[str, Any]:
    """KEPT, or NEWER when a later sequence stands there. Raises SearchUnavailable."""
    given = msgspec.convert(event, RecordInput)
    kept = anomalies.keep(client, given.anomaly, account_type=given.attributes.get("account_type"))
    return {"outcome": "KEPT" if kept else "NEWER"}
