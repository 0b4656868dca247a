"""What did a live OpenSearch 3.4 with the anomaly-detection plugin answer?

Exchanges recorded in the order of their numbers. 01 to 34 are one detector's life, 35 to 52 what our own detectors meet on the
way, 53 to 59 what they find.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec


class Request(msgspec.Struct, frozen=True):
    method: str
    path: str
    body: Any


class Response(msgspec.Struct, frozen=True):
    status: int
    body: Any


class Exchange(msgspec.Struct, frozen=True):
    """One request and its answer; `note` says what the body cannot."""

    name: str
    note: str
    request: Request
    response: Response

    @property
    def hits(self) -> list[Any]:
        """The documents of an answer to a search."""
        found: list[Any] = self.response.body["hits"]["hits"]
        return found


def _load() -> dict[int, Exchange]:
    folder = Path(__file__).with_name("recordings")
    return {
        int(file.name[:2]): msgspec.json.decode(file.read_bytes(), type=Exchange)
        for file in sorted(folder.glob("*.json"))
    }


EXCHANGES = _load()


def exchange(name: str) -> Exchange:
    """The exchange of this name."""
    return next(each for each in EXCHANGES.values() if each.name == name)
