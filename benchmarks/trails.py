"""Which trail files are measured on?

Log objects and subscription payloads from a fixed seed, their records of about the size and shape of real ones. Nothing
here needs the rivals.
"""

from __future__ import annotations

import argparse
import base64
import gzip
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import msgspec

ACCOUNTS = [f"{n:012}" for n in range(111122223330, 111122223340)]
REGIONS = ["us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1"]
READS = ["DescribeInstances", "GetObject", "AssumeRole", "Decrypt", "ListBuckets", "GetParameter", "PutMetricData"]
SERVICES = ["ec2", "s3", "sts", "kms", "s3", "ssm", "monitoring"]


def record(lot: Random, second: int, launch: bool) -> dict[str, Any]:
    """A record of about the size and shape of a real one (1.6 KB), a launch or a reading call."""
    account, region, kind = lot.choice(ACCOUNTS), lot.choice(REGIONS), lot.randrange(len(READS))
    role = f"role-{lot.randrange(40)}"
    items = [{"instanceId": f"i-{lot.getrandbits(68):017x}", "instanceType": "m5.large"} for _ in range(4)]
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": f"AROA{lot.getrandbits(64):016X}:session",
            "arn": f"arn:aws:sts::{account}:assumed-role/{role}/session",
            "accountId": account,
            "accessKeyId": f"ASIA{lot.getrandbits(64):016X}",
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "arn": f"arn:aws:iam::{account}:role/{role}",
                    "accountId": account,
                    "userName": role,
                },
                "attributes": {"creationDate": "2026-01-20T10:00:00Z", "mfaAuthenticated": "false"},
            },
        },
        "eventTime": f"2026-01-20T{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}Z",
        "eventSource": "ec2.amazonaws.com" if launch else f"{SERVICES[kind]}.amazonaws.com",
        "eventName": "RunInstances" if launch else READS[kind],
        "awsRegion": region,
        "sourceIPAddress": f"203.0.113.{lot.randrange(256)}",
        "userAgent": "aws-sdk-go-v2/1.30.3 os/linux lang/go#1.22.5 md/GOOS#linux md/GOARCH#amd64 api/ec2#1.173.0",
        "requestParameters": {
            "bucketName": f"logs-{lot.getrandbits(40):x}",
            "key": f"2026/01/20/{lot.getrandbits(90):x}.parquet",
            "filterSet": {"items": [{"name": "tag:Name", "valueSet": {"items": [{"value": role}]}}]},
        },
        "responseElements": {"instancesSet": {"items": items}} if launch else None,
        "additionalEventData": {"CipherSuite": "TLS_AES_128_GCM_SHA256", "bytesTransferredOut": lot.randrange(10**6)},
        "requestID": str(UUID(int=lot.getrandbits(128))),
        "eventID": str(UUID(int=lot.getrandbits(128))),
        "readOnly": not launch,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
        "tlsDetails": {"tlsVersion": "TLSv1.3", "clientProvidedHostHeader": f"{SERVICES[kind]}.{region}.amazonaws.com"},
    }


def payload(lot: Random, size: int, share: float) -> bytes:
    """What Lambda hands over: so many records in log events, packed."""
    events = []
    for number in range(size):
        message = msgspec.json.encode(record(lot, number, lot.random() < share)).decode()
        events.append({"id": str(lot.getrandbits(180)), "timestamp": 1768903500000 + number, "message": message})
    whole = {
        "messageType": "DATA_MESSAGE",
        "owner": "111122223333",
        "logGroup": "trail",
        "logStream": "111122223333_CloudTrail_us-east-1",
        "subscriptionFilters": ["usage"],
        "logEvents": events,
    }
    packed = base64.b64encode(gzip.compress(msgspec.json.encode(whole), 6)).decode()
    return msgspec.json.encode({"awslogs": {"data": packed}})


def write(folder: Path, sizes: Sequence[int], seed: int) -> list[Path]:
    """Write an object of each size; every hundredth record is a launch."""
    folder.mkdir()
    lot, paths = Random(seed), list[Path]()
    for number, size in enumerate(sizes):
        records = [record(lot, number * 300 + n * 300 // size, lot.random() < 0.01) for n in range(size)]
        minute = f"{number // 60 % 24:02}{number % 60:02}"
        path = folder / f"{ACCOUNTS[0]}_CloudTrail_us-east-1_20260120T{minute}Z_{number:016}.json.gz"
        path.write_bytes(gzip.compress(msgspec.json.encode({"Records": records}), 6))
        paths.append(path)
        SIZES[path] = path.stat().st_size
    return paths


# What the command learns when it lists a folder; listing is not measured, for any reader.
SIZES: dict[Path, int] = {}


def arguments(description: str | None) -> tuple[int, int]:
    """The rounds to measure, and by what to divide the amount."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a tenth of the amount, 3 rounds instead of 9")
    return (3, 10) if parser.parse_args().quick else (9, 1)


def small_sizes(lot: Random, count: int) -> list[int]:
    """Sizes of objects as in a live bucket: median 5 records."""
    return [max(1, min(622, round(lot.lognormvariate(1.6, 1)))) for _ in range(count)]
