"""What are the records of these tests made of? Calls shaped like CloudTrail's, and a price table of few figures."""

from __future__ import annotations

import json
from typing import Any

from usage_anomaly.enrichment.prices import InstanceFacts, Price
from usage_anomaly.envelopes import Record, read_payload

ACCOUNT = "111122223333"


class TinyPrices:
    """A table that knows m5.large, gp3 and NAT gateways in us-east-2, and nothing else."""

    def facts(self, instance_type: str) -> InstanceFacts | None:
        return InstanceFacts(vcpus=2, gib=8, gpus=0, accelerator=None) if instance_type == "m5.large" else None

    def ec2(
        self, region: str, instance_type: str, platform: str | None = None, tenancy: str | None = None
    ) -> Price | None:
        return tiny(0.1) if (region, instance_type) == ("us-east-2", "m5.large") else None

    def ebs(
        self, region: str, volume_type: str, gib: float, iops: int | None = None, throughput: int | None = None
    ) -> Price | None:
        return tiny(gib * 0.0001 + (iops or 0) * 0.000001) if volume_type == "gp3" else None

    def rds(self, region: str, db_class: str, engine: str | None, multi_az: bool | None = False) -> Price | None:
        return tiny(0.4 if multi_az else 0.2) if engine == "mysql" else None

    def elasticache(self, region: str, node_type: str, engine: str | None) -> Price | None:
        return None

    def snapshot(self, region: str, gib: float) -> Price | None:
        return tiny(gib * 0.0001)

    def fargate(self, region: str, vcpus: float, gib: float, platform: str | None = None) -> Price | None:
        return tiny(vcpus * 0.04 + gib * 0.004)

    def redshift(self, region: str, node_type: str) -> Price | None:
        return None

    def dedicated_host(self, region: str, family: str) -> Price | None:
        return None

    def opensearch(self, region: str, instance_type: str) -> Price | None:
        return None

    def sagemaker(self, region: str, instance_type: str) -> Price | None:
        return None

    def hourly(self, service: str, region: str) -> Price | None:
        return tiny(0.045) if service == "nat_gateway" else None


def tiny(usd: float) -> Price:
    return Price(usd=usd, basis="invented", confidence=1.0, date="2026-01-01")


def call(name: str, *, source: str = "ec2.amazonaws.com", **fields: Any) -> dict[str, Any]:
    """A record of one call by an IAM user; `fields` replace or add what a test is about."""
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/ci",
            "accountId": ACCOUNT,
            "accessKeyId": "AKIAEXAMPLE000000001",
            "userName": "ci",
        },
        "eventTime": "2026-01-20T10:05:00Z",
        "eventSource": source,
        "eventName": name,
        "awsRegion": "us-east-2",
        "sourceIPAddress": "203.0.113.77",
        "userAgent": "aws-cli/2.22.10",
        "requestParameters": None,
        "responseElements": None,
        "eventID": "0f0f0f0f-0000-4000-8000-000000000001",
        "eventType": "AwsApiCall",
        "recipientAccountId": ACCOUNT,
        **fields,
    }


def launch(*types: str, mapping: object = None, **fields: Any) -> dict[str, Any]:
    """A RunInstances that launched one instance of each type named."""
    items = [{"instanceId": f"i-{number:017x}", "instanceType": each} for number, each in enumerate(types)]
    request = {
        "instancesSet": {"items": [{"imageId": "ami-0a1b2c3d4e5f60718", "minCount": len(types), "maxCount": 50}]},
        "instanceType": types[0] if types else "m5.large",
        "blockDeviceMapping": {} if mapping is None else mapping,
    }
    return call(
        "RunInstances", requestParameters=request, responseElements={"instancesSet": {"items": items}}, **fields
    )


def parsed(record: dict[str, Any]) -> Record:
    """The record as the envelope room gives it."""
    payload = read_payload(json.dumps(record).encode(), "record.json")
    assert len(payload.records) == 1, payload.rejected
    return payload.records[0]
