"""Does each function take its sample event through its own doorway?"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.enrichment import incidents
from tests.workflow.samples import FOLDER, samples, text_of
from tests.workflow.world import MemoryPast, World, incident, load_app

from usage_anomaly.catalog import Catalog
from usage_anomaly.settings import MissingSetting
from usage_anomaly.state import accounts

NEEDS = {
    "enrich_account": ("STATE_TABLE",),
    "estimate_cost": ("SEARCH_ENDPOINT", "SEARCH_AUTH", "AWS_REGION"),
    "find_evidence": ("SEARCH_ENDPOINT", "SEARCH_AUTH", "AWS_REGION"),
    "advise": ("STATE_TABLE",),
    "deliver_alert": ("STATE_TABLE", "ALERT_TOPIC_ARN"),
    "record_anomaly": ("SEARCH_ENDPOINT", "SEARCH_AUTH", "AWS_REGION"),
}


def call(world: World, name: str) -> dict[str, Any]:
    """The doorway's answer to its file in events/, as JSON brings it back."""
    answer, failed = world.invoke(name, (FOLDER / f"{name}.json").read_text("utf-8"))
    assert not failed, world.failures
    decoded: dict[str, Any] = json.loads(answer)
    return decoded


@pytest.fixture
def ready(world: World, catalog: Catalog) -> World:
    events, _ = incident(catalog, released=16)
    world.past = MemoryPast(events)
    return world


def test_the_samples_are_what_the_steps_hand_over(catalog: Catalog) -> None:
    """They are documentation, and what `make invoke` sends: an old shape would teach an old contract."""
    for name, sample in samples(catalog).items():
        assert (FOLDER / f"{name}.json").read_text("utf-8") == text_of(sample), (
            f"python -m tests.workflow.samples: {name}"
        )


def test_enrich_account(ready: World) -> None:
    """Looked up in the table, as on most days."""
    accounts.keep(ready.table, incidents.SANDBOX, datetime.now(UTC))
    assert call(ready, "enrich_account")["account"]["name"] == "sandbox-ml"


def test_estimate_cost(ready: World) -> None:
    """31 of 47 machines still run: the rate is net, what was spent is not."""
    cost = call(ready, "estimate_cost")["cost"]
    assert cost["usd_per_hour"] == pytest.approx(31 * 24.48)
    assert cost["confidence"] == 1.0


def test_find_evidence(ready: World) -> None:
    """Who it was, and what is left to stop, by place."""
    found = call(ready, "find_evidence")
    assert found["evidence"]["actors"][0]["arn"].endswith("user/ci-legacy")
    assert {place["region"]: len(place["resources"]) for place in found["places"]} == {
        "us-east-1": 12, "us-east-2": 4, "us-west-2": 15,
    }  # fmt: skip


def test_advise(ready: World) -> None:
    """Severity, steps and mail of the sample, kept for the next time."""
    result = call(ready, "advise")
    assert result["mail"]["subject"].startswith("[")
    assert result["tell"] is True
    assert result == call(ready, "advise")


def test_deliver_alert(ready: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Sent once; its latency becomes a metric of the deployment's namespace, and none for what was not sent."""
    assert call(ready, "deliver_alert")["outcome"] == "SENT"
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (metric,) = (line for line in lines if "_aws" in line)
    assert metric["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "MultiAccountAnomalyDetection"
    assert metric["AlertLatencySeconds"][0] > 0
    assert call(ready, "deliver_alert")["outcome"] == "DUPLICATE"
    assert "_aws" not in capsys.readouterr().out


def test_record_anomaly(ready: World) -> None:
    """The complete anomaly goes to the index."""
    assert call(ready, "record_anomaly") == {"outcome": "KEPT"}
    assert ready.kept[0].severity > 9


@pytest.mark.parametrize(("name", "variable"), [(name, each) for name, needs in NEEDS.items() for each in needs])
def test_a_missing_setting_stops_the_start_with_its_name(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, variable: str
) -> None:
    """Otherwise a mistake in the template shows only when an alert is due."""
    assert variable in os.environ
    monkeypatch.delenv(variable)
    with pytest.raises(MissingSetting, match=variable.lower()):
        load_app(name)


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_no_payload_is_logged(ready: World, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Records and tags stay out of the logs, which more people read than the alerts."""
    accounts.keep(ready.table, incidents.SANDBOX, datetime.now(UTC))
    call(ready, name)
    said = capsys.readouterr()
    for secret in (incidents.KEY, "203.0.113.77", "sandbox-ml"):
        assert secret not in said.out + said.err
