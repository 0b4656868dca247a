"""Which limits did people set, as they were last read? (so that a new process knows them when their parameter fails)"""

from __future__ import annotations

from usage_anomaly.state import Table


def read(table: Table, parameter: str) -> str | None:
    """The text of a parameter as it was last taken, or None."""
    item = table.get_item(Key=_key(parameter)).get("Item")
    return None if item is None else str(item["limits"])


def keep(table: Table, parameter: str, text: str) -> None:
    """Keep it in place of what was kept before."""
    table.put_item(Item={**_key(parameter), "limits": text})


def _key(parameter: str) -> dict[str, str]:
    return {"pk": "LIMITS", "sk": parameter}
