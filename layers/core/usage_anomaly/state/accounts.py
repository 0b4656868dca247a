"""What was known of an account within the last day?"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from usage_anomaly.enrichment.accounts import Account
from usage_anomaly.state import Table

KEPT = timedelta(hours=24)


def read(table: Table, account_id: str, now: datetime) -> Account | None:
    """The account as it was kept less than a day ago. DynamoDB removes rows late, so their age is looked at here."""
    item = table.get_item(Key=_key(account_id)).get("Item")
    if item is None or int(item["expires"]) <= now.timestamp():
        return None
    try:
        return msgspec.json.decode(item["account"], type=Account)
    except msgspec.DecodeError:  # another version's row: as good as none
        return None


def keep(table: Table, account: Account, now: datetime) -> None:
    """Keep it for a day."""
    text = msgspec.json.encode(account).decode()
    table.put_item(Item={**_key(account.id), "account": text, "expires": int((now + KEPT).timestamp())})


def _key(account_id: str) -> dict[str, str]:
    return {"pk": f"ACCOUNT#{account_id}", "sk": "ACCOUNT"}
