"""Does the newest state of an anomaly stay, in whatever order the states are written?"""

from __future__ import annotations

import msgspec
import pytest
from opensearchpy import OpenSearch
from tests.enrichment import incidents
from tests.enrichment.incidents import ACCOUNT
from tests.search.making import NOBODY, at_once
from tests.search.serving import LOOPBACK

from usage_anomaly import catalog as catalogs
from usage_anomaly.anomalies import Anomaly
from usage_anomaly.search.anomalies import keep
from usage_anomaly.search.client import SearchUnavailable, connect

pytestmark = LOOPBACK


def anomaly() -> Anomaly:
    return incidents.told(catalogs.load().kinds["ec2.instances"], incidents.stolen_key(), ())


def state(sequence: int, total: int) -> Anomaly:
    return msgspec.structs.replace(anomaly(), sequence=sequence, total=total)


def test_a_late_older_state_changes_nothing(client: OpenSearch) -> None:
    """Executions of two sequences overtake each other; the record must end with the newer one."""
    assert keep(client, state(2, 20))
    assert not keep(client, state(1, 10))
    assert keep(client, state(2, 20))
    assert keep(client, state(3, 30))
    client.indices.refresh(index="usage-anomalies")
    (hit,) = client.search(index="usage-anomalies")["hits"]["hits"]
    assert (hit["_source"]["sequence"], hit["_source"]["total"]) == (3, 30)


def test_a_kept_anomaly_is_found_by_what_people_ask_for(client: OpenSearch) -> None:
    """Chat and dashboards ask by account, kind, time and cost."""
    keep(client, anomaly())
    client.indices.refresh(index="usage-anomalies")
    asked = {"bool": {"filter": [{"term": {"account_id": ACCOUNT}}, {"range": {"start": {"gte": "2020-01-01"}}}]}}
    (hit,) = client.search(index="usage-anomalies", body={"query": asked})["hits"]["hits"]
    assert msgspec.convert(hit["_source"], Anomaly) == anomaly()


def test_production_and_staging_can_be_told_apart(client: OpenSearch) -> None:
    """The anomaly knows the account's number only; who compares types would have to look up each."""
    keep(client, anomaly(), account_type="development")
    keep(client, msgspec.structs.replace(anomaly(), id="of-an-account-that-nobody-could-look-up"))
    client.indices.refresh(index="usage-anomalies")
    types = {"terms": {"field": "account_type", "missing": "unknown"}}
    answer = client.search(index="usage-anomalies", body={"size": 0, "aggs": {"types": types}})
    found = {each["key"]: each["doc_count"] for each in answer["aggregations"]["types"]["buckets"]}
    assert found == {"development": 1, "unknown": 1}


def test_a_cluster_that_is_away_is_said_as_such() -> None:
    """The state machine tries again by this error's name."""
    with connect(NOBODY, "none", "") as nobody, pytest.raises(SearchUnavailable):
        keep(nobody, anomaly(), at_once)
