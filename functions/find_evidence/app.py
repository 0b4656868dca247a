"""Doorway of the step "Find evidence": who did it, and what stands before and beside it?"""

from __future__ import annotations

import os
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from usage_anomaly import catalog, settings
from usage_anomaly.search.client import connect
from usage_anomaly.search.past import SearchedPast
from usage_anomaly.workflow import find_evidence


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the template sets."""

    search_endpoint: str
    search_auth: str
    aws_region: str


SETTINGS = settings.read(Settings, os.environ)
PAST = SearchedPast(connect(SETTINGS.search_endpoint, SETTINGS.search_auth, SETTINGS.aws_region))
CATALOG = catalog.load()
logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Input: {"anomaly", "now"}; output: {"evidence", "places", "gaps"}."""
    return find_evidence.run(event, PAST, CATALOG)
