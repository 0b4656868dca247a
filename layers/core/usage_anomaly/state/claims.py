"""Who may tell this sequence on this channel, and was it told?

A claim belongs to an execution for a while (the lease), so that a publish happens once: the same execution may take its
claim again after a crash, another one waits until the lease is over. A sent claim is never taken again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec
from botocore.exceptions import ClientError

from usage_anomaly.errors import UsageAnomalyError
from usage_anomaly.state import Item, Table

LEASE = timedelta(minutes=5)
KEPT = timedelta(days=100)  # longer than an execution can be started anew from its history (90 days)
_CONDITION = "attribute_not_exists(pk) OR (#state = :claimed AND (#owner = :me OR lease_until < :now))"
_NAMES = {"#state": "state", "#owner": "owner"}


class DeliveryBusy(UsageAnomalyError):
    """Another execution holds the claim: try again when its lease is over."""


class Key(msgspec.Struct, frozen=True):
    """One sequence of an anomaly on one channel. The rows of an anomaly stand together, the latest sequence last."""

    anomaly_id: str
    sequence: int
    channel: str

    def row(self) -> dict[str, str]:
        return {"pk": f"CLAIM#{self.anomaly_id}", "sk": f"{self.sequence:06}#{self.channel}"}


def take(table: Table, key: Key, owner: str, now: datetime) -> Literal["taken", "sent"]:
    """Claim the delivery for `owner`, or learn that it was made. Raises DeliveryBusy while another one holds it."""
    try:
        table.update_item(
            Key=key.row(),
            UpdateExpression="SET #state = :claimed, #owner = :me, lease_until = :lease, expires = :expires",
            ConditionExpression=_CONDITION,
            ExpressionAttributeNames=_NAMES,
            ExpressionAttributeValues={
                ":claimed": "claimed",
                ":me": owner,
                ":now": _seconds(now),
                ":lease": _seconds(now + LEASE),
                ":expires": _seconds(now + KEPT),
            },
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        item: Item = table.get_item(Key=key.row(), ConsistentRead=True).get("Item", {})
        if item.get("state") == "sent":
            return "sent"
        raise DeliveryBusy(
            f"{key.anomaly_id} sequence {key.sequence} on {key.channel}: another execution has it"
        ) from error
    return "taken"


def mark_sent(table: Table, key: Key, owner: str, now: datetime) -> None:
    """Write that it was published. Even where the lease ran out meanwhile: people have been told."""
    table.update_item(
        Key=key.row(),
        UpdateExpression="SET #state = :sent, #owner = :me, sent_at = :now, expires = :expires",
        ExpressionAttributeNames=_NAMES,
        ExpressionAttributeValues={
            ":sent": "sent",
            ":me": owner,
            ":now": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            ":expires": _seconds(now + KEPT),
        },
    )


def newest_sent(table: Table, anomaly_id: str, channel: str) -> int:
    """The highest sequence that was told on a channel; 0 when none was."""
    arguments: Item = {
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": f"CLAIM#{anomaly_id}"},
        "ScanIndexForward": False,
        "ConsistentRead": True,
    }
    while True:
        page = table.query(**arguments)
        for item in page["Items"]:
            sequence, _, name = item["sk"].partition("#")
            if name == channel and item["state"] == "sent":
                return int(sequence)
        if "LastEvaluatedKey" not in page:
            return 0
        arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
