"""What do request and response of each API look like in a record?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from usage_anomaly_generator.actors import letters
from usage_anomaly_generator.calls import (
    Address,
    Call,
    Database,
    Invocation,
    ModelCall,
    NatGateway,
    Other,
    Person,
    Snapshot,
    Volume,
)
from usage_anomaly_generator.organization import digits, place

EC2 = "ec2.amazonaws.com"
EC2_NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Parts(NamedTuple):
    """What differs from API to API; the response stands for the call's success."""

    event_source: str
    request: Mapping[str, Any] | None
    response: Mapping[str, Any] | None
    read_only: bool = False
    is_data_event: bool = False
    request_id: str | None = None
    resources: list[dict[str, str]] | None = None
    extra: Mapping[str, Any] | None = None


def as_uuid(hexadecimal: str) -> str:
    """32 digits written as a random (version 4) UUID."""
    h = hexadecimal
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{'89ab'[int(h[16], 16) % 4]}{h[17:20]}-{h[20:32]}"


def request_id(key: str) -> str:
    return as_uuid(digits(f"{key}/request", 32))


def milliseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1000


def tag_items(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def tag_set(tags: Mapping[str, str]) -> dict[str, Any]:
    return {"items": tag_items(tags)} if tags else {}


def tag_specification(resource_type: str, tags: Mapping[str, str]) -> dict[str, Any]:
    """The request's tags; AWS's own (`aws:...`) are never requested, they only stand in the response."""
    own = {key: value for key, value in tags.items() if not key.startswith("aws:")}
    if not own:
        return {}
    return {"tagSpecificationSet": {"items": [{"resourceType": resource_type, "tags": tag_items(own)}]}}


def volume(given: Volume, call: Call, key: str) -> Parts:
    id_of_request = request_id(key)
    if call.event_name == "DeleteVolume":
        request: dict[str, Any] = {"volumeId": given.volume_id, "reportVolumeFailure": False}
        return Parts(EC2, request, {"requestId": id_of_request, "_return": True}, request_id=id_of_request)
    request = {
        "size": str(given.gib),
        "zone": f"{call.region}a",
        "volumeType": given.volume_type,
        "encrypted": True,
        **tag_specification("volume", given.tags),
        "clientToken": as_uuid(digits(f"{key}/token", 32)),
    }
    response = {
        "requestId": id_of_request,
        "volumeId": given.volume_id,
        "size": str(given.gib),
        "zone": f"{call.region}a",
        "status": "creating",
        "createTime": milliseconds(call.at),
        "volumeType": given.volume_type,
        "iops": 3000,
        "encrypted": True,
        "tagSet": tag_set(given.tags),
        "multiAttachEnabled": False,
        "throughput": 125,
    }
    return Parts(EC2, request, response, request_id=id_of_request)


def snapshot(given: Snapshot, call: Call, key: str) -> Parts:
    id_of_request = request_id(key)
    if call.event_name == "DeleteSnapshot":
        request: dict[str, Any] = {"snapshotId": given.snapshot_id, "force": False}
        return Parts(EC2, request, {"requestId": id_of_request, "_return": True}, request_id=id_of_request)
    response = {
        "requestId": id_of_request,
        "snapshotId": given.snapshot_id,
        "volumeId": given.volume_id,
        "status": "pending",
        "startTime": milliseconds(call.at),
        "ownerId": call.account,
        "volumeSize": str(given.gib),
        "encrypted": True,
        "tagSet": {},
    }
    return Parts(EC2, {"volumeId": given.volume_id}, response, request_id=id_of_request)


def address(given: Address, call: Call, key: str) -> Parts:
    id_of_request = request_id(key)
    if call.event_name == "ReleaseAddress":
        request = {"allocationId": given.allocation_id, "networkBorderGroup": call.region}
        return Parts(EC2, request, {"requestId": id_of_request, "_return": True}, request_id=id_of_request)
    response = {
        "requestId": id_of_request,
        "publicIp": f"203.0.113.{int(given.allocation_id[-2:], 16)}",
        "domain": "vpc",
        "allocationId": given.allocation_id,
        "publicIpv4Pool": "amazon",
        "networkBorderGroup": call.region,
    }
    return Parts(EC2, {"domain": "vpc"}, response, request_id=id_of_request)


def nat_gateway(given: NatGateway, call: Call, key: str) -> Parts:
    id_of_request = request_id(key)
    if call.event_name == "DeleteNatGateway":
        request: dict[str, Any] = {"DeleteNatGatewayRequest": {"NatGatewayId": given.gateway_id}}
        answer: dict[str, Any] = {
            "xmlns": EC2_NAMESPACE,
            "requestId": id_of_request,
            "natGatewayId": given.gateway_id,
        }
        return Parts(EC2, request, {"DeleteNatGatewayResponse": answer}, request_id=id_of_request)
    subnet = place(call.account, call.region, "subnet", "subnet")
    token = as_uuid(digits(f"{key}/token", 32))
    asked = {
        "ConnectivityType": "public",
        "AllocationId": given.allocation_id,
        "SubnetId": subnet,
        "ClientToken": token,
    }
    addresses = {"item": {"isPrimary": True, "allocationId": given.allocation_id, "status": "associating"}}
    gateway = {
        "connectivityType": "public",
        "subnetId": subnet,
        "natGatewayAddressSet": addresses,
        "createTime": call.at.isoformat()[:19] + ".000Z",
        "vpcId": place(call.account, call.region, "vpc", "vpc"),
        "natGatewayId": given.gateway_id,
        "state": "pending",
    }
    answer = {"xmlns": EC2_NAMESPACE, "natGateway": gateway, "requestId": id_of_request, "clientToken": token}
    return Parts(
        EC2, {"CreateNatGatewayRequest": asked}, {"CreateNatGatewayResponse": answer}, request_id=id_of_request
    )


def database(given: Database, call: Call, key: str) -> Parts:
    facts: dict[str, Any] = {
        "dBInstanceIdentifier": given.name,
        "dBInstanceClass": given.database_class,
        "engine": given.engine,
        "allocatedStorage": given.gib,
        "storageType": "gp3",
        "multiAZ": False,
        "publiclyAccessible": False,
        "storageEncrypted": True,
        "masterUsername": "application",
    }
    arn = f"arn:aws:rds:{call.region}:{call.account}:db:{given.name}"
    if call.event_name == "DeleteDBInstance":
        request: dict[str, Any] = {"dBInstanceIdentifier": given.name, "skipFinalSnapshot": True}
        response = {**facts, "dBInstanceArn": arn, "dBInstanceStatus": "deleting"}
        return Parts("rds.amazonaws.com", request, response)
    response = {
        **facts,
        "dBInstanceArn": arn,
        "dBInstanceStatus": "creating",
        "dbiResourceId": "db-" + letters(f"{call.account}/{given.name}", 26),
        "engineVersion": "17.6",
        "dbInstancePort": 0,
        "pendingModifiedValues": {"masterUserPassword": "****"},
        "readReplicaDBInstanceIdentifiers": [],
    }
    return Parts("rds.amazonaws.com", {**facts, "masterUserPassword": "****"}, response)


def invoke(given: Invocation, call: Call, key: str) -> Parts:
    arn = f"arn:aws:lambda:{call.region}:{call.account}:function:{given.function}"
    return Parts(
        "lambda.amazonaws.com",
        {"functionName": arn, "invocationType": "RequestResponse"},
        None,
        is_data_event=True,
        resources=[{"accountId": call.account, "type": "AWS::Lambda::Function", "ARN": arn}],
        extra={"additionalEventData": {"functionVersion": f"{arn}:$LATEST"}},
    )


def model_call(given: ModelCall, call: Call, key: str) -> Parts:
    return Parts("bedrock.amazonaws.com", {"modelId": given.model}, None, read_only=True)


def person(given: Person, call: Call, key: str) -> Parts:
    written = written_time(call.at)
    request: dict[str, Any] = {"userName": given.user}
    response: dict[str, Any] | None = None
    if call.event_name == "CreateUser":
        made = {
            "path": "/",
            "userName": given.user,
            "userId": "AIDA" + letters(f"{call.account}/{given.user}", 17),
            "arn": f"arn:aws:iam::{call.account}:user/{given.user}",
            "createDate": written,
        }
        response = {"user": made}
    elif call.event_name == "AttachUserPolicy":
        request["policyArn"] = f"arn:aws:iam::aws:policy/{given.policy}"
    else:
        access_key = "AKIA" + letters(f"{key}/access key", 16)
        made = {"accessKeyId": access_key, "status": "Active", "userName": given.user, "createDate": written}
        response = {"accessKey": made}
    return Parts("iam.amazonaws.com", request, response)


def written_time(at: datetime) -> str:
    """As IAM and ECS write it: `Nov 25, 2026, 10:02:00 AM`."""
    return (
        f"{MONTHS[at.month - 1]} {at.day}, {at.year}, {at.hour % 12 or 12}:{at:%M:%S} {'PM' if at.hour >= 12 else 'AM'}"
    )


def other(given: Other, call: Call, key: str) -> Parts:
    return Parts(given.event_source, given.request, given.response, read_only=given.read_only)
