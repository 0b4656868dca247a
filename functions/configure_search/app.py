"""At each deployment: the cluster is set up before new code writes; at the end its detectors go (CloudFormation resource)."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from usage_anomaly import settings
from usage_anomaly.search import resource, setup


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What this function reads from the environment."""

    search_endpoint: str
    search_auth: str
    aws_region: str


LOGGER = Logger()


def seconds_left(context: LambdaContext) -> float:
    """Until Lambda stops this call."""
    return context.get_remaining_time_in_millis() / 1_000


@LOGGER.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """One request of CloudFormation; nothing outside may fail, or it would go unanswered."""
    told = resource.handle(
        event,
        lambda wanted: setup.run(
            settings.read(Settings, os.environ), wanted, lambda: seconds_left(context), datetime.now(UTC)
        ),
        lambda wanted: setup.remove(settings.read(Settings, os.environ), wanted, lambda: seconds_left(context)),
    )
    LOGGER.info("configured search", status=told.status, reason=told.reason)
