"""How does CloudTrail write this call?

Shapes follow records of live accounts (event version 1.11). What a record needs beyond its call (event id, request id,
reservation) comes from a key by digest, so it depends neither on the order of the calls nor on what else is generated.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from usage_anomaly_generator import instance_shapes, shapes, task_shapes
from usage_anomaly_generator.actors import identity_at
from usage_anomaly_generator.calls import (
    Address,
    Call,
    Database,
    Fleet,
    Instances,
    Invocation,
    Launch,
    ModelCall,
    NatGateway,
    Other,
    Person,
    Record,
    Snapshot,
    TaskDefinition,
    Tasks,
    Volume,
)
from usage_anomaly_generator.organization import digits
from usage_anomaly_generator.shapes import Parts

BUILDERS: dict[type, Callable[[Any, Call, str], Parts]] = {
    Launch: instance_shapes.run_instances,
    Fleet: instance_shapes.create_fleet,
    Instances: instance_shapes.change_instances,
    Volume: shapes.volume,
    Snapshot: shapes.snapshot,
    Address: shapes.address,
    NatGateway: shapes.nat_gateway,
    Database: shapes.database,
    Invocation: shapes.invoke,
    TaskDefinition: task_shapes.register,
    Tasks: task_shapes.tasks,
    ModelCall: shapes.model_call,
    Person: shapes.person,
    Other: shapes.other,
}


def record_of(call: Call, key: str) -> Record:
    """The whole record; the same key and call give the same record."""
    parts = BUILDERS[type(call.details)](call.details, call, key)
    record: Record = {
        "eventVersion": "1.11",
        "userIdentity": identity_at(call.actor, call.at),
        "eventTime": rfc3339(call.at),
        "eventSource": parts.event_source,
        "eventName": call.event_name,
        "awsRegion": call.region,
        "sourceIPAddress": call.actor.source_address,
        "userAgent": call.actor.user_agent,
    }
    if call.failure is not None:
        record["errorCode"], record["errorMessage"] = call.failure
    record["requestParameters"] = parts.request
    record["responseElements"] = None if call.failure is not None else parts.response
    record.update(parts.extra or {})
    hexadecimal = digits(key, 64)
    record["requestID"] = parts.request_id or shapes.as_uuid(hexadecimal[32:])
    record["eventID"] = shapes.as_uuid(hexadecimal[:32])
    record["readOnly"] = parts.read_only
    if parts.resources:
        record["resources"] = parts.resources
    record["eventType"] = "AwsApiCall"
    record["managementEvent"] = not parts.is_data_event
    record["recipientAccountId"] = call.account
    record["eventCategory"] = "Data" if parts.is_data_event else "Management"
    if not call.actor.is_service:
        record["tlsDetails"] = transport(parts.event_source, call.region)
    return record


def rfc3339(at: datetime) -> str:
    """As in `eventTime`: whole seconds and a Z."""
    return at.isoformat()[:19] + "Z"


def transport(event_source: str, region: str) -> dict[str, str]:
    name = event_source.partition(".")[0]
    host = f"{name}.amazonaws.com" if name == "iam" else f"{name}.{region}.amazonaws.com"
    return {
        "tlsVersion": "TLSv1.3",
        "cipherSuite": "TLS_AES_128_GCM_SHA256",
        "clientProvidedHostHeader": host,
    }
