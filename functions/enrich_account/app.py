"""Doorway of the step "Look up account": whose account is it?"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import partial
from typing import Any

import boto3
import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from usage_anomaly import organization, settings
from usage_anomaly.on_demand import OnDemand
from usage_anomaly.workflow import enrich_account


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the template sets."""

    state_table: str
    organization_role_arn: str = ""


SETTINGS = settings.read(Settings, os.environ)
TABLE = boto3.resource("dynamodb").Table(SETTINGS.state_table)
ORGANIZATIONS = OnDemand(partial(organization.connect, SETTINGS.organization_role_arn))
MEMORY: enrich_account.Memory = {}
logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Input: {"account_id"}; output: {"account", "gaps"}."""
    return enrich_account.run(event, MEMORY, TABLE, ORGANIZATIONS, datetime.now(UTC))
