"""Do the learned detectors become what is wanted, and is what stands there left alone?

Each test runs on the stand-in, and on the real plugin where OPENSEARCH_URL names a cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from tests.search.clusters import REACHING, Cluster
from tests.search.making import at_once, event
from tests.search.serving import documents

from usage_anomaly.detection.learned import FIGURES
from usage_anomaly.search import detectors, indexes, plugin, setup
from usage_anomaly.search.asking import Asking
from usage_anomaly.search.client import SearchRefused, SearchUnavailable
from usage_anomaly.search.detectors import BY_ACCOUNT, BY_REGION
from usage_anomaly.search.indexes import Body

pytestmark = REACHING

NAMES = sorted(each.name for each in FIGURES.detectors)
NOW = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)


def bodies(category: Sequence[str] = BY_REGION, result_days: int = 3) -> list[Body]:
    return detectors.bodies((2, 19), category, result_days)


def configure(cluster: Cluster, category: Sequence[str] = BY_REGION, result_days: int = 3) -> list[str]:
    """Bring the detectors to what is wanted, and forget what that had to write."""
    setup.configure(cluster.asking.client)
    changed = plugin.configure(cluster.asking, bodies(category, result_days), NOW)
    cluster.asked.clear()
    return changed


def running(asking: Asking) -> list[str]:
    return sorted(name for name, each in plugin.standing(asking).items() if plugin._runs(asking, each.id))


def test_a_new_cluster_gets_four_running_detectors(plugin_cluster: Cluster) -> None:
    """A first deployment has no usage yet, and the plugin takes no detector of an empty index: one document stands in."""
    assert configure(plugin_cluster) == [f"detector {each.name} created" for each in FIGURES.detectors]
    assert running(plugin_cluster.asking) == NAMES
    assert documents(plugin_cluster.asking.client) == {}, "the document that stood in is gone"


def test_a_second_run_writes_nothing(plugin_cluster: Cluster) -> None:
    """A restart costs a detector the window it was in, and the plugin never looks at a window again."""
    configure(plugin_cluster)
    assert plugin.configure(plugin_cluster.asking, bodies(), NOW) == []
    assert plugin_cluster.writes == []


def test_a_changed_detector_is_stopped_updated_and_started(plugin_cluster: Cluster) -> None:
    """The plugin refuses to change what runs; the detector keeps its id and so its models."""
    configure(plugin_cluster)
    before = {name: each.id for name, each in plugin.standing(plugin_cluster.asking).items()}
    changed = plugin.configure(plugin_cluster.asking, bodies(result_days=5), NOW)
    assert changed == [f"detector {each.name} updated" for each in FIGURES.detectors]
    one = before["usage-ec2-vcpus"]
    of_it = [each for each in plugin_cluster.writes if one in each]
    ways = [(f"POST {one}/_stop"), (f"PUT {one}"), (f"POST {one}/_start")]
    assert of_it == [each.replace(one, f"{plugin.DETECTORS}/{one}") for each in ways]
    assert {name: each.id for name, each in plugin.standing(plugin_cluster.asking).items()} == before
    assert running(plugin_cluster.asking) == NAMES


def test_another_category_replaces_the_detector(plugin_cluster: Cluster) -> None:
    """It is fixed when a detector is made; a company that grew beyond the limit must not be stuck with it."""
    configure(plugin_cluster)
    before = {each.id for each in plugin.standing(plugin_cluster.asking).values()}
    changed = plugin.configure(plugin_cluster.asking, bodies(BY_ACCOUNT), NOW)
    assert changed == [f"detector {each.name} replaced" for each in FIGURES.detectors]
    after = plugin.standing(plugin_cluster.asking)
    assert {tuple(each.category) for each in after.values()} == {BY_ACCOUNT}
    assert before.isdisjoint(each.id for each in after.values())
    assert running(plugin_cluster.asking) == NAMES


def test_a_detector_that_was_stopped_is_started(plugin_cluster: Cluster) -> None:
    """Also after a run that ended between updating and starting it."""
    configure(plugin_cluster)
    plugin._stop(plugin_cluster.asking, plugin.standing(plugin_cluster.asking)["usage-ebs-gib"].id)
    assert plugin.configure(plugin_cluster.asking, bodies(), NOW) == ["detector usage-ebs-gib started"]
    assert running(plugin_cluster.asking) == NAMES


def test_starting_and_stopping_twice_is_no_error(plugin_cluster: Cluster) -> None:
    """The plugin says so in an answer of 200 that holds an error; what is wanted is the case."""
    configure(plugin_cluster)
    one = plugin.standing(plugin_cluster.asking)["usage-ebs-gib"].id
    plugin._start(plugin_cluster.asking, one, "usage-ebs-gib")
    plugin._stop(plugin_cluster.asking, one)
    plugin._stop(plugin_cluster.asking, one)
    assert running(plugin_cluster.asking) == [name for name in NAMES if name != "usage-ebs-gib"]


def test_removing_takes_detectors_and_leaves_results(plugin_cluster: Cluster) -> None:
    """What was found is worth more than a clean cluster; whoever does not want it says so."""
    configure(plugin_cluster)
    index = f"{detectors.RESULTS}-history-2026.11.25-9"
    plugin_cluster.asking.client.indices.create(index=index)
    assert plugin.remove(plugin_cluster.asking) == [f"detector {name} deleted" for name in NAMES]
    assert plugin.standing(plugin_cluster.asking) == {}
    assert plugin_cluster.asking.client.indices.exists(index=index)
    assert plugin.remove(plugin_cluster.asking) == []
    assert f"{index} deleted" in plugin.remove_results(plugin_cluster.asking)
    assert plugin.remove_results(plugin_cluster.asking) == []


def test_a_body_that_is_wrong_is_refused_before_anything_stops(plugin_cluster: Cluster) -> None:
    """The plugin validates with an answer of 200; what ran goes on running."""
    configure(plugin_cluster)
    wrong = {**bodies()[0], "description": "another", "category_field": ["account_id", "region", "kind"]}
    with pytest.raises(SearchRefused, match=r"usage-ec2-vcpus: category_field: Currently we only support up to 2"):
        plugin.configure(plugin_cluster.asking, [wrong, *bodies()[1:]], NOW)
    assert plugin_cluster.writes == [
        "PUT /usage-events-2026.11.25/_doc/set-up?refresh=true",
        "DELETE /usage-events-2026.11.25/_doc/set-up?refresh=true",
    ]
    assert running(plugin_cluster.asking) == NAMES


def test_usage_that_is_there_needs_no_stand_in(plugin_cluster: Cluster) -> None:
    """Nothing of ours may come between the records of a cluster that works."""
    setup.configure(plugin_cluster.asking.client)
    one = event(1)
    plugin_cluster.asking.client.index(
        index=indexes.index_of(one),
        id=indexes.id_of(one),
        body={"event_time": "2026-11-25T10:00:00Z"},
        params={"refresh": "true"},
    )
    plugin_cluster.asked.clear()
    plugin.configure(plugin_cluster.asking, bodies(), NOW)
    assert [each for each in plugin_cluster.writes if "/_doc/" in each] == []


def test_every_version_takes_its_body(plugin_cluster: Cluster) -> None:
    """The body of an old version is asked of the newest too: a domain is upgraded under a detector that runs."""
    setup.configure(plugin_cluster.asking.client)
    with plugin._a_document(plugin_cluster.asking, NOW):
        for version in ((2, 15), (2, 17), (2, 18), (2, 19), (3, 7)):
            for body in detectors.bodies(version, BY_REGION, 3):
                plugin._validate(plugin_cluster.asking, body)


def test_the_next_one_waits_until_the_one_before_runs(stand_in: Cluster) -> None:
    """Two started together met at the lock index that was not there yet, and the first run of one was lost."""
    configure(stand_in)
    plugin.configure(stand_in.asking, bodies(result_days=4), NOW)
    ways = [each.rpartition("/")[2] for each in stand_in.asked if each.endswith(("/_stop", "/_start", "/_profile"))]
    assert ways == ["_stop", "_start", "_profile"] * 4


def test_a_detector_that_does_not_come_up_fails_with_the_reason(stand_in: Cluster) -> None:
    """A deployment that says "done" with four dead detectors is how nobody notices for a year."""
    setup.configure(stand_in.asking.client)
    stand_in.front.plugin.state, stand_in.front.plugin.trouble = "DISABLED", "memory circuit is broken"
    patient = Asking(stand_in.asking.client, stand_in.asking.time_left, at_once)
    with pytest.raises(SearchRefused, match="usage-ec2-vcpus was started and is DISABLED: memory circuit is broken"):
        plugin.configure(patient, bodies(), NOW)


def test_a_first_run_that_failed_is_not_the_deployments_failure(stand_in: Cluster) -> None:
    """As seen on a fresh cluster: the lock index was not there yet, and the next run came right by itself."""
    setup.configure(stand_in.asking.client)
    stand_in.front.plugin.trouble = "Failed to acquire lock"
    patient = Asking(stand_in.asking.client, stand_in.asking.time_left, at_once)
    assert len(plugin.configure(patient, bodies(), NOW)) == len(NAMES)


def test_the_time_that_is_over_is_said(stand_in: Cluster) -> None:
    """What is not done when Lambda stops the function is never answered."""
    setup.configure(stand_in.asking.client)
    hasty = Asking(stand_in.asking.client, lambda: 19.0, at_once)
    with pytest.raises(SearchUnavailable, match="the time for the set-up is over"):
        plugin.configure(hasty, bodies(), NOW)


def test_an_update_that_fails_leaves_the_old_detector_running(stand_in: Cluster) -> None:
    """Between stopping and updating anything may happen; a stopped detector finds nothing."""
    configure(stand_in)
    front = stand_in.front
    validated = plugin.DETECTORS + "/_validate/detector"
    answer = front.plugin.answer

    def refusing(method: str, path: str, body: Body) -> tuple[int, object] | None:
        return (400, {"error": "no"}) if method == "PUT" and path != validated else answer(method, path, body)

    front.plugin.answer = refusing  # type: ignore[method-assign]
    with pytest.raises(SearchRefused):
        plugin.configure(stand_in.asking, bodies(result_days=9), NOW)
    assert running(stand_in.asking) == NAMES
