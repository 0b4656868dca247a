"""When are old usage events deleted, where the cluster deletes indexes by itself?

Index State Management (ISM): one policy for each pattern of daily indexes, by the age of the index. Built from its documentation
and its source; no server here has that plugin, so the requests are unverified.
"""

from __future__ import annotations

from usage_anomaly.search.asking import Asking, NotHere
from usage_anomaly.search.client import SearchRefused
from usage_anomaly.search.indexes import ALL_EVENTS, EVENTS, Body, digest

POLICIES = "/_plugins/_ism/policies"
# Events of a day arrive until `retention` days after its end, and its index is a day old by then.
GRACE_DAYS = 2


def policies(retention_days: int) -> dict[str, tuple[str, Body]]:
    """Pattern of indexes and policy, by the policy's name."""
    return {EVENTS: (ALL_EVENTS, _policy(ALL_EVENTS, retention_days + GRACE_DAYS))}


def configure(asking: Asking, retention_days: int) -> list[str]:
    """Put the policies in place, on the indexes that exist too; returns what was changed. Raises NotHere without ISM."""
    said: list[str] = []
    for name, (pattern, policy) in policies(retention_days).items():
        there = asking.find(f"{POLICIES}/{name}")
        if there is not None and there["policy"]["description"] == policy["description"]:
            continue
        version = "" if there is None else f"?if_seq_no={there['_seq_no']}&if_primary_term={there['_primary_term']}"
        _write(asking, f"{POLICIES}/{name}{version}", policy)
        # A policy takes new indexes by itself. The first request passes over indexes that have one, the second over the rest.
        asking.ask("POST", f"/_plugins/_ism/add/{pattern}", {"policy_id": name})
        asking.ask("POST", f"/_plugins/_ism/change_policy/{pattern}", {"policy_id": name})
        said.append(f"policy {name}")
    return said


def _write(asking: Asking, path: str, policy: Body) -> None:
    try:
        asking.ask("PUT", path, {"policy": policy})
    except SearchRefused as error:
        if (
            error.status == 404
        ):  # of a policy that is not there, reading says 404 as well; of writing it, only a cluster without
            raise NotHere(str(error), error.status) from error
        raise


def _policy(pattern: str, days: int) -> Body:
    body: Body = {
        "default_state": "kept",
        "states": [
            {
                "name": "kept",
                "actions": [],
                "transitions": [{"state_name": "deleted", "conditions": {"min_index_age": f"{days}d"}}],
            },
            {"name": "deleted", "actions": [{"delete": {}}], "transitions": []},
        ],
        "ism_template": [{"index_patterns": [pattern], "priority": 100}],
    }
    return {**body, "description": f"{pattern} are deleted {days} days after they began; digest {digest(body)}"}
