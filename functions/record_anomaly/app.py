"""Doorway of the step "Keep record": is the anomaly kept where people search?"""

from __future__ import annotations

import os
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from usage_anomaly import settings
from usage_anomaly.search.client import connect
from usage_anomaly.workflow import record_anomaly


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the template sets."""

    search_endpoint: str
    search_auth: str
    aws_region: str


SETTINGS = settings.read(Settings, os.environ)
SEARCH = connect(SETTINGS.search_endpoint, SETTINGS.search_auth, SETTINGS.aws_region)
logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Input: {"anomaly", "attributes"}; output: {"outcome"}."""
    return record_anomaly.run(event, SEARCH)
