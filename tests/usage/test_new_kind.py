"""Can somebody add a service by adding one folder?"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.usage.calls import call, parsed

from usage_anomaly.catalog import BUNDLED, load
from usage_anomaly.enrichment.prices import PriceTable
from usage_anomaly.envelopes import event_time
from usage_anomaly.usage import UsageEvent, read_usage
from usage_anomaly_cli.catalog_proof import problems

SOURCE = "codebuild.amazonaws.com"
STARTED = call("StartBuild", source=SOURCE, responseElements={"build": {"id": "orders:1", "environment": "large"}})
DELETED = call("BatchDeleteBuilds", source=SOURCE, responseElements={"buildsDeleted": ["orders:1", "orders:2"]})
LIMITS = {"production": 10, "staging": 5, "development": 2, "reason": "An exercise."}
KIND: dict[str, Any] = {
    "kind": "codebuild.builds",
    "title": "CodeBuild builds",
    "one": "build",
    "many": "builds",
    "source": SOURCE,
    "keep": "events",
    "releasable": True,
    "price": "none",
    "calls": [
        {
            "names": ["StartBuild"],
            "direction": "use",
            "group": ["response.build.environment"],
            "resource_ids": ["response.build.id"],
        },
        {
            "names": ["BatchDeleteBuilds"],
            "direction": "release",
            "items": ["response.buildsDeleted[].{id: @}"],
            "resource_ids": ["item.id"],
        },
    ],
    "limits": LIMITS,
    "attempt_limits": LIMITS,
    "guidance": {
        "check": [{"field": "requestParameters.projectName", "span": "all builds", "question": "Whose is it?"}] * 2,
        "contain": [{"text": "the spend", "command": "aws codebuild batch-delete-builds --ids {ids}"}],
        "prevent": [{"text": "The quota on concurrent builds"}],
        "attack": ["T1496"],
    },
}
SAMPLES: list[dict[str, Any]] = [
    {"name": "a build counts", "expect": [{"quantity": 1, "group": "large"}], "record": STARTED},
    {"name": "deleted builds are released", "expect": [{"direction": "release", "quantity": 2}], "record": DELETED},
    *(
        {"name": f"{name} is silent", "expect": [], "record": call(name, source=SOURCE)}
        for name in ("RetryBuild", "StopBuild", "CreateProject", "BatchGetBuilds")
    ),
]


def read(record: dict[str, Any], folder: Path, prices: PriceTable) -> list[UsageEvent]:
    each = parsed(record)
    time = event_time(each)
    assert time is not None
    return read_usage(each, time, "an-id", load(folder), prices)


def test_a_new_kind_is_one_folder(tmp_path: Path, prices: PriceTable) -> None:
    """The promise to whoever adds a service: two files, no code, and `catalog check` proves them."""
    folder = Path(shutil.copytree(BUNDLED, tmp_path / "kinds"))
    new = folder / "codebuild.builds"
    new.mkdir()
    (new / "kind.json").write_text(json.dumps(KIND), "utf-8")
    (new / "samples.jsonl").write_text("\n".join(map(json.dumps, SAMPLES)), "utf-8")
    assert problems(folder, prices) == []
    (event,) = read(STARTED, folder, prices)
    assert (event.kind, event.unit, event.group) == ("codebuild.builds", "builds", "large")
    assert (event.usd_per_hour, event.resource_ids, event.truncated) == (None, ("orders:1",), False)
    (release,) = read(DELETED, folder, prices)
    assert release.resource_ids == ("orders:1", "orders:2")


def test_what_a_savings_plan_commits_to_is_its_price(tmp_path: Path, prices: PriceTable) -> None:
    """The request says it as text, in USD per hour."""
    source = "savingsplans.amazonaws.com"
    request = {"savingsPlanOfferingId": "aabbccdd-0000-4000-8000-000000000001", "commitment": "250.5"}
    kind = KIND | {
        "kind": "savings.plans",
        "source": source,
        "price": "commitment",
        "calls": [
            {
                "names": ["CreateSavingsPlan"],
                "direction": "use",
                "measures": {"usd_per_hour_asked": ["request.commitment"]},
            }
        ],
    }
    _write(tmp_path, kind)
    (event,) = read(call("CreateSavingsPlan", source=source, requestParameters=request), tmp_path, prices)
    assert (event.quantity, event.usd_per_hour) == (1, 250.5)
    assert (event.price_basis, event.price_confidence) == ("commitment named in the call", 1.0)


def test_a_launch_type_sets_the_price_and_is_not_kept(tmp_path: Path, prices: PriceTable) -> None:
    """On Fargate a task has a price, on EC2 none; the event has no field for it."""
    kind = KIND | {
        "price": "fargate",
        "calls": [
            {
                "names": ["StartBuild"],
                "direction": "use",
                "attributes": {"launch_type": ["response.build.launchType"]},
                "measures": {"vcpus": ["response.build.vcpus"], "gib": ["response.build.gib"]},
            }
        ],
    }
    _write(tmp_path, kind)
    for launch_type, usd in (("FARGATE", 0.05678), ("EC2", None)):
        answer = {"build": {"launchType": launch_type, "vcpus": 1, "gib": 2}}
        record = call("StartBuild", source=SOURCE, awsRegion="eu-central-1", responseElements=answer)
        (event,) = read(record, tmp_path, prices)
        assert (event.usd_per_hour, event.gib) == (usd, 2.0)


def _write(folder: Path, kind: dict[str, Any]) -> None:
    (folder / kind["kind"]).mkdir()
    (folder / kind["kind"] / "kind.json").write_text(json.dumps(kind), "utf-8")
