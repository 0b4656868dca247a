"""Does the step share one anomaly through the function, and does it say so when it could not?"""

from __future__ import annotations

import base64
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from tests.chat.conftest import NOW, SOURCE, Clock
from tests.chat.service import APPLICATION, DATA_SOURCE, INDEX, Service

from usage_anomaly.catalog import Catalog
from usage_anomaly.workflow import share_with_chat
from usage_anomaly.workflow.share_with_chat import NotTaken

ID = "ec2-instances-111122223333-20261125T1004Z"
CONTEXT = SimpleNamespace(
    function_name="share",
    memory_limit_in_mb=256,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:share",
    aws_request_id="00000000-0000-4000-8000-000000000001",
    get_remaining_time_in_millis=lambda: 60_000,
)


@pytest.fixture
def event(root: Path) -> dict[str, Any]:
    """What the state machine hands to the step."""
    found: dict[str, Any] = msgspec.json.decode((root / "events" / "share_with_chat.json").read_bytes())
    return found


@pytest.fixture
def app(root: Path, credentials: None, address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The function as Lambda loads it; only an endpoint in the environment tells it from production."""
    for name, value in {
        "AWS_ENDPOINT_URL_QBUSINESS": address,
        "QBUSINESS_APPLICATION_ID": APPLICATION,
        "QBUSINESS_INDEX_ID": INDEX,
        "QBUSINESS_DATA_SOURCE_ID": DATA_SOURCE,
    }.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("share_app", root / "functions" / "share_with_chat" / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    module.QBUSINESS.close()


def test_function_shares_the_anomaly_of_the_event(app: Any, service: Service, event: dict[str, Any]) -> None:
    """Through the real client, over the wire, with the account's type and owner from the alert's attributes."""
    assert os.environ["AWS_ENDPOINT_URL_QBUSINESS"].startswith("http://127.0.0.1:")
    assert app.handler(event, CONTEXT) == {"shared": ID}
    assert service.faults == []
    entry = service.documents[ID]
    body = base64.b64decode(entry["content"]["blob"]).decode()
    assert "- Account type: development" in body
    assert "- Owner: ml-platform" in body
    attributes = {each["name"]: each["value"] for each in entry["attributes"]}
    assert attributes["usd_per_hour"] == {"longValue": 1_151}
    assert attributes["account_type"] == {"stringValue": "development"}


def test_document_that_is_refused_fails_the_step(
    catalog: Catalog, client: Any, service: Service, clock: Clock, event: dict[str, Any]
) -> None:
    """The workflow states the gap; a success that shared nothing would hide it."""
    service.fail_always = {ID}
    with pytest.raises(NotTaken, match="InternalError"):
        share_with_chat.run(event, catalog, client, SOURCE, clock.pace, NOW)
    assert service.sync is None


def test_anomaly_alone_is_enough(
    catalog: Catalog, client: Any, service: Service, clock: Clock, event: dict[str, Any]
) -> None:
    """When advice failed there are no attributes; the document says what is not known."""
    given = {"anomaly": event["anomaly"]}
    assert share_with_chat.run(given, catalog, client, SOURCE, clock.pace, NOW) == {"shared": ID}
    assert service.faults == []
