"""Do the functions do what their rooms do, when called as Lambda calls them with the samples in events/?"""

from __future__ import annotations

import importlib.util
import json
from datetime import datetime, tzinfo
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from opensearchpy import OpenSearch
from tests.ingest.packing import FUNCTION, NOW, failed, failed_name, subscription, thousand
from tests.search.serving import LOOPBACK, documents
from tests.ticking.conftest import make_table

from usage_anomaly.ingesting import FailureStore
from usage_anomaly.settings import MissingSetting

pytestmark = LOOPBACK

ENVIRONMENT = {
    "SEARCH_AUTH": "none",
    "FAILURE_BUCKET": "failures",
    "OWN_ROLES": "usage-anomaly-IngestRole-1A2B3C4D5E6F,usage-anomaly-DetectRole-1A2B3C4D5E6F",
    "OWN_ACCOUNT_ID": "111122223333",
    "RETENTION_DAYS": "36",
    "INGEST_FUNCTION_NAME": FUNCTION,
    "POWERTOOLS_SERVICE_NAME": "usage-anomaly",
    "POWERTOOLS_METRICS_NAMESPACE": "MultiAccountAnomalyDetection",
}
CONTEXT = SimpleNamespace(
    function_name=FUNCTION,
    memory_limit_in_mb=512,
    invoked_function_arn=f"arn:aws:lambda:us-east-1:111122223333:function:{FUNCTION}",
    aws_request_id="e4b46cbf-b738-4880-8a18-9cf6983408b2",
    get_remaining_time_in_millis=lambda: 120_000,
)


class Clock(datetime):
    """The time at which the samples were made."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return NOW.astimezone(tz)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, url: str, store: FailureStore) -> None:
    """What the template sets."""
    for name, value in {**ENVIRONMENT, "SEARCH_ENDPOINT": url}.items():
        monkeypatch.setenv(name, value)


def load(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A function's app.py, as at a cold start."""
    spec = importlib.util.spec_from_file_location(f"{name}_app", root / "functions" / name / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "datetime", Clock)
    return module


def sample(root: Path, name: str) -> Any:
    return json.loads((root / "events" / f"{name}.json").read_text("utf-8"))


def metrics(text: str) -> list[tuple[str, dict[str, Any]]]:
    """The namespace and values of each embedded metric line."""
    lines = [json.loads(line) for line in text.splitlines() if '"_aws"' in line]
    return [(line["_aws"]["CloudWatchMetrics"][0]["Namespace"], line) for line in lines]


def test_ingest_keeps_the_samples_usage_and_counts_rejections(
    root: Path, client: OpenSearch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sample is what people try the function with; the metric is what its alarm watches."""
    app = load(root, "ingest", monkeypatch)
    app.handler(sample(root, "ingest"), CONTEXT)
    app.handler(sample(root, "ingest-control"), CONTEXT)
    app.handler(subscription(["{broken", "{broken too"]), CONTEXT)
    assert len(documents(client)) > 5
    said = capsys.readouterr().out
    found = metrics(said)
    assert {namespace for namespace, _ in found} == {"MultiAccountAnomalyDetection"}
    assert [line["RejectedRecords"] for _, line in found] == [[0.0], [0.0], [2.0]]
    assert "203.0.113" not in said, "records are never logged"


def test_redrive_takes_in_what_failed(
    root: Path, client: OpenSearch, store: FailureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schedule's event says nothing; everything is in the bucket."""
    store.keep(failed_name(1), failed(subscription(thousand()[:100])))
    app = load(root, "redrive", monkeypatch)
    assert app.handler(sample(root, "redrive"), CONTEXT)["taken"] == 1
    assert documents(client)


def test_roll_up_sums_up_what_ingest_kept(root: Path, client: OpenSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schedule's event says nothing; everything is in the index and the table."""
    load(root, "ingest", monkeypatch).handler(sample(root, "ingest"), CONTEXT)
    client.indices.refresh(index="usage-events-*")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("STATE_TABLE", make_table().name)
    report = load(root, "roll_up", monkeypatch).handler(sample(root, "roll_up"), CONTEXT)
    assert report["hours"] > 0
    assert report["finished"]
    client.indices.refresh(index="usage-hourly-*")
    assert client.count(index="usage-hourly-*")["count"] > 0


@pytest.mark.parametrize("name", ["SEARCH_ENDPOINT", "FAILURE_BUCKET", "OWN_ROLES", "RETENTION_DAYS"])
def test_a_missing_variable_stops_the_start_with_its_name(
    root: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guessed default would lose records, and nobody would notice before the first incident."""
    monkeypatch.delenv(name)
    with pytest.raises(MissingSetting, match=name.lower()):
        load(root, "ingest", monkeypatch)
