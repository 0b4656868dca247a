"""Which automation made this call, and on what does that rest?

A record names its doer in four fields of unlike weight. `invokedBy` is set by AWS when a service acts: strong. A
service-linked role (AWSServiceRoleFor...) can be assumed by its service only: strong. Another role's name was chosen by
somebody in the account. The user agent and the session name are the caller's own words and can be anything: a claim.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

Field = Literal["invoked_by", "user_agent", "role", "session"]
Basis = Literal["set by AWS", "named in the account", "claimed by the caller"]
BASES: tuple[Basis, ...] = ("set by AWS", "named in the account", "claimed by the caller")  # the surest first

PERSON = "person, console"
PERSON_SSO = "person, single sign-on"


class Mark(NamedTuple):
    """One way to recognise one automation.

    `how`: "is" compares the whole value, "starts" its beginning, "words" looks for whole words ("prod-KarpenterRole" has
    the word karpenter). A user agent is compared word by word (words stand between blanks). All without case.
    """

    automation: str
    field: Field
    how: Literal["is", "starts", "words"]
    text: str


class Recognition(NamedTuple):
    """An automation's name, the field it was recognised by, and how much that field is worth."""

    automation: str
    field: Field
    basis: Basis


# Tried from the top; the first match names the doer. Karpenter before what it launches through (older versions call EC2
# Fleet, which then stands in invokedBy); what AWS set before what a caller claims; tools before the people who run them.
MARKS: tuple[Mark, ...] = (
    Mark("Karpenter", "role", "words", "karpenter"),
    Mark("Auto Scaling", "invoked_by", "is", "autoscaling.amazonaws.com"),
    Mark("EC2 Fleet", "invoked_by", "is", "ec2fleet.amazonaws.com"),
    Mark("Spot Fleet", "invoked_by", "is", "spotfleet.amazonaws.com"),
    Mark("Spot", "invoked_by", "is", "spot.amazonaws.com"),
    Mark("EKS node group", "invoked_by", "is", "eks-nodegroup.amazonaws.com"),
    Mark("EKS", "invoked_by", "is", "eks.amazonaws.com"),
    Mark("EMR", "invoked_by", "is", "elasticmapreduce.amazonaws.com"),
    Mark("Batch", "invoked_by", "is", "batch.amazonaws.com"),
    Mark("ECS", "invoked_by", "is", "ecs.amazonaws.com"),
    Mark("CloudFormation", "invoked_by", "is", "cloudformation.amazonaws.com"),
    Mark("AWS Backup", "invoked_by", "is", "backup.amazonaws.com"),
    Mark("Data Lifecycle Manager", "invoked_by", "is", "dlm.amazonaws.com"),
    Mark("CI, CodeBuild", "invoked_by", "is", "codebuild.amazonaws.com"),
    Mark("CI, CodePipeline", "invoked_by", "is", "codepipeline.amazonaws.com"),
    Mark("Service Catalog", "invoked_by", "is", "servicecatalog.amazonaws.com"),
    Mark("RDS", "invoked_by", "is", "rds.amazonaws.com"),
    Mark("SageMaker", "invoked_by", "is", "sagemaker.amazonaws.com"),
    Mark("EventBridge", "invoked_by", "is", "events.amazonaws.com"),
    Mark("EventBridge Scheduler", "invoked_by", "is", "scheduler.amazonaws.com"),
    Mark("Step Functions", "invoked_by", "is", "states.amazonaws.com"),
    Mark("API Gateway", "invoked_by", "is", "apigateway.amazonaws.com"),
    Mark("Lambda", "invoked_by", "is", "lambda.amazonaws.com"),
    Mark("SQS", "invoked_by", "is", "sqs.amazonaws.com"),
    Mark("SNS", "invoked_by", "is", "sns.amazonaws.com"),
    Mark("S3", "invoked_by", "is", "s3.amazonaws.com"),
    Mark(PERSON, "invoked_by", "is", "signin.amazonaws.com"),
    Mark("Auto Scaling", "role", "starts", "awsserviceroleforautoscaling"),
    Mark("EC2 Fleet", "role", "starts", "awsserviceroleforec2fleet"),
    Mark("Spot Fleet", "role", "starts", "awsserviceroleforec2spotfleet"),
    Mark("Spot", "role", "starts", "awsserviceroleforec2spot"),
    Mark("EKS node group", "role", "starts", "awsserviceroleforamazoneksnodegroup"),
    Mark("EKS", "role", "starts", "awsserviceroleforamazoneks"),
    Mark("EMR", "role", "starts", "awsserviceroleforemr"),
    Mark("Batch", "role", "starts", "awsserviceroleforbatch"),
    Mark("ECS", "role", "starts", "awsserviceroleforecs"),
    Mark("AWS Backup", "role", "starts", "awsserviceroleforbackup"),
    Mark("RDS", "role", "starts", "awsserviceroleforrds"),
    Mark("Karpenter", "user_agent", "starts", "karpenter.sh"),
    Mark("EBS CSI driver", "user_agent", "starts", "exec-env/aws-ebs-csi-driver"),
    Mark("EBS CSI driver", "user_agent", "starts", "aws-ebs-csi-driver"),
    Mark("EBS CSI driver", "user_agent", "starts", "ebs.csi.aws.com"),
    Mark("Cluster Autoscaler", "user_agent", "starts", "cluster-autoscaler"),
    Mark("Cluster API", "user_agent", "starts", "cluster-api-provider-aws"),
    Mark("Crossplane", "user_agent", "starts", "crossplane"),
    Mark("Packer", "user_agent", "starts", "packer/"),
    Mark("Terraform", "user_agent", "starts", "terraform/"),
    Mark("Terraform", "user_agent", "starts", "terraform-provider-aws"),
    Mark("Terraform", "user_agent", "starts", "opentofu/"),
    Mark("Pulumi", "user_agent", "starts", "pulumi/"),
    Mark("Ansible", "user_agent", "starts", "ansible/"),
    Mark("Spinnaker", "user_agent", "starts", "spinnaker"),
    Mark("Velero", "user_agent", "starts", "velero"),
    Mark("CI, CodeBuild", "user_agent", "starts", "exec-env/aws_codebuild"),
    Mark("CI, GitHub Actions", "user_agent", "starts", "configure-aws-credentials-for-github-actions"),
    Mark("CI, Jenkins", "user_agent", "starts", "jenkins"),
    Mark("CI, GitLab", "user_agent", "starts", "gitlab-runner"),
    Mark("CloudFormation", "session", "is", "awscloudformation"),
    Mark("EMR", "session", "is", "ccssession"),
    Mark("CI, CodeBuild", "session", "starts", "awscodebuild-"),
    Mark("CI, GitHub Actions", "session", "is", "githubactions"),
    Mark("CI, GitHub Actions", "session", "words", "github actions"),
    Mark("CI, GitLab", "session", "words", "gitlab"),
    Mark("CI, Jenkins", "session", "words", "jenkins"),
    Mark("CI, Buildkite", "session", "words", "buildkite"),
    Mark("CI, CircleCI", "session", "words", "circleci"),
    Mark("Terraform", "session", "words", "terraform"),
    Mark("EBS CSI driver", "role", "words", "ebs csi"),
    Mark("EMR", "role", "starts", "emr_"),
    Mark("Velero", "role", "words", "velero"),
    Mark("Terraform", "role", "words", "terraform"),
    Mark("CI, GitHub Actions", "role", "words", "github actions"),
    Mark("CI, GitLab", "role", "words", "gitlab"),
    Mark("CI, Jenkins", "role", "words", "jenkins"),
    Mark(PERSON, "user_agent", "is", "signin.amazonaws.com"),
    Mark(PERSON, "user_agent", "starts", "console."),
    Mark(PERSON, "user_agent", "starts", "s3console/"),
    Mark(PERSON, "user_agent", "starts", "aws-console"),
    Mark(PERSON, "user_agent", "starts", "mozilla/"),
    Mark(PERSON_SSO, "role", "starts", "awsreservedsso_"),
)
# Roles of machines, not of the automation that starts them: whatever runs on a node can use its role.
MACHINE_ROLES: tuple[str, ...] = ("karpenter node",)
_SERVICE = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.amazonaws\.com(?:\.cn)?")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_RESERVED_ROLE = "awsservicerolefor"
_LONGEST = 2_000  # a hostile user agent is no reason to scan megabytes


