"""How is the deployment's health looked at, measured and told?

Every client, name and the clock are parameters. A probe that fails by a named error is unknown; the others still
count, and what is known is published all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from usage_anomaly import health
from usage_anomaly.errors import UsageAnomalyError
from usage_anomaly.health import Calls, Cluster, Executions, Health, Lag, Letters, Probes, Seconds, Unknown
from usage_anomaly.renewing import JOB, Progress
from usage_anomaly.search.client import answering
from usage_anomaly.settings import MissingSetting
from usage_anomaly.state import Table, progress
from usage_anomaly.state import health as memory

T = TypeVar("T")
Publish = Callable[[str, str, float], object]  # name, unit, value
Metric = tuple[str, str, dict[str, str], str]  # namespace, name, dimensions, statistic

NAMESPACE = "MultiAccountAnomalyDetection"
# Name, unit. The first five are published here; ingest and deliver_alert publish the others where they happen.
UNITS = {
    "OverallHealthScore": "Percent",
    "ProcessingSuccessRate": "Percent",
    "LambdaErrorRate": "Percent",
    "OpenSearchUnassignedShards": "Count",
    "IngestLagSeconds": "Seconds",
    "DeadLetters": "Count",
    "HistoryAgeSeconds": "Seconds",
    "RejectedRecords": "Count",
    "AlertLatencySeconds": "Seconds",
    "StaleLimits": "Count",
}
# Lambda names what it could not process aws/lambda/async/<function>/...; what lies elsewhere is done with.
FAILED_PAYLOADS = "aws/lambda/"
MOST_LETTERS = 10_000  # counted; more are said to be as many
_CLUSTER_SECONDS = 5
_PROBE_ERRORS = (BotoCoreError, ClientError, UsageAnomalyError, msgspec.ValidationError)
_ABANDONED = timedelta(minutes=4)  # longer than this function may run: whoever wrote it down is gone


class NoFigures(UsageAnomalyError):
    """CloudWatch did not answer a question in full."""


class Clients(msgspec.Struct, frozen=True, kw_only=True):
    """boto3 clients, the state table, the OpenSearch client, and how to ask for the newest stored event's time."""

    cloudwatch: Any
    s3: Any
    sqs: Any
    sns: Any
    table: Table
    search: Any
    newest_ingest: Callable[[], datetime | None]


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked at. `functions` is role -> function name; `service` the dimension of our own metrics."""

    functions: dict[str, str]
    service: str
    failure_bucket: str
    state_machine_arn: str
    system_topic_arn: str
    failure_queue_url: str = ""  # "": failures go to the bucket only


def read_functions(text: str) -> dict[str, str]:
    """ "ingest=stack-Ingest-1,detect=stack-Detect-2" by role. Raises MissingSetting."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    functions = {role.strip(): name.strip() for role, _, name in pairs}
    if not all(role and name for role, name in functions.items()):
        raise MissingSetting("environment: FUNCTION_NAMES is not role=name,role=name; it is set by template.yaml")
    missing = {health.INGEST, health.DETECT} - functions.keys()
    if missing:
        raise MissingSetting(f"environment: FUNCTION_NAMES names no {' and no '.join(sorted(missing))}")
    return functions


def watch(clients: Clients, places: Places, publish: Publish, now: datetime) -> Health:
    """Look, publish what was seen, then tell what is news. Raises what telling raises, after publishing."""
    probes = look(clients, places, now)
    found = health.assess(probes)
    for name, value in figures(probes, found):
        publish(name, UNITS[name], value)
    tell(clients, places.system_topic_arn, found, now)
    return found


def look(clients: Clients, places: Places, now: datetime) -> Probes:
    """Every probe once; those that fail by a named error are unknown."""
    return Probes(
        cluster=_tried(lambda: cluster(clients.search)),
        functions=_tried(lambda: functions(clients.cloudwatch, places.functions, now)),
        lag=_tried(lambda: lag(clients.newest_ingest, now)),
        outbox=_tried(lambda: outbox(clients.table, now)),
        alerts=_tried(lambda: alerts(clients.cloudwatch, places.service, now)),
        workflow=_tried(lambda: workflow(clients.cloudwatch, places.state_machine_arn, now)),
        dead_letters=_tried(lambda: dead_letters(clients, places, now)),
        history=_tried(lambda: history(clients.table, now)),
    )


def figures(probes: Probes, found: Health) -> Iterator[tuple[str, float]]:
    """Metric and value of all that is known. What is unknown, or did not happen, is left out: no number stands for it."""
    yield "OverallHealthScore", found.score
    if not isinstance(probes.functions, Unknown):
        success, errors = health.success_rate(probes.functions), health.error_rate(probes.functions)
        if success is not None:
            yield "ProcessingSuccessRate", success
        if errors is not None:
            yield "LambdaErrorRate", errors
    if not isinstance(probes.cluster, Unknown):
        yield "OpenSearchUnassignedShards", probes.cluster.unassigned_shards
    called = health.ingest_is_called(probes.functions)  # a quiet organization stores nothing for days
    if called and not isinstance(probes.lag, Unknown) and probes.lag.seconds is not None:
        yield "IngestLagSeconds", probes.lag.seconds
    if not isinstance(probes.dead_letters, Unknown):
        yield "DeadLetters", probes.dead_letters.waiting
    if not isinstance(probes.history, Unknown) and probes.history.worst is not None:
        yield "HistoryAgeSeconds", probes.history.worst


