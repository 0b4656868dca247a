"""Ingest and redrive against a server, with buckets and queues from moto."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from opensearchpy import OpenSearch
from tests.search.serving import bare, client, emulator, url

from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment.prices import PriceTable
from usage_anomaly.ingesting import FailureStore, Intake, Settings

__all__ = ["bare", "client", "emulator", "url"]

SETTINGS = Settings(
    search_endpoint="",
    search_auth="none",
    aws_region="us-east-1",
    failure_bucket="failures",
    own_roles="usage-anomaly-IngestRole-1A2B3C4D5E6F,usage-anomaly-DetectRole-1A2B3C4D5E6F",
    aws_lambda_function_name="usage-anomaly-IngestFunction-1A2B3C4D5E6F",
    own_account_id="111122223333",
    retention_days=36,
)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS in this process, under keys that are nobody's."""
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield


@pytest.fixture
def store(aws: None) -> FailureStore:
    """The failure bucket, empty."""
    s3: Any = boto3.client("s3")
    s3.create_bucket(Bucket="failures")
    return FailureStore(s3, "failures")


@pytest.fixture
def intake(catalog: Catalog, prices: PriceTable, client: OpenSearch, store: FailureStore) -> Intake:
    """What ingest builds when it starts."""
    return Intake(catalog=catalog, prices=prices, client=client, failure_store=store, settings=SETTINGS)
