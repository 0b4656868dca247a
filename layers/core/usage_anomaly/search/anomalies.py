"""Is this the newest state of an anomaly, and is it kept?"""

from __future__ import annotations

import time

import msgspec
from opensearchpy import OpenSearch

from usage_anomaly.anomalies import Anomaly
from usage_anomaly.search.client import READ_WAITS, SearchRefused, Wait, answering, patiently
from usage_anomaly.search.indexes import ANOMALIES


def keep(client: OpenSearch, anomaly: Anomaly, wait: Wait = time.sleep, *, account_type: str | None = None) -> bool:
    """Keep it as the one document of its id. False when a newer sequence stands there; the same one is written again.

    `account_type` is the account's as it is now, for people who compare; the anomaly has none.

    Raises SearchUnavailable (try again) or SearchRefused (never).
    """
    versioned = {"version": anomaly.sequence, "version_type": "external_gte"}
    body = msgspec.json.encode({**msgspec.to_builtins(anomaly), "account_type": account_type})

    def send() -> bool:
        with answering():
            client.index(index=ANOMALIES, id=anomaly.id, body=body, params=versioned)
        return True

    try:
        return patiently(send, READ_WAITS, wait)
    except SearchRefused as error:
        if error.status == 409:
            return False
        raise
