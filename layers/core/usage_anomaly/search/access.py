"""Who may do what inside a cluster with fine-grained access control?

Six roles, mapped to the roles (ARNs) of our functions: who writes, who reads, who keeps pasts, who rolls up, who sets up; and
to that of whoever takes in history with `usage-anomaly backfill`.
Built from the documentation of the security plugin, whose role files name the permissions; no server here has that plugin,
so the requests and the lists are unverified.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from usage_anomaly.search.asking import Asking
from usage_anomaly.search.detectors import ALL_RESULTS
from usage_anomaly.search.indexes import ALL_EVENTS, ALL_HOURLY, PROFILES, Body, digest

API = "/_plugins/_security/api"
OURS = "usage-*"
# What a mapping holds beside what the server adds; a PUT takes no more than these.
_MAPPED = ("backend_roles", "and_backend_roles", "hosts", "users", "description")

INGEST, READER, ADMINISTRATOR = "usage_ingest", "usage_reader", "usage_administrator"
PASTS, ROLL_UP, BACKFILL = "usage_pasts", "usage_roll_up", "usage_backfill"
_LOOKING_AT_DETECTORS = (
    "cluster:admin/opendistro/ad/detectors/get",
    "cluster:admin/opendistro/ad/detectors/profile",
    "cluster:admin/opendistro/ad/detector/info",
    "cluster:admin/opendistro/ad/detector/search",
    "cluster:admin/opendistro/ad/detector/stats",
)
# What lets a person into Dashboards comes with the plugin, under AWS's name or the plugin's own.
_DASHBOARDS = ("opensearch_dashboards_user", "kibana_user")


def roles() -> dict[str, Body]:
    """The roles by name."""
    return {
        INGEST: _role(
            "writes usage events and anomalies",
            ["indices:data/write/bulk", "cluster_monitor"],
            {OURS: ["write", "create_index"]},
        ),
        READER: _role(
            "searches usage events, anomalies and learned results, and looks whether detectors run",
            ["cluster_monitor", *_LOOKING_AT_DETECTORS],
            {OURS: ["read"], ALL_RESULTS: ["read"]},
        ),
        PASTS: _role("keeps pasts", ["indices:data/read/mget"], {PROFILES: ["read", "write", "create_index"]}),
        ROLL_UP: _role(
            "writes the roll-up and deletes what is too old",
            ["indices:data/write/bulk"],
            {ALL_HOURLY: ["write", "create_index"], OURS: ["indices:admin/aliases/get", "indices:admin/delete"]},
        ),
        BACKFILL: _role(
            "looks whether the cluster is set up, writes history and drops pasts that were made without it",
            ["indices:data/write/bulk", "indices:admin/index_template/get"],
            {ALL_EVENTS: ["write", "create_index", "indices:admin/refresh"], PROFILES: ["write"]},
        ),
        # A detector goes on with the permissions of who made it: reading what it sums, writing what it finds.
        ADMINISTRATOR: _role(
            "sets up indexes, policies and detectors",
            [
                "cluster_monitor",
                "cluster_manage_index_templates",
                "cluster:admin/opendistro/ad/*",
                "cluster:admin/opendistro/ism/*",
            ],
            {
                OURS: ["manage", "read", "write", "indices:admin/opensearch/ism/*"],
                ALL_RESULTS: ["manage", "read", "write"],
            },
        ),
    }


def configure(asking: Asking, mapped: Mapping[str, Sequence[str]], people: Sequence[str] = ()) -> list[str]:
    """Put roles and mappings in place; returns what was changed. Whoever else is mapped stays so.

    `mapped` names the ARNs for each role, `people` those who may use Dashboards. Raises NotHere without the
    plugin, SearchRefused (403) for who is no security manager.
    """
    said: list[str] = []
    for name, role in roles().items():
        there = (asking.find(f"{API}/roles/{name}") or {}).get(name, {})
        if there.get("description") != role["description"]:
            asking.ask("PUT", f"{API}/roles/{name}", role)
            said.append(f"role {name}")
        said += _map(asking, name, mapped.get(name, ()))
    if people:
        theirs = next(name for name in _DASHBOARDS if name == _DASHBOARDS[-1] or asking.find(f"{API}/roles/{name}"))
        said += _map(asking, theirs, people)
    return said


def _map(asking: Asking, name: str, arns: Sequence[str]) -> list[str]:
    """Read, merge, write: a mapping is replaced as a whole, and others may have put theirs into it."""
    there = (asking.find(f"{API}/rolesmapping/{name}") or {}).get(name, {})
    mapped = there.get("backend_roles", [])
    lacking = sorted(set(arns).difference(mapped))
    if not lacking:
        return []
    kept = {field: there[field] for field in _MAPPED if there.get(field)}
    asking.ask("PUT", f"{API}/rolesmapping/{name}", {**kept, "backend_roles": [*mapped, *lacking]})
    return [f"mapping of role {name}: {len(lacking)} more"]


def _role(what: str, cluster: Sequence[str], indexes: Mapping[str, Sequence[str]]) -> Body:
    body: Body = {
        "cluster_permissions": list(cluster),
        "index_permissions": [
            {"index_patterns": [pattern], "allowed_actions": list(actions)} for pattern, actions in indexes.items()
        ],
        "tenant_permissions": [],
    }
    return {**body, "description": f"{what}; digest {digest(body)}"}
