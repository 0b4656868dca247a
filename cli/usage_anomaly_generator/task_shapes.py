"""What do request and response look like where ECS tasks are defined and started on Fargate?"""

from __future__ import annotations

from typing import Any

from usage_anomaly_generator.calls import Call, TaskDefinition, Tasks
from usage_anomaly_generator.organization import digits, place
from usage_anomaly_generator.shapes import Parts, written_time

ECS = "ecs.amazonaws.com"


def register(given: TaskDefinition, call: Call, key: str) -> Parts:
    container = {"name": "main", "image": given.image, "essential": True, "cpu": 0, "portMappings": []}
    asked: dict[str, Any] = {
        "family": given.family,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": str(given.cpu),
        "memory": str(given.mib),
        "containerDefinitions": [container],
    }
    made = {
        **asked,
        "taskDefinitionArn": definition_arn(given, call),
        "revision": 1,
        "status": "ACTIVE",
        "compatibilities": ["EC2", "FARGATE"],
        "registeredAt": written_time(call.at),
        "registeredBy": call.actor.identity["arn"],
    }
    return Parts(ECS, asked, {"taskDefinition": made})


def tasks(given: Tasks, call: Call, key: str) -> Parts:
    """RunTask or CreateService, by the call's name."""
    return service(given, call, key) if call.event_name == "CreateService" else run(given, call)


def run(given: Tasks, call: Call) -> Parts:
    asked = {
        "cluster": given.cluster,
        "count": len(given.task_ids),
        "launchType": "FARGATE",
        "networkConfiguration": network(call),
        "taskDefinition": given.definition.name,
    }
    return Parts(ECS, asked, {"tasks": [started(given, call, each) for each in given.task_ids], "failures": []})


def started(given: Tasks, call: Call, task_id: str) -> dict[str, Any]:
    arn = f"arn:aws:ecs:{call.region}:{call.account}:task/{given.cluster}/{task_id}"
    container = {"taskArn": arn, "name": "main", "image": given.definition.image, "lastStatus": "PENDING", "cpu": "0"}
    return {
        "attachments": [],
        "attributes": [{"name": "ecs.cpu-architecture", "value": "x86_64"}],
        "availabilityZone": f"{call.region}a",
        "clusterArn": cluster_arn(given, call),
        "containers": [container],
        "cpu": str(given.definition.cpu),
        "createdAt": written_time(call.at),
        "desiredStatus": "RUNNING",
        "enableExecuteCommand": False,
        "group": f"family:{given.definition.family}",
        "lastStatus": "PROVISIONING",
        "launchType": "FARGATE",
        "memory": str(given.definition.mib),
        "overrides": {"containerOverrides": [], "inferenceAcceleratorOverrides": []},
        "platformFamily": "Linux",
        "platformVersion": "1.4.0",
        "tags": [],
        "taskArn": arn,
        "taskDefinitionArn": definition_arn(given.definition, call),
        "version": 1,
        "ephemeralStorage": {"sizeInGiB": 20},
    }


def service(given: Tasks, call: Call, key: str) -> Parts:
    asked = {
        "cluster": given.cluster,
        "serviceName": given.service,
        "taskDefinition": given.definition.name,
        "desiredCount": given.wanted,
        "launchType": "FARGATE",
        "networkConfiguration": network(call),
    }
    deployment = {
        "id": f"ecs-svc/{int(digits(f'{key}/deployment', 15), 16)}",
        "status": "PRIMARY",
        "desiredCount": given.wanted,
        "runningCount": 0,
        "pendingCount": 0,
        "failedTasks": 0,
    }
    made = {
        "serviceArn": f"arn:aws:ecs:{call.region}:{call.account}:service/{given.cluster}/{given.service}",
        "serviceName": given.service,
        "clusterArn": cluster_arn(given, call),
        "status": "ACTIVE",
        "desiredCount": given.wanted,
        "runningCount": 0,
        "pendingCount": 0,
        "launchType": "FARGATE",
        "platformFamily": "Linux",
        "platformVersion": "LATEST",
        "taskDefinition": definition_arn(given.definition, call),
        "deployments": [deployment],
        "schedulingStrategy": "REPLICA",
        "createdAt": written_time(call.at),
        "createdBy": call.actor.identity["arn"],
    }
    return Parts(ECS, asked, {"service": made})


def network(call: Call) -> dict[str, Any]:
    subnet, group = (place(call.account, call.region, *each) for each in (("subnet", "subnet"), ("group", "sg")))
    return {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [group], "assignPublicIp": "ENABLED"}}


def cluster_arn(given: Tasks, call: Call) -> str:
    return f"arn:aws:ecs:{call.region}:{call.account}:cluster/{given.cluster}"


def definition_arn(given: TaskDefinition, call: Call) -> str:
    return f"arn:aws:ecs:{call.region}:{call.account}:task-definition/{given.name}"
