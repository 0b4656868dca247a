"""Do the short ways give what the careful ones give?"""

from __future__ import annotations

import gzip
from itertools import pairwise
from random import Random
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.envelopes.building import Fields, aggregated, encode, log, made, packed_subscription, subscription
from tests.envelopes.test_promises import WRECKS, trails

from usage_anomaly.envelopes import Payload, event_id, read_payload, unpack
from usage_anomaly.envelopes import subscription as subscriptions
from usage_anomaly.envelopes.record import are_plain_times, is_plain_time
from usage_anomaly.envelopes.sameness import is_uuid, uuids_as_bytes
from usage_anomaly.envelopes.tally import Tally

WANTED = {("ec2.amazonaws.com", "RunInstances")}


def is_wanted(source: str, name: str, error: str | None) -> list[str]:
    """As the catalog answers: launches, and whatever was denied."""
    return [name] if (source, name) in WANTED or "AccessDenied" in (error or "") else []


def unpacked_with_care(packed: bytes) -> tuple[bytes, bool, Payload]:
    tally = Tally(None)
    with patch.object(unpack, "_unfold_at_once", lambda _: None):
        text, cut = unpack.unpack(packed, tally)
    return bytes(text), cut, tally.payload("x", None)


def assert_unpacks_the_same(packed: bytes) -> None:
    tally = Tally(None)
    text, cut = unpack.unpack(packed, tally)
    assert (bytes(text), cut, tally.payload("x", None)) == unpacked_with_care(packed)


@given(
    texts=st.lists(st.binary(max_size=300), min_size=1, max_size=3),
    level=st.integers(0, 9),
    after=st.sampled_from([b"", b"\0" * 9, b"more", b"\x1f\x8b", b"\x1f\x8b\x08\0rest"]) | st.binary(max_size=12),
    repeated=st.booleans(),
    cut=st.integers(0, 30),
)
def test_libdeflate_unfolds_what_zlib_unfolds(
    texts: list[bytes], level: int, after: bytes, repeated: bool, cut: int
) -> None:
    """The fast library drops whatever follows the first member, and a member may come twice, also in its last bytes."""
    packed = b"".join(gzip.compress(text, level, mtime=0) for text in texts)
    packed += after + packed[-8:] if repeated else after
    assert_unpacks_the_same(packed)
    assert_unpacks_the_same(packed + packed)
    assert_unpacks_the_same(packed[: len(packed) - cut])


def test_libdeflate_bears_damage_as_zlib_does() -> None:
    """A changed bit fails the checksum in both; the reason is the careful way's."""
    lot, packed = Random(3), gzip.compress(log([made(n) for n in range(20)]), mtime=0)
    for _ in range(2000):
        changed = bytearray(packed)
        changed[lot.randrange(len(changed))] ^= 1 << lot.randrange(8)
        assert_unpacks_the_same(bytes(changed))


def test_a_plain_object_takes_the_short_way() -> None:
    """Were it never taken, all of this would pass and nothing be fast."""
    text = log([made(n) for n in range(20)])
    assert bytes(unpack._unfold_at_once(gzip.compress(text)) or b"") == text
    assert unpack._unfold_at_once(gzip.compress(text) * 2) is None


@pytest.mark.parametrize("size", [0, 1, 2**26, 2**32 - 1])
def test_a_size_that_lies_is_not_believed(size: int) -> None:
    """The last four bytes are whatever the writer of the file wants."""
    packed = gzip.compress(log([made(1)]))[:-4] + size.to_bytes(4, "little")
    assert_unpacks_the_same(packed)


TIMES = st.sampled_from(["2026-01-20T10:05:00Z", "2026-01-20T10:59:59Z", "2026-01-20T11:00:00Z", ""])
SPOILED = st.builds(
    lambda text, place, mark: text[:place] + mark + text[place + 1 :],
    TIMES, st.integers(0, 20), st.sampled_from([*"0123456789-:TZ \n", "", "٣", "2026-01-20T10"]),
)  # fmt: skip


@given(texts=st.lists(TIMES | SPOILED, max_size=6))
def test_times_asked_together_are_as_plain_as_each(texts: list[str]) -> None:
    """One odd time among a thousand must not pass for plain because the others are."""
    assert are_plain_times(texts) == all(map(is_plain_time, texts))


IDS = st.uuids().map(str) | st.uuids().map(lambda each: str(each).upper())
BAD_IDS = st.builds(
    lambda text, place, mark: text[:place] + mark + text[place + 1 :],
    IDS, st.integers(0, 36), st.sampled_from([*"09afAF-\n \tg", "", "é", "00"]),
)  # fmt: skip


