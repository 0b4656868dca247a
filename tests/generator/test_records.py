"""Do generated records look like real ones?"""

from __future__ import annotations

import gzip
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from tests.generator.conftest import MONDAY

from usage_anomaly_generator import HABITS, INCIDENTS, Habit, demo, records
from usage_anomaly_generator.calls import Record, Span
from usage_anomaly_generator.demo import place

REQUIRED = {
    "eventVersion": str,
    "userIdentity": dict,
    "eventTime": str,
    "eventSource": str,
    "eventName": str,
    "awsRegion": str,
    "sourceIPAddress": str,
    "userAgent": str,
    "requestID": str,
    "eventID": str,
    "readOnly": bool,
    "eventType": str,
    "managementEvent": bool,
    "recipientAccountId": str,
    "eventCategory": str,
}
ID = re.compile(r"(i|vol|snap|eipalloc|nat|r|eni|subnet|vpc|sg|ami)-0[0-9a-f]{16}")
SHAPED = {
    "RunInstances": ("instancesSet", "instanceType", "blockDeviceMapping", "clientToken"),
    "TerminateInstances": ("instancesSet",),
    "CreateVolume": ("size", "zone", "clientToken"),
    "DeleteVolume": ("volumeId",),
    "AllocateAddress": ("domain",),
    "ReleaseAddress": ("allocationId",),
    "CreateNatGateway": ("CreateNatGatewayRequest",),
    "DeleteNatGateway": ("DeleteNatGatewayRequest",),
    "CreateDBInstance": ("dBInstanceIdentifier", "dBInstanceClass", "engine", "allocatedStorage"),
    "DeleteDBInstance": ("dBInstanceIdentifier", "skipFinalSnapshot"),
    "CreateUser": ("userName",),
    "AttachUserPolicy": ("userName", "policyArn"),
    "CreateAccessKey": ("userName",),
    "RegisterTaskDefinition": ("family", "cpu", "memory", "requiresCompatibilities", "containerDefinitions"),
    "RunTask": ("cluster", "count", "launchType", "taskDefinition"),
    "CreateService": ("cluster", "serviceName", "desiredCount", "launchType", "taskDefinition"),
    "InvokeModel": ("modelId",),
    "CreateAutoScalingGroup": ("autoScalingGroupName", "minSize", "maxSize"),
    "ModifyInstanceAttribute": ("instanceId", "disableApiTermination"),
}


@pytest.fixture(scope="module")
def all_records() -> list[Record]:
    """A week of every habit and every incident (the Lambda flood cut to a minute)."""
    span = Span(MONDAY, MONDAY.replace(day=23))
    habits = [Habit(name, demo.PRODUCTION.name) for name in HABITS]
    incidents = [place(name, span) for name in INCIDENTS if name != "lambda_loop"]
    return list(records(demo.ORGANIZATION, habits, incidents, MONDAY, 7, 1))


def test_every_record_has_the_fields_of_a_real_one(all_records: list[Record]) -> None:
    """What readers rely on is there, with its type."""
    for record in all_records:
        assert {field: type(record[field]) for field in REQUIRED} == REQUIRED
        assert UUID(record["eventID"]).version == 4
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["eventTime"])
        assert re.fullmatch(r"\d{12}", record["recipientAccountId"])
        assert record["eventSource"].endswith(".amazonaws.com")


def test_each_event_id_stands_once_and_times_rise(all_records: list[Record]) -> None:
    """The direct path gives each record once, in time order."""
    assert len({record["eventID"] for record in all_records}) == len(all_records)
    times = [record["eventTime"] for record in all_records]
    assert times == sorted(times)


def test_a_failed_call_has_a_code_and_no_response(all_records: list[Record]) -> None:
    """Failed calls use nothing; a reader that looked only at the request would count them."""
    failed = [record for record in all_records if "errorCode" in record]
    assert {record["errorCode"] for record in failed} == {
        "AccessDenied",
        "AccessDeniedException",
        "Client.DryRunOperation",
        "Client.UnauthorizedOperation",
        "Client.VcpuLimitExceeded",
        "ValidationException",
    }
    assert all(record["responseElements"] is None and record["errorMessage"] for record in failed)


