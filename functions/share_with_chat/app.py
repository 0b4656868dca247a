"""Doorway of the step "Share with chat": one anomaly becomes one document in Amazon Q Business."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import boto3
import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from usage_anomaly import catalog, settings
from usage_anomaly.chat_services import DataSource, Pace
from usage_anomaly.workflow import share_with_chat


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The data source that documents belong to."""

    qbusiness_application_id: str
    qbusiness_index_id: str
    qbusiness_data_source_id: str


SETTINGS = settings.read(Settings, os.environ)
SOURCE = DataSource(
    application_id=SETTINGS.qbusiness_application_id,
    index_id=SETTINGS.qbusiness_index_id,
    data_source_id=SETTINGS.qbusiness_data_source_id,
)
CATALOG = catalog.load()
# No retries of botocore's own: the room knows how much time is left, and which refusals pass.
QBUSINESS = boto3.client(
    "qbusiness",
    config=Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 1}),
)
logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Input: {"anomaly", "attributes"}; output: {"shared": id}."""
    pace = Pace(time_left=lambda: context.get_remaining_time_in_millis() / 1_000)
    return share_with_chat.run(event, CATALOG, QBUSINESS, SOURCE, pace, datetime.now(UTC))
