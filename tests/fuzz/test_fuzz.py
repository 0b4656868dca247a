"""Does any damage to objects or records bring the reader down, or vanish without a reason?

Seeded, so that a failure can be repeated; `FUZZ_OBJECTS` says how many are tried.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from tests.envelopes.building import ENVELOPES, Fields, encode, made, table, zipped

from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment.prices import PriceTable
from usage_anomaly.envelopes import Payload, event_id, event_time, read_payload
from usage_anomaly.usage import read_usage

OBJECTS = int(os.environ.get("FUZZ_OBJECTS", "2000"))
pytestmark = pytest.mark.fuzz

CALLS: tuple[Fields, ...] = (
    {},
    {"eventName": "CreateVolume", "responseElements": {"volumeId": "vol-1", "size": "100", "volumeType": "gp3"}},
    {"eventName": "StartInstances", "responseElements": {"instancesSet": {"items": [{"instanceId": "i-1"}]}}},
    {"eventName": "TerminateInstances", "requestParameters": {"instancesSet": {"items": [{"instanceId": "i-1"}]}}},
    {"eventName": "RunInstances", "errorCode": "Client.DryRunOperation"},
    {
        "eventSource": "rds.amazonaws.com",
        "eventName": "CreateDBInstance",
        "responseElements": {"dBInstanceClass": "db.t3.micro", "engine": "mysql", "allocatedStorage": 20},
    },
    {"eventSource": "lambda.amazonaws.com", "eventName": "Invoke", "resources": [{"ARN": "arn:aws:lambda:x:1:f:y"}]},
    {"eventName": "CreateNatGateway", "responseElements": {"CreateNatGatewayResponse": {"natGateway": {}}}},
    {"eventName": "AllocateAddress", "responseElements": {"allocationId": "eipalloc-1"}},
)


FORMS: tuple[Callable[[list[Fields]], bytes], ...] = (*ENVELOPES.values(), table, lambda rs: zipped(table(rs)))


def trail(lot: Random) -> list[Fields]:
    return [made(n, **lot.choice(CALLS)) for n in range(lot.randint(1, 6))]


def assert_said(payload: Payload) -> None:
    assert len(payload.keys) == len(payload.records)
    assert all(each.reason and each.count > 0 for each in payload.rejected)
    assert all(each.reason and each.count > 0 for each in payload.oddities)


# Objects: damage to the bytes.


def flip(lot: Random, packed: bytes) -> bytes:
    changed = bytearray(packed)
    for _ in range(lot.choice((1, 1, 1, 5, 50))):
        changed[lot.randrange(len(changed))] ^= 1 << lot.randrange(8)
    return bytes(changed)


def truncate(lot: Random, packed: bytes) -> bytes:
    return packed[: lot.randrange(len(packed))]


def insert(lot: Random, packed: bytes) -> bytes:
    place = lot.randrange(len(packed) + 1)
    noise = lot.choice((b"\0", b"}", b"{", b"]", b"[", b'"', b",", b"\\", b"\xff", b"\n", b"NaN", lot.randbytes(30)))
    return packed[:place] + noise * lot.choice((1, 1, 3, 2000)) + packed[place:]


def splice(lot: Random, packed: bytes) -> bytes:
    a, b, c = sorted(lot.randrange(len(packed) + 1) for _ in range(3))
    return lot.choice((packed[:a] + packed[b:], packed[:b] + packed[a:c] + packed[b:], packed[b:c] + packed[:b]))


BYTES: tuple[Callable[[Random, bytes], bytes], ...] = (flip, truncate, insert, splice)


def fuzz_object(lot: Random) -> Payload:
    """Damage an object's bytes, before or after packing. What is missing afterwards must have left a reason.

    A splice, or a cut between two documents, may take whole records away and leave sound JSON: nobody can tell.
    """
    records = trail(lot)
    packed = FORMS[lot.randrange(len(FORMS))](records)
    damage = lot.choice(BYTES)
    damaged = damage(lot, packed)
    payload = read_payload(zipped(damaged) if lot.random() < 0.3 else damaged, "fuzz.json.gz")
    between_documents = damage is truncate and damaged.endswith((b"}", b"\n"))
    if damage is not splice and not between_documents and len(payload.records) < len(records):
        assert payload.rejected or payload.oddities
    return payload


# Records: damage to one record's fields; the others, and the sum, must stand.


def deep(lot: Random) -> Any:
    value: Any = "x"
    for _ in range(lot.choice((5, 50, 150))):
        value = (
            [value] if lot.random() < 0.5 else {"instancesSet": value, "items": [value] if lot.random() < 0.1 else 1}
        )
    return value


SCALARS: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**400, 1.5, 1e308, float("nan"), float("inf"), "", "NaN",
    "x" * 10_000, "\u202e\x00\x1b[31m", "\ud800", "<script>", "=1+1", "1234", "9" * 5000, [], {}, [[]], [None], [{}],
    {"": {}}, {"items": None}, {"items": [None, 1, "x", [], {}]}, "2026-01-20T10:05:00Z", "1e9", "-5",
)  # fmt: skip


def swap(lot: Random, value: Any) -> Any:
    """The value with something of another type in a place of it."""
    if isinstance(value, dict) and value and lot.random() < 0.8:
        key = lot.choice(sorted(value))
        return {**value, key: swap(lot, value[key])}
    if isinstance(value, list) and value and lot.random() < 0.8:
        place = lot.randrange(len(value))
        return [*value[:place], swap(lot, value[place]), *value[place + 1 :]]
    return deep(lot) if lot.random() < 0.1 else lot.choice(SCALARS)


def drop(lot: Random, value: Any) -> Any:
    if not isinstance(value, dict) or not value:
        return None
    key = lot.choice(sorted(value))
    left = {name: inner for name, inner in value.items() if name != key}
    return left if lot.random() < 0.5 else {**left, key: drop(lot, value[key])}


def rename(lot: Random, value: Any) -> Any:
    key = lot.choice(sorted(value))
    return {key + " " if name == key else name: inner for name, inner in value.items()}


FIELDS: tuple[Callable[[Random, Any], Any], ...] = (swap, swap, swap, drop, rename)


def written(lot: Random, record: Any) -> bytes:
    """The record's JSON, now and then as no writer should write it: keys twice, nested without end, huge numbers."""
    text = json.dumps(record).encode()
    odd = lot.random()
    if odd < 0.05:
        text = text[:-1] + b', "eventName": "Other", "eventID": 5}' if text.endswith(b'"}') else text
    elif odd < 0.08:
        text = text.replace(b'"items": ', b'"items": ' + b"[" * 3000 + b"]" * 3000 + b', "items2": ', 1)
    elif odd < 0.12:
        text = text.replace(b"1", b"1" * lot.choice((400, 5000)), 1)
    elif odd < 0.14:
        depth = lot.randrange(300, 1100)  # around the limit of the interpreter
        text = text.replace(b'"items": ', b'"items": ' + b"[" * depth + b"]" * depth + b', "items2": ', 1)
    return text


