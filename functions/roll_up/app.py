"""Once an hour: sum up what came in, make the pasts that ticks read, delete what is too old."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import boto3
import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from usage_anomaly import catalog, settings
from usage_anomaly.on_demand import OnDemand
from usage_anomaly.rolling_up import Settings, Stores, run
from usage_anomaly.search.client import connect
from usage_anomaly.search.history import History


def tallied(kind: str) -> bool:
    """Whether a kind is so busy that its events come back merged."""
    return CATALOG.kind_of(kind).keep == "tally"


SETTINGS = settings.read(Settings, os.environ)
CATALOG = catalog.load()
CLIENT = connect(SETTINGS.search_endpoint, SETTINGS.search_auth, SETTINGS.aws_region)
STORES = Stores(
    client=CLIENT,
    archive=History(CLIENT, tallied),
    table=OnDemand(lambda: boto3.resource("dynamodb").Table(SETTINGS.state_table)),
)
LOGGER = Logger()


@LOGGER.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One run of the schedule; the event says nothing that matters."""
    now = datetime.now(UTC)
    report = run(STORES, CATALOG, SETTINGS.retention_days, now, lambda: context.get_remaining_time_in_millis() / 1_000)
    said: dict[str, Any] = msgspec.to_builtins(report)
    LOGGER.info("rolled up", report=said)
    return said
