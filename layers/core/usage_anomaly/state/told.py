"""What was told about one kind in one account, and which snapshots are still to be dispatched?

One row holds what was told of a pair; it is written in one transaction with the snapshots of new alerts, on condition
that nobody wrote it since it was read. So of two ticks that run at once one changes nothing, and a crash leaves either
both or neither. Snapshots wait in a sparse index until their execution has started.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from botocore.exceptions import ClientError

from usage_anomaly.anomalies.life_cycle import Told
from usage_anomaly.state import Item, Table
from usage_anomaly.workflow import Input

KEPT = timedelta(days=100)  # a snapshot whose execution has started: as long as Step Functions keeps the execution
MOST_SNAPSHOTS = 99  # a transaction takes 100 writes; one is the row itself
_TOLD = msgspec.json.Decoder(tuple[Told, ...])
_NEVER = datetime.max.replace(tzinfo=UTC)


class Row(msgspec.Struct, frozen=True):
    """What was told of a pair, and the version to write against; version 0: no row yet."""

    told: tuple[Told, ...] = ()
    version: int = 0


class Waiting(msgspec.Struct, frozen=True):
    """A snapshot that waits for its execution."""

    pk: str
    sk: str
    snapshot: bytes


def load(table: Table, account_id: str, kind: str) -> Row:
    """The pair's row, read consistently."""
    item = table.get_item(Key=_key(account_id, kind), ConsistentRead=True).get("Item")
    return Row() if item is None else Row(_TOLD.decode(item["told"]), int(item["version"]))


def save(
    table: Table, account_id: str, kind: str, read: Row, told: Sequence[Told], due: datetime, snapshots: Sequence[Input]
) -> bool:
    """Write what is told now with the snapshots of its new alerts; False if somebody else wrote since `read`.

    `due` is when the pair has to be looked at again although nothing arrives (datetime.max: never). More than 99 new
    alerts of one pair cannot stand in one transaction; the caller tells them in several ticks.
    """
    row: Item = {**_key(account_id, kind), "told": msgspec.json.encode(told).decode(), "version": read.version + 1}
    if due < _NEVER:
        row |= {"work": "DUE", "at": stamp(due)}
    puts = [
        {
            "Put": {
                "TableName": table.name,
                "Item": row,
                "ConditionExpression": "attribute_not_exists(pk)" if read.version == 0 else "version = :read",
                **({} if read.version == 0 else {"ExpressionAttributeValues": {":read": read.version}}),
            }
        },
        *({"Put": {"TableName": table.name, "Item": _snapshot(each)}} for each in snapshots),
    ]
    try:
        table.meta.client.transact_write_items(TransactItems=puts)
    except ClientError as error:
        reasons = {each.get("Code") for each in error.response.get("CancellationReasons", [])}
        if reasons & {"ConditionalCheckFailed", "TransactionConflict"}:
            return False
        raise
    return True


def due_pairs(table: Table, until: datetime) -> Iterator[tuple[str, str]]:
    """Account and kind of every pair that is due, the longest overdue first."""
    for item in _work(table, "DUE", until):
        _, account_id, kind = item["pk"].split("#", 2)
        yield account_id, kind


def waiting(table: Table, until: datetime) -> Iterator[Waiting]:
    """The snapshots whose execution has not been seen to start, the oldest first."""
    for item in _work(table, "OUTBOX", until):
        whole = table.get_item(Key={"pk": item["pk"], "sk": item["sk"]}, ConsistentRead=True).get("Item")
        if whole is not None and whole.get("work") == "OUTBOX":
            yield Waiting(whole["pk"], whole["sk"], whole["snapshot"].encode())


def dispatched(table: Table, each: Waiting, now: datetime) -> None:
    """Take a snapshot out of the index: its execution has started. Twice is the same as once."""
    table.update_item(
        Key={"pk": each.pk, "sk": each.sk},
        UpdateExpression="SET dispatched_at = :now, expires = :expires REMOVE #work, #at",
        ExpressionAttributeNames={"#work": "work", "#at": "at"},
        ExpressionAttributeValues={":now": stamp(now), ":expires": int((now + KEPT).timestamp())},
    )


def stamp(moment: datetime) -> str:
    """A time as the index sorts it: RFC 3339 to the second, UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _work(table: Table, work: str, until: datetime) -> Iterator[Item]:
    arguments: Item = {
        "IndexName": "work",
        "KeyConditionExpression": "#work = :work AND #at <= :until",
        "ExpressionAttributeNames": {"#work": "work", "#at": "at"},
        "ExpressionAttributeValues": {":work": work, ":until": stamp(until)},
    }
    while True:
        page = table.query(**arguments)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _key(account_id: str, kind: str) -> dict[str, str]:
    return {"pk": f"PAIR#{account_id}#{kind}", "sk": "TOLD"}


def _snapshot(each: Input) -> Item:
    anomaly = each.anomaly
    return {
        "pk": f"ANOMALY#{anomaly.id}",
        "sk": f"SEQ#{anomaly.sequence:06}",
        "snapshot": msgspec.json.encode(each).decode(),
        "work": "OUTBOX",
        "at": stamp(each.now),
    }
