"""Doorway of the step "Advise and assess": how bad is it, what should be done, is it told?"""

from __future__ import annotations

import os
from typing import Any

import boto3
import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from usage_anomaly import catalog, settings
from usage_anomaly.workflow import advise


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the template sets."""

    state_table: str


SETTINGS = settings.read(Settings, os.environ)
TABLE = boto3.resource("dynamodb").Table(SETTINGS.state_table)
CATALOG = catalog.load()
logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Input: the workflow's state; output: the result that is told, kept and replayed."""
    return advise.run(event, TABLE, CATALOG)
