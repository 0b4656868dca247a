"""Does the function publish metrics that CloudWatch understands, whatever happens?"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError
from tests.health.conftest import PLACES, REGION, Account
from tests.health.test_monitoring import DENIED, Failing

from usage_anomaly import monitoring
from usage_anomaly.settings import MissingSetting

ENVIRONMENT = {
    "SEARCH_ENDPOINT": "http://127.0.0.1:9",
    "SEARCH_AUTH": "none",
    "STATE_TABLE": "state",
    "FAILURE_BUCKET": PLACES.failure_bucket,
    "STATE_MACHINE_ARN": PLACES.state_machine_arn,
    "SYSTEM_TOPIC_ARN": PLACES.system_topic_arn,
    "FUNCTION_NAMES": ",".join(f"{role}={name}" for role, name in PLACES.functions.items()),
    "POWERTOOLS_SERVICE_NAME": PLACES.service,
    "FAILURE_QUEUE_URL": "",
}
CONTEXT = SimpleNamespace(
    function_name="stack-Monitor",
    memory_limit_in_mb=256,
    invoked_function_arn=f"arn:aws:lambda:{REGION}:123456789012:function:stack-Monitor",
    aws_request_id="00000000-0000-4000-8000-000000000001",
)


def load(root: Path) -> Any:
    spec = importlib.util.spec_from_file_location(
        "monitor_health_app", root / "functions" / "monitor_health" / "app.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def app(root: Path, cloud: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The function as Lambda loads it, on an account in memory."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    account = Account()
    module = load(root)
    clients = msgspec.structs.replace(module.CLIENTS, search=account.search, newest_ingest=lambda: account.newest)
    monkeypatch.setattr(module, "CLIENTS", clients)
    yield module
    module.metrics.clear_metrics()


def metrics_of(output: str) -> dict[str, Any]:
    """The one EMF line of a run."""
    (line,) = [line for line in output.splitlines() if '"_aws"' in line]
    found: dict[str, Any] = msgspec.json.decode(line)
    return found


def test_schedule_publishes_the_figures(root: Path, app: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Alarms look for these names, this namespace and this one dimension."""
    event = msgspec.json.decode((root / "events" / "monitor_health.json").read_bytes())
    answer = app.handler(event, CONTEXT)
    emf = metrics_of(capsys.readouterr().out)
    (directive,) = emf["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == monitoring.NAMESPACE
    assert directive["Dimensions"] == [["service"]]
    assert emf["service"] == "stack"
    assert emf["OverallHealthScore"] == [answer["score"]]
    assert {each["Name"]: each["Unit"] for each in directive["Metrics"]}.items() <= monitoring.UNITS.items()


def test_figures_leave_the_function_even_if_telling_fails(app: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The alarm on the score must not depend on the topic or the table."""
    app.CLIENTS = msgspec.structs.replace(app.CLIENTS, table=Failing(DENIED))
    with pytest.raises(ClientError):
        app.handler({}, CONTEXT)
    assert "OverallHealthScore" in metrics_of(capsys.readouterr().out)


@pytest.mark.parametrize("name", sorted(set(ENVIRONMENT) - {"FAILURE_QUEUE_URL"}))
def test_missing_setting_stops_the_cold_start(
    root: Path, cloud: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A deployment with a hole fails at once, by name, not at three in the morning."""
    for each, value in ENVIRONMENT.items():
        monkeypatch.setenv(each, value)
    monkeypatch.delenv(name)
    with pytest.raises(MissingSetting, match=f"(?i){name}"):
        load(root)
