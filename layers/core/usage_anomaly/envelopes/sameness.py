"""When are two records the same?

recipientAccountId + eventID + eventName where the eventID is a UUID (a delivery repeats it, a shared event has one per
account), else the content: samples and redacted exports write `1234` or `redacted` as the id of many records.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

import msgspec

from usage_anomaly.envelopes.record import Record, Text

is_uuid = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}").fullmatch
_VALUE = msgspec.json.Decoder()


def all_uuids(ids: Sequence[str]) -> bool:
    """Whether every one is a UUID, asked of all at once: a third of the cost of asking each."""
    lines, count = "\n".join([*ids, ""]), len(ids)
    return (
        len(lines) == 37 * count
        and lines.isascii()
        and lines[36::37] == "\n" * count
        and all(lines[dash::37] == "-" * count for dash in (8, 13, 18, 23))
        and lines.encode().translate(None, b"0123456789abcdefABCDEF") == b"----\n" * count
    )


def keys_of_ids(records: Iterable[Record]) -> list[bytes]:
    """16 bytes for each record; every one of them has a UUID as its eventID."""
    hashed = hashlib.blake2b
    return [
        hashed(f"{r.account_id or ''}/{r.event_id}/{r.event_name}".encode(), digest_size=16).digest() for r in records
    ]


def key_of_id(record: Record) -> bytes:
    """16 bytes that stand for a record whose eventID is a UUID."""
    return keys_of_ids([record])[0]


def key_of_content(text: Text) -> bytes:
    """16 bytes that stand for a record's content, whatever the blanks and the order of its keys."""
    try:
        canonical = msgspec.json.encode(_VALUE.decode(text), order="sorted")
    except (msgspec.MsgspecError, RecursionError):  # numbers or nesting beyond what can be held: the bytes themselves
        canonical = bytes(text)
    return hashlib.sha256(canonical).digest()[:16]


def event_id(record: Record, key: bytes) -> str:
    """The id to write down for a record: its eventID, or `sha256:` and the key where that is no UUID."""
    if record.event_id is not None and is_uuid(record.event_id):
        return record.event_id
    return f"sha256:{key.hex()}"
