"""Doorway of the step "Estimate cost": what does it cost?"""

from __future__ import annotations

import os
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from usage_anomaly import catalog, settings
from usage_anomaly.enrichment import prices
from usage_anomaly.search.client import connect
from usage_anomaly.search.past import SearchedPast
from usage_anomaly.workflow import estimate_cost


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the template sets."""

    search_endpoint: str
    search_auth: str
    aws_region: str


SETTINGS = settings.read(Settings, os.environ)
PAST = SearchedPast(connect(SETTINGS.search_endpoint, SETTINGS.search_auth, SETTINGS.aws_region))
CATALOG = catalog.load()
PRICES_DATE = prices.load().date
logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Input: {"anomaly", "now"}; output: {"cost", "notes", "gaps"}."""
    return estimate_cost.run(event, PAST, CATALOG, PRICES_DATE)
