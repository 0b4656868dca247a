"""What does AWS Organizations know of an account?

Four calls, two of them once per level of the organization's tree. Only the management account, a delegated administrator
or an account with a resource policy of the organization may ask; everybody else gets `NotPermitted`.
"""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import ClientError
from botocore.session import get_session

from usage_anomaly.enrichment.accounts import Account, read_tags
from usage_anomaly.errors import UsageAnomalyError

# The only region of each partition that serves Organizations.
REGIONS = {"aws": "us-east-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-northwest-1"}
DEEPEST = 6  # levels of organizational units, more than AWS allows
# Its request rates are low: adaptive retries slow a whole process down instead of failing one call.
PATIENT = Config(connect_timeout=2, read_timeout=5, retries={"mode": "adaptive", "total_max_attempts": 5})
# A tick would rather not know than wait.
HASTY = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1})
_NOT_PERMITTED = ("AccessDeniedException", "AccessDenied", "AWSOrganizationsNotInUseException")


class UnknownAccount(UsageAnomalyError):
    """The organization has no account of this id."""


class NotPermitted(UsageAnomalyError):
    """This deployment may not ask, or there is no organization; asking again changes nothing."""


def connect(role_arn: str = "", manner: Config = PATIENT) -> Any:
    """A client for Organizations, through a role of the management account where one is given."""
    own = (
        boto3.DEFAULT_SESSION or boto3.Session()
    )  # a second session would load everything again: 40 ms of a cold start
    partition = own.get_partition_for_region(own.region_name) if own.region_name else "aws"
    region = REGIONS.get(partition, REGIONS["aws"])
    if not role_arn:
        return own.client("organizations", region_name=region, config=manner)
    session = get_session()
    fetcher = AssumeRoleCredentialFetcher(
        session.create_client, session.get_credentials(), role_arn, extra_args={"RoleSessionName": "usage-anomaly"}
    )
    assumed = get_session()
    assumed._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")  # noqa: SLF001 - no public way to refreshable ones
    return boto3.Session(botocore_session=assumed).client("organizations", region_name=region, config=manner)


def look_up(client: Any, account_id: str) -> Account:
    """Name, status, the tags that are read here, and as tag OU the path of organizational units unless a tag says it.

    Raises UnknownAccount or NotPermitted; other errors of the service as they come.
    """
    try:
        described = client.describe_account(AccountId=account_id)["Account"]
        tags = read_tags({"OU": _path(client, account_id), **_tags(client, account_id)})
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "AccountNotFoundException":
            raise UnknownAccount(f"account {account_id} is not in this organization") from error
        if code in _NOT_PERMITTED:
            raise NotPermitted(f"AWS Organizations refuses: {code}; see ORGANIZATION_ROLE_ARN") from error
        raise
    return Account(id=account_id, name=described.get("Name", ""), status=described.get("Status", ""), tags=tags)


def _tags(client: Any, account_id: str) -> dict[str, str]:
    pages = client.get_paginator("list_tags_for_resource").paginate(ResourceId=account_id)
    return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}


def _path(client: Any, account_id: str) -> str:
    """ "Workloads/Sandbox", outermost first; "Root" for an account that is in no unit."""
    names: list[str] = []
    child = account_id
    for _ in range(DEEPEST):
        parent = client.list_parents(ChildId=child)["Parents"][0]
        if parent["Type"] == "ROOT":
            break
        child = parent["Id"]
        names.append(client.describe_organizational_unit(OrganizationalUnitId=child)["OrganizationalUnit"]["Name"])
    return "/".join(reversed(names)) or "Root"
