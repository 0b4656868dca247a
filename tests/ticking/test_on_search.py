"""Do ingest, index and tick together tell an incident once, through an outage of the search server too?"""

from __future__ import annotations

import json
from datetime import timedelta

import boto3
import msgspec
import pytest
from opensearchpy import OpenSearch
from tests.ingest.conftest import SETTINGS, aws, intake, store
from tests.ingest.packing import FUNCTION, NOW, failed, failed_name, payloads, thousand
from tests.search.making import NOBODY, plenty
from tests.search.serving import LOOPBACK, bare, client, documents, emulator, url
from tests.ticking.conftest import Executions, make_table

from usage_anomaly.bench import Reader
from usage_anomaly.ingesting import FailureStore, Intake, ingest
from usage_anomaly.redriving import Settings, redrive
from usage_anomaly.search.client import SearchUnavailable, connect
from usage_anomaly.search.history import History
from usage_anomaly.state import Table
from usage_anomaly.ticking import tick
from usage_anomaly.workflow import Input

__all__ = ["aws", "bare", "client", "emulator", "intake", "store", "url"]
pytestmark = LOOPBACK
REDRIVE = Settings(**{**msgspec.structs.asdict(SETTINGS), "ingest_function_name": FUNCTION})
SANDBOX = "111122223333"


class Deployment:
    """Ticks over the documents in the search server, with the state table of the template."""

    def __init__(self, intake: Intake, client: OpenSearch, name: str = "state") -> None:
        self.client = client
        self.table: Table = make_table(name)
        self.executions = Executions()
        self.reader = Reader(
            history=History(client, lambda kind: intake.catalog.kind_of(kind).keep == "tally"),
            catalog=intake.catalog,
            account=lambda _: None,
            prices_date="2026-07-20",
        )

    def tick(self, minutes: int) -> None:
        self.client.indices.refresh(index="usage-events-*")
        tick(self.reader, self.table, self.executions.start, NOW + timedelta(minutes=minutes), plenty)

    def opened(self) -> list[tuple[str, str, int]]:
        """Account, kind and total of each anomaly when it was opened."""
        inputs = [msgspec.json.decode(each, type=Input) for each in self.executions.inputs.values()]
        first = [each.anomaly for each in inputs if each.reason == "opened"]
        return sorted((each.account_id, each.kind, each.total) for each in first)


def sandbox(opened: list[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    return [each for each in opened if each[:2] == (SANDBOX, "ec2.instances")]


def test_a_thousand_records_sent_twice_tell_an_incident_once(intake: Intake, client: OpenSearch) -> None:
    """CloudWatch Logs delivers at least once; people are told once."""
    deployment = Deployment(intake, client)
    for payload in payloads(thousand()):
        ingest(json.dumps(payload).encode(), intake, NOW, plenty)
    deployment.tick(1)
    opened, stored = deployment.opened(), documents(client)
    assert len(sandbox(opened)) == 1
    for payload in payloads(thousand(), 150):
        ingest(json.dumps(payload).encode(), intake, NOW + timedelta(minutes=2), plenty)
    deployment.tick(3)
    assert documents(client) == stored
    assert deployment.opened() == opened


def test_an_outage_during_an_incident_ends_in_the_same_documents_and_one_alert(
    intake: Intake, store: FailureStore, client: OpenSearch
) -> None:
    """The second and third payload find no server; redrive brings them back, and the incident is still told once."""
    deployment = Deployment(intake, client)
    with connect(NOBODY, "none", "") as nobody:
        away = msgspec.structs.replace(intake, client=nobody)
        for number, payload in enumerate(payloads(thousand())):
            content = json.dumps(payload).encode()
            if number in (1, 2):
                with pytest.raises(SearchUnavailable):
                    ingest(content, away, NOW, lambda: 1.0)
                store.keep(failed_name(number), failed(payload))
            else:
                ingest(content, intake, NOW, plenty)
    deployment.tick(1)
    redrive(intake, REDRIVE, boto3.client("sqs"), NOW + timedelta(minutes=2), plenty)
    deployment.tick(3)
    deployment.tick(4)
    after_outage = sandbox(deployment.opened())
    assert len(after_outage) == 1
    ids = {msgspec.json.decode(each, type=Input).anomaly.id for each in deployment.executions.inputs.values()}
    untroubled = Deployment(intake, client, "other")
    untroubled.tick(5)
    assert {each.split("-2026")[0] for each in ids} == {
        msgspec.json.decode(each, type=Input).anomaly.id.split("-2026")[0]
        for each in untroubled.executions.inputs.values()
    }
