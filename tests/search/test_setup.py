"""Are templates, mappings and indexes in place before anything is written?"""

from __future__ import annotations

import pytest
from opensearchpy import OpenSearch
from tests.search.making import NOBODY, NOW, at_once, event, plenty
from tests.search.serving import LOOPBACK

from usage_anomaly.search import setup
from usage_anomaly.search.client import SearchRefused, SearchUnavailable, connect
from usage_anomaly.search.events import write

pytestmark = LOOPBACK


def test_a_second_run_changes_nothing(bare: OpenSearch) -> None:
    """Every deployment runs it."""
    assert setup.configure(bare) == [
        "index template usage-events",
        "index template usage-anomalies",
        "index template usage-hourly",
        "index template usage-profiles",
        "index usage-anomalies",
    ]
    write(bare, [event(1)], NOW, plenty, 36)
    assert setup.configure(bare) == []


def test_a_new_field_reaches_the_indexes_that_exist(bare: OpenSearch) -> None:
    """Today's index was made by yesterday's code; new code writes into it a minute later."""
    bare.indices.create(
        index="usage-events-2026.11.25",
        body={"mappings": {"dynamic": False, "properties": {"event_id": {"type": "keyword"}}}},
    )
    changed = setup.configure(bare)
    assert any(text.startswith("mapping of usage-events-2026.11.25: access_key_id, account_id") for text in changed)
    fields = bare.indices.get_mapping(index="usage-events-2026.11.25")["usage-events-2026.11.25"]["mappings"]
    assert fields["properties"]["source_ip"]["type"] == "ip"
    assert setup.configure(bare) == []


def test_a_field_of_another_type_is_said(bare: OpenSearch) -> None:
    """An index that cannot be mended fails the deployment with its reason, not each write later."""
    bare.indices.create(index="usage-events-2026.11.25", body={"mappings": {"properties": {"kind": {"type": "long"}}}})
    with pytest.raises(SearchRefused, match="kind"):
        setup.configure(bare)


def test_unknown_keys_become_no_fields(client: OpenSearch) -> None:
    """Three thousand fields in one index stop it from taking anything (the limit is 1,000)."""
    write(client, [event(1)], NOW, plenty, 36)
    fields = client.indices.get_mapping(index="usage-events-*")
    hostile = {f"key{number}": {"deep": number} for number in range(3_000)}
    client.index(index="usage-events-2026.11.25", id="hostile", body=hostile)
    assert client.indices.get_mapping(index="usage-events-*") == fields


def test_waiting_for_a_cluster_ends_in_time() -> None:
    """A domain that never comes must fail the deployment with a reason, inside the function's time."""
    left = iter([300.0, 200.0, 175.0, 174.0])
    with connect(NOBODY, "none", "") as nobody, pytest.raises(SearchUnavailable, match="waiting is over"):
        setup.wait_until_reachable(nobody, lambda: next(left), at_once)