def tell(clients: Clients, topic_arn: str, found: Health, now: datetime) -> None:
    """Publish what changed, once; a run that finds another one ahead of it leaves the telling to that one."""
    row = memory.load(clients.table)
    left = row.memory.untold
    if left and row.memory.untold_at is not None and now - row.memory.untold_at < _ABANDONED:
        return
    standing, news = health.changes(row.memory.standing, found, now)
    pending = (*left, *news)
    kept = memory.Memory(standing=standing, untold=pending, untold_at=now if pending else None)
    if kept == row.memory:
        return
    written = memory.save(clients.table, row, kept)
    if written is None or not pending:
        return
    alert = health.write_alert(found.score, list(pending))
    clients.sns.publish(TopicArn=topic_arn, Subject=alert.subject, Message=alert.text)
    memory.save(clients.table, written, memory.Memory(standing=standing))


# Probes


def cluster(search: Any) -> Cluster:
    """`_cluster/health`."""
    with answering():
        answer = search.cluster.health(request_timeout=_CLUSTER_SECONDS)
    return msgspec.convert(answer, Cluster)


def lag(newest_ingest: Callable[[], datetime | None], now: datetime) -> Lag:
    """Seconds since the newest event was stored."""
    newest = newest_ingest()
    return Lag(None if newest is None else max(0.0, (now - newest).total_seconds()))


def functions(cloudwatch: Any, names: Mapping[str, str], now: datetime) -> dict[str, Calls]:
    """Invocations and errors of each function by role. Raises NoFigures if there are none at all: this one ran, too."""
    metrics = {
        f"{metric.lower()}{at}": ("AWS/Lambda", metric, {"FunctionName": name}, "Sum")
        for at, name in enumerate(names.values())
        for metric in ("Invocations", "Errors")
    }
    values = _ask(cloudwatch, metrics, now)
    if not any(values.values()):
        raise NoFigures("CloudWatch has no figure of any function")
    return {
        role: Calls(invocations=int(sum(values[f"invocations{at}"])), errors=int(sum(values[f"errors{at}"])))
        for at, role in enumerate(names)
    }


def workflow(cloudwatch: Any, state_machine_arn: str, now: datetime) -> Executions:
    """Executions started, and those that ended badly."""
    names = ("ExecutionsStarted", "ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted")
    where = {"StateMachineArn": state_machine_arn}
    values = _ask(cloudwatch, {name.lower(): ("AWS/States", name, where, "Sum") for name in names}, now)
    started, *bad = (int(sum(values[name.lower()])) for name in names)
    return Executions(started=started, failed=sum(bad))


def alerts(cloudwatch: Any, service: str, now: datetime) -> Seconds:
    """The slowest alert that deliver_alert published within the window."""
    metric = (NAMESPACE, "AlertLatencySeconds", {"service": service}, "Maximum")
    return Seconds(max(_ask(cloudwatch, {"slowest": metric}, now)["slowest"], default=None))


def outbox(table: Table, now: datetime) -> Seconds:
    """Age of the oldest snapshot whose execution was not seen to start."""
    page = table.query(
        IndexName="work",
        KeyConditionExpression="#work = :work",
        ExpressionAttributeNames={"#work": "work"},
        ExpressionAttributeValues={":work": "OUTBOX"},
        Limit=1,
    )
    ages = [(now - datetime.fromisoformat(item["at"])).total_seconds() for item in page["Items"]]
    return Seconds(max(0.0, ages[0]) if ages else None)


def history(table: Table, now: datetime) -> Seconds:
    """Since the daily pasts were all made, or since the job first ran; None before that."""
    made = progress.read(table, JOB, Progress)
    since = made.finished or made.began
    return Seconds(None if since is None else max(0.0, (now - since).total_seconds()))


def dead_letters(clients: Clients, places: Places, now: datetime) -> Letters:
    """Failed payloads in the bucket and messages in the queue."""
    pages = clients.s3.get_paginator("list_objects_v2").paginate(
        Bucket=places.failure_bucket, Prefix=FAILED_PAYLOADS, PaginationConfig={"MaxItems": MOST_LETTERS}
    )
    times = [found["LastModified"] for page in pages for found in page.get("Contents", ())]
    oldest = max(0.0, (now - min(times)).total_seconds()) if times else 0.0
    queued = _queued(clients.sqs, places.failure_queue_url) if places.failure_queue_url else 0
    return Letters(waiting=len(times) + queued, oldest_seconds=oldest)


def _queued(sqs: Any, url: str) -> int:
    """Messages that wait, and those that a run of redrive holds at the moment."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(counts[name]) for name in names)


def _tried(probe: Callable[[], T]) -> T | Unknown:
    try:
        return probe()
    except _PROBE_ERRORS as error:
        code = error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None
        return Unknown(str(code or type(error).__name__))


def _ask(cloudwatch: Any, metrics: Mapping[str, Metric], now: datetime) -> dict[str, list[float]]:
    """The values of each metric, by the minute, within the window. Raises NoFigures where one was not answered in full."""
    queries = [
        {
            "Id": key,
            "MetricStat": {
                "Metric": {
                    "Namespace": namespace,
                    "MetricName": name,
                    "Dimensions": [{"Name": of, "Value": value} for of, value in dimensions.items()],
                },
                "Period": 60,
                "Stat": statistic,
            },
        }
        for key, (namespace, name, dimensions, statistic) in metrics.items()
    ]
    values: dict[str, list[float]] = {key: [] for key in metrics}
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries, StartTime=now - health.WINDOW, EndTime=now
    )
    for page in pages:
        for result in page["MetricDataResults"]:
            if result.get("StatusCode") in ("InternalError", "Forbidden"):
                raise NoFigures(f"CloudWatch: {result['StatusCode']}")
            values[result["Id"]].extend(result["Values"])
    return values
