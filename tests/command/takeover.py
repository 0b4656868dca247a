"""An account taken over by one key: users and keys made, ECS tasks and model calls, all under a customer's names.

Packed as evidence often is: a CSV export and a zip file of trail files in a packed tar file, whose names tell a case.
"""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ACCOUNT = "600700800900"
KEY = "AKIAPAYROLLBOTACME01"
NEW_KEY = "AKIASPARESPAREACME02"
ADDRESS = "198.51.100.23"
START = datetime(2026, 11, 25, 3, tzinfo=UTC)
TASKS = 120
_CLUSTER = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/acme-cluster"
_DEFINITION = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task-definition/acme-miner:3"
_SIZE = {"cpu": "4096", "memory": "8192", "requiresCompatibilities": ["FARGATE"]}


def records() -> list[dict[str, Any]]:
    """All calls, in order of time."""
    calls = sorted([*_identities(), *_tasks(), *_others()], key=lambda each: str(each["eventTime"]))
    return [{"eventID": f"a0000000-0000-4000-8000-{number:012d}", **each} for number, each in enumerate(calls)]


def _call(minute: float, source: str, name: str, request: object, response: object = None, **more: object) -> Any:
    """A call of the key, without an id."""
    return {
        "eventVersion": "1.11",
        "eventTime": f"{START + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        "awsRegion": "us-east-1" if source in ("iam", "signin") else "eu-west-1",
        "recipientAccountId": ACCOUNT,
        "sourceIPAddress": ADDRESS,
        "userAgent": "acme-ops/7 boto3/1.40",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAACMEPAYROLLBOT01",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/acme-payroll-bot",
            "accountId": ACCOUNT,
            "accessKeyId": KEY,
            "userName": "acme-payroll-bot",
        },
        "requestParameters": request,
        "responseElements": response,
        **more,
    }


def _identities() -> Iterator[dict[str, Any]]:
    yield _call(0, "iam", "CreateUser", {"userName": "acme-spare"})
    made = {"accessKey": {"accessKeyId": NEW_KEY, "userName": "acme-spare", "status": "Active"}}
    yield _call(1, "iam", "CreateAccessKey", {"userName": "acme-spare"}, made)
    attached = {"userName": "acme-spare", "policyArn": "arn:aws:iam::aws:policy/PowerUser"}
    yield _call(2, "iam", "AttachUserPolicy", attached)
    yield _call(3, "iam", "PutRolePolicy", {"roleName": "acme-billing", "policyName": "acme-all"})


def _tasks() -> Iterator[dict[str, Any]]:
    """A definition, tasks of it on Fargate, and tasks on machines of the customer's own."""
    registered = {"taskDefinitionArn": _DEFINITION, "family": "acme-miner", **_SIZE}
    yield _call(4, "ecs", "RegisterTaskDefinition", {"family": "acme-miner", **_SIZE}, {"taskDefinition": registered})
    for number in range(0, TASKS, 10):
        tasks = [_task(number + at, launchType="FARGATE") for at in range(10)]
        asked = {"cluster": "acme-cluster", "count": 10, "launchType": "FARGATE", "taskDefinition": "acme-miner:3"}
        yield _call(10 + number / 20, "ecs", "RunTask", asked, {"tasks": tasks, "failures": []})
    for number in range(10):
        pooled = {"cluster": "acme-cluster", "capacityProviderStrategy": [{"capacityProvider": "acme-gpu-pool"}]}
        tasks = [_task(9_000 + number, capacityProviderName="acme-gpu-pool")]
        yield _call(18 + number / 20, "ecs", "RunTask", pooled, {"tasks": tasks, "failures": []})


def _task(number: int, **fields: str) -> dict[str, str]:
    arn = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task/acme-cluster/{number:032x}"
    return {"taskArn": arn, "clusterArn": _CLUSTER, "taskDefinitionArn": _DEFINITION, **fields}


def _others() -> Iterator[dict[str, Any]]:
    """Model calls, failed sign-ins of somebody, a refused call."""
    for number in range(700):
        own = f"arn:aws:bedrock:eu-west-1:{ACCOUNT}:imported-model/acmechatbot1"
        model = own if number % 2 else "eu.anthropic.claude-sonnet-4-20250514-v1:0"
        yield _call(5 + number / 200, "bedrock", "InvokeModel", {"modelId": model})
    failed = {
        "errorMessage": "Failed authentication",
        "userIdentity": {"type": "IAMUser", "accountId": ACCOUNT, "userName": "acme-jane"},
    }
    for number in range(40):
        yield _call(30 + number / 20, "signin", "ConsoleLogin", None, {"ConsoleLogin": "Failure"}, **failed)
    yield _call(33, "s3", "GetObject", {"bucketName": "acme-ledgers", "key": "jane.pdf"}, errorCode="AccessDenied")


def aggregated() -> dict[str, Any]:
    """CloudTrail's count of five minutes of calls of one function by the same user."""
    total = 40_000
    details = {
        "resourceARN": f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:acme-resizer",
        "userIdentity": f"arn:aws:iam::{ACCOUNT}:user/acme-payroll-bot",
        "userAgent": "acme-ops/7 boto3/1.40",
        "sourceIPAddress": ADDRESS,
    }
    return {
        "eventVersion": "1.0",
        "accountId": ACCOUNT,
        "eventId": "b0000000-0000-4000-8000-000000000001",
        "eventCategory": "Aggregated",
        "eventType": "AwsAggregatedEvent",
        "eventSource": "lambda.amazonaws.com",
        "awsRegion": "eu-west-1",
        "timeWindow": {"windowStart": f"{START + timedelta(minutes=40):%Y-%m-%dT%H:%M:%SZ}", "windowSize": "PT5M"},
        "summary": {
            "primaryDimension": {
                "dimension": "eventName",
                "aggregationType": "Count",
                "statistics": [{"name": "Invoke", "value": total}],
            },
            "details": [
                {"dimension": name, "aggregationType": "Count", "statistics": [{"name": value, "value": total}]}
                for name, value in details.items()
            ],
        },
    }


def write(folder: Path) -> Path:
    """Write the records plainly to `folder/plain`, for who looks for their names, and packed; returns the packed file."""
    (folder / "plain").mkdir()
    every = [*records(), aggregated()]
    (folder / "plain" / "records.json").write_text(json.dumps(records()))
    exported = [each for each in every if each.get("eventSource") == "iam.amazonaws.com"]
    others = [each for each in every if each not in exported]
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("acme/jane/trail.json", json.dumps({"Records": others}))
        archive.writestr("acme/jane/broken.json.gz", b"\x1f\x8b broken")
        archive.writestr("acme/jane/notes.txt", "about Jane")
    packed = folder / "acme-case.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        for name, content in (("acme-iam.csv", _table(exported)), ("acme-jane.zip", zipped.getvalue())):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed


def _table(rows: list[dict[str, Any]]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]))
    writer.writeheader()
    for row in rows:
        writer.writerow({name: each if isinstance(each, str) else json.dumps(each) for name, each in row.items()})
    return stream.getvalue().encode()
