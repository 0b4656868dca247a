"""Is the automation behind a call named, and only where a field names it?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_anomaly.enrichment.automation import MARKS, automation, recognise, role_name

ROLE = "arn:aws:iam::111122223333:role/"
TERRAFORM = (
    "APN/1.0 HashiCorp/1.0 Terraform/1.1.2 (+https://www.terraform.io) terraform-provider-aws/3.76.1 "
    "(+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go/1.44"
)


@pytest.mark.parametrize(
    ("invoked_by", "agent", "arn", "session", "kind", "expected", "basis"),
    [
        ("autoscaling.amazonaws.com", "autoscaling.amazonaws.com", ROLE + "x", "y", None, "Auto Scaling", "set by AWS"),
        (None, None, ROLE + "AWSServiceRoleForAutoScaling", "AutoScaling", None, "Auto Scaling", "set by AWS"),
        ("ec2fleet.amazonaws.com", None, ROLE + "app", None, None, "EC2 Fleet", "set by AWS"),
        ("ec2fleet.amazonaws.com", None, ROLE + "prod-karpenter-irsa", None, None, "Karpenter", "named in the account"),
        (None, "aws-sdk-go-v2/1 karpenter.sh-v0.30", ROLE + "eks", None, None, "Karpenter", "claimed by the caller"),
        (None, "aws-sdk-go/1", ROLE + "KarpenterController-dev", "17", None, "Karpenter", "named in the account"),
        (None, "aws-cli/2", ROLE + "KarpenterNodeRole-dev", "i-0abc", None, None, None),
        ("elasticmapreduce.amazonaws.com", None, ROLE + "EMR_DefaultRole", "CCSSession", None, "EMR", "set by AWS"),
        (None, None, ROLE + "EMR_DefaultRole", "CCSSession", None, "EMR", "claimed by the caller"),
        ("batch.amazonaws.com", None, None, None, "AWSService", "Batch", "set by AWS"),
        ("eks-nodegroup.amazonaws.com", None, None, None, None, "EKS node group", "set by AWS"),
        (
            "cloudformation.amazonaws.com",
            "cloudformation.amazonaws.com",
            None,
            None,
            None,
            "CloudFormation",
            "set by AWS",
        ),
        (None, TERRAFORM, "arn:aws:iam::1:user/x", None, "IAMUser", "Terraform", "claimed by the caller"),
        (None, f"[{TERRAFORM}]", None, None, None, "Terraform", "claimed by the caller"),
        (None, "aws-cli/2", ROLE + "deploy", "GitHubActions", None, "CI, GitHub Actions", "claimed by the caller"),
        (None, "aws-cli/2", ROLE + "x", "AWSCodeBuild-12ab", None, "CI, CodeBuild", "claimed by the caller"),
        (None, "aws-cli/2", ROLE + "jenkins-agents", "i-0abc", None, "CI, Jenkins", "named in the account"),
        (
            None,
            "aws-sdk-go/1 exec-env/aws-ebs-csi-driver-v1.30",
            None,
            "1",
            None,
            "EBS CSI driver",
            "claimed by the caller",
        ),
        (None, "x", ROLE + "AmazonEKS_EBS_CSI_DriverRole", "1", None, "EBS CSI driver", "named in the account"),
        ("backup.amazonaws.com", None, None, None, None, "AWS Backup", "set by AWS"),
        ("spot.amazonaws.com", None, None, None, None, "Spot", "set by AWS"),
        ("spotfleet.amazonaws.com", None, None, None, None, "Spot Fleet", "set by AWS"),
        ("signin.amazonaws.com", None, None, None, "IAMUser", "person, console", "set by AWS"),
        (None, "console.ec2.amazonaws.com", None, "ann", None, "person, console", "claimed by the caller"),
        (None, "[S3Console/0.4, aws-internal/3]", None, None, None, "person, console", "claimed by the caller"),
        (None, "Mozilla/5.0 (X11; Linux)", None, None, "IAMUser", "person, console", "claimed by the caller"),
        (
            None,
            "aws-cli/2",
            ROLE + "AWSReservedSSO_Admin_1",
            "ann",
            None,
            "person, single sign-on",
            "named in the account",
        ),
        ("pipes.amazonaws.com", None, None, None, "AWSService", "pipes.amazonaws.com", "set by AWS"),
        ("AWS Internal", None, ROLE + "x", None, None, None, None),
        (None, "aws-cli/2.13.0 Python/3.11", "arn:aws:iam::1:user/karpenter", None, "IAMUser", None, None),
        (None, "Boto3/1.26.0", ROLE + "reporter", "terraforming", None, None, None),
        (None, None, None, None, None, None, None),
    ],
)
def test_automation_is_named_with_what_it_rests_on(  # one row, one caller
    invoked_by: str | None,
    agent: str | None,
    arn: str | None,
    session: str | None,
    kind: str | None,
    expected: str | None,
    basis: str | None,
) -> None:
    """A user agent can be forged: a reader has to know whether AWS or the caller said so."""
    found = recognise(invoked_by, agent, arn, session, kind)
    assert (found and found.automation, found and found.basis) == (expected, basis)
    assert automation(invoked_by, agent, arn, session, kind) == expected


def test_marks_are_comparable() -> None:
    """Values are compared in lower case: a mark in capitals would never match."""
    assert all(mark.text == mark.text.lower() for mark in MARKS)
    assert len(set(MARKS)) == len(MARKS)


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        (ROLE + "path/to/deploy", "deploy"),
        ("arn:aws:sts::111122223333:assumed-role/deploy/session/with/slash", "deploy"),
        ("arn:aws:iam::111122223333:user/ann", ""),
        ("arn", ""),
        (None, ""),
    ],
)
def test_role_name_is_the_last_part(arn: str | None, expected: str) -> None:
    """A path is no name."""
    assert role_name(arn) == expected


text = st.none() | st.text(max_size=300) | st.sampled_from([mark.text for mark in MARKS])


@given(st.tuples(text, text, text, text, text))
def test_any_caller_is_named_or_not_without_an_error(fields: tuple[str | None, ...]) -> None:
    """These fields hold what callers like. A name is one of the table, or an AWS service's principal."""
    invoked_by, agent, arn, session, kind = fields
    name = automation(invoked_by, agent, arn, session, kind)
    assert name is None or name in {mark.automation for mark in MARKS} or name.endswith((".amazonaws.com", ".com.cn"))
