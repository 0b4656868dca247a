"""Do documents reach the index once, whatever the service refuses in between?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber
from tests.chat.conftest import NOW, SOURCE, Clock, documents
from tests.chat.service import APPLICATION, DATA_SOURCE, INDEX, Service

from usage_anomaly import chat_services
from usage_anomaly.chat_services import ChatUnavailable, Refused, Shared, SyncBusy, share

SYNC = "d" * 36
WHERE = {"applicationId": APPLICATION, "indexId": INDEX, "dataSourceId": DATA_SOURCE}


def test_every_refusal_at_once_ends_with_all_indexed_once(client: Any, service: Service, clock: Clock) -> None:
    """25 documents, a sync already running, a throttled batch, a failed document: the service's worst ordinary day."""
    made = documents(25)
    service.busy = 2
    service.throttle_puts = [2]
    service.fail_once = {made[13].id}
    assert share(client, SOURCE, made, clock.pace, NOW) == Shared(taken=25)
    assert dict(service.taken) == {document.id: 1 for document in made}
    assert service.batches == [10, 10, 5, 1]
    assert service.faults == []
    assert service.sync is None
    calls = [call for call in service.calls if call != "list"]
    assert calls == ["start"] * 3 + ["put"] * 5 + ["stop"]


def test_same_documents_again_are_the_same_documents(client: Any, service: Service, clock: Clock) -> None:
    """A retried workflow must not double an anomaly in the answers of the chat."""
    for _ in range(2):
        share(client, SOURCE, documents(3), clock.pace, NOW)
    assert sorted(service.documents) == [document.id for document in documents(3)]


def test_document_refused_twice_is_reported(client: Any, service: Service, clock: Clock) -> None:
    """The others are indexed; a third try would only keep the sync busy."""
    made = documents(12)
    service.fail_always = {made[3].id}
    shared = share(client, SOURCE, made, clock.pace, NOW)
    assert shared == Shared(taken=11, refused=(Refused(id=made[3].id, code="InternalError", message="try again"),))
    assert service.batches == [10, 2, 1]
    assert service.sync is None


def test_sync_that_stays_busy_is_left_for_later(client: Any, service: Service, clock: Clock) -> None:
    """The workflow tries again by the error's name; a function that waits to its end would only be killed."""
    service.busy = 1_000
    with pytest.raises(SyncBusy):
        share(client, SOURCE, documents(1), clock.pace, NOW)
    assert clock.left >= 15
    assert "stop" not in service.calls


def test_throttling_to_the_end_stops_the_sync(client: Any, service: Service, clock: Clock) -> None:
    """A sync that nobody stops would block every later one."""
    service.throttle_puts = list(range(1, 1_000))
    with pytest.raises(ChatUnavailable):
        share(client, SOURCE, documents(1), clock.pace, NOW)
    assert service.sync is None


def test_stop_is_tried_again(client: Any, service: Service, clock: Clock) -> None:
    """Stopping is the one call that must not be given up: its time is kept back."""
    service.throttle_stops = 3
    clock.left = 18.0
    assert share(client, SOURCE, documents(1), clock.pace, NOW).taken == 1
    assert service.sync is None


def test_sync_left_by_a_killed_function_is_stopped(client: Any, service: Service, clock: Clock) -> None:
    """Nobody else would: the data source would take nothing any more."""
    service.left_over(timedelta(minutes=16))
    assert share(client, SOURCE, documents(1), clock.pace, datetime.now(UTC)).taken == 1
    assert service.calls == ["start", "list", "stop", "start", "put", "stop"]


def test_sync_of_a_function_that_may_still_run_is_left_alone(client: Any, service: Service, clock: Clock) -> None:
    """Stopping it would lose what the other function is putting."""
    service.left_over(timedelta(minutes=14))
    with pytest.raises(SyncBusy):
        share(client, SOURCE, documents(1), clock.pace, datetime.now(UTC))
    assert "stop" not in service.calls


def test_no_documents_start_no_sync(client: Any, service: Service, clock: Clock) -> None:
    """A sync without documents would delete nothing, add nothing and block for minutes."""
    assert share(client, SOURCE, [], clock.pace, NOW) == Shared(taken=0)
    assert service.calls == []


@pytest.fixture
def stubbed(credentials: None) -> Any:
    client = boto3.client("qbusiness")
    with Stubber(client) as stub:
        yield client, stub
        stub.assert_no_pending_responses()
    client.close()


def test_requests_are_those_of_the_service_model(stubbed: Any, clock: Clock) -> None:
    """botocore checks every argument; each document names its data source and its sync."""
    client, stub = stubbed
    (made,) = documents(1)
    strings = {"_data_source_id": DATA_SOURCE, "_data_source_sync_job_execution_id": SYNC, "severity": "HIGH"}
    attributes: list[dict[str, Any]] = [
        {"name": name, "value": {"stringValue": text}} for name, text in strings.items()
    ]
    attributes += [{"name": "usd_per_hour", "value": {"longValue": 0}}]
    attributes += [{"name": "anomaly_date", "value": {"dateValue": NOW}}]
    entry = {
        "id": made.id,
        "title": made.title,
        "contentType": "MD",
        "content": {"blob": made.body.encode()},
        "attributes": attributes,
    }
    put = {"applicationId": APPLICATION, "indexId": INDEX, "dataSourceSyncId": SYNC, "documents": [entry]}
    stub.add_response("start_data_source_sync_job", {"executionId": SYNC}, WHERE)
    stub.add_response("batch_put_document", {"failedDocuments": []}, put)
    stub.add_response("stop_data_source_sync_job", {}, WHERE)
    assert share(client, SOURCE, [made], clock.pace, NOW).taken == 1


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerException"])
def test_passing_refusals_are_waited_for(stubbed: Any, clock: Clock, code: str) -> None:
    """Each wait is longer than a second's fraction and none is longer than 15 seconds."""
    client, stub = stubbed
    stub.add_client_error("start_data_source_sync_job", code, http_status_code=429, expected_params=WHERE)
    stub.add_response("start_data_source_sync_job", {"executionId": SYNC}, WHERE)
    stub.add_client_error("batch_put_document", code, http_status_code=429)
    stub.add_response("batch_put_document", {}, {**ANY_PUT, "dataSourceSyncId": SYNC})
    stub.add_response("stop_data_source_sync_job", {}, WHERE)
    assert share(client, SOURCE, documents(1), clock.pace, NOW).taken == 1
    assert len(clock.waits) == 2
    assert all(0.5 <= wait <= 15 for wait in clock.waits)


ANY_PUT = {"applicationId": APPLICATION, "indexId": INDEX, "documents": ANY}


def test_lasting_refusal_is_raised_as_it_is_and_the_sync_stopped(stubbed: Any, clock: Clock) -> None:
    """No permission today is no permission in ten seconds."""
    client, stub = stubbed
    stub.add_response("start_data_source_sync_job", {"executionId": SYNC}, WHERE)
    stub.add_client_error("batch_put_document", "AccessDeniedException", http_status_code=403)
    stub.add_response("stop_data_source_sync_job", {}, WHERE)
    with pytest.raises(ClientError, match="AccessDeniedException"):
        share(client, SOURCE, documents(1), clock.pace, NOW)
    assert clock.waits == []


def test_workflows_that_begin_together_do_not_ask_together() -> None:
    """Thirty alerts in a minute share one data source."""
    assert len({chat_services._wait(2, seed) for seed in range(30)}) > 25
