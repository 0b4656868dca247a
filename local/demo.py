"""Does an incident that enters the trail's log group come out as a mail, and how long does each part take?

Puts a generated incident into the deployed stack's log group as CloudTrail would, lets the schedule do its work, and prints
the mail that arrived, the way of its workflow, and the seconds from record to mail, part by part.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from local import deploy
from local.processes import NotUp
from usage_anomaly_generator import Account, Incident, Organization, records
from usage_anomaly_generator.calls import Record

PATIENCE_SECONDS = 150.0
BATCH = 100  # records a call: the emulator runs a function for each call at once
T = TypeVar("T")


def run(record: dict[str, Any]) -> int:
    """Play the demo; 0 when the mail arrived."""
    stack = deploy.outputs(record)
    inbox = subscribe(record, stack["AlertTopicArn"])
    account = an_account(record)
    begin = datetime.now(UTC)
    sent = put(record, incident(account, begin))
    _say(f"sent        {sent} records of an incident in account {account.id} into log group {deploy.TRAIL}")
    message = _until("mail", lambda: receive(record, inbox))
    arrived = time.time()
    times = parts(record, stack, begin, arrived)
    _say("\n" + message)
    for text in workflow_path(record, stack):
        _say(f"workflow    {text}")
    for name, seconds in times:
        _say(f"{name:<12}{seconds:6.1f} s")
    return 0


def an_account(record: dict[str, Any]) -> Account:
    """An account of the emulated organization, made with tags as people set them."""
    organizations = deploy.client(record, "organizations")
    tags = {"AccountType": "development", "Owner": "ml-platform", "CostCenter": "4711"}
    known = [each for each in organizations.list_accounts()["Accounts"] if each["Name"] == "sandbox-ml"]
    if not known:
        organizations.create_account(
            Email="sandbox-ml@example.com",
            AccountName="sandbox-ml",
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )
        known = [each for each in organizations.list_accounts()["Accounts"] if each["Name"] == "sandbox-ml"]
    return Account(known[0]["Id"], "sandbox-ml", tags, ("us-east-1",))


def incident(account: Account, now: datetime) -> Iterator[Record]:
    """A leaked key's last twenty minutes, up to now."""
    start = (now - timedelta(minutes=20)).replace(second=0, microsecond=0)
    plan = Incident("leaked_key", account.id, start, {})
    yield from records(
        Organization((account,)), [], [plan], start - timedelta(minutes=30), 0.5 / 24 + 20 / 1440, now.minute
    )


def put(record: dict[str, Any], found: Iterator[Record]) -> int:
    """Write the records into the trail's log group, one bare record a log event, as CloudTrail does."""
    logs = deploy.client(record, "logs")
    stream = f"demo-{time.time_ns()}"
    logs.create_log_stream(logGroupName=deploy.TRAIL, logStreamName=stream)
    moment = int(time.time() * 1000)
    events = [{"timestamp": moment, "message": json.dumps(each)} for each in found]
    for at in range(0, len(events), BATCH):
        logs.put_log_events(logGroupName=deploy.TRAIL, logStreamName=stream, logEvents=events[at : at + BATCH])
    return len(events)


def subscribe(record: dict[str, Any], topic: str) -> str:
    """A queue in place of a mailbox; gives its address."""
    queues, topics = deploy.client(record, "sqs"), deploy.client(record, "sns")
    url: str = queues.create_queue(QueueName="demo-inbox")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return url


def receive(record: dict[str, Any], url: str) -> str | None:
    """The next mail in the queue as subject and text, or None."""
    found = deploy.client(record, "sqs").receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", [])
    if not found:
        return None
    mail = json.loads(json.loads(found[0]["Body"])["Message"])["mail"]
    return f"Subject: {mail['subject']}\n\n{mail['text']}"


def parts(record: dict[str, Any], stack: dict[str, str], begin: datetime, arrived: float) -> list[tuple[str, float]]:
    """Seconds from the records' entry to the index, to the tick that told, to the mail."""
    execution = _executions(record, stack)[0]
    started = execution["startDate"].timestamp()
    newest = _newest_ingest(record)
    entry = begin.timestamp()
    return [
        ("indexed", newest - entry),
        ("told", started - newest),
        ("delivered", arrived - started),
        ("altogether", arrived - entry),
    ]


def workflow_path(record: dict[str, Any], stack: dict[str, str]) -> list[str]:
    """The states that the first execution entered, in order."""
    execution = _executions(record, stack)[0]
    pages = deploy.client(record, "stepfunctions").get_paginator("get_execution_history")
    events = [each for page in pages.paginate(executionArn=execution["executionArn"]) for each in page["events"]]
    names = [each["stateEnteredEventDetails"]["name"] for each in events if "stateEnteredEventDetails" in each]
    return [f"{execution['name']}: {execution['status']}", " -> ".join(names)]


def _executions(record: dict[str, Any], stack: dict[str, str]) -> list[dict[str, Any]]:
    states = deploy.client(record, "stepfunctions")
    found: list[dict[str, Any]] = states.list_executions(stateMachineArn=stack["StateMachineArn"])["executions"]
    return sorted(found, key=lambda each: each["startDate"], reverse=True)


def _newest_ingest(record: dict[str, Any]) -> float:
    from usage_anomaly.search.client import connect
    from usage_anomaly.search.history import newest_ingest

    moment = newest_ingest(connect(record["search"], "none", "us-east-1"))
    if moment is None:
        raise NotUp("nothing was indexed: see build/local/ministack.log")
    return moment.timestamp()


def _until(what: str, ask: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = ask()
        if found is not None:
            return found
        time.sleep(0.2)
    raise NotUp(f"no {what} within {PATIENCE_SECONDS:.0f} s: see build/local/ministack.log")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
