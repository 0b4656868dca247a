"""A small trail, in a folder or a bucket, and `usage-anomaly backfill` to take it into the cluster of a test."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws
from opensearchpy import OpenSearch
from tests.envelopes.building import log, made, zipped

from usage_anomaly_cli import backfill_command
from usage_anomaly_cli.main import cli

NOW = datetime(2026, 1, 25, 12, tzinfo=UTC)
DAY = "2026/01/20"
KINDS = 2  # a launch counts as instances and as volumes
Backfill = Callable[..., Result]


@pytest.fixture
def backfill(url: str, client: OpenSearch, monkeypatch: pytest.MonkeyPatch) -> Backfill:
    """Runs the command against the cluster of this test, five days after the records of these tests."""
    monkeypatch.setattr(backfill_command, "clock", lambda: NOW)

    def run(*arguments: object) -> Result:
        given = [str(each) for each in arguments]
        return CliRunner().invoke(cli, ["backfill", *given, "--endpoint", url, "--auth", "none"])

    return run


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """S3 in this process, under keys that are nobody's, with the bucket `trail`."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        found: Any = boto3.client("s3")
        found.create_bucket(Bucket="trail")
        yield found


def name_of(number: int, day: str = DAY, region: str = "us-east-1") -> str:
    minute = f"{day.replace('/', '')}T{10 + number // 60:02}{number % 60:02}Z"
    folder = f"AWSLogs/111122223333/CloudTrail/{region}/{day}"
    return f"{folder}/111122223333_CloudTrail_{region}_{minute}_{number:016}.json.gz"


def put_files(folder: Path, objects: int, each: int = 3) -> Path:
    """Objects of launches, all different."""
    for number in range(objects):
        file = folder / name_of(number)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(zipped(log([made(number * each + at) for at in range(each)])))
    return folder


def finished(file: Path) -> list[dict[str, Any]]:
    """The lines of finished objects in a progress file."""
    return [line for line in map(json.loads, file.read_text().splitlines()) if "mark" in line]