def automation(
    invoked_by: str | None,
    user_agent: str | None,
    actor_arn: str | None,
    actor_session: str | None,
    actor_type: str | None,
) -> str | None:
    """The automation's name as said to people, or None when no field names one."""
    found = recognise(invoked_by, user_agent, actor_arn, actor_session, actor_type)
    return found.automation if found is not None else None


@lru_cache(maxsize=4096)  # a folder of trail files repeats the same few callers by the thousand
def recognise(
    invoked_by: str | None,
    user_agent: str | None,
    actor_arn: str | None,
    actor_session: str | None,
    actor_type: str | None,
) -> Recognition | None:
    """The first mark that matches, with the field it rests on; an AWS service no mark knows is named by its principal."""
    role = "" if actor_type in ("IAMUser", "Root") else role_name(actor_arn)[:_LONGEST].strip()
    if any(f" {machine} " in words_of(role) for machine in MACHINE_ROLES):
        role = ""
    values = {
        "invoked_by": invoked_by or "",
        "user_agent": user_agent or "",
        "role": role,
        "session": actor_session or "",
    }
    lowered = {field: _comparable(field, value[:_LONGEST]) for field, value in values.items()}
    words = {field: words_of(value[:_LONGEST]) for field, value in values.items()}
    for mark in MARKS:
        if _matches(mark, lowered[mark.field], words[mark.field]):
            return Recognition(mark.automation, mark.field, _basis(mark.field, role))
    service = values["invoked_by"].strip().lower()
    if len(service) < _LONGEST and _SERVICE.fullmatch(service):
        return Recognition(service, "invoked_by", "set by AWS")
    return None


def role_name(actor_arn: str | None) -> str:
    """The role's name in an IAM or STS ARN; "" where the actor is no role."""
    resource = (actor_arn or "").split(":", 5)[-1]
    kind, _, rest = resource.partition("/")
    if kind == "assumed-role":
        return rest.split("/", 1)[0]
    return rest.rsplit("/", 1)[-1] if kind == "role" else ""


def _comparable(field: str, value: str) -> tuple[str, ...]:
    if field == "user_agent":
        return tuple(word.strip("[](),;") for word in value.lower().split())
    return (value.strip().lower(),)


def words_of(value: str) -> str:
    """The words of a name between single blanks, so that whole words are found with `in`."""
    return " " + " ".join(word.lower() for word in _WORD.findall(value)) + " "


def _matches(mark: Mark, values: tuple[str, ...], words: str) -> bool:
    if mark.how == "words":
        return f" {mark.text} " in words
    if mark.how == "is":
        return mark.text in values
    return any(value.startswith(mark.text) for value in values)


def _basis(field: Field, role: str) -> Basis:
    if field == "invoked_by" or (field == "role" and role.lower().startswith(_RESERVED_ROLE)):
        return "set by AWS"
    return "named in the account" if field == "role" else "claimed by the caller"
