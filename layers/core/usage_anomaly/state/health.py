"""Which troubles of the deployment itself are watched, and what of them is still to be told?

One row. What is news is written down before it is published and taken off afterwards, on condition that nobody else
wrote in between: two monitors at once tell it once, and a crash between the two tells it in a later run.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from usage_anomaly.health import Change, Standing
from usage_anomaly.state import Table

_KEY = {"pk": "HEALTH", "sk": "HEALTH"}


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What the last run left. `untold` was written at `untold_at` and is not known to be published."""

    standing: tuple[Standing, ...] = ()
    untold: tuple[Change, ...] = ()
    untold_at: datetime | None = None


class Row(msgspec.Struct, frozen=True):
    """The memory, and the version to write against; version 0: no row yet."""

    memory: Memory = Memory()
    version: int = 0


_MEMORY = msgspec.json.Decoder(Memory)


def load(table: Table) -> Row:
    """The row, read consistently."""
    item = table.get_item(Key=_KEY, ConsistentRead=True).get("Item")
    return Row() if item is None else Row(_MEMORY.decode(item["state"]), int(item["version"]))


def save(table: Table, read: Row, memory: Memory) -> Row | None:
    """Write what is known now; None if somebody else wrote since `read`."""
    version = read.version + 1
    arguments: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
    if read.version:
        arguments = {"ConditionExpression": "version = :read", "ExpressionAttributeValues": {":read": read.version}}
    try:
        table.put_item(Item={**_KEY, "state": msgspec.json.encode(memory).decode(), "version": version}, **arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return None
        raise
    return Row(memory, version)
