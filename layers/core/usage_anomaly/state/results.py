"""What was found out for this sequence before? (so that an execution that runs again says the same)"""

from __future__ import annotations

from datetime import datetime, timedelta

from botocore.exceptions import ClientError

from usage_anomaly.state import Table

KEPT = timedelta(days=100)  # longer than an execution can be started anew from its history (90 days)


def keep(table: Table, anomaly_id: str, sequence: int, result: str, total: int, now: datetime) -> str:
    """Keep a result (JSON) unless one stands there; what is kept is returned. `total` is what its text says was used.

    `emitted` is set by the state machine once its event is out.
    """
    row = {
        **_key(anomaly_id, sequence),
        "result": result,
        "total": total,
        "emitted": False,
        "expires": int((now + KEPT).timestamp()),
    }
    try:
        table.put_item(Item=row, ConditionExpression="attribute_not_exists(pk)")
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        kept = table.get_item(Key=_key(anomaly_id, sequence), ConsistentRead=True)
        return str(kept["Item"]["result"])
    return result


def first_total(table: Table, anomaly_id: str) -> int | None:
    """The quantity that the first alert named; None when its result is not kept (any more)."""
    item = table.get_item(Key=_key(anomaly_id, 1), ConsistentRead=True).get("Item")
    return None if item is None else int(item["total"])


def _key(anomaly_id: str, sequence: int) -> dict[str, str]:
    """The state machine reads this row itself, and can not pad the number."""
    return {"pk": f"ANOMALY#{anomaly_id}", "sk": f"RESULT#{sequence}"}
