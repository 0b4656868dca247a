"""Is a past kept as it was made, and never overwritten by one who has seen less?"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opensearchpy import OpenSearch
from tests.search.making import ACCOUNT, NOBODY, at_once, kept
from tests.search.serving import LOOPBACK

from usage_anomaly.history import Kept, PastOvertaken
from usage_anomaly.places import Place
from usage_anomaly.search import profiles
from usage_anomaly.search.client import READ_WAITS, SearchUnavailable, connect
from usage_anomaly.search.indexes import PROFILES
from usage_anomaly.series import BUCKETS_PER_DAY, Past

pytestmark = LOOPBACK
KIND = "ec2.instances"
CUT = 20_500 * BUCKETS_PER_DAY
PAST = Past(cut=CUT, used=((CUT - 9, 3, -4_500_000), (CUT - 1, 1, 0)), places=((Place("family", "p5"), CUT - 9),))

NUMBERS = st.integers(-(2**62), 2**62)
PASTS = st.builds(
    Past,
    cut=NUMBERS,
    used=st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS)).map(tuple),
    places=st.lists(
        st.tuples(st.builds(Place, what=st.sampled_from(["region", "family"]), name=st.text()), NUMBERS)
    ).map(tuple),
)


@given(PASTS)
def test_what_was_packed_is_unpacked(past: Past) -> None:
    """Money is counted in whole micro-dollars so that no sum depends on a rounding; packing must round nothing."""
    assert profiles.unpack(profiles.pack(past)) == past


@given(st.text() | st.binary().map(lambda content: content.decode("latin-1")))
def test_what_is_no_past_is_refused_by_name(text: str) -> None:
    """A document may be cut off or written by hand; a tick must not end there."""
    with pytest.raises(ValueError, match=r".*"):
        profiles.unpack(text)


def test_a_past_is_found_at_once_and_its_fields_can_be_searched(client: OpenSearch) -> None:
    """The next tick must not wait for a refresh; a job asks which pasts are old."""
    assert kept(client, ACCOUNT, KIND) == Kept()
    profiles.write(client, ACCOUNT, KIND, PAST, Kept())
    found = kept(client, ACCOUNT, KIND)
    assert found.past == PAST
    assert found.version is not None
    assert kept(client, ACCOUNT, "ebs.volumes") == Kept()
    client.indices.refresh(index=PROFILES)
    query = {"bool": {"filter": [{"term": {"account_id": ACCOUNT}}, {"range": {"cut": {"lte": "2026-02-16"}}}]}}
    (hit,) = client.search(index=PROFILES, body={"query": query})["hits"]["hits"]
    assert hit["_id"] == f"{ACCOUNT}#{KIND}"
    fields = client.indices.get_mapping(index=PROFILES)[PROFILES]["mappings"]["properties"]
    assert set(fields) == {"account_id", "kind", "cut"}


def test_who_read_before_somebody_else_wrote_may_not_write(client: OpenSearch) -> None:
    """A late event is in the past that a tick made, and not in the one that the job read before it."""
    nothing = kept(client, ACCOUNT, KIND)
    profiles.write(client, ACCOUNT, KIND, PAST, nothing)
    with pytest.raises(PastOvertaken):
        profiles.write(client, ACCOUNT, KIND, Past(), nothing)
    first = kept(client, ACCOUNT, KIND)
    newer = Past(cut=CUT + BUCKETS_PER_DAY)
    profiles.write(client, ACCOUNT, KIND, newer, first)
    with pytest.raises(PastOvertaken):
        profiles.write(client, ACCOUNT, KIND, Past(), first)
    assert kept(client, ACCOUNT, KIND).past == newer


def test_the_pasts_of_many_are_those_of_each(client: OpenSearch) -> None:
    """A tick reads them together; who has none, or one of another version, is no other's."""
    accounts = [f"{number:012}" for number in range(30)]
    for number in range(0, 30, 3):
        profiles.write(client, accounts[number], KIND, Past(cut=CUT + number), Kept())
    client.update(index=PROFILES, id=f"{accounts[9]}#{KIND}", body={"doc": {"form": 99}})
    together = profiles.read(client, accounts, KIND)
    assert together == [kept(client, each, KIND) for each in accounts]
    assert [each.past and each.past.cut - CUT for each in together[6:13]] == [6, None, None, None, None, None, 12]
    assert profiles.read(client, [], KIND) == []


@pytest.mark.parametrize("times", [1, 9])
def test_a_past_that_could_not_be_read_is_no_missing_past(
    client: OpenSearch, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """One of many fails by itself, in an answer that is well otherwise: it is asked for again, and missed aloud."""
    profiles.write(client, ACCOUNT, KIND, PAST, Kept())
    asked, mget = list[Any](), client.mget

    def failing(**arguments: Any) -> Any:
        answer = mget(**arguments)
        asked.append(arguments)
        if len(asked) <= times:
            answer["docs"][1] = {"_id": "x", "error": {"type": "no_shard_available_action_exception"}}
        return answer

    monkeypatch.setattr(client, "mget", failing)
    if times > len(READ_WAITS):
        with pytest.raises(SearchUnavailable, match="1 pasts not read: no_shard_available"):
            profiles.read(client, ["nobody", ACCOUNT], KIND, at_once)
        assert len(asked) == 1 + len(READ_WAITS)
    else:
        assert [each.past for each in profiles.read(client, ["nobody", ACCOUNT], KIND, at_once)] == [None, PAST]
        assert len(asked) == 2


@pytest.mark.parametrize("change", [{"form": 99}, {"packed": "c2hvcnQ="}, {"packed": None}])
def test_a_past_of_another_version_is_none_and_is_replaced(client: OpenSearch, change: dict[str, Any]) -> None:
    """An old function meets a new document: it reads the events, and writes what it understands."""
    profiles.write(client, ACCOUNT, KIND, PAST, Kept())
    client.update(index=PROFILES, id=f"{ACCOUNT}#{KIND}", body={"doc": change})
    found = kept(client, ACCOUNT, KIND)
    assert found.past is None
    profiles.write(client, ACCOUNT, KIND, PAST, found)
    assert kept(client, ACCOUNT, KIND).past == PAST


def test_an_outage_is_no_missing_past() -> None:
    """Who reads none reads forty days in its place: that must be true."""
    with connect(NOBODY, "none", "") as nobody, pytest.raises(SearchUnavailable):
        kept(nobody, ACCOUNT, KIND)
