"""What does ingest get? Generated records in the envelopes that CloudWatch Logs and Lambda put around them."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment.prices import PriceTable
from usage_anomaly.envelopes import read_payload
from usage_anomaly.intake import read_object
from usage_anomaly.search.indexes import id_of
from usage_anomaly.usage import UsageEvent
from usage_anomaly_generator import Account, Habit, Incident, Organization, records

START = datetime(2026, 11, 24, 6, tzinfo=UTC)
NOW = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)
FUNCTION = "usage-anomaly-IngestFunction-1A2B3C4D5E6F"
Record = dict[str, Any]

ACCOUNTS = tuple(
    Account(f"11112222{number}{number}{number}{number}", name, {}, ("us-east-1", "eu-west-1"))
    for number, name in enumerate(("sandbox", "data", "web", "shop", "tools"), start=3)
)
HABITS = ("ci_runs", "volume_churn", "lambda_day_and_night", "auto_scaling_mornings", "node_group_rotation")


def thousand() -> list[Record]:
    """A thousand records of five accounts, an incident among them."""
    plans = [Habit(habit, account.name) for account in ACCOUNTS for habit in HABITS]
    incident = Incident("leaked_key", ACCOUNTS[0].name, START + timedelta(hours=1))
    found = list(islice(records(Organization(ACCOUNTS), plans, (incident,), START, 1.0, 7), 1_000))
    assert len(found) == 1_000
    assert len({each["recipientAccountId"] for each in found}) == 5
    return found


def subscription(messages: Sequence[Record | str]) -> Record:
    """The event of one call of ingest; a text is a message as it stands."""
    events = [
        {"id": f"{389 * 10**53 + number}", "timestamp": 1_764_064_800_000, "message": text}
        for number, text in enumerate(each if isinstance(each, str) else json.dumps(each) for each in messages)
    ]
    message = {
        "messageType": "DATA_MESSAGE",
        "owner": "111122223333",
        "logGroup": "/aws/cloudtrail/organization",
        "logStream": "o-exampleorgid_CloudTrail_us-east-1",
        "subscriptionFilters": ["usage-anomaly-TrailSubscription-1A2B3C4D5E6F"],
        "logEvents": events,
    }
    return {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(message).encode(), mtime=0)).decode()}}


def payloads(found: Sequence[Record], size: int = 200) -> list[Record]:
    """The records in calls of `size` each."""
    return [subscription(found[first : first + size]) for first in range(0, len(found), size)]


def failed(payload: Record) -> bytes:
    """What Lambda keeps of a call that failed three times."""
    return json.dumps(
        {
            "version": "1.0",
            "timestamp": "2026-11-25T10:08:12.345Z",
            "requestContext": {
                "requestId": "e4b46cbf-b738-4880-8a18-9cf6983408b2",
                "functionArn": f"arn:aws:lambda:us-east-1:111122223333:function:{FUNCTION}:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": 3,
            },
            "requestPayload": payload,
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": {"errorType": "SearchUnavailable", "errorMessage": "OpenSearch does not answer"},
        }
    ).encode()


def failed_name(number: int) -> str:
    """Where Lambda keeps it."""
    return f"aws/lambda/async/{FUNCTION}/2026/11/25/2026-11-25T10.08.{number:02}-e4b46cbf-b738-4880-8a18-9cf6983408b2"


def expected(found: Sequence[Record], catalog: Catalog, prices: PriceTable) -> dict[str, UsageEvent]:
    """The usage events by document id, read as replay reads them from a log object of the bucket."""
    payload = read_payload(json.dumps({"Records": list(found)}).encode(), "log.json")
    arrivals = [arrival for _, arrival in read_object(payload, catalog, prices).arrivals]
    return {id_of(event): event for arrival in arrivals for _, events in arrival.wanted for event in events}
