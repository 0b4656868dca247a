"""What do the workflow's tests run in? The real definition and doorways, on AWS and a past that live in this process."""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import boto3
import msgspec
from tests.enrichment import incidents

from usage_anomaly.anomalies import Anomaly, Query
from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment.compose import UNPRICED
from usage_anomaly.enrichment.evidence import matching
from usage_anomaly.usage import UsageEvent
from usage_anomaly.workflow import Input, execution_name

ROOT = Path(__file__).resolve().parents[2]
DEFINITION = ROOT / "statemachines" / "enrichment.asl.json"
REGION = "eu-central-1"
TABLE = "state"
BUS = "alerts"
STEPS = {
    "EnrichAccountFunctionArn": "enrich_account",
    "EstimateCostFunctionArn": "estimate_cost",
    "FindEvidenceFunctionArn": "find_evidence",
    "AdviseFunctionArn": "advise",
    "DeliverAlertFunctionArn": "deliver_alert",
    "RecordAnomalyFunctionArn": "record_anomaly",
    "ShareWithChatFunctionArn": "share_with_chat",
}
LATEST = 2_000

Handler = Callable[[dict[str, Any]], dict[str, Any]]


class MemoryPast:
    """The past as a list; answers like the index: the latest events, busy kinds as they are."""

    def __init__(self, events: Sequence[UsageEvent]) -> None:
        self.events = list(events)

    def ask(self, query: Query) -> list[UsageEvent]:
        return matching(query, self.events)[-LATEST:]

    def tallied(self, account_id: str, kind: str, start: datetime, end: datetime) -> list[UsageEvent]:
        return matching(Query(kind=kind, account_id=account_id, start=start, end=end), self.events)

    def coverage(self, account_id: str) -> datetime | None:
        return min((each.event_time for each in self.events if each.account_id == account_id), default=None)


def incident(catalog: Catalog, released: int = 0, **changes: Any) -> tuple[list[UsageEvent], Input]:
    """The stolen key of scenario 1: the account's events, and what an execution of its alert starts with."""
    events = incidents.stolen_key(released)
    findings = [
        incidents.finding("threshold", 47, 6, "47 instances in 60 minutes, limit 6 for development accounts", events),
    ]
    return events, start_input(incidents.told(catalog.kinds["ec2.instances"], events, findings), **changes)


def start_input(anomaly: Anomaly, **changes: Any) -> Input:
    """What detection hands over of an anomaly: its extent and what was told of it, nothing that enrichment finds."""
    given: dict[str, Any] = {"reason": "opened", "notify": True, "now": incidents.at("11:12")}
    nothing: dict[str, Any] = dict.fromkeys(("severity_reasons", "actors", "evidence", "guidance", "notes"), ())
    nothing |= {"account_name": anomaly.account_id, "cost": UNPRICED, "severity": 0.0, "automation": None}
    bare = msgspec.structs.replace(anomaly, **{**nothing, **changes.pop("anomaly", {})})
    return Input(anomaly=bare, **{**given, **changes})


