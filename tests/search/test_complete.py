"""Is the whole cluster set up, in the right order, once, and does it say what it could not do?

Retention, access and dashboards are tested on stand-ins built from documentation: what passes here is unverified.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from tests.search.clusters import REACHING, Cluster
from tests.search.making import event, plenty

from usage_anomaly.detection.learned import FIGURES
from usage_anomaly.search import access, dashboards, detectors, indexes, plugin, policies, setup
from usage_anomaly.search.client import SearchRefused
from usage_anomaly.search.dashboards import bundled
from usage_anomaly.search.events import write
from usage_anomaly.search.setup import Wanted

pytestmark = REACHING

NOW = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)
INGEST, DETECT, ROLL_UP = (f"arn:aws:iam::111122223333:role/{name}" for name in ("ingest", "detect", "roll-up"))
WANTED = Wanted(
    usage_retention_days=36,
    learned_region_accounts=3,
    learned_result_days=3,
    ingest_roles=(INGEST,),
    reader_roles=(DETECT, INGEST),
    administrator_roles=("arn:aws:iam::111122223333:role/configure",),
    pasts_roles=(DETECT, ROLL_UP),
    roll_up_roles=(ROLL_UP,),
    backfill_roles=("arn:aws:iam::111122223333:role/operator",),
)
BOARD = {
    "id": "usage-overview",
    "type": "dashboard",
    "attributes": {"title": "Usage", "description": "All of it"},
    "references": [],
}
OBJECTS: list[dict[str, Any]] = [{"id": "usage-events", "type": "index-pattern", "attributes": {}}, BOARD]


@pytest.fixture(autouse=True)
def objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two saved objects in place of those that come with the package."""
    monkeypatch.setattr(dashboards, "bundled", lambda: OBJECTS)


def changes(wanted: Wanted, **fields: Any) -> Wanted:
    return msgspec.structs.replace(wanted, **fields)


def test_a_cluster_with_everything_gets_everything_once(stand_in: Cluster) -> None:
    """A deployment a week, and nothing restarted, rewritten or rolled over by any of them."""
    outcome = setup.complete(stand_in.asking, WANTED, NOW)
    assert outcome.said == []
    assert [line.partition(" ")[0] for line in outcome.changed] == [
        *["role", "mapping"] * 6, *["index"] * 5, "policy", *["detector"] * 4, "dashboards:",
    ]  # fmt: skip
    stand_in.asked.clear()
    assert setup.complete(stand_in.asking, WANTED, NOW) == setup.Outcome([], [])
    assert stand_in.writes == []


def test_a_bare_cluster_says_what_it_lacks(stand_in: Cluster) -> None:
    """A server on a laptop, an emulator, a domain without access control: usage is kept and judged all the same."""
    stand_in.front.documented.has.clear()
    stand_in.front.plugin.answer = lambda *_: None  # type: ignore[method-assign]  # a cluster without it
    outcome = setup.complete(stand_in.asking, WANTED, NOW)
    assert len(outcome.changed) == 5, "templates and the index of anomalies"
    assert outcome.said == [
        "no fine-grained access control here: no roles",
        "no index state management here: this cluster deletes no index by itself",
        "no anomaly-detection plugin here: no learned detectors",
        "no OpenSearch Dashboards here: no dashboards",
    ]
    assert setup.clear(stand_in.asking, WANTED).changed == []


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (changes(WANTED, usage_retention_days=90), ["policy usage-events"]),
        (
            changes(WANTED, learned_result_days=5),
            [f"detector {each.name} updated" for each in FIGURES.detectors],
        ),
        (
            changes(WANTED, learned_region_accounts=-1),
            [f"detector {each.name} replaced" for each in FIGURES.detectors],
        ),
        (changes(WANTED, reader_roles=("arn:new",)), ["mapping of role usage_reader: 1 more"]),
        (changes(WANTED, backfill_roles=("arn:new",)), ["mapping of role usage_backfill: 1 more"]),
        (changes(WANTED, dashboards_roles=("arn:people",)), ["mapping of role kibana_user: 1 more"]),
        (changes(WANTED, delete_learned_results=True), []),
    ],
)
def test_an_update_touches_what_changed_and_nothing_else(
    stand_in: Cluster, wanted: Wanted, expected: list[str]
) -> None:
    """Each kind of change, alone."""
    setup.complete(stand_in.asking, WANTED, NOW)
    assert setup.complete(stand_in.asking, wanted, NOW).changed == expected


