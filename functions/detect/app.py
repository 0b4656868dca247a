"""Every minute: judge what has come in, tell what is new, start the workflow for every alert that waits."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import partial
from typing import Any

import boto3
import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from usage_anomaly import catalog, organization, settings
from usage_anomaly.bench import Reader
from usage_anomaly.directory import Directory
from usage_anomaly.enrichment import prices
from usage_anomaly.limits_parameter import LimitsParameter
from usage_anomaly.on_demand import OnDemand
from usage_anomaly.search.client import connect
from usage_anomaly.search.history import History
from usage_anomaly.search.learned import Results
from usage_anomaly.starting import starter
from usage_anomaly.ticking import tick


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the template sets."""

    search_endpoint: str
    search_auth: str
    aws_region: str
    state_table: str
    state_machine_arn: str
    organization_role_arn: str = ""
    limits_parameter: str = ""


def tallied(kind: str) -> bool:
    """Whether a kind is so busy that its events come back merged."""
    return CATALOG.kind_of(kind).keep == "tally"


SETTINGS = settings.read(Settings, os.environ)
CATALOG = catalog.load()
# Made in the first tick: it takes 80 ms, and nobody waits for a tick to begin.
TABLE = OnDemand(lambda: boto3.resource("dynamodb").Table(SETTINGS.state_table))
ORGANIZATIONS = OnDemand(partial(organization.connect, SETTINGS.organization_role_arn, organization.HASTY))
DIRECTORY = Directory(TABLE, ORGANIZATIONS)
SYSTEMS_MANAGER = OnDemand(partial(boto3.client, "ssm", config=organization.HASTY))
LIMITS = LimitsParameter(SYSTEMS_MANAGER, TABLE, SETTINGS.limits_parameter, CATALOG)
CLIENT = connect(SETTINGS.search_endpoint, SETTINGS.search_auth, SETTINGS.aws_region)
READER = Reader(
    history=History(CLIENT, tallied),
    catalog=CATALOG,
    account=DIRECTORY.account,
    prices_date=prices.load().date,
    learned=Results(CLIENT),
)
START = starter(OnDemand(partial(boto3.client, "stepfunctions")), SETTINGS.state_machine_arn)
LOGGER = Logger()
METRICS = Metrics()


@LOGGER.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One minute; the event says nothing that matters."""
    now = datetime.now(UTC)
    DIRECTORY.begin(now)
    reader = msgspec.structs.replace(READER, overrides=LIMITS.at(now))
    if LIMITS.problem is not None:
        LOGGER.warning("limits not taken, judging by those before", reason=LIMITS.problem)
        METRICS.add_metric(name="StaleLimits", unit=MetricUnit.Count, value=1)
        METRICS.flush_metrics()
    report = tick(reader, TABLE, START, now, lambda: context.get_remaining_time_in_millis() / 1_000)
    said = msgspec.structs.asdict(report)
    LOGGER.info("ticked", report=said)
    return said
