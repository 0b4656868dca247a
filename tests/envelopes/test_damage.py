"""What survives a broken file?"""

from __future__ import annotations

import gzip
import random

from hypothesis import given
from hypothesis import strategies as st
from tests.envelopes.building import encode, lines, log, made, subscription

from usage_anomaly.envelopes import Rejection, read_payload, unpack
from usage_anomaly.envelopes.documents import value_end

KEYS = read_payload(log([made(n) for n in range(50)]), "x").keys
LOG = log([made(n) for n in range(50)])


def test_a_gzip_whose_end_is_missing_gives_what_came_before() -> None:
    """An interrupted download is the usual damage; the break is one rejection, not two."""
    noise = random.Random(7)
    packed = gzip.compress(log([made(n, userAgent=noise.randbytes(40).hex()) for n in range(50)]))
    payload = read_payload(packed[:2000], "x")
    assert payload.rejected == [Rejection("gzip ends at byte 2,000", 2000, 1)]
    assert 10 < len(payload.records) < 50
    assert payload.keys == KEYS[: len(payload.keys)]


def test_a_gzip_member_that_fails_its_check_is_left_out() -> None:
    """Its text may have changed in ways that still look like records; the members before it are whole."""
    first, second = gzip.compress(log([made(0)])), bytearray(gzip.compress(log([made(1)])))
    second[-6] ^= 1
    payload = read_payload(first + second, "x")
    assert payload.keys == KEYS[:1]
    reason = f"gzip is broken (incorrect data check), member at byte {len(first):,}"
    assert payload.rejected == [Rejection(reason, len(first), 1)]


def test_bytes_after_the_gzip_are_counted_and_padding_is_not() -> None:
    """Zeros pad blocks; anything else may have been records."""
    packed = gzip.compress(LOG)
    assert read_payload(packed + b"\0" * 512, "x").rejected == []
    payload = read_payload(packed + b"more", "x")
    assert payload.keys == KEYS
    assert payload.rejected[0].reason == f"bytes that are no gzip follow the gzip at byte {len(packed):,}"


def test_a_bomb_is_named_before_it_fills_the_memory() -> None:
    """A few hundred kilobytes can unfold to all the memory of the machine."""
    bomb = gzip.compress(b'{"Records":[' + b" " * (unpack.ALWAYS_ALLOWED + 1))
    payload = read_payload(gzip.compress(LOG) + bomb, "x")
    assert payload.keys == KEYS
    assert "gzip unfolds to more than 63 MiB: split it" in payload.rejected[0].reason


def test_an_honest_file_may_shrink_a_lot() -> None:
    """Ten thousand similar calls are what an incident looks like; they must not be taken for a bomb."""
    trail = log([made(0)] * 10_000)
    assert len(read_payload(gzip.compress(trail, 9), "x").records) == 10_000


@given(cut=st.integers(1, len(LOG) - 1))
def test_a_log_object_cut_anywhere_gives_its_whole_records(cut: int) -> None:
    """The records before the break are true, and the break is counted."""
    payload = read_payload(LOG[:cut], "x")
    assert payload.keys == KEYS[: len(payload.keys)]
    assert LOG[:cut].count(b'"recipientAccountId":"111122223333"}') == len(payload.keys)
    assert len(payload.rejected) == 1


@given(line=st.integers(0, 9), cut=st.integers(1, 200))
def test_a_cut_line_loses_only_itself(line: int, cut: int) -> None:
    """A line of a log shipper may be cut at its length limit."""
    rows = lines([made(n) for n in range(10)]).splitlines()
    rows[line] = rows[line][:-cut]
    payload = read_payload(b"\n".join(rows), "x")
    assert payload.keys == KEYS[:line] + KEYS[line + 1 : 10]
    assert sum(each.count for each in payload.rejected) == 1


def test_half_a_surrogate_pair_loses_no_record() -> None:
    """A user agent is written by the caller, who would like his record to be unreadable."""
    text = log([made(0), made(1, userAgent="@"), made(2)]).replace(b'"@"', rb'"\ud83d, \udc00, \\ud800, \ud83d\ude00"')
    payload = read_payload(text, "x")
    assert payload.keys == KEYS[:3]
    assert payload.records[1].user_agent == "\ufffd, \ufffd, \\ud800, \U0001f600"
    assert [(each.reason, each.count) for each in payload.oddities] == [("half a surrogate pair: replaced", 1)]
    assert payload.rejected == []


def test_half_a_surrogate_pair_in_a_log_event_loses_no_record() -> None:
    """The same through a log subscription, where the record is a text inside JSON."""
    text = subscription([made(0), made(1, userAgent="@")]).replace(rb"\"@\"", rb"\"\\ud800\"")
    payload = read_payload(text, "x")
    assert payload.keys == KEYS[:2]
    assert payload.records[1].user_agent == "\ufffd"


def test_bytes_that_are_not_utf8_lose_no_record() -> None:
    """The same, written as bytes; raw fields must be readable later too, or the loss only moves."""
    text = log([made(0), made(1, userAgent="@", requestParameters="@")]).replace(b'"@"', b'"\xff\xed\xa0\x80"')
    payload = read_payload(text, "x")
    assert payload.keys == KEYS[:2]
    assert bytes(payload.records[1].request_parameters).decode() == '"\ufffd\ufffd\ufffd\ufffd"'
    assert [each.reason for each in payload.oddities] == ["bytes that are not UTF-8: replaced"]


def test_the_decoder_still_says_where_a_value_ends() -> None:
    """The place is read from the library's message; a new wording must fail here, not lose records."""
    for value in (b"{}", b'{"a":[1,{"b":"}"}]}', b"[]", b'"x"', b"-1.5e3", b"true"):
        for after in (b" {", b"]", b",1", b"\n\n{"):
            end = value_end(memoryview(value + after))
            assert (value + after)[:end].strip() == value
    assert value_end(memoryview(encode(made(1)))) == len(encode(made(1)))
