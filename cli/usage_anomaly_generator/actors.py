"""Who calls, and how does CloudTrail show them?"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from usage_anomaly_generator.calls import Actor
from usage_anomaly_generator.organization import Account

AWS_CLI = "aws-cli/2.31.20 md/awscrt#0.28.2 ua/2.1 os/linux#6.8.0-1021 md/arch#x86_64 lang/python#3.13.9 command/ec2"
TERRAFORM = (
    "APN/1.0 HashiCorp/1.0 Terraform/1.13.4 (+https://www.terraform.io) terraform-provider-aws/6.18.0 "
    "(+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.39.4 os/linux lang/go#1.24.9"
)

CLAIM_TAGS = {"ebs.csi.aws.com/cluster": "true", "kubernetes.io/created-for/pvc/namespace": "jobs"}


def letters(key: str, length: int) -> str:
    """Capital letters and digits 2-7, the alphabet of AWS principal and key ids; the same for the same key."""
    return base64.b32encode(hashlib.blake2b(key.encode(), digest_size=20).digest()).decode()[:length]


def user(account: Account, name: str, key: str, address: str, user_agent: str) -> Actor:
    """An IAM user with a long-lived access key."""
    identity = {
        "type": "IAMUser",
        "principalId": "AIDA" + letters(f"{account.id}/{name}", 17),
        "arn": f"arn:aws:iam::{account.id}:user/{name}",
        "accountId": account.id,
        "accessKeyId": key,
        "userName": name,
    }
    return Actor(identity, user_agent, address)


def role(
    account: Account, name: str, session: str, address: str, user_agent: str, *, path: str = "", invoked_by: str = ""
) -> Actor:
    """A role's session; with `invoked_by` a service calls on its behalf."""
    principal = "AROA" + letters(f"{account.id}/{name}", 17)
    identity: dict[str, Any] = {
        "type": "AssumedRole",
        "principalId": f"{principal}:{session}",
        "arn": f"arn:aws:sts::{account.id}:assumed-role/{name}/{session}",
        "accountId": account.id,
        "accessKeyId": "ASIA" + letters(f"{account.id}/{name}/{session}", 16),
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": principal,
                "arn": f"arn:aws:iam::{account.id}:role/{path}{name}",
                "accountId": account.id,
                "userName": name,
            },
        },
    }
    if invoked_by:
        identity["invokedBy"] = invoked_by
    return Actor(identity, user_agent, address)


def service_role(account: Account, name: str, session: str, service: str) -> Actor:
    """A service acting in the account through its service-linked role: Auto Scaling, EKS, Batch, Config."""
    actor = role(account, name, session, service, service, path=f"aws-service-role/{service}/", invoked_by=service)
    return Actor({k: v for k, v in actor.identity.items() if k != "accessKeyId"}, service, service)


def service(name: str) -> Actor:
    """A service calling as itself; such records carry no account in `userIdentity`."""
    return Actor({"type": "AWSService", "invokedBy": name}, name, name)


def auto_scaling(account: Account) -> Actor:
    return service_role(account, "AWSServiceRoleForAutoScaling", "AutoScaling", "autoscaling.amazonaws.com")


def batch(account: Account) -> Actor:
    return service_role(account, "AWSServiceRoleForBatch", "aws-batch", "batch.amazonaws.com")


def elastic_map_reduce(account: Account) -> Actor:
    service_name = "elasticmapreduce.amazonaws.com"
    return role(account, "EMR_DefaultRole", "CCSSession", service_name, service_name, invoked_by=service_name)


def karpenter(account: Account) -> Actor:
    """Karpenter's controller asking for a fleet."""
    agent = "aws-sdk-go-v2/1.39.4 ua/2.1 os/linux lang/go#1.24.9 md/GOOS#linux md/GOARCH#arm64 karpenter.sh-1.8.1"
    return role(account, "KarpenterControllerRole-main", "karpenter-controller", "198.51.100.40", agent)


def karpenter_fleet(account: Account) -> Actor:
    """EC2 Fleet launching for Karpenter's controller."""
    fleet = "ec2fleet.amazonaws.com"
    return role(account, "KarpenterControllerRole-main", "karpenter-controller", fleet, fleet, invoked_by=fleet)


def csi_driver(account: Account) -> Actor:
    """The EBS CSI driver of a cluster."""
    agent = "aws-ebs-csi-driver/v1.51.1 aws-sdk-go-v2/1.39.4 ua/2.1 os/linux lang/go#1.24.9 md/GOOS#linux"
    return role(account, "AmazonEKS_EBS_CSI_DriverRole", "ebs-csi-controller", "198.51.100.41", agent)


def ci_runner(account: Account) -> Actor:
    agent = "aws-sdk-go-v2/1.39.4 ua/2.1 os/linux lang/go#1.24.9 md/GOOS#linux md/GOARCH#amd64 api/ec2#1.257.2"
    return role(account, "ci-runner", "GitHubActions", "198.51.100.60", agent)


def identity_at(actor: Actor, at: datetime) -> Mapping[str, Any]:
    """`userIdentity` at that time: a role's session began at the full hour."""
    context = actor.identity.get("sessionContext")
    if context is None:
        return actor.identity
    attributes = {"creationDate": f"{at:%Y-%m-%dT%H}:00:00Z", "mfaAuthenticated": "false"}
    return {**actor.identity, "sessionContext": {**context, "attributes": attributes}}
