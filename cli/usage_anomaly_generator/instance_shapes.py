"""What do request and response look like where instances are launched, stopped or ended?"""

from __future__ import annotations

from typing import Any

from usage_anomaly_generator.calls import Call, Fleet, Instances, Launch
from usage_anomaly_generator.organization import digits, place
from usage_anomaly_generator.shapes import (
    EC2,
    EC2_NAMESPACE,
    Parts,
    as_uuid,
    milliseconds,
    request_id,
    tag_set,
    tag_specification,
)

GOLDEN_IMAGES = "golden-images"  # images are shared: the same one in each account of a region
LETTERS_TO_DIGITS = str.maketrans("abcdef", "123456")
STATES = {
    "TerminateInstances": ((32, "shutting-down"), (16, "running")),
    "StopInstances": ((64, "stopping"), (16, "running")),
    "StartInstances": ((0, "pending"), (80, "stopped")),
}


def run_instances(launch: Launch, call: Call, key: str) -> Parts:
    token = as_uuid(digits(f"{key}/token", 32))
    count = len(launch.instance_ids)
    image = place(GOLDEN_IMAGES, call.region, launch.image, "ami")
    request: dict[str, Any] = {
        "instancesSet": {"items": [{"imageId": image, "minCount": count, "maxCount": count}]},
        "instanceType": launch.instance_type,
        "blockDeviceMapping": {},
        "monitoring": {"enabled": False},
        "disableApiTermination": False,
        "disableApiStop": False,
        "clientToken": token,
        "subnetId": place(call.account, call.region, "subnet", "subnet"),
        **tag_specification("instance", launch.tags),
    }
    if launch.spot:
        request["instanceMarketOptions"] = {"marketType": "spot"}
    id_of_request = request_id(key)
    response = {
        "requestId": id_of_request,
        "reservationId": f"r-0{digits(f'{key}/reservation', 16)}",
        "ownerId": call.account,
        "groupSet": {},
        "instancesSet": {
            "items": [
                launched_instance(launch, call, token, image, index, instance_id)
                for index, instance_id in enumerate(launch.instance_ids)
            ]
        },
    }
    if call.actor.is_service:
        response["requesterId"] = digits(call.actor.source_address, 12).translate(LETTERS_TO_DIGITS)
    return Parts(EC2, request, response, request_id=id_of_request)


def launched_instance(
    launch: Launch, call: Call, token: str, image: str, index: int, instance_id: str
) -> dict[str, Any]:
    address = private_address(instance_id)
    market = {"instanceLifecycle": "spot", "spotInstanceRequestId": f"sir-{instance_id[-8:]}"} if launch.spot else {}
    return {
        "instanceId": instance_id,
        "imageId": image,
        "currentInstanceBootMode": "uefi",
        "instanceState": {"code": 0, "name": "pending"},
        "privateDnsName": f"ip-{address.replace('.', '-')}.{call.region}.compute.internal",
        "amiLaunchIndex": index,
        "productCodes": {},
        "instanceType": launch.instance_type,
        "launchTime": milliseconds(call.at),
        "placement": {"availabilityZone": f"{call.region}a", "tenancy": "default"},
        "monitoring": {"state": "disabled"},
        "subnetId": place(call.account, call.region, "subnet", "subnet"),
        "vpcId": place(call.account, call.region, "vpc", "vpc"),
        "privateIpAddress": address,
        "stateReason": {"code": "pending", "message": "pending"},
        "architecture": "x86_64",
        "rootDeviceType": "ebs",
        "rootDeviceName": "/dev/xvda",
        "blockDeviceMapping": {},
        "virtualizationType": "hvm",
        "hypervisor": "xen",
        **market,
        "tagSet": tag_set(launch.tags),
        "clientToken": token,
        "groupSet": {"items": [{"groupId": place(call.account, call.region, "group", "sg"), "groupName": "default"}]},
        "sourceDestCheck": True,
        "networkInterfaceSet": network_interface(call, address, instance_id),
        "ebsOptimized": False,
        "enaSupport": True,
        "capacityReservationSpecification": {"capacityReservationPreference": "open"},
        "enclaveOptions": {"enabled": False},
        "metadataOptions": {"state": "pending", "httpTokens": "required", "httpPutResponseHopLimit": 2},
        "maintenanceOptions": {"autoRecovery": "default"},
    }


def private_address(instance_id: str) -> str:
    number = int(instance_id[-4:], 16)
    return f"10.0.{number // 256}.{max(4, number % 256)}"


def network_interface(call: Call, address: str, instance_id: str) -> dict[str, Any]:
    interface = {
        "networkInterfaceId": f"eni-{instance_id[2:]}",
        "subnetId": place(call.account, call.region, "subnet", "subnet"),
        "vpcId": place(call.account, call.region, "vpc", "vpc"),
        "ownerId": call.account,
        "status": "in-use",
        "privateIpAddress": address,
        "interfaceType": "interface",
        "attachment": {"deviceIndex": 0, "status": "attaching", "deleteOnTermination": True},
    }
    return {"items": [interface]}


def create_fleet(fleet: Fleet, call: Call, key: str) -> Parts:
    specification = {"LaunchTemplateName": "karpenter.k8s.aws/default", "Version": "$Latest"}
    overrides = {"InstanceType": fleet.instance_type, "SubnetId": place(call.account, call.region, "subnet", "subnet")}
    request = {
        "CreateFleetRequest": {
            "Type": "instant",
            "TargetCapacitySpecification": {"TotalTargetCapacity": 1, "DefaultTargetCapacityType": "on-demand"},
            "LaunchTemplateConfigs": {"LaunchTemplateSpecification": specification, "Overrides": overrides, "tag": 1},
        }
    }
    id_of_request = request_id(key)
    response = {
        "CreateFleetResponse": {
            "xmlns": EC2_NAMESPACE,
            "requestId": id_of_request,
            "fleetId": f"fleet-{digits(f'{key}/fleet', 32)}",
        }
    }
    return Parts(EC2, request, response, request_id=id_of_request)


def change_instances(instances: Instances, call: Call, key: str) -> Parts:
    (code, name), (previous_code, previous_name) = STATES[call.event_name]
    id_of_request = request_id(key)
    asked = [{"instanceId": instance_id} for instance_id in instances.instance_ids]
    changed = [
        {
            "instanceId": instance_id,
            "currentState": {"code": code, "name": name},
            "previousState": {"code": previous_code, "name": previous_name},
        }
        for instance_id in instances.instance_ids
    ]
    request: dict[str, Any] = {"instancesSet": {"items": asked}}
    if call.event_name == "StopInstances":
        request["force"] = False
    return Parts(
        EC2, request, {"requestId": id_of_request, "instancesSet": {"items": changed}}, request_id=id_of_request
    )
