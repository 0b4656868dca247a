"""When are two records the same?

recipientAccountId + eventID + eventName where the eventID is a UUID (a delivery repeats it, a shared event has one per
account), else the content: samples and redacted exports write `1234` or `redacted` as the id of many records. A UUID is a
number: in capitals it is the same.
"""

from __future__ import annotations

import hashlib
import re
from binascii import unhexlify
from collections.abc import Sequence

import msgspec

from usage_anomaly.envelopes.record import Record, Text

KEY_BYTES = 16

is_uuid = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}").fullmatch
_VALUE = msgspec.json.Decoder()


def joined_keys(records: Sequence[Record], calls: bytes) -> bytes | None:
    """16 bytes for each record, end to end; None unless every one has a UUID as its eventID.

    A key is the UUID with its bits turned by those of account and name (`bits_of_call`), which `calls` holds for all.
    """
    ids = uuids_as_bytes([r.event_id or "" for r in records])
    return None if ids is None else (int.from_bytes(ids) ^ int.from_bytes(calls)).to_bytes(len(ids))


def key_of_id(record: Record) -> bytes | None:
    """16 bytes that stand for a record whose eventID is a UUID; None for any other."""
    return joined_keys([record], bits_of_call(record.account_id, record.event_name))


def bits_of_call(account_id: str | None, name: str) -> bytes:
    """16 bytes that stand for an account and the name of a call."""
    return hashlib.blake2b(f"{account_id or ''}/{name}".encode(), digest_size=KEY_BYTES).digest()


def uuids_as_bytes(ids: Sequence[str]) -> bytes | None:
    """The 16 bytes of each UUID, end to end; None when one of the texts is no UUID."""
    lines, count = "\n".join([*ids, ""]), len(ids)
    dashes = "-" * count
    if len(lines) != 37 * count or lines[36::37] != "\n" * count:
        return None
    if lines[8::37] != dashes or lines[13::37] != dashes or lines[18::37] != dashes or lines[23::37] != dashes:
        return None
    try:
        numbers = unhexlify(lines.encode().translate(None, b"-\n"))
    except ValueError:
        return None
    return numbers if len(numbers) == 16 * count else None  # one digit missing anywhere is one byte less


def key_of_content(text: Text) -> bytes:
    """16 bytes that stand for a record's content, whatever the blanks and the order of its keys."""
    try:
        canonical = msgspec.json.encode(_VALUE.decode(text), order="sorted")
    except (msgspec.MsgspecError, RecursionError):  # numbers or nesting beyond what can be held: the bytes themselves
        canonical = bytes(text)
    return hashlib.sha256(canonical).digest()[:16]


def event_id(record: Record, key: bytes) -> str:
    """The id to write down for a record: its eventID in small letters, or `sha256:` and the key where that is no UUID."""
    if record.event_id is not None and is_uuid(record.event_id):
        return record.event_id.lower()
    return f"sha256:{key.hex()}"
