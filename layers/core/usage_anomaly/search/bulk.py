"""Are these documents of ours written, the newest making of each?

For what is computed from other documents and may be computed again: a making that read earlier never replaces one that read
later, and the same twice is the same as once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from usage_anomaly.search.client import READ_WAITS, Answer, SearchUnavailable, Wait, answering, patiently

MOST_DOCUMENTS = 1_000  # of some hundred bytes each
TAKEN = (200, 201, 409)  # made, replaced, or there in a newer making


class Document(msgspec.Struct, frozen=True):
    """What is written where, under which id."""

    index: str
    id: str
    body: msgspec.Struct


def write(client: OpenSearch, documents: Iterable[Document], version: int, wait: Wait = time.sleep) -> int:
    """Write all of them as the making `version`, a rising number; returns how many. Raises SearchUnavailable."""
    count = 0
    for part in _parts(documents):
        lines = b"".join(_lines(each, version) for each in part)
        patiently(lambda lines=lines: _send(client, lines), READ_WAITS, wait)  # type: ignore[misc]  # bound at once
        count += len(part)
    return count


def _send(client: OpenSearch, lines: bytes) -> None:
    with answering():
        answer: Answer = client.bulk(body=lines)
    failed = [item["index"] for item in answer["items"] if item["index"]["status"] not in TAKEN]
    if failed:
        error: Any = failed[0].get("error", {})
        raise SearchUnavailable(f"{len(failed)} documents not taken: {failed[0]['status']} {error.get('type')}")


def _lines(document: Document, version: int) -> bytes:
    where = {"_index": document.index, "_id": document.id, "version": version, "version_type": "external_gte"}
    return msgspec.json.encode({"index": where}) + b"\n" + msgspec.json.encode(document.body) + b"\n"


def _parts(documents: Iterable[Document]) -> Iterator[list[Document]]:
    part = list[Document]()
    for each in documents:
        part.append(each)
        if len(part) == MOST_DOCUMENTS:
            yield part
            part = []
    if part:
        yield part
