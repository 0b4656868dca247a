"""Does the score fall when there is trouble, and only then?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.health.building import WELL, calls, probes

from usage_anomaly import health
from usage_anomaly.health import Calls, Cluster, Executions, Lag, Letters, Probes, Seconds, Unknown, assess

BLIND = Unknown("ReadTimeoutError")


@pytest.mark.parametrize(
    ("changes", "area", "points"),
    [
        ({"cluster": Cluster(status="red", unassigned_shards=3)}, "cluster", 40),
        ({"cluster": BLIND}, "cluster", 30),
        ({"cluster": Cluster(status="yellow", unassigned_shards=0)}, "cluster", 20),
        ({"cluster": Cluster(status="green", unassigned_shards=1)}, "cluster", 20),
        ({"functions": calls(detect=Calls())}, "detection", 30),
        ({"functions": calls(advise=Calls(invocations=40, errors=2))}, "functions", 20),
        ({"functions": calls(ingest=Calls(invocations=400, errors=5))}, "functions", 10),
        ({"functions": BLIND}, "functions", 20),
        ({"lag": Lag(901.0)}, "lag", 20),
        ({"lag": Lag(3_601.0)}, "lag", 30),
        ({"lag": Lag(None)}, "lag", 20),
        ({"lag": BLIND}, "lag", 20),
        ({"outbox": Seconds(301.0)}, "outbox", 15),
        ({"outbox": Seconds(901.0)}, "outbox", 30),
        ({"outbox": BLIND}, "outbox", 15),
        ({"alerts": Seconds(301.0)}, "alerts", 20),
        ({"alerts": BLIND}, "alerts", 10),
        ({"workflow": Executions(started=9, failed=1)}, "workflow", 10),
        ({"workflow": Executions(started=9, failed=5)}, "workflow", 20),
        ({"workflow": BLIND}, "workflow", 10),
        ({"dead_letters": Letters(waiting=1, oldest_seconds=60)}, "dead_letters", 5),
        ({"dead_letters": Letters(waiting=1, oldest_seconds=3_601)}, "dead_letters", 20),
        ({"dead_letters": Letters(waiting=100, oldest_seconds=60)}, "dead_letters", 20),
        ({"dead_letters": BLIND}, "dead_letters", 10),
        ({"history": Seconds(26 * 3_600.0 + 1)}, "history", 20),
        ({"history": BLIND}, "history", 10),
    ],
)
def test_each_trouble_costs_what_the_table_says(changes: dict[str, Any], area: str, points: int) -> None:
    """People set alarms by the table; a figure that differs from it wakes them for nothing, or not at all."""
    found = assess(probes(**changes))
    assert [(each.area, each.points) for each in found.troubles] == [(area, points)]
    assert found.score == 100 - points


def test_ingest_that_fails_costs_its_own_points_too() -> None:
    """Failing payloads and failing functions are two findings: the first says that records wait."""
    found = assess(probes(functions=calls(ingest=Calls(invocations=100, errors=6))))
    assert [(each.area, each.points) for each in found.troubles] == [("functions", 20), ("ingest", 20)]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"functions": calls(advise=Calls(invocations=1, errors=1))},
        {"functions": calls(ingest=Calls()), "lag": Lag(90_000.0)},
        {"functions": calls(ingest=Calls()), "lag": Lag(None)},
        {"alerts": Seconds(None)},
        {"history": Seconds(None)},
        {"history": Seconds(26 * 3_600.0)},
        {"lag": Lag(900.0), "outbox": Seconds(300.0), "alerts": Seconds(300.0)},
    ],
)
def test_what_is_no_trouble_costs_nothing(changes: dict[str, Any]) -> None:
    """One error is tried again, a quiet organization stores nothing, a quiet day tells nothing: none of it is news."""
    assert assess(probes(**changes)) == health.Health(100, ())


def test_everything_broken_scores_zero_and_not_less() -> None:
    """A percentage below zero would be taken for a fault of the monitor."""
    broken = Probes(
        cluster=Cluster(status="red", unassigned_shards=9),
        functions={"ingest": Calls(invocations=9, errors=9), "detect": Calls()},
        lag=Lag(9_999.0),
        outbox=Seconds(9_999.0),
        alerts=Seconds(9_999.0),
        workflow=Executions(started=9, failed=9),
        dead_letters=Letters(waiting=999),
        history=Seconds(999_999.0),
    )
    assert assess(broken).score == 0


def test_nothing_known_is_far_from_healthy() -> None:
    """A monitor that sees nothing must not look like a system without trouble."""
    blind = Probes(**dict.fromkeys(Probes.__struct_fields__, BLIND))
    assert assess(blind).score == 0
    assert {each.needs for each in assess(blind).troubles} == {2}


seconds = st.none() | st.floats(0, 10_000)
functions = st.dictionaries(
    st.sampled_from(["ingest", "detect", "advise"]),
    st.builds(Calls, invocations=st.integers(0, 200), errors=st.integers(0, 50)),
    max_size=3,
)
some_probes = st.builds(
    Probes,
    cluster=st.just(BLIND)
    | st.builds(Cluster, status=st.sampled_from(["green", "yellow", "red"]), unassigned_shards=st.integers(0, 3)),
    functions=st.just(BLIND) | functions,
    lag=st.just(BLIND) | st.builds(Lag, seconds),
    outbox=st.just(BLIND) | st.builds(Seconds, seconds),
    alerts=st.just(BLIND) | st.builds(Seconds, seconds),
    workflow=st.just(BLIND) | st.builds(Executions, started=st.integers(0, 20), failed=st.integers(0, 20)),
    dead_letters=st.just(BLIND) | st.builds(Letters, waiting=st.integers(0, 200), oldest_seconds=st.floats(0, 9_999)),
    history=st.just(BLIND) | st.builds(Seconds, st.none() | st.floats(0, 200_000)),
)


@given(some_probes, st.data())
def test_more_trouble_never_raises_the_score(before: Probes, draw: st.DataObject) -> None:
    """A score that rises while things get worse calls people off."""
    field = draw.draw(st.sampled_from([*Probes.__struct_fields__]))
    worse = msgspec.structs.replace(before, **{field: _worse(getattr(before, field), draw)})
    assert assess(worse).score <= assess(before).score


def _worse(probe: Any, draw: st.DataObject) -> Any:
    more = draw.draw(st.integers(0, 5_000))
    if isinstance(probe, Cluster):
        order = ["green", "yellow", "red"]
        status: Any = order[draw.draw(st.integers(order.index(probe.status), 2))]
        return Cluster(status=status, unassigned_shards=probe.unassigned_shards + more)
    if isinstance(probe, dict):
        return {
            role: Calls(invocations=each.invocations, errors=each.errors + (more if each.invocations else 0))
            for role, each in probe.items()
        }
    if isinstance(probe, Lag | Seconds):
        value = probe.seconds if isinstance(probe, Lag) else probe.worst
        return probe if value is None else type(probe)(value + more)
    if isinstance(probe, Executions):
        return Executions(started=probe.started, failed=probe.failed + more)
    if isinstance(probe, Letters):
        return Letters(waiting=probe.waiting + more, oldest_seconds=probe.oldest_seconds + more)
    return probe


@given(st.sampled_from([*Probes.__struct_fields__]), st.sampled_from([*Probes.__struct_fields__]))
def test_a_probe_that_fails_lowers_the_score(first: str, second: str) -> None:
    """Unknown is worse than well, whatever else is unknown already."""
    one = assess(probes(**{first: BLIND})).score
    assert one < assess(WELL).score
    both = assess(probes(**{first: BLIND, second: BLIND})).score
    assert both < one if first != second else both == one


def test_blind_functions_do_not_excuse_a_lag() -> None:
    """Losing sight of one thing must not make another look better."""
    late = probes(lag=Lag(2_000.0))
    assert assess(msgspec.structs.replace(late, functions=BLIND)).score < assess(late).score


def test_operations_page_has_the_same_table(root: Path) -> None:
    """The page is what people read at night."""
    rows = [line for line in (health.__doc__ or "").splitlines() if line.startswith("|")]
    assert len(rows) == 26
    page = (root / "docs" / "operations.md").read_text("utf-8").splitlines()
    assert [row for row in rows if row not in page] == []


def test_every_area_of_the_table_has_a_remedy() -> None:
    """A system alert without a next step only wakes somebody."""
    areas = set(re.findall(r"^\| ([a-z_]+) \|", health.__doc__ or "", re.MULTILINE)) - {"area"}
    assert areas == set(health.REMEDY)
