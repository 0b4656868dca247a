"""Who calls in a generated organization, and from where?

One company: its people leave by one office address, its build system and its clusters by others, whatever the account.
"""

from __future__ import annotations

from functools import cache
from random import Random

from benchmarks.detection.accounts import Account
from usage_anomaly.callers import ip_of
from usage_anomaly.enrichment.automation import automation

Doer = dict[str, object]  # the fields of a usage event that say who called

OFFICE, BUILD, CLUSTER = "198.51.100.20", "198.51.100.60", "198.51.100.40"
SDK_GO = "aws-sdk-go-v2/1.39.4 ua/2.1 os/linux lang/go#1.24.9"
CLI = "aws-cli/2.31.20 md/awscrt#0.28.2 ua/2.1 os/linux#6.8.0-1021 md/arch#x86_64 lang/python#3.13.9 command/ec2"
PYTHON = "Boto3/1.40.64 md/Botocore#1.40.64 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.13.9"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
TERRAFORM = f"APN/1.0 HashiCorp/1.0 Terraform/1.13.4 (+https://www.terraform.io) {SDK_GO}"
PEOPLE = ("sam", "kim", "ana", "lee", "noor", "max", "ida", "raj")


@cache
def role(account: Account, name: str, session: str, address: str, agent: str, path: str = "", by: str = "") -> Doer:
    """A role's session; with `by` a service calls on its behalf."""
    invoked_by, arn = by or None, f"arn:aws:iam::{account.id}:role/{path}{name}"
    return {
        "actor_arn": arn,
        "actor_session": session,
        "actor_type": "AssumedRole",
        "access_key_id": None if path else f"ASIA{Random(f'{arn}/{session}').randrange(36**10):016d}",
        "invoked_by": invoked_by,
        "automation": automation(invoked_by, agent, arn, session, "AssumedRole"),
        "user_agent": agent,
        "source_address": address,
        "source_ip": ip_of(address),
    }


@cache
def user(account: Account, name: str, key: str, address: str, agent: str) -> Doer:
    """An IAM user with a long-lived key."""
    return {
        "actor_arn": f"arn:aws:iam::{account.id}:user/{name}",
        "actor_type": "IAMUser",
        "long_lived_key": True,
        "access_key_id": key,
        "user_agent": agent,
        "source_address": address,
        "source_ip": ip_of(address),
    }


@cache
def service(name: str) -> Doer:
    """A service calling as itself."""
    return {
        "actor_type": "AWSService",
        "invoked_by": name,
        "automation": automation(name, name, None, None, "AWSService"),
        "user_agent": name,
        "source_address": name,
    }


def service_role(account: Account, name: str, session: str, principal: str) -> Doer:
    """A service in the account through its service-linked role."""
    return role(account, name, session, principal, principal, f"aws-service-role/{principal}/", principal)


def auto_scaling(account: Account) -> Doer:
    return service_role(account, "AWSServiceRoleForAutoScaling", "AutoScaling", "autoscaling.amazonaws.com")


def batch(account: Account) -> Doer:
    return service_role(account, "AWSServiceRoleForBatch", "aws-batch", "batch.amazonaws.com")


def elastic_map_reduce(account: Account) -> Doer:
    principal = "elasticmapreduce.amazonaws.com"
    return role(account, "EMR_DefaultRole", "CCSSession", principal, principal, by=principal)


def karpenter(account: Account) -> Doer:
    """EC2 Fleet launching for Karpenter's controller."""
    fleet = "ec2fleet.amazonaws.com"
    return role(account, "KarpenterControllerRole-main", "karpenter-controller", fleet, fleet, by=fleet)


def karpenter_itself(account: Account) -> Doer:
    return role(
        account, "KarpenterControllerRole-main", "karpenter-controller", CLUSTER, f"{SDK_GO} karpenter.sh-1.8.1"
    )


def csi_driver(account: Account) -> Doer:
    agent = f"aws-ebs-csi-driver/v1.51.1 {SDK_GO}"
    return role(account, "AmazonEKS_EBS_CSI_DriverRole", "ebs-csi-controller", CLUSTER, agent)


def velero(account: Account) -> Doer:
    return role(account, "velero-server", "velero", CLUSTER, f"velero/v1.17.0 {SDK_GO}")


def ci_runner(account: Account) -> Doer:
    return role(account, "ci-runner", "GitHubActions", BUILD, f"{SDK_GO} api/ec2#1.257.2")


def terraform(account: Account) -> Doer:
    return role(account, "terraform-deploy", "apply", BUILD, TERRAFORM)


def deployer(account: Account) -> Doer:
    return role(account, "deploy", "GitHubActions", BUILD, f"{SDK_GO} api/ecs#1.65.0")


def developer(account: Account, name: str) -> Doer:
    return role(account, "AWSReservedSSO_Developer_0f3a", f"{name}@example.com", OFFICE, BROWSER)


def emr_studio(account: Account) -> Doer:
    return role(account, "data-pipeline", "airflow", CLUSTER, PYTHON)


def application(account: Account, name: str) -> Doer:
    """A program on the account's own machines."""
    return role(account, name, "i-0a1b2c3d4e5f60718", CLUSTER, PYTHON)


def thief(account: Account, dice: Random, agent: str = CLI) -> Doer:
    """An old user's long-lived key in a stranger's hands, at an address never seen."""
    key = f"AKIA{dice.randrange(36**10):016d}"
    return user(
        account, dice.choice(("ci-legacy", "backup", "svc-export")), key, f"203.0.113.{dice.randrange(256)}", agent
    )