def fuzz_record(lot: Random) -> Payload:
    """Damage the fields of one record among sound ones: it alone may be lost, and then with a reason."""
    records = trail(lot)
    place = lot.randrange(len(records))
    damaged: Any = records[place]
    for _ in range(lot.choice((1, 1, 2, 10))):
        damaged = lot.choice(FIELDS)(lot, damaged) if isinstance(damaged, dict) and damaged else damaged
    texts = [encode(record) for record in records]
    texts[place] = written(lot, damaged)
    in_lines = isinstance(damaged, dict) and lot.random() < 0.5  # a list on a line of its own is an envelope
    packed = b"\n".join(texts) if in_lines else b'{"Records":[' + b",".join(texts) + b"]}"
    payload = read_payload(packed, "fuzz.json")
    assert len(payload.records) + sum(each.count for each in payload.rejected) == len(records)
    whole = read_payload(b"\n".join(encode(each) for n, each in enumerate(records) if n != place), "x").keys
    assert set(whole) <= set(payload.keys)
    return payload


def test_no_damage_crashes_or_vanishes(
    catalog: Catalog, prices: PriceTable, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trail files come from strangers: whoever finds a byte that ends the reading has found how to hide."""
    read = rejections = events = 0
    for seed in range(OBJECTS):
        lot = Random(seed)
        try:
            payload = (fuzz_record if seed % 2 else fuzz_object)(lot)
            assert_said(payload)
            for record, key in zip(payload.records, payload.keys, strict=True):
                time = event_time(record)
                if time is not None:
                    events += len(read_usage(record, time, event_id(record, key), catalog, prices, "fuzz"))
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
        read += len(payload.records)
        rejections += sum(each.count for each in payload.rejected)
    with capsys.disabled():
        said = f"{OBJECTS:,} mutated objects and records: {read:,} records read, {rejections:,} rejections"
        sys.stdout.write(f"\n{said}, {events:,} usage events; no crash\n")
    assert read > 0
    assert rejections > 0
