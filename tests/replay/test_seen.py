"""Does the small set of seen keys answer as Python's own?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from usage_anomaly import seen
from usage_anomaly.seen import KEY_BYTES, Seen

# Few different bytes: a key is then often found across the edge of two others.
KEYS = st.one_of(st.binary(min_size=16, max_size=16), st.text("ab", min_size=16, max_size=16).map(str.encode))


@given(rows=st.lists(st.lists(KEYS, max_size=40), max_size=20), asked=st.lists(KEYS, max_size=20))
def test_it_holds_what_was_added_and_nothing_else(rows: list[list[bytes]], asked: list[bytes]) -> None:
    """A key taken for known loses a record's use; one taken for new counts it twice."""
    small, plain = Seen(), set[bytes]()
    for row in rows:
        assert small.add(b"".join(row)) == len(set(row) - plain)
        plain.update(row)
    assert len(small) == len(plain)
    assert all((key in small) == (key in plain) for key in [*asked, *plain])


def test_it_stays_right_while_it_grows() -> None:
    """Keys move to other buckets several times on the way to millions."""
    count = seen.MOST_IN_BUCKET * 20
    keys = [(number * 0x9E3779B97F4A7C15).to_bytes(KEY_BYTES) for number in range(count)]
    small = Seen()
    assert [small.add(key) for key in keys] == [1] * count
    assert small.add(b"".join(keys)) == 0
    assert not any((number * 0x9E3779B97F4A7C15).to_bytes(KEY_BYTES) in small for number in range(count, 2 * count))
