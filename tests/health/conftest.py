"""What do the monitor's tests share? An account in memory with everything that the probes look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import boto3
import msgspec
import pytest
from moto import mock_aws
from tests.health.building import NOW

from usage_anomaly.monitoring import Clients, Places

REGION = "eu-central-1"
MACHINE = f"arn:aws:states:{REGION}:123456789012:stateMachine:enrichment"
PLACES = Places(
    functions={"ingest": "stack-Ingest", "detect": "stack-Detect", "advise": "stack-Advise"},
    service="stack",
    failure_bucket="failures",
    state_machine_arn=MACHINE,
    system_topic_arn=f"arn:aws:sns:{REGION}:123456789012:system",
)


class Search:
    """The part of an OpenSearch client that the probe uses."""

    def __init__(self, status: str = "green", unassigned: int = 0) -> None:
        self.answer: dict[str, Any] = {"status": status, "unassigned_shards": unassigned, "number_of_nodes": 1}
        self.error: Exception | None = None
        self.cluster = self

    def health(self, **_: Any) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        return self.answer


class Account:
    """Clients of moto, and what the tests put into the account."""

    def __init__(self) -> None:
        self.search = Search()
        self.newest: datetime | None = NOW - timedelta(seconds=20)
        self.s3, self.sqs = boto3.client("s3"), boto3.client("sqs")
        self.sns, self.cloudwatch = boto3.client("sns"), boto3.client("cloudwatch")
        self.table = _table()
        self.s3.create_bucket(Bucket="failures", CreateBucketConfiguration={"LocationConstraint": REGION})
        self.sns.create_topic(Name="system")
        self.inbox = self.sqs.create_queue(QueueName="inbox")["QueueUrl"]
        inbox_arn = f"arn:aws:sqs:{REGION}:123456789012:inbox"
        self.sns.subscribe(TopicArn=PLACES.system_topic_arn, Protocol="sqs", Endpoint=inbox_arn)

    @property
    def clients(self) -> Clients:
        return Clients(
            cloudwatch=self.cloudwatch,
            s3=self.s3,
            sqs=self.sqs,
            sns=self.sns,
            table=self.table,
            search=self.search,
            newest_ingest=lambda: self.newest,
        )

    def measured(self, namespace: str, name: str, value: float, at: datetime = NOW, **dimensions: str) -> None:
        """One value of a metric, a minute before `at`."""
        self.cloudwatch.put_metric_data(
            Namespace=namespace,
            MetricData=[
                {
                    "MetricName": name,
                    "Dimensions": [{"Name": of, "Value": value} for of, value in dimensions.items()],
                    "Timestamp": at - timedelta(minutes=1),
                    "Value": value,
                }
            ],
        )

    def running_well(self, at: datetime = NOW) -> None:
        for name in PLACES.functions.values():
            self.measured("AWS/Lambda", "Invocations", 15, at, FunctionName=name)
            self.measured("AWS/Lambda", "Errors", 0, at, FunctionName=name)

    def mails(self) -> list[str]:
        """The system alerts that arrived since the last call."""
        found = self.sqs.receive_message(QueueUrl=self.inbox, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            self.sqs.delete_message(QueueUrl=self.inbox, ReceiptHandle=message["ReceiptHandle"])
        return [msgspec.json.decode(message["Body"])["Subject"] for message in found]


def _table() -> Any:
    names = ("pk", "sk", "work", "at")
    return boto3.resource("dynamodb").create_table(
        TableName="state",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "work",
                "KeySchema": [
                    {"AttributeName": "work", "KeyType": "HASH"},
                    {"AttributeName": "at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Everything that boto3 calls stays in this process."""
    for name, value in {
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield


@pytest.fixture
def account(cloud: None) -> Account:
    """An account in which all is well."""
    made = Account()
    made.running_well()
    return made


@pytest.fixture
def published() -> dict[str, tuple[str, float]]:
    """Metric -> unit and value, filled by `publish`."""
    return {}


@pytest.fixture
def publish(published: dict[str, tuple[str, float]]) -> Callable[[str, str, float], None]:
    """Where the monitor publishes to in tests."""

    def put(name: str, unit: str, value: float) -> None:
        published[name] = (unit, value)

    return put
