"""How far has a job come that goes through more than one run can do?

One row for each job. Unconditional: a job writes each thing it makes in a way that may be repeated, so a row that is set back
by a slower run costs only doing some of it again.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from usage_anomaly.state import Table

T = TypeVar("T", bound=msgspec.Struct)


def read(table: Table, job: str, progress: type[T]) -> T:
    """What the job wrote last; what it begins with before its first run, or after another version's row."""
    item = table.get_item(Key=_key(job), ConsistentRead=True).get("Item")
    try:
        return progress() if item is None else msgspec.json.decode(item["progress"], type=progress)
    except msgspec.DecodeError:
        return progress()


def write(table: Table, job: str, progress: msgspec.Struct) -> None:
    """Note how far it came."""
    table.put_item(Item={**_key(job), "progress": msgspec.json.encode(progress).decode()})


def _key(job: str) -> dict[str, str]:
    return {"pk": f"PROGRESS#{job}", "sk": "PROGRESS"}