def test_a_company_that_grew_is_learned_by_account(stand_in: Cluster) -> None:
    """The accounts are counted where their usage is: nobody has to say how many there are."""
    setup.complete(stand_in.asking, WANTED, NOW)
    few = [event(number, account_id=f"11112222000{number}") for number in range(3)]
    write(stand_in.asking.client, few, NOW, plenty, 36)
    stand_in.asking.client.indices.refresh(index="usage-events-*")
    assert setup.complete(stand_in.asking, WANTED, NOW).changed == []
    write(stand_in.asking.client, [event(9, account_id="111122220009")], NOW, plenty, 36)
    stand_in.asking.client.indices.refresh(index="usage-events-*")
    assert len(setup.complete(stand_in.asking, WANTED, NOW).changed) == 4
    assert {tuple(each.category) for each in plugin.standing(stand_in.asking).values()} == {detectors.BY_ACCOUNT}


def test_delete_takes_the_detectors_and_keeps_the_rest(stand_in: Cluster) -> None:
    """Results stay unless they are not wanted; usage, roles and policies stay anyway."""
    setup.complete(stand_in.asking, WANTED, NOW)
    index = f"{detectors.RESULTS}-history-2026.11.25-1"
    stand_in.asking.client.indices.create(index=index)
    assert len(setup.clear(stand_in.asking, WANTED).changed) == 4
    assert stand_in.asking.client.indices.exists(index=index)
    assert setup.clear(stand_in.asking, changes(WANTED, delete_learned_results=True)).changed == [f"{index} deleted"]
    assert stand_in.asking.client.indices.exists(index=indexes.ANOMALIES)
    assert stand_in.front.documented.policies


def test_who_else_is_mapped_stays_mapped(stand_in: Cluster) -> None:
    """A mapping is replaced as a whole: merged wrongly, it locks an analyst out, or lets a stranger in."""
    setup.complete(stand_in.asking, WANTED, NOW)
    mappings = stand_in.front.documented.security["rolesmapping"]
    others = {"backend_roles": ["arn:analysts", DETECT], "hosts": [], "users": ["anna"], "and_backend_roles": ["a"]}
    mappings[access.READER] = others
    assert setup.complete(stand_in.asking, WANTED, NOW).changed == ["mapping of role usage_reader: 1 more"]
    assert mappings[access.READER] == {
        "backend_roles": ["arn:analysts", DETECT, INGEST],
        "users": ["anna"],
        "and_backend_roles": ["a"],
    }


def test_people_are_let_into_dashboards_by_the_role_that_is_there(stand_in: Cluster) -> None:
    """AWS calls it by another name than the plugin does; a mapping of a role that is not there lets nobody in."""
    stand_in.front.documented.security["roles"]["opensearch_dashboards_user"] = {}
    assert access.configure(stand_in.asking, {}, ["arn:people"])[-1:] == [
        "mapping of role opensearch_dashboards_user: 1 more"
    ]
    assert access.configure(stand_in.asking, {}, ["arn:people"]) == []


def test_roles_reach_our_indexes_only() -> None:
    """A role that reaches every index reads whatever else the domain keeps."""
    for name, role in access.roles().items():
        patterns = {pattern for each in role["index_permissions"] for pattern in each["index_patterns"]}
        assert all(each.startswith("usage-") for each in patterns - {detectors.ALL_RESULTS}), name
        actions = {action for each in role["index_permissions"] for action in each["allowed_actions"]}
        assert "*" not in actions | set(role["cluster_permissions"]), name
    assert {"write", "manage"}.isdisjoint(
        action for each in access.roles()[access.READER]["index_permissions"] for action in each["allowed_actions"]
    )


def test_who_may_not_manage_roles_is_told_so(stand_in: Cluster) -> None:
    """On a domain that exists its owner maps the roles by hand; that must not fail the deployment."""
    stand_in.front.documented.forbidden = ("/_security/",)
    outcome = setup.complete(stand_in.asking, WANTED, NOW)
    assert any("not allowed, to be done by hand (docs/deploy.md)" in line for line in outcome.said)
    assert len(outcome.changed) == 5 + 1 + 4 + 1