def load_app(name: str) -> ModuleType:
    """A doorway as Lambda loads it, anew each time: its clients belong to the test's AWS."""
    file = ROOT / "functions" / name / "app.py"
    spec = importlib.util.spec_from_file_location(f"app_of_{name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def context(name: str) -> Any:
    """What Lambda hands a handler beside its event."""
    return SimpleNamespace(
        function_name=name,
        memory_limit_in_mb=512,
        invoked_function_arn=f"arn:aws:lambda:{REGION}:123456789012:function:{name}",
        aws_request_id="00000000-0000-4000-8000-000000000001",
        get_remaining_time_in_millis=lambda: 30_000,
    )


def substituted(values: Mapping[str, str]) -> str:
    """The definition as the template fills it."""
    text = DEFINITION.read_text("utf-8")
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    return text


class World:
    """Tables, topic, queues and the state machine. `calls` counts the calls of each step; `steps` may be replaced."""

    def __init__(self, past: MemoryPast) -> None:
        self.past = past
        self.calls: dict[str, int] = {}
        self.steps: dict[str, Handler] = {"share_with_chat": lambda event: {"shared": event["anomaly"]["id"]}}
        self.kept: list[Anomaly] = []
        self.kept_types: list[str | None] = []  # of their accounts
        self.payloads: list[tuple[str, int]] = []
        self.failures: list[str] = []
        self._dynamodb = boto3.client("dynamodb")
        self._dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        self.table = boto3.resource("dynamodb").Table(TABLE)
        self.sns, self.sqs = boto3.client("sns"), boto3.client("sqs")
        self.topic = self.sns.create_topic(Name="alerts")["TopicArn"]
        self.mailbox = self._queue("mailbox")
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=self._arn(self.mailbox))
        self.events = self._queue("events")
        bus = boto3.client("events")
        bus.create_event_bus(Name=BUS)
        bus.put_rule(Name="all", EventBusName=BUS, EventPattern='{"source": ["usage-anomaly"]}')
        bus.put_targets(Rule="all", EventBusName=BUS, Targets=[{"Id": "1", "Arn": self._arn(self.events)}])
        self.states = boto3.client("stepfunctions")
        # A function's ARN is its name here, which moto passes on.
        self.names = {**STEPS, "Partition": "aws", "StateTableName": TABLE, "EventBusName": BUS}
        self.machines: dict[str, str] = {}

    def environment(self) -> dict[str, str]:
        """What the template sets."""
        return {
            "STATE_TABLE": TABLE, "ALERT_TOPIC_ARN": self.topic, "SEARCH_ENDPOINT": "http://127.0.0.1:9",
            "SEARCH_AUTH": "none", "POWERTOOLS_SERVICE_NAME": "test", "POWERTOOLS_TRACE_DISABLED": "true",
            "POWERTOOLS_METRICS_NAMESPACE": "MultiAccountAnomalyDetection",
        }  # fmt: skip

    def handler(self, name: str) -> Handler:
        """The doorway of a step, its search client replaced by the past in memory; loaded once a test."""
        if name not in self.steps:
            module = load_app(name)
            if hasattr(module, "PAST"):
                module.PAST = self.past  # type: ignore[attr-defined]
            self.steps[name] = lambda event: module.handler(event, context(name))
        return self.steps[name]

    def invoke(self, name: str, body: str) -> tuple[str, bool]:
        """What Lambda answers: the payload, and whether it is an error."""
        self.calls[name] = self.calls.get(name, 0) + 1
        try:
            answer = json.dumps(self.handler(name)(json.loads(body)), ensure_ascii=False)
        except Exception as error:  # noqa: BLE001 - what Lambda does with any error of a handler
            failure = {"errorType": type(error).__name__, "errorMessage": str(error), "stackTrace": []}
            self.failures.append(f"{name}: {type(error).__name__}: {error}")
            return json.dumps(failure), True
        self.payloads += [(f"{name} input", len(body.encode())), (f"{name} output", len(answer.encode()))]
        return answer, False

    def run(self, given: Input, name: str | None = None, chat: bool = False) -> dict[str, Any]:
        """Run an execution to its end and describe it; "path" names the states it entered."""
        definition = substituted({**self.names, "ChatEnabled": "true" if chat else "false"})
        if definition not in self.machines:
            role = "arn:aws:iam::123456789012:role/any"
            name_of = f"enrichment-{len(self.machines)}"
            made = self.states.create_state_machine(name=name_of, definition=definition, roleArn=role)
            self.machines[definition] = made["stateMachineArn"]
        started = self.states.start_execution(
            stateMachineArn=self.machines[definition],
            name=name or execution_name(given.anomaly),
            input=msgspec.json.encode(given).decode(),
        )
        arn = started["executionArn"]
        end = time.monotonic() + 30
        while (described := self.states.describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < end, "the execution does not end"
            time.sleep(0.005)
        history = self.states.get_execution_history(executionArn=arn, maxResults=1000)["events"]
        entered = [each["stateEnteredEventDetails"] for each in history if "stateEnteredEventDetails" in each]
        inputs = {each["name"]: each["input"] for each in entered}
        return {**described, "path": [each["name"] for each in entered], "inputs": inputs}

    def mails(self) -> list[dict[str, Any]]:
        """What arrived at the topic's subscriber since the last look: Subject, text, MessageAttributes, anomaly."""
        found = []
        for body in self._received(self.mailbox):
            arrived = json.loads(body)
            parts = json.loads(arrived["Message"])
            found.append({**arrived, "text": parts["mail"]["text"], "anomaly": parts["anomaly"]})
        return found

    def emitted(self) -> list[dict[str, Any]]:
        """The events that arrived since the last look."""
        return [json.loads(body) for body in self._received(self.events)]

    def _queue(self, name: str) -> str:
        url: str = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        return url

    def _arn(self, url: str) -> str:
        named = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        arn: str = named["Attributes"]["QueueArn"]
        return arn

    def _received(self, url: str) -> list[str]:
        bodies: list[str] = []
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            bodies += [each["Body"] for each in messages]
            for each in messages:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
        return bodies


def failing(error: Exception) -> Callable[..., Any]:
    """A step that fails always."""

    def handler(*_: object, **__: object) -> Any:
        raise error

    return handler


def load_result(world: World, given: Input) -> dict[str, Any]:
    """The result that is kept of a sequence."""
    row = {"pk": f"ANOMALY#{given.anomaly.id}", "sk": f"RESULT#{given.anomaly.sequence}"}
    text = world.table.get_item(Key=row)["Item"]["result"]
    result: dict[str, Any] = json.loads(text)
    return result
