"""Is of the time before a cut exactly that read which was asked for?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opensearchpy import OpenSearch
from tests.search.making import ACCOUNT, event
from tests.search.serving import LOOPBACK
from tests.search.test_history import OTHERS, put
from tests.ticking.conftest import MemoryHistory

from usage_anomaly.history import Wanted, Whose
from usage_anomaly.search import earlier as searching
from usage_anomaly.search.earlier import earlier
from usage_anomaly.usage import UsageEvent

pytestmark = LOOPBACK
BEFORE = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)


def mixed() -> list[UsageEvent]:
    """Launches, releases, definitions and dry runs of three accounts over 25 days, some of them after the cut."""
    return [
        event(
            number,
            -720.0 * (number % 50) + 40 * (number % 3),
            account_id=(ACCOUNT, *OTHERS)[number % 5 % 3],
            kind=("ec2.instances", "ec2.instances", "ebs.volumes")[number % 3],
            direction=("use", "use", "release", "definition")[number % 7 % 4],
            resource_ids=((f"i-{number % 9}",), (f"i-{number % 9}:/dev/sda1", "i-10"), ())[number % 4 % 3],
            group=(None, "web:1", "web:2")[number % 11 % 3],
            launcher_id=(None, "asg-1", "asg-2")[number % 13 % 3],
            usd_per_hour=(None, 0.5)[number % 2],
            dry_run=number % 17 == 0,
        )
        for number in range(120)
    ]


MIXED = mixed()
WHOSE: list[Whose] = [ACCOUNT, OTHERS[0], frozenset([ACCOUNT, OTHERS[0]]), frozenset([*OTHERS, "nobody"]), None]
NAMES = st.frozensets(st.sampled_from([f"i-{n}" for n in (0, 1, 2, 10)] + ["i-1:/dev/sda1", "nobody"]), max_size=4)
WANTED = st.builds(
    Wanted,
    resources=NAMES,
    holders=NAMES,
    launchers=st.frozensets(st.sampled_from(["asg-1", "asg-2", "asg-3"]), max_size=2),
    groups=st.frozensets(st.sampled_from(["web:1", "web:2", "db:1"]), max_size=2),
    rated=st.sampled_from([0, 1, 5]),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    WANTED,
    st.sampled_from([ACCOUNT, frozenset([ACCOUNT, OTHERS[0]]), frozenset([OTHERS[0], OTHERS[1], "nobody"]), None]),
    st.sampled_from([1, 7, 1_000]),
)
def test_the_index_gives_what_memory_gives(client: OpenSearch, wanted: Wanted, whose: Whose, page: int) -> None:
    """A deployment and the tests of its ticks read the same of the past."""
    if not client.indices.exists(index="usage-events-2026.11.25"):
        put(client, MIXED)
    kept = MemoryHistory()
    kept.ingest(BEFORE, MIXED)
    for kind in ("ec2.instances", "ebs.volumes"):
        found = {each.event_id for each in earlier(client, whose, kind, BEFORE, wanted, page)}
        assert found == {each.event_id for each in kept.earlier(whose, kind, BEFORE, wanted)}


def test_what_a_rate_depends_on_is_read_of_each_event(client: OpenSearch) -> None:
    """The rest is left out, for a group may have launched tens of thousands."""
    launch = event(
        1, -60, resource_ids=("dwh",), group="ra3.4xlarge", units_each=4, quantity=4, usd_per_hour=13.04, region="eu-west-1",
        launcher_id="asg", image_id="ami-1", user_agent="left out",
    )  # fmt: skip
    put(client, [launch])
    (found,) = earlier(client, ACCOUNT, "ec2.instances", BEFORE, Wanted(resources=frozenset(["dwh"])))
    for field in ("event_id", "event_time", "group", "units_each", "quantity", "usd_per_hour", "region", "image_id"):
        assert getattr(found, field) == getattr(launch, field), field
    assert found.user_agent is None


@pytest.mark.parametrize(("ids", "holders"), [(7, 0), (0, 7), (8, 3), (0, 0)])
def test_more_names_than_one_request_takes_are_asked_in_several(
    client: OpenSearch, monkeypatch: pytest.MonkeyPatch, ids: int, holders: int
) -> None:
    """A search of too many names is refused as a whole."""
    monkeypatch.setattr(searching, "MOST_TERMS", 3)
    monkeypatch.setattr(searching, "MOST_PREFIXES", 2)
    put(client, [event(n, -60, resource_ids=(f"i-{n}", f"i-{n}:/dev/sda1")) for n in range(20)])
    wanted = Wanted(
        resources=frozenset(f"i-{n}" for n in range(ids)), holders=frozenset(f"i-{n}" for n in range(10, 10 + holders))
    )
    found = [each.event_id for each in earlier(client, ACCOUNT, "ec2.instances", BEFORE, wanted)]
    assert len(found) == len(set(found)) == ids + holders


def test_what_comes_at_the_cut_or_after_is_not_earlier(client: OpenSearch) -> None:
    """It is read with the events of the span, and counted twice it would end a machine twice."""
    moments = [BEFORE + timedelta(microseconds=each) for each in (-1, 0, 1)]
    put(
        client,
        [event(n, event_time=moment, resource_ids=("i-1",), usd_per_hour=1.0) for n, moment in enumerate(moments)],
    )
    for wanted in (Wanted(resources=frozenset(["i-1"])), Wanted(rated=5)):
        found = list(earlier(client, ACCOUNT, "ec2.instances", BEFORE, wanted))
        assert [each.event_time for each in found] == [moments[0]]
