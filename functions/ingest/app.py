"""Records from the trail's log group: their usage goes to OpenSearch."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import partial
from typing import Any

import boto3
import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from usage_anomaly import catalog, settings
from usage_anomaly.enrichment import prices
from usage_anomaly.ingesting import FailureStore, Intake, Settings, ingest
from usage_anomaly.on_demand import OnDemand
from usage_anomaly.search.client import connect

SETTINGS = settings.read(Settings, os.environ)
LOGGER = Logger()
METRICS = Metrics()
INTAKE = Intake(
    catalog=catalog.load(),
    prices=prices.load(),
    client=connect(SETTINGS.search_endpoint, SETTINGS.search_auth, SETTINGS.aws_region),
    failure_store=FailureStore(OnDemand(partial(boto3.client, "s3")), SETTINGS.failure_bucket),
    settings=SETTINGS,
)


def seconds_left(context: LambdaContext) -> float:
    """Until Lambda stops this call."""
    return context.get_remaining_time_in_millis() / 1_000


@LOGGER.inject_lambda_context
@METRICS.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """One log subscription payload."""
    done = ingest(msgspec.json.encode(event), INTAKE, datetime.now(UTC), lambda: seconds_left(context))
    METRICS.add_metric("RejectedRecords", MetricUnit.Count, done.rejected)
    LOGGER.info("ingested", payload=msgspec.structs.asdict(done))
