"""How many units does a call stand for, where the record says it as a number, or says only what there shall be?"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.usage.calls import TinyPrices, call, parsed
from tests.usage.test_new_kind import KIND, SOURCE

from usage_anomaly.catalog import Catalog, load
from usage_anomaly.envelopes import event_time
from usage_anomaly.paths import MOST_UNITS
from usage_anomaly.usage import UsageEvent, read_usage

OTHER = "other.amazonaws.com"
Counted = tuple[int, bool]  # quantity, truncated


def catalog_of(folder: Path, *calls: dict[str, Any], **changed: Any) -> Catalog:
    kind = {**copy.deepcopy(KIND), "calls": [{"direction": "use", **each} for each in calls], **changed}
    (folder / KIND["kind"]).mkdir(exist_ok=True)
    (folder / KIND["kind"] / "kind.json").write_text(json.dumps(kind), "utf-8")
    return load(folder)


def events_of(catalog: Catalog, record: dict[str, Any]) -> list[UsageEvent]:
    each = parsed(record)
    moment = event_time(each)
    assert moment is not None
    return read_usage(each, moment, "an-id", catalog, TinyPrices())


def counted(catalog: Catalog, name: str, **fields: Any) -> list[Counted]:
    return [(each.quantity, each.truncated) for each in events_of(catalog, call(name, source=SOURCE, **fields))]


NODES = {"names": ["Make"], "count": ["response.nodes", "request.nodes"]}
SERVICE = {"names": ["Set"], "count": ["response.wanted"], "less": ["sum([response.running, response.pending])"]}


def test_a_number_in_the_record_is_the_quantity(tmp_path: Path) -> None:
    """One call can make 90 nodes; counted as one call they would stay under every limit."""
    catalog = catalog_of(tmp_path, NODES)
    assert counted(catalog, "Make", responseElements={"nodes": "90"}, requestParameters={"nodes": 3}) == [(90, False)]
    assert counted(catalog, "Make", responseElements={}, requestParameters={"nodes": 3}) == [(3, False)]
    assert counted(catalog, "Make", responseElements=None, requestParameters={"nodes": 3}) == [(3, True)]
    assert counted(catalog, "Make", responseElements={"nodes": 0}) == [], "none made is no use"


def test_a_number_that_is_not_told_is_one_and_marked(tmp_path: Path) -> None:
    """At least one was made; a default of AWS is no guess."""
    assert counted(catalog_of(tmp_path, NODES), "Make", responseElements={}) == [(1, True)]
    assert counted(catalog_of(tmp_path, {**NODES, "default": 2}), "Make", responseElements={}) == [(2, False)]


def test_of_an_absolute_number_only_what_was_not_there_counts(tmp_path: Path) -> None:
    """A service set from 2 to 50 starts 48; set to what it has, or less, it starts none."""
    catalog = catalog_of(tmp_path, SERVICE)

    def started(wanted: object, running: object, pending: object) -> list[Counted]:
        return counted(catalog, "Set", responseElements={"wanted": wanted, "running": running, "pending": pending})

    assert started(50, 2, 0) == [(48, False)]
    assert started(50, 2, 48) == started(2, 2, 0) == started(1, 50, 0) == []


@pytest.mark.parametrize("response", [None, {}, {"wanted": 50}, {"wanted": 50, "running": 2}, {"omitted": True}])
def test_a_difference_that_is_not_told_is_nothing_and_marked(tmp_path: Path, response: object) -> None:
    """A guess in either direction would be an alarm about nothing, or none about 48 machines."""
    assert counted(catalog_of(tmp_path, SERVICE), "Set", responseElements=response) == [(0, True)]


def test_each_item_stands_for_its_own_number(tmp_path: Path) -> None:
    """Three fleets of a cluster: 1, 4 and an unknown number of machines."""
    groups = {"names": ["Make"], "items": ["request.groups"], "count": ["item.number"], "answered": False}
    fields = {"requestParameters": {"groups": [{"number": 1}, {"number": 4}, {}]}}
    assert counted(catalog_of(tmp_path, groups), "Make", **fields) == [(6, True)]


def test_a_kind_may_read_calls_of_other_sources(tmp_path: Path) -> None:
    """Reservations are bought from six services; a like-named call of a seventh is none of them."""
    catalog = catalog_of(tmp_path, {"names": ["Buy"], "source": OTHER}, {"names": ["Purchase"]})
    assert len(events_of(catalog, call("Buy", source=OTHER))) == 1
    assert counted(catalog, "Purchase") != []
    assert counted(catalog, "Buy") == []


def test_refusals_count_by_code_whatever_the_call(tmp_path: Path) -> None:
    """Who tries every door is seen, also at doors no kind knows; a service's own tries are its own business."""
    every = {"names": ["*"], "errors": ["AccessDenied", "Unauthorized"], "attempts": False}
    catalog = catalog_of(tmp_path, every, source="*", price="free", attempt_limits=None)
    for code in ("AccessDenied", "AccessDeniedException", "Client.UnauthorizedOperation"):
        (event,) = events_of(catalog, call("DescribeAnything", source=OTHER, errorCode=code))
        assert (event.kind, event.quantity, event.direction, event.error_code) == (KIND["kind"], 1, "use", code)
        assert event.usd_per_hour == 0, "a refused call costs nothing, and that is known"
    for other in (None, "", "ThrottlingException", "Client.DryRunOperation"):
        assert events_of(catalog, call("DescribeAnything", source=OTHER, errorCode=other)) == []
    denied = call("DescribeAnything", source=OTHER, errorCode="AccessDenied", sourceIPAddress="config.amazonaws.com")
    assert events_of(catalog, denied) == []


def test_a_refused_call_is_the_attempt_of_its_kind_and_not_counted_twice(catalog: Catalog) -> None:
    """A refused launch is told as that."""
    refused = call("RunInstances", errorCode="Client.UnauthorizedOperation")
    assert [event.kind for event in events_of(catalog, refused)] == ["ec2.instances.attempts"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(wanted=VALUES, running=VALUES, pending=VALUES)
def test_no_value_of_a_number_raises_or_leaves_its_bounds(
    tmp_path_factory: pytest.TempPathFactory, wanted: object, running: object, pending: object
) -> None:
    """Numbers are hostile text too."""
    catalog = catalog_of(tmp_path_factory.getbasetemp(), NODES, SERVICE)
    response = {"wanted": wanted, "running": running, "pending": pending, "nodes": wanted}
    for name in ("Make", "Set"):
        assert all(0 <= units <= MOST_UNITS for units, _ in counted(catalog, name, responseElements=response))


def test_a_service_on_fargate_spot_is_known_as_such(catalog: Catalog) -> None:
    """Its rate comes from the task definition, which has the price on demand: the market alone tells that it is less."""
    service = {
        "desiredCount": 20,
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
        "taskDefinition": "arn:aws:ecs:us-east-2:111122223333:task-definition/web:3",
        "runningCount": 0,
        "pendingCount": 0,
    }
    for name in ("CreateService", "UpdateService"):
        record = call(
            name,
            source="ecs.amazonaws.com",
            requestParameters={"desiredCount": 20},
            responseElements={"service": service},
        )
        (event,) = events_of(catalog, record)
        assert (event.quantity, event.group, event.market) == (20, "web:3", "FARGATE_SPOT")
