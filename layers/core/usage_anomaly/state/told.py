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

from usage_anomaly.anomalies.life_cycle import Due, Told
from usage_anomaly.detection import Finding
from usage_anomaly.detection.learned import Learned
from usage_anomaly.enrichment.accounts import AccountType
from usage_anomaly.state import Item, Table
from usage_anomaly.workflow import Input

KEPT = timedelta(days=100)  # a snapshot whose execution has started: as long as Step Functions keeps the execution
MOST_SNAPSHOTS = 99  # a transaction takes 100 writes; one is the row itself
MOST_BYTES = 3_000_000  # and 4 MB; the row takes up to 400 kB
_TOLD = msgspec.json.Decoder(tuple[Told, ...])
_LEARNED = msgspec.json.Decoder(tuple[Learned, ...])


class Row(msgspec.Struct, frozen=True):
    """What was told of a pair, and the version to write against; version 0: no row yet.

    `dues` say when the pair has to be looked at again; `account_type` is what the account was judged as, for the times when
    nobody can say; `learned` what the learned detectors said of it.
    """

    told: tuple[Told, ...] = ()
    version: int = 0
    dues: tuple[Due, ...] = ()
    account_type: AccountType | None = None
    learned: tuple[Learned, ...] = ()


class News(msgspec.Struct, frozen=True):
    """Usage of a pair came in, or a word about it, that is not judged yet, the earliest of `first`; `token` tells a later
    arrival apart."""

    first: datetime
    token: str


class Waiting(msgspec.Struct, frozen=True):
    """A snapshot that waits for its execution."""

    pk: str
    sk: str
    snapshot: bytes


def load(table: Table, account_id: str, kind: str) -> Row:
    """The pair's row, read consistently."""
    item = table.get_item(Key=_key(account_id, kind), ConsistentRead=True).get("Item")
    if item is None:
        return Row()
    dues = msgspec.json.decode(item.get("dues", "[]"), type=tuple[Due, ...])
    learned = _LEARNED.decode(item.get("learned", "[]"))
    return Row(_TOLD.decode(item["told"]), int(item["version"]), dues, item.get("account_type"), learned)


def save(table: Table, account_id: str, kind: str, read: Row, row: Row, snapshots: Sequence[Input]) -> bool:
    """Write what is told now with the snapshots of its new alerts; False if somebody else wrote since `read`.

    A transaction takes 100 writes and 4 MB: see `fitting`.
    """
    item: Item = {
        **_key(account_id, kind),
        "told": msgspec.json.encode(row.told).decode(),
        "version": read.version + 1,
        "dues": msgspec.json.encode(row.dues).decode(),
    }
    if row.account_type is not None:
        item["account_type"] = row.account_type
    if row.learned:
        item["learned"] = msgspec.json.encode(row.learned).decode()
    if row.dues:
        item |= {"work": "DUE", "at": stamp(min(each.at for each in row.dues))}
    unchanged = {"ConditionExpression": "version = :read", "ExpressionAttributeValues": {":read": read.version}}
    new = {"ConditionExpression": "attribute_not_exists(pk)"}
    puts = [
        {"Put": {"TableName": table.name, "Item": item, **(unchanged if read.version else new)}},
        *({"Put": {"TableName": table.name, "Item": _snapshot(each), **new}} for each in snapshots),
    ]
    try:
        table.meta.client.transact_write_items(TransactItems=puts)
    except ClientError as error:
        reasons = {each.get("Code") for each in error.response.get("CancellationReasons", [])}
        if reasons & {"ConditionalCheckFailed", "TransactionConflict"}:
            return False
        raise
    return True


def fitting(snapshots: Sequence[Input]) -> int:
    """How many of the snapshots fit one transaction beside the row."""
    room = MOST_BYTES
    for number, each in enumerate(snapshots[:MOST_SNAPSHOTS]):
        room -= len(msgspec.json.encode(each))
        if room < 0:
            return max(number, 1)
    return min(len(snapshots), MOST_SNAPSHOTS)


def note_news(table: Table, account_id: str, kind: str, first: datetime, now: datetime) -> None:
    """Note that usage of a pair came in, so that no end of a tick can lose it. Twice is the same as once."""
    key = {**_key(account_id, kind), "sk": "NEWS"}
    values: Item = {":first": first.isoformat(), ":token": now.isoformat(), ":due": "DUE", ":now": stamp(now)}
    names = {"#first": "first", "#token": "token", "#work": "work", "#at": "at"}
    kept = table.update_item(
        Key=key,
        UpdateExpression="SET #first = if_not_exists(#first, :first), #token = :token, #work = :due, "
        "#at = if_not_exists(#at, :now)",
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=values,
        ReturnValues="ALL_NEW",
    )["Attributes"]
    if datetime.fromisoformat(kept["first"]) > first:
        table.update_item(
            Key=key,
            UpdateExpression="SET #first = :first",
            ExpressionAttributeNames={"#first": "first"},
            ExpressionAttributeValues={":first": first.isoformat()},
        )


def news(table: Table, account_id: str, kind: str) -> News | None:
    """What came in of a pair and is not judged yet; read it before the history that is judged."""
    item = table.get_item(Key={**_key(account_id, kind), "sk": "NEWS"}, ConsistentRead=True).get("Item")
    return None if item is None else News(datetime.fromisoformat(item["first"]), item["token"])


def judged(table: Table, account_id: str, kind: str, read: News) -> None:
    """The news are judged; what came in meanwhile stays."""
    try:
        table.delete_item(
            Key={**_key(account_id, kind), "sk": "NEWS"},
            ConditionExpression="#token = :read",
            ExpressionAttributeNames={"#token": "token"},
            ExpressionAttributeValues={":read": read.token},
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise


def findings(table: Table, told: Told) -> tuple[Finding, ...]:
    """The findings of the newest snapshot that was written of an anomaly."""
    for sequence in range(told.sequence, 0, -1):
        key = {"pk": f"ANOMALY#{told.id}", "sk": f"SEQ#{sequence:06}"}
        item = table.get_item(Key=key, ConsistentRead=True).get("Item")
        if item is not None:
            return msgspec.json.decode(item["snapshot"], type=Input).anomaly.findings
    return ()


def due_pairs(table: Table, until: datetime) -> Iterator[tuple[str, str]]:
    """Account and kind of every pair that is due or has news, the longest waiting first."""
    seen: set[str] = set()
    for item in _work(table, "DUE", until):
        if item["pk"] not in seen:
            seen.add(item["pk"])
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