def test_identities_are_shaped_by_their_type(all_records: list[Record]) -> None:
    """Service callers carry no account (77 % of live records); users carry a long-lived key, roles a session."""
    types = set()
    for record in all_records:
        identity = record["userIdentity"]
        types.add(identity["type"])
        if identity["type"] == "AWSService":
            assert set(identity) == {"type", "invokedBy"}
        elif identity["type"] == "IAMUser":
            assert identity["accessKeyId"].startswith("AKIA")
        else:
            assert identity["sessionContext"]["attributes"]["creationDate"] <= record["eventTime"]
            assert identity["accountId"] == record["recipientAccountId"]
        assert ("tlsDetails" in record) == ("invokedBy" not in identity)
    assert types == {"AWSService", "IAMUser", "AssumedRole"}


def test_resource_ids_have_the_shape_of_real_ones(all_records: list[Record]) -> None:
    """Commands in an alert are filled with these ids."""
    launched: list[str] = []
    for record in all_records:
        if record["eventName"] == "RunInstances" and record["responseElements"]:
            items = record["responseElements"]["instancesSet"]["items"]
            assert len(items) == record["requestParameters"]["instancesSet"]["items"][0]["maxCount"]
            assert [item["amiLaunchIndex"] for item in items] == list(range(len(items)))
            launched += [item["instanceId"] for item in items]
    assert len(set(launched)) == len(launched) > 500
    assert all(ID.fullmatch(instance_id) for instance_id in launched)


@pytest.mark.parametrize("name", SHAPED)
def test_requests_hold_what_real_ones_hold(all_records: list[Record], name: str) -> None:
    """The catalog's paths lead into these."""
    found = [record for record in all_records if record["eventName"] == name]
    assert found
    assert all(set(SHAPED[name]) <= set(record["requestParameters"]) for record in found)


def test_an_invocation_is_a_data_event_of_a_function(all_records: list[Record]) -> None:
    """Data events differ from management events in three fields and name the function in `resources`."""
    invocations = [record for record in all_records if record["eventName"] == "Invoke"]
    assert invocations
    for record in invocations:
        assert (record["managementEvent"], record["eventCategory"]) == (False, "Data")
        assert record["resources"][0]["ARN"] == record["requestParameters"]["functionName"]


CAPTURED = (
    *("RunInstances", "TerminateInstances", "CreateVolume", "DeleteVolume", "AllocateAddress", "ReleaseAddress"),
    *("CreateNatGateway", "DeleteNatGateway", "CreateDBInstance", "DeleteDBInstance", "CreateSnapshot"),
    *("CreateUser", "AttachUserPolicy", "CreateAccessKey"),
)
# Fields that live records have and this capture (2023, Terraform and one person) does not show.
NOT_CAPTURED = {
    "/requestParameters/instanceMarketOptions/marketType",
    "/requestParameters/volumeType",
    "/requestParameters/subnetId",
    "/requestParameters/multiAZ",
    "/requestParameters/storageType",
    "/responseElements/instancesSet/items/groupSet/items/groupName",
    "/requestParameters/encrypted",
    "/responseElements/instancesSet/items/instanceLifecycle",
    "/responseElements/instancesSet/items/spotInstanceRequestId",
    "/responseElements/requesterId",
    "/responseElements/throughput",
}


@pytest.fixture(scope="module")
def captured(shared_data: Path) -> dict[str, set[str]]:
    """Call name: the paths that its successful records hold in a live capture."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in sorted((shared_data / "cloudtrail" / "invictus").rglob("*.json.gz")):
        for record in msgspec.json.decode(gzip.decompress(path.read_bytes()))["Records"]:
            if "errorCode" not in record:
                found[record["eventName"]].update(leaves(record))
    return found


@pytest.mark.real_data
@pytest.mark.parametrize("name", CAPTURED)
def test_no_field_is_invented(captured: dict[str, set[str]], all_records: list[Record], name: str) -> None:
    """An invented field would teach a reader something that never arrives."""
    mine = {leaf for r in all_records if r["eventName"] == name and "errorCode" not in r for leaf in leaves(r)}
    mine = {leaf for leaf in mine if not leaf.startswith(("/userIdentity/", "/tlsDetails/"))}
    assert captured[name]
    assert mine - captured[name] - NOT_CAPTURED == set()


@pytest.mark.real_data
def test_no_field_of_an_identity_is_invented(captured: dict[str, set[str]], all_records: list[Record]) -> None:
    """Who called is told from these fields alone."""
    mine = {leaf for record in all_records for leaf in leaves(record) if leaf.startswith("/userIdentity/")}
    assert mine - set[str]().union(*captured.values()) == set()


def leaves(value: Any, path: str = "") -> Iterator[str]:
    """Paths to what is neither object nor list, list positions left out."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, path)
    else:
        yield path
