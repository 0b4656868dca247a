"""Does the index name who used a kind as the events themselves do?"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opensearchpy import OpenSearch
from tests.search.making import ACCOUNT, event
from tests.search.serving import LOOPBACK
from tests.search.test_history import OTHERS, put
from tests.ticking.conftest import MemoryHistory

from usage_anomaly.callers import ip_of
from usage_anomaly.search import doers as searching
from usage_anomaly.search.doers import doers
from usage_anomaly.totals import Trait, traits
from usage_anomaly.usage import UsageEvent

pytestmark = LOOPBACK
KIND = "ec2.instances"
START, END = datetime(2026, 11, 24, 10, tzinfo=UTC), datetime(2026, 11, 25, 11, tzinfo=UTC)
ADDRESSES = ("203.0.113.7", "2001:DB8::1", "2001:db8:0:0::1", "ec2.amazonaws.com", "::ffff:192.0.2.1", None)
ACTORS = (
    ("arn:aws:iam::{}:role/Admin", "jane"),
    ("arn:aws:iam::{}:role/Admin", None),
    ("arn:aws:iam::{}:user/team/jane", None),
    ("arn:aws:iam::{}:role/a*c", "s?1"),
    ("arn:aws:iam::{}:role/abc", "s11"),
    ("AIDAEXAMPLE", "jane"),
    (None, None),
)


def mixed() -> list[UsageEvent]:
    found = []
    for number in range(140):
        account = (ACCOUNT, *OTHERS)[number % 3]
        arn, session = ACTORS[number % len(ACTORS)]
        address = ADDRESSES[number % 11 % len(ADDRESSES)]
        found.append(
            event(
                number,
                -13.0 * number,
                account_id=account,
                direction=("use", "attempt", "release", "use")[number % 4],
                quantity=number % 5,
                actor_arn=arn and arn.format(account),
                actor_session=session,
                source_address=address,
                source_ip=ip_of(address),
                image_id=(None, "ami-1", "ami-2")[number % 13 % 3],
                invoked_by=(None, None, "autoscaling.amazonaws.com")[number % 17 % 3],
            )
        )
    return found


MIXED = mixed()
ALL = sorted({trait for each in MIXED for trait in traits(each)})


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.none() | st.sets(st.sampled_from([*ALL, Trait("actor", "role/a*c/jane")]), min_size=1, max_size=5),
    st.sampled_from([1, 5, 1_000]),
    st.sampled_from([1, 2, 200]),
)
def test_who_had_a_trait_is_named(client: OpenSearch, having: set[Trait] | None, page: int, at_once: int) -> None:
    """A replay notes each event; a deployment must not overlook one, nor take another's name for it."""
    if not client.indices.exists(index="usage-events-2026.11.25"):
        put(client, MIXED)
    kept = MemoryHistory()
    kept.ingest(END, MIXED)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(searching, "MOST_TRAITS", at_once)
        found = list(doers(client, KIND, START, END, having, page))
    had = {each for each in found if having is None or not having.isdisjoint(traits(each))}
    assert had == set(kept.doers(KIND, START, END, having))


def test_a_star_in_a_name_stands_for_itself(client: OpenSearch) -> None:
    """Names come from whoever made the call: one of stars would have all of the index read."""
    put(client, MIXED)
    found = list(doers(client, KIND, START, END, [Trait("actor", "role/*")]))
    assert found == []


@pytest.mark.parametrize("name", ["role/Admin/jane", "user/team/jane"])
def test_a_trait_is_looked_up_and_not_searched_for(client: OpenSearch, name: str) -> None:
    """A month of all calls is too much to read for one of them."""
    put(client, MIXED)
    found = {
        (each.actor_arn or "").rpartition(":")[2] for each in doers(client, KIND, START, END, [Trait("actor", name)])
    }
    assert found <= {"role/Admin", "user/team/jane", "AIDAEXAMPLE"}
