"""Doorway of the step "Deliver alert": claim, publish, mark."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import boto3
import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from usage_anomaly import settings
from usage_anomaly.workflow import deliver_alert


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the template sets."""

    state_table: str
    alert_topic_arn: str


# Short enough that a service which hangs is an error of that call, within the function's 30 seconds: killed after the
# publish, the function would publish again. The state machine is who waits for a service to come back.
QUICK = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3})
ONCE_MORE = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
SETTINGS = settings.read(Settings, os.environ)
TABLE = boto3.resource("dynamodb", config=QUICK).Table(SETTINGS.state_table)
SNS = boto3.client("sns", config=ONCE_MORE)
logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Input: {"result", "execution"}; output: {"outcome", "latency_seconds", "marked"}."""
    delivered = deliver_alert.run(event, TABLE, SNS, SETTINGS.alert_topic_arn, datetime.now(UTC))
    if delivered["latency_seconds"] is not None:
        metrics.add_metric(name="AlertLatencySeconds", unit=MetricUnit.Seconds, value=delivered["latency_seconds"])
        metrics.flush_metrics()
    logger.info("delivery", outcome=delivered["outcome"])
    if not delivered["marked"]:
        logger.warning("told, but the claim could not be marked", execution=event["execution"])
    return delivered