def test_a_policy_covers_the_indexes_that_exist(stand_in: Cluster) -> None:
    """A policy takes new indexes by itself, and never an old one."""
    setup.complete(stand_in.asking, WANTED, NOW)
    assert stand_in.front.documented.attached == [("add", "usage-events-*"), ("change_policy", "usage-events-*")]
    (_, policy) = stand_in.front.documented.policies["usage-events"]
    (transition,) = policy["states"][0]["transitions"]
    assert transition["conditions"] == {"min_index_age": "38d"}, "events of its last hour are 36 days old only then"
    assert [state["name"] for state in policy["states"]] == [policy["default_state"], transition["state_name"]]


def test_a_policy_that_is_refused_fails(stand_in: Cluster) -> None:
    """Nobody must believe that data is deleted when it is not."""
    documented = stand_in.front.documented
    answer = documented.answer

    def refusing(method: str, path: str, content: bytes, headers: dict[str, str]) -> tuple[int, Any] | None:
        wrong = {"error": {"type": "illegal_argument_exception", "reason": "wrong"}, "status": 400}
        return (400, wrong) if method == "PUT" and "/_ism/" in path else answer(method, path, content, headers)

    documented.answer = refusing  # type: ignore[method-assign]  # for this test only
    with pytest.raises(SearchRefused, match="wrong"):
        policies.configure(stand_in.asking, 36)


def test_dashboards_are_imported_again_only_when_they_changed(stand_in: Cluster) -> None:
    """What somebody moved on a dashboard stays until a new version brings another one."""
    assert dashboards.configure(stand_in.asking, OBJECTS) == (["dashboards: 2 saved objects"], [])
    kept = stand_in.front.documented.objects
    assert kept["usage-events"] == OBJECTS[0]
    assert kept["usage-overview"]["attributes"]["description"].startswith("All of it (digest ")
    kept["usage-overview"]["attributes"]["panelsJSON"] = "[moved]"
    assert dashboards.configure(stand_in.asking, OBJECTS) == ([], [])
    newer = [{**OBJECTS[0], "attributes": {"title": "usage-events-*"}}, BOARD]
    assert dashboards.configure(stand_in.asking, newer) == (["dashboards: 2 saved objects"], [])


def test_dashboards_that_cannot_be_imported_fail_nothing(stand_in: Cluster) -> None:
    """Sign-in by Cognito answers a page, Dashboards answers what it finds wrong: alerts come all the same."""
    documented = stand_in.front.documented
    documented.forbidden = ("/_dashboards/",)
    _, (said,) = dashboards.configure(stand_in.asking, OBJECTS)
    assert said.startswith("dashboards not imported, import them by hand")
    documented.forbidden = ()
    documented.errors = [{"id": "usage-overview", "error": {"type": "missing_references"}}]
    _, (said,) = dashboards.configure(stand_in.asking, OBJECTS)
    assert "missing_references" in said


def test_the_bundled_objects_arrive_whole_and_are_known_again(stand_in: Cluster) -> None:
    """A boundary inside an object would cut the form in two; a digest that differs each time would undo all that was moved."""
    assert dashboards._BOUNDARY not in str(bundled())
    count = len(bundled())
    assert dashboards.configure(stand_in.asking, bundled()) == ([f"dashboards: {count} saved objects"], [])
    assert set(stand_in.front.documented.objects) == {each["id"] for each in bundled()}
    assert dashboards.configure(stand_in.asking, bundled()) == ([], [])


def test_versions_before_the_plugin_is_asked(stand_in: Cluster) -> None:
    """The body depends on the version that the cluster says it has."""
    setup.complete(stand_in.asking, WANTED, NOW)
    body = stand_in.asking.ask(
        "POST", f"{plugin.DETECTORS}/_search", {"query": {"term": {"name.keyword": "usage-ebs-gib"}}}
    )
    number = stand_in.asking.ask("GET", "/")["version"]["number"]
    expected = detectors.bodies(detectors.version_of(number), detectors.BY_REGION, 3)[1]
    assert body["hits"]["hits"][0]["_source"]["description"] == expected["description"]
