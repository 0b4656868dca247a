"""Does the envelope change anything about the records in it, or one bad record anything about the others?"""

from __future__ import annotations

import gzip
import tracemalloc
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.envelopes.building import ENVELOPES, Fields, content, encode, log, made

from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment.prices import PriceTable
from usage_anomaly.envelopes import read_payload
from usage_anomaly.intake import read_object

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LEAF = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
VALUE = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "eventID": VALUE | st.just(...),
        "eventTime": VALUE | st.just(...),
        "@timestamp": VALUE,
        "eventSource": TEXT,
        "awsRegion": VALUE | st.just(...),
        "recipientAccountId": VALUE | st.just(...),
        "errorCode": VALUE,
        "userIdentity": VALUE | st.just(...),
        "requestParameters": VALUE,
        "responseElements": VALUE,
        "unknownField": VALUE,
    },
)


@st.composite
def trails(draw: st.DrawFn) -> list[Fields]:
    """A few records, some of them with fields of any type; a notification's source would make one of them no record."""
    changes = draw(st.lists(CHANGES, min_size=1, max_size=6))
    return [made(n, **each) for n, each in enumerate(changes) if not str(each.get("eventSource")).startswith("aws:")]


@pytest.mark.parametrize("envelope", ENVELOPES)
@given(trail=trails())
def test_any_envelope_gives_the_same_records_and_keys(envelope: str, trail: list[Fields]) -> None:
    """A record that comes by log subscription and again from the bucket must be recognised, or its use counts twice."""
    expected = read_payload(log(trail), "log")
    found = read_payload(ENVELOPES[envelope](trail), "other")
    assert [content(r) for r in found.records] == [content(r) for r in expected.records]
    assert found.keys == expected.keys
    assert len(found.keys) == len(trail)
    if trail:
        assert found.rejected == []


@given(trail=trails(), cuts=st.lists(st.integers(0, 4000), max_size=5))
def test_splitting_into_gzip_members_changes_nothing(trail: list[Fields], cuts: list[int]) -> None:
    """A concatenated archive has members that begin anywhere; common gzip readers drop all but the first."""
    text = log(trail)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    members = b"".join(gzip.compress(text[a:b]) for a, b in pairwise(edges))
    assert read_payload(members, "x").keys == read_payload(text, "x").keys
    assert read_payload(members, "x").rejected == []


DEEP = b"[" * 100_000 + b"]" * 100_000
WRECKS: dict[str, bytes] = {
    "null": b"null",
    "number": b"17",
    "text": b'"RunInstances"',
    "list": b"[1, 2]",
    "no eventName": encode(made(9, eventName=...)),
    "eventName a number": encode(made(9, eventName=7)),
    "no more than a name": b'{"eventName": "RunInstances"}',
    "a notification": b'{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "awsRegion": "us-east-1"}',
    "NaN": b'{"eventName": NaN}',
    "not closed": encode(made(9))[:-1],
    "closed early": encode(made(9)).replace(b'"userAgent"', b'}"userAgent"'),
    "a quote too many": encode(made(9)).replace(b"aws-cli", b'aws"cli'),
    "a control character": encode(made(9)).replace(b"aws-cli", b"aws\ncli"),
    "nested too deeply": b'{"eventName": "x", "eventSource": "y", "requestParameters": ' + DEEP + b"}",
}


@pytest.mark.parametrize("wreck", WRECKS)
@given(place=st.integers(0, 4), blanks=st.sampled_from([b"", b" ", b"\n  "]))
def test_one_bad_record_loses_only_itself(wreck: str, place: int, blanks: bytes) -> None:
    """Whoever can write one odd record must not be able to hide the others of the same object behind it."""
    texts = [encode(made(n)) for n in range(4)]
    texts.insert(place, WRECKS[wreck])
    whole = b'{"Records":[' + b",".join(blanks + text for text in texts) + b"]}"
    payload = read_payload(whole, "x")
    assert payload.keys == read_payload(log([made(n) for n in range(4)]), "x").keys
    assert sum(each.count for each in payload.rejected) == 1
    assert payload.rejected[0].offset is not None


JSON_VALUE = st.recursive(
    LEAF,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            TEXT | st.sampled_from(["Records", "detail", "eventName", "awslogs", "data", "messageType", "logEvents"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(value=JSON_VALUE)
def test_any_json_is_read_or_rejected(value: Any) -> None:
    """Silence would be taken for "nothing happened"."""
    payload = read_payload(encode(value), "x")
    holds_no_records = value in ({"Records": []}, []) or (isinstance(value, dict) and value.get("Records") == [])
    assert payload.records or payload.rejected or payload.oddities or holds_no_records


@given(noise=st.binary(max_size=200))
def test_arbitrary_bytes_never_raise(noise: bytes) -> None:
    """A folder of evidence holds anything; one file must not end the reading of the others."""
    for packed in (noise, gzip.compress(noise), b"\x1f\x8b" + noise, b'{"Records":[' + noise, b"[" + noise):
        payload = read_payload(packed, "x")
        assert payload.records or payload.rejected or payload.oddities or noise.strip(b" \t\r\n]}") == b""


def test_no_text_of_a_trail_is_remembered_whatever_its_length(catalog: Catalog, prices: PriceTable) -> None:
    """Names and times come again, so they are kept; a thousand of a megabyte each would be kept as well."""
    long = "x" * 100_000
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for place in range(20):
        texts = [f"{place}-{number}{long}" for number in range(10)]
        records = [made(1, eventName=text) for text in texts] + [made(1, eventTime=text) for text in texts]
        records += [made(1, eventTime=None, **{"@timestamp": text, "recipientAccountId": text}) for text in texts]
        read_object(read_payload(log(records), "x"), catalog, prices)
    del texts, records
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert kept < 3_000_000


@given(offset=st.integers(-5, 5))
def test_no_name_makes_a_file_of_another_format_of_an_object(offset: int) -> None:
    """Whoever chooses the name of a session could hide all records of the object that his own comes first in."""
    before = log([made(1, userIdentity={"type": "AssumedRole", "arn": ""})]).index(b'"}')
    name = "x" * (257 - before + offset) + "ustar"
    text = log([made(1, userIdentity={"type": "AssumedRole", "arn": name}), made(2)])
    assert (text[257:262] == b"ustar") == (offset == 0)
    assert len(read_payload(text, "x").records) == 2
