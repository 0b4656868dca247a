"""The world of the workflow's tests, set up and taken down."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core.config import DefaultConfig
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from tests.workflow.world import REGION, MemoryPast, World

from usage_anomaly.anomalies import Anomaly
from usage_anomaly.search import anomalies

MOTO: DefaultConfig = {"stepfunctions": {"execute_state_machine": True}, "lambda": {"use_docker": False}}
# Parsing a definition takes moto a second, running it a tenth; a parsed one holds nothing of an execution.
parsed = lru_cache(AmazonStateLanguageParser.parse)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS in this process; a call that moto does not know ends at a closed port of this machine."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true", "POWERTOOLS_TRACE_DISABLED": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with mock_aws(config=MOTO):
        yield


@pytest.fixture
def world(aws: None, monkeypatch: pytest.MonkeyPatch) -> World:
    """The deployed workflow. Waits between retries take no time: which errors are retried is what counts here."""
    made = World(MemoryPast([]))

    def invoke(_: Any, function_name: str, qualifier: Any, body: Any, headers: Any, response_headers: Any) -> bytes:
        text, failed = made.invoke(function_name, body.decode() if isinstance(body, bytes) else body)
        if failed:
            response_headers["x-amz-function-error"] = "Unhandled"
        return text.encode()

    def keep(client: object, anomaly: Anomaly, *, account_type: str | None) -> bool:
        made.kept.append(anomaly)
        made.kept_types.append(account_type)
        return True

    monkeypatch.setattr(LambdaSimpleBackend, "invoke", invoke)
    monkeypatch.setattr(AmazonStateLanguageParser, "parse", parsed)
    monkeypatch.setattr(retrier_decl, "time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(anomalies, "keep", keep)
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    return made
