"""What else fills a trail, day and night, without being news?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from random import Random
from typing import Any

from usage_anomaly_generator import actors
from usage_anomaly_generator.calls import Actor, Call, Failure, Invocation, Other, Span, after, around, is_weekend
from usage_anomaly_generator.organization import Account

SWEPT: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("ec2.amazonaws.com", "DescribeInstances", {"instancesSet": {}, "filterSet": {}}),
    ("ec2.amazonaws.com", "DescribeVolumes", {"volumeSet": {}, "filterSet": {}}),
    ("ec2.amazonaws.com", "DescribeSecurityGroups", {"securityGroupSet": {}, "filterSet": {}}),
    ("rds.amazonaws.com", "DescribeDBInstances", {"maxRecords": 100}),
    ("lambda.amazonaws.com", "ListFunctions20150331", {"maxItems": 50}),
    ("iam.amazonaws.com", "ListRoles", {"maxItems": 1000}),
    ("s3.amazonaws.com", "GetBucketAcl", {"bucketName": "artifacts", "acl": ""}),
    ("kms.amazonaws.com", "ListKeys", {"limit": 100}),
)
OFFICE_HOURS = range(8, 18)


def lambda_day_and_night(
    account: Account,
    span: Span,
    rng: Random,
    *,
    per_hour: float = 40,
    every_minutes: int = 30,
    function: str = "render-page",
    scale: float = 1,
) -> Iterator[Call]:
    """Invocations by day, a quarter of them by night, half of them at weekends; each slot's come within two minutes."""
    actor = actors.service("apigateway.amazonaws.com")
    details = Invocation(function)
    for day in span.days():
        for minute in range(0, 24 * 60, every_minutes):
            factor = (1 if minute // 60 in OFFICE_HOURS else 0.25) * (0.5 if is_weekend(day) else 1)
            for _ in range(around(rng, per_hour * scale * factor * every_minutes / 60, 0.3)):
                at = after(day, minutes=minute, seconds=rng.randrange(120))
                yield Call(at, account.id, account.region, "Invoke", actor, details)


def config_sweeps(
    account: Account, span: Span, rng: Random, *, reads: float = 60, hour: float = 5, scale: float = 1
) -> Iterator[Call]:
    """AWS Config reads everything once a day in each region of the account, within three minutes."""
    actor = actors.service_role(account, "AWSServiceRoleForConfig", "AWSConfig-Describe", "config.amazonaws.com")
    for day in span.days():
        for region in account.regions:
            begin = after(day, hours=hour, minutes=rng.uniform(0, 20))
            for _ in range(around(rng, reads * scale)):
                source, name, request = rng.choice(SWEPT)
                at = after(begin, seconds=rng.randrange(180))
                yield Call(at, account.id, region, name, actor, Other(source, request))


def refused_log_delivery(
    account: Account, span: Span, rng: Random, *, every_minutes: int = 60, scale: float = 1
) -> Iterator[Call]:
    """A role without the right to write logs tries all day, and is refused each time."""
    agent = "awslambda-worker/1.0 rusoto/0.48.0 rust/1.90.0 linux"
    actor = actors.role(account, "report-writer", "report-writer", "198.51.100.43", agent)
    message = (
        f"User: {actor.identity['arn']} is not authorized to perform: logs:CreateLogStream "
        f"on resource: arn:aws:logs:{account.region}:{account.id}:log-group:/aws/lambda/report-writer"
    )
    for day in span.days():
        for minute in range(0, 24 * 60, every_minutes):
            for _ in range(max(1, round(2 * scale))):
                at = after(day, minutes=minute, seconds=rng.randrange(60))
                stream = f"{day:%Y/%m/%d}/[$LATEST]{rng.getrandbits(128):032x}"
                request = {"logGroupName": "/aws/lambda/report-writer", "logStreamName": stream}
                details = Other("logs.amazonaws.com", request, read_only=False)
                failure = Failure("AccessDenied", message)
                yield Call(at, account.id, account.region, "CreateLogStream", actor, details, failure)


def legacy_key(
    account: Account, span: Span, rng: Random, *, key: str = "AKIAIOSFODNN7EXAMPLE", scale: float = 1
) -> Iterator[Call]:
    """An old user with a long-lived key lists buckets once a night, from the address of an old build machine."""
    agent = "Boto3/1.26.165 Python/3.8.20 Linux/4.15.0-213-generic Botocore/1.29.165"
    actor = actors.user(account, "ci-legacy", key, "198.51.100.99", agent)
    for day in span.days():
        begin = after(day, hours=2, seconds=rng.randrange(120))
        for index in range(max(1, round(scale))):
            yield read(after(begin, seconds=index), account, actor, "sts.amazonaws.com", "GetCallerIdentity")
            yield read(after(begin, seconds=index + 1), account, actor, "s3.amazonaws.com", "ListBuckets")


def read(at: datetime, account: Account, actor: Actor, source: str, name: str) -> Call:
    return Call(at, account.id, account.region, name, actor, Other(source))