@given(ids=st.lists(IDS | BAD_IDS, max_size=5))
def test_ids_asked_together_are_uuids_as_each(ids: list[str]) -> None:
    """Keys of records with other ids come from their content; a mistake here would let records vanish."""
    numbers = uuids_as_bytes(ids)
    assert (numbers is not None) == all(is_uuid(each) is not None for each in ids)
    assert numbers is None or numbers == b"".join(UUID(each).bytes for each in ids)


def test_an_id_in_capitals_is_the_same_id() -> None:
    """A UUID is a number; an exporter that writes it in capitals must not make a second launch of it."""
    low = made(1, eventID="0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f")
    payload = read_payload(log([low, low | {"eventID": str(low["eventID"]).upper()}]), "x")
    assert payload.keys[0] == payload.keys[1]
    assert {event_id(r, k) for r, k in zip(payload.records, payload.keys, strict=True)} == {low["eventID"]}


def assert_subscription_reads_the_same(message: bytes) -> None:
    """With the short way, with wanted names and by the long way."""
    for text in (message, packed_subscription(message)):
        short, some = read_payload(text, "x"), read_payload(text, "x", wanted=is_wanted)
        with patch.object(subscriptions, "begins", lambda _: None):
            careful = read_payload(text, "x")
        assert short == careful
        assert some.rejected == careful.rejected
        assert len(some.records) + some.unopened == len(careful.records)
        assert wanted(some) == wanted(careful)


def wanted(payload: Payload) -> list[tuple[Any, bytes]]:
    pairs = zip(payload.records, payload.keys, strict=True)
    return [
        (record, key) for record, key in pairs if is_wanted(record.event_source, record.event_name, record.error_code)
    ]


@given(trail=trails(), names=st.lists(st.sampled_from(["RunInstances", "DescribeInstances"]), min_size=6, max_size=6))
def test_a_subscription_reads_the_same_by_the_short_way(trail: list[Fields], names: list[str]) -> None:
    """Ingest opens wanted records only; what it counts, rejects and uses must not depend on that."""
    records = [each | {"eventName": name} for each, name in zip(trail, names, strict=False)]
    assert_subscription_reads_the_same(subscription(records))


@pytest.mark.parametrize("wreck", WRECKS)
def test_a_wreck_in_a_subscription_is_rejected_by_the_short_way_too(wreck: str) -> None:
    """A message that nobody wants must still be a record, or say why it is none."""
    messages = [encode(made(1)), WRECKS[wreck], encode(made(2, eventName="DescribeInstances"))]
    for first, second in [(0, 3), *pairwise(range(4))]:
        events = [{"id": "1", "message": each.decode()} for each in messages[first:second]]
        assert_subscription_reads_the_same(encode({"messageType": "DATA_MESSAGE", "logEvents": events}))


@pytest.mark.parametrize("others", [[], [aggregated(900)]])
def test_refused_and_aggregated_calls_are_opened_whatever_their_name(others: list[Fields]) -> None:
    """Nobody asks for them by name: one is known by its error, the other has no name at all."""
    trail = [made(1, eventName="DescribeInstances"), made(2, eventName="GetCallerIdentity", errorCode="AccessDenied")]
    assert_subscription_reads_the_same(subscription([*trail, *others]))
    read = read_payload(packed_subscription(subscription([*trail, *others])), "x", wanted=is_wanted)
    assert {"GetCallerIdentity", *("Invoke" for _ in others)} <= {each.event_name for each in read.records}


def test_only_wanted_records_of_a_subscription_are_opened() -> None:
    """It is what makes ingest fast."""
    trail = [made(n, eventName="RunInstances" if n % 3 == 0 else "DescribeInstances") for n in range(30)]
    read = read_payload(packed_subscription(subscription(trail)), "x", wanted=is_wanted)
    assert (len(read.records), read.unopened, read.rejected) == (10, 20, [])


def test_a_subscription_inside_a_subscription_is_rejected_by_both() -> None:
    """Unfolded again and again, a small payload could keep a function busy until its end."""
    text = packed_subscription(packed_subscription(subscription([made(1)])))
    assert [each.reason for each in read_payload(text, "x").rejected] == [
        "a subscription payload inside another at byte 0"
    ]


@pytest.mark.parametrize("inner", [b"", b" \n"])
@pytest.mark.parametrize("begins", [subscriptions.begins, lambda _: None])
def test_a_subscription_that_packs_nothing_is_said_by_both(inner: bytes, begins: Any) -> None:
    """Nothing read and nothing rejected would look like a quiet account."""
    with patch.object(subscriptions, "begins", begins):
        assert [each.reason for each in read_payload(packed_subscription(inner), "x").rejected] == ["empty"]
