"""Do the figures stand that a reader of trail files is asked about first?"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.envelopes.building import Fields, encode, lines, log, made, zipped
from tests.envelopes.test_archives import keys_of, reasons, zip_of
from tests.envelopes.test_reading import read, write

from usage_anomaly.envelopes import Oddity, Rejection, read_payload

Envelope = Callable[[Sequence[Fields]], bytes]
THOUSAND = [made(n, userAgent="@@") for n in range(1000)]


def test_all_members_of_a_gzip_are_read() -> None:
    """`cat *.json.gz` of a day: readers that stop after the first member lose 99 of 100 objects."""
    payload = read_payload(b"".join(zipped(log([made(n), made(n + 500)])) for n in range(100)), "x")
    assert (len(set(payload.keys)), payload.rejected, payload.oddities) == (200, [], [])


def test_a_truncated_member_loses_its_own_end_only() -> None:
    """The members before it are whole, and the loss is one."""
    trail = [made(n, userAgent=f"{n * 7919:x}" * 9) for n in range(300)]
    members = [gzip.compress(log(trail[first : first + 100])) for first in (0, 100, 200)]
    packed = b"".join(members)[: -len(members[-1]) // 2]
    payload = read_payload(packed, "x")
    assert payload.rejected == [Rejection(f"gzip ends at byte {len(packed):,}", len(packed), 1)]
    assert 200 < len(payload.records) < 300
    assert payload.keys == read_payload(log([made(n) for n in range(len(payload.keys))]), "x").keys


def test_a_zip_in_a_zip_is_read_like_a_folder(tmp_path: Path) -> None:
    """A case of cases."""
    inner = {f"{n}.zip": zip_of({f"{n}.json": log([made(n), made(n + 50)])}) for n in range(20)}
    found = read(write(tmp_path, "case.zip", zip_of(inner)))
    assert (len({key for keys in keys_of(found) for key in keys}), reasons(found)) == (40, {})


@pytest.mark.parametrize("envelope", [log, lines])
def test_a_record_of_256_kilobytes_is_read(envelope: Envelope) -> None:
    """The largest that CloudTrail writes."""
    large = made(1, requestParameters={"text": ""})
    large["requestParameters"]["text"] = "x" * ((256 << 10) - len(encode(large)))
    assert len(encode(large)) == 256 << 10
    payload = read_payload(envelope([made(0), large, made(2)]), "x")
    assert (len(payload.records), payload.rejected, payload.oddities) == (3, [], [])


@pytest.mark.parametrize("envelope", [log, lines])
def test_a_thousand_records_each_with_a_byte_that_is_no_utf8_are_all_read(envelope: Envelope) -> None:
    """Such a byte stands in a text that the caller chose: it must not hide the call."""
    payload = read_payload(envelope(THOUSAND).replace(b"@@", b"\xff@"), "x")
    assert payload.keys == read_payload(log(THOUSAND), "x").keys
    assert {each.user_agent for each in payload.records} == {"\ufffd@"}
    assert payload.rejected == []
    assert payload.oddities == [Oddity("bytes that are not UTF-8: replaced", 1)]


@pytest.mark.parametrize("envelope", [log, lines])
def test_a_thousand_records_each_with_a_byte_that_breaks_it_are_all_counted(envelope: Envelope) -> None:
    """One rejection for a thousand lost records would pass for a scratch."""
    text = envelope(THOUSAND).replace(b"@@", b'@"')
    payload = read_payload(text, "x")
    place = 12 if envelope is log else 0
    assert payload.records == []
    assert [(each.offset, each.count) for each in payload.rejected] == [(place, 1000)]
    assert payload.rejected[0].reason == f"broken JSON, first at byte {place}"


@pytest.mark.parametrize("envelope", [log, lines])
def test_five_hundred_broken_records_between_as_many_sound_ones_lose_only_themselves(envelope: Envelope) -> None:
    """What one broken record costs must not depend on how many there are."""
    trail = [made(n, userAgent="@@" if n % 2 else "x") for n in range(1000)]
    payload = read_payload(envelope(trail).replace(b"@@", b'@"'), "x")
    assert payload.keys == read_payload(log(trail[::2]), "x").keys
    assert [each.count for each in payload.rejected] == [500]
