"""What stops an identity, or an automation that would start anew what a person stops, and what may stand in a command?

Tables only; `guidance` fills them.
"""

from __future__ import annotations

import re

from usage_anomaly.catalog import Contain

# What a value has to be, whole, to stand in a command. None may begin with a dash: it would be read as an option.
PATTERNS: dict[str, re.Pattern[str]] = {
    "region": re.compile(r"[a-z]{2}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}"),
    "account_id": re.compile(r"[0-9]{12}"),
    "user": re.compile(r"[A-Za-z0-9_+=,.@][A-Za-z0-9_+=,.@-]{0,63}"),
    "role": re.compile(r"[A-Za-z0-9_+=,.@][A-Za-z0-9_+=,.@-]{0,63}"),
    "access_key_id": re.compile(r"A[KS]IA[A-Z0-9]{12,28}"),
    "function_name": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}"),
    "ids": re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}"),
    "group": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@-]{0,254}"),
    "fleet": re.compile(r"fleet-[0-9a-f-]{8,40}"),
    "spot_fleet": re.compile(r"sfr-[0-9a-f-]{8,40}"),
    "cluster": re.compile(r"j-[A-Z0-9]{8,20}"),
}

SAID: dict[str, str] = {
    "ids": "an id",
    "user": "the user name",
    "role": "the role name",
    "access_key_id": "the key id",
    "function_name": "the function name",
    "region": "the region",
    "account_id": "the account id",
    "group": "the group's name",
    "fleet": "the fleet's id",
    "spot_fleet": "the Spot fleet's id",
    "cluster": "the cluster's id",
}

# Roles that only AWS and its Identity Center can change.
RESERVED_ROLES = ("AWSServiceRoleFor", "AWSReservedSSO_")

_DENY = '{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Action":"*","Resource":"*"}}]}}'

# Who did it. Denying an identity everything ends its sessions too, which no key's deactivation does.
DOERS: dict[str, Contain] = {
    "key": Contain(
        text="the key: deactivate it",
        command="aws iam update-access-key --user-name {user} --access-key-id {access_key_id} --status Inactive",
    ),
    "user": Contain(
        text="the user, by a session: deny everything until somebody has looked"
        " (undo: aws iam delete-user-policy --user-name {user} --policy-name deny-until-checked)",
        command="aws iam put-user-policy --user-name {user} --policy-name deny-until-checked"
        f" --policy-document '{_DENY}'",
    ),
    "made": Contain(
        text="the user it made: deny everything until somebody has looked"
        " (undo: aws iam delete-user-policy --user-name {user} --policy-name deny-until-checked)",
        command="aws iam put-user-policy --user-name {user} --policy-name deny-until-checked"
        f" --policy-document '{_DENY}'",
    ),
    "keys": Contain(
        text="the user's keys, one of which may have made the session: deactivate them (update-access-key)",
        command="aws iam list-access-keys --user-name {user}",
    ),
    "role": Contain(
        text="the role: deny everything until somebody has looked"
        " (undo: aws iam delete-role-policy --role-name {role} --policy-name deny-until-checked)",
        command="aws iam put-role-policy --role-name {role} --policy-name deny-until-checked"
        f" --policy-document '{_DENY}'",
    ),
    "pipeline": Contain(text="the role {role} deploys here: stop the job that does it, not the role", command=""),
    "ask": Contain(text="the role {role} did this here before: ask its owner before denying it anything", command=""),
}
ROOT: dict[str, Contain] = {
    "key": Contain(
        text="the root key {access_key_id}: sign in as root and delete it under Security credentials, no other user can",
        command="",
    ),
    "session": Contain(
        text="the root user: sign in, change its password, delete its access keys and MFA devices that are not yours",
        command="",
    ),
}
# Stopping is refused for Spot instances; ended, their disks are deleted as well unless the launch says otherwise.
SPOT: tuple[Contain, ...] = (
    Contain(
        text="the Spot requests, a persistent one would start them again: cancel them",
        command="aws ec2 cancel-spot-instance-requests --region {region} --spot-instance-request-ids"
        " $(aws ec2 describe-instances --region {region} --instance-ids {ids}"
        " --query 'Reservations[].Instances[].SpotInstanceRequestId' --output text)",
    ),
    Contain(
        text="the spend on Spot: end them, they cannot be stopped; snapshot a disk first if it is evidence",
        command="aws ec2 terminate-instances --region {region} --instance-ids {ids}",
    ),
)

# Automations that replace what is stopped. Slots: region, and one of group, fleet, spot_fleet, cluster (the launcher's id).
LAUNCHERS: dict[str, tuple[Contain, ...]] = {
    "Auto Scaling": (
        Contain(
            text="Stop the group from launching; it would replace what is stopped",
            command="aws autoscaling suspend-processes --region {region} --auto-scaling-group-name {group}"
            " --scaling-processes Launch",
        ),
        Contain(
            text="Read the group's sizes, then lower maximum and desired size to what they should be",
            command="aws autoscaling describe-auto-scaling-groups --region {region} --auto-scaling-group-names {group}",
        ),
    ),
    "EC2 Fleet": (
        Contain(
            text="Set the fleet to nothing; it would replace what is stopped",
            command="aws ec2 modify-fleet --region {region} --fleet-id {fleet}"
            " --target-capacity-specification TotalTargetCapacity=0",
        ),
    ),
    "Spot Fleet": (
        Contain(
            text="Set the Spot fleet to nothing; it would replace what is stopped",
            command="aws ec2 modify-spot-fleet-request --region {region} --spot-fleet-request-id {spot_fleet}"
            " --target-capacity 0",
        ),
    ),
    "Karpenter": (
        Contain(
            text="In the cluster, stop Karpenter from launching (its namespace may differ)",
            command="kubectl --namespace kube-system scale deployment karpenter --replicas 0",
        ),
        Contain(
            text="Find the nodes it made and delete those that should not be, after correcting the pod or the NodePool",
            command="kubectl get nodeclaims --output wide",
        ),
    ),
    "EMR": (
        Contain(
            text="Read the cluster's size, then shrink or end it",
            command="aws emr list-instance-groups --region {region} --cluster-id {cluster}",
        ),
    ),
    "Batch": (
        Contain(
            text="Find the compute environment and disable it; Batch would replace what is stopped",
            command="aws batch describe-compute-environments --region {region}",
        ),
    ),
    "EKS node group": (
        Contain(
            text="Find the node group's cluster and scale it down; it would replace what is stopped",
            command="aws eks list-clusters --region {region}",
        ),
    ),
}

# Deployments make again at their next run what was stopped: whom to ask, what to look at.
PIPELINES: dict[str, str] = {
    "CloudFormation": "Find the stack in its events (describe-stack-events) and cancel or roll back its update",
    "Terraform": "Stop the pipeline, or ask who ran apply: the next run makes it again",
}
