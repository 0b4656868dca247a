"""Every few minutes: what failed to be ingested before is taken in once the cluster is healthy."""

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
from usage_anomaly.ingesting import FailureStore, Intake
from usage_anomaly.on_demand import OnDemand
from usage_anomaly.redriving import Settings, redrive
from usage_anomaly.search.client import connect

SETTINGS = settings.read(Settings, os.environ)
LOGGER = Logger()
METRICS = Metrics()
QUEUE = OnDemand(partial(boto3.client, "sqs"))
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
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One run of the schedule; the event says nothing that matters."""
    now = datetime.now(UTC)
    done = redrive(INTAKE, SETTINGS, QUEUE, now, lambda: seconds_left(context))
    METRICS.add_metric("RejectedRecords", MetricUnit.Count, done.rejected)
    said = msgspec.structs.asdict(done)
    LOGGER.info("redriven", run=said)
    return said
