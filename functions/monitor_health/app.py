"""Doorway of the health monitor: every five minutes it looks at the deployment, publishes figures and tells what changed."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import partial
from typing import Any

import boto3
import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from usage_anomaly import monitoring, settings
from usage_anomaly.on_demand import OnDemand
from usage_anomaly.search import client as search_client
from usage_anomaly.search import history


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`function_names` is role=name,role=name; `failure_queue_url` is set where failures go to a queue, not the bucket."""

    search_endpoint: str
    search_auth: str
    state_table: str
    failure_bucket: str
    state_machine_arn: str
    system_topic_arn: str
    function_names: str
    powertools_service_name: str
    aws_region: str
    failure_queue_url: str = ""


SETTINGS = settings.read(Settings, os.environ)
PLACES = monitoring.Places(
    functions=monitoring.read_functions(SETTINGS.function_names),
    service=SETTINGS.powertools_service_name,
    failure_bucket=SETTINGS.failure_bucket,
    state_machine_arn=SETTINGS.state_machine_arn,
    system_topic_arn=SETTINGS.system_topic_arn,
    failure_queue_url=SETTINGS.failure_queue_url,
)
# Short: a probe that hangs must leave time for the others.
QUICK = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
SEARCH = search_client.connect(SETTINGS.search_endpoint, SETTINGS.search_auth, SETTINGS.aws_region)
CLIENTS = monitoring.Clients(
    cloudwatch=OnDemand(partial(boto3.client, "cloudwatch", config=QUICK)),
    s3=OnDemand(partial(boto3.client, "s3", config=QUICK)),
    sqs=OnDemand(partial(boto3.client, "sqs", config=QUICK)),
    sns=OnDemand(partial(boto3.client, "sns", config=QUICK)),
    table=OnDemand(lambda: boto3.resource("dynamodb", config=QUICK).Table(SETTINGS.state_table)),
    search=SEARCH,
    newest_ingest=partial(history.newest_ingest, SEARCH),
)
logger = Logger()
metrics = Metrics(namespace=monitoring.NAMESPACE)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The event says nothing; output: the score and what was deducted."""
    found = monitoring.watch(CLIENTS, PLACES, metrics.add_metric, datetime.now(UTC))
    logger.info("health", score=found.score, troubles=[trouble.text for trouble in found.troubles])
    return {"score": found.score, "troubles": [trouble.area for trouble in found.troubles]}
