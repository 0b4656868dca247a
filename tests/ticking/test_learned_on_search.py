"""Does a document of the plugin's result index become one alert, and only where it should?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from moto import mock_aws
from opensearchpy import OpenSearch
from tests.search.clusters import Cluster, front, stand_in
from tests.search.making import event, plenty
from tests.search.serving import LOOPBACK, bare, client, emulator, url
from tests.search.test_learned import EXECUTED, PLACE, REAL_TIME, keep, of_everything, put, result
from tests.ticking.conftest import Executions, make_table

from usage_anomaly.anomalies import Anomaly
from usage_anomaly.bench import Reader
from usage_anomaly.catalog import Catalog
from usage_anomaly.search import detectors, plugin, setup
from usage_anomaly.search.history import History
from usage_anomaly.search.indexes import moment
from usage_anomaly.search.learned import Results
from usage_anomaly.state import told as rows
from usage_anomaly.ticking import tick
from usage_anomaly.usage import UsageEvent
from usage_anomaly.workflow import Input

__all__ = ["bare", "client", "emulator", "front", "stand_in", "url"]
pytestmark = LOOPBACK

ACCOUNT, KIND = PLACE["account_id"], "ec2.instances"
USED = moment(REAL_TIME["data_start_time"]) + timedelta(seconds=10)
SURE = {"confidence": 0.9}
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


class Deployment:
    """Ticks over what lies in the search server: ten quiet days, then two large machines that no limit minds."""

    def __init__(self, client: OpenSearch, catalog: Catalog) -> None:
        self.client, self.table, self.executions = client, make_table(), Executions()
        self.reader = Reader(
            history=History(client, lambda kind: catalog.kind_of(kind).keep == "tally"),
            catalog=catalog,
            account=lambda _: None,
            prices_date="2026-07-20",
            learned=Results(client),
        )

    def tick(self, now: datetime) -> None:
        self.client.indices.refresh(index="usage-events-*")
        tick(self.reader, self.table, self.executions.start, now, plenty)

    def opened(self) -> list[Anomaly]:
        inputs = [msgspec.json.decode(each, type=Input) for each in self.executions.inputs.values()]
        return [each.anomaly for each in inputs if each.reason == "opened"]


def machines(number: int, when: datetime, count: int, **fields: Any) -> UsageEvent:
    ids = tuple(f"i-{number}-{each}" for each in range(count))
    plain = {"event_time": when, "quantity": count, "vcpus": 44.0 * count, "usd_per_hour": 2.0 * count, **PLACE}
    return event(number, **{**plain, "resource_ids": ids, "group": "c7i.large", **fields})


def use(client: OpenSearch) -> None:
    """Ten quiet days and the two machines, before the first tick."""
    quiet = [machines(day, USED - day * DAY, 1, vcpus=2.0, usd_per_hour=0.1) for day in range(1, 11)]
    keep(client, [*quiet, machines(100, USED, 2)], EXECUTED - 2 * MINUTE)


@pytest.fixture
def deployment(client: OpenSearch, catalog: Catalog) -> Iterator[Deployment]:
    """Its usage came in before; the first tick is to come."""
    use(client)
    with mock_aws():
        yield Deployment(client, catalog)


def test_a_document_becomes_one_alert_about_its_account(deployment: Deployment, client: OpenSearch) -> None:
    """From the index that a live plugin filled to the input of the workflow, and never again."""
    put(client, result(**SURE), result(anomaly_grade=0.0, execution_end_time=REAL_TIME["execution_end_time"] + 1))
    deployment.tick(EXECUTED - MINUTE)
    assert deployment.opened() == []
    for minutes in range(15):
        deployment.tick(EXECUTED + minutes * MINUTE)
    (anomaly,) = deployment.opened()
    assert (anomaly.account_id, anomaly.kind, anomaly.total, anomaly.regions) == (ACCOUNT, KIND, 2, {"eu-west-1": 2})
    assert [(each.detector, each.actual, each.expected) for each in anomaly.findings] == [("learned", 88.0, 4.2899)]
    assert anomaly.ready["learned"] == "yes"
    assert len(deployment.executions.inputs) == 1


def test_a_recorded_result_of_a_young_forest_is_kept_and_not_told(deployment: Deployment, client: OpenSearch) -> None:
    """It is of grade 1.0 and of a confidence of 0.36, as a live plugin left it."""
    put(client, REAL_TIME)
    deployment.tick(EXECUTED + MINUTE)
    assert deployment.executions.inputs == {}
    (kept,) = rows.load(deployment.table, ACCOUNT, KIND).learned
    assert kept.finding.confidence == 0.3589


def test_a_result_over_everything_is_told_of_the_kind_that_added_most(
    deployment: Deployment, client: OpenSearch
) -> None:
    """An alert is about a kind: its commands, its guidance, its machines."""
    put(client, of_everything(**SURE))
    deployment.tick(EXECUTED + MINUTE)
    (anomaly,) = deployment.opened()
    assert anomaly.kind == KIND
    (finding,) = anomaly.findings
    assert finding.reason == (
        "88 USD/h of all kinds together in eu-west-1 in 1 minute, about 4.3 expected; learned, grade 1.00, confidence 0.90"
    )


def test_after_two_days_of_outage_it_is_told_once(deployment: Deployment, client: OpenSearch) -> None:
    """The plugin went on, detect did not; the index holds three days."""
    deployment.tick(EXECUTED - 5 * MINUTE)
    put(client, result(**SURE), result(60, model_id="elsewhere", entity=[{"name": "account_id", "value": "1" * 12}]))
    for minutes in range(3):
        deployment.tick(EXECUTED + 2 * DAY + minutes * MINUTE)
    assert [each.account_id for each in deployment.opened()] == [ACCOUNT]


def test_a_dip_is_not_told(deployment: Deployment, client: OpenSearch) -> None:
    """Versions before 2.19 cannot be told to leave these out."""
    dip = [{**REAL_TIME["feature_data"][0], "data": 1.0}]
    put(client, result(feature_data=dip, **SURE))
    deployment.tick(EXECUTED + MINUTE)
    assert deployment.executions.inputs == {}
    assert rows.load(deployment.table, ACCOUNT, KIND).learned == ()


def test_a_cluster_without_results_has_none_and_ticks_on(deployment: Deployment) -> None:
    """Most clusters on the first morning, and all without the plugin."""
    keep(deployment.client, [machines(200, USED, 30)])
    deployment.tick(EXECUTED + MINUTE)
    ready = {each.ready["learned"] for each in deployment.opened() if each.account_id == ACCOUNT}
    assert ready == {"no anomaly-detection plugin in the cluster"}


def test_with_the_plugin_a_result_that_came_late_is_told_and_what_lacked_was_said(
    stand_in: Cluster, catalog: Catalog
) -> None:
    """From the set-up of the detectors on: they are started, silent for a while, and then there is a result."""
    client = stand_in.asking.client
    setup.configure(client)
    use(client)
    plugin.configure(stand_in.asking, detectors.bodies((3, 4), detectors.BY_REGION, 3), EXECUTED)
    with mock_aws():
        deployment = Deployment(client, catalog)
        keep(client, [machines(200, USED, 30, account_id="999900001111")], EXECUTED)
        deployment.tick(EXECUTED)
        (before,) = (each for each in deployment.opened() if each.account_id == "999900001111")
        assert before.ready["learned"] == "no result for this account in the last hour"
        put(client, result(**SURE))
        deployment.tick(EXECUTED + 5 * MINUTE)
        deployment.tick(EXECUTED + 6 * MINUTE)
    (told,) = (each for each in deployment.opened() if each.account_id == ACCOUNT)
    assert (told.ready["learned"], told.findings[0].detector) == ("yes", "learned")
