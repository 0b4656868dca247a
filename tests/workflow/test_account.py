"""Whose account is it, and what is said when nobody can tell?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.endpoint
import pytest
from botocore.awsrequest import AWSResponse
from botocore.stub import Stubber
from tests.enrichment import incidents
from tests.workflow.world import World

from usage_anomaly import organization
from usage_anomaly.enrichment.accounts import Account
from usage_anomaly.state import accounts
from usage_anomaly.workflow import enrich_account

NOW = incidents.at("11:12")
ID = "111122223333"


@pytest.fixture
def organizations(aws: None) -> Iterator[tuple[Any, Stubber]]:
    client = organization.connect()
    with Stubber(client) as stubber:
        yield client, stubber


def _expect_account(stubber: Stubber, tags: dict[str, str], path: list[str]) -> None:
    described = {"Id": ID, "Name": "sandbox-ml", "Status": "ACTIVE"}
    stubber.add_response("describe_account", {"Account": described}, {"AccountId": ID})
    child = ID
    for number, name in enumerate(path):
        unit = f"ou-abcd-{number:08}"
        stubber.add_response(
            "list_parents", {"Parents": [{"Id": unit, "Type": "ORGANIZATIONAL_UNIT"}]}, {"ChildId": child}
        )
        stubber.add_response(
            "describe_organizational_unit",
            {"OrganizationalUnit": {"Id": unit, "Name": name}},
            {"OrganizationalUnitId": unit},
        )
        child = unit
    stubber.add_response("list_parents", {"Parents": [{"Id": "r-abcd", "Type": "ROOT"}]}, {"ChildId": child})
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    half = len(listed) // 2
    stubber.add_response("list_tags_for_resource", {"Tags": listed[:half], "NextToken": "more"}, {"ResourceId": ID})
    stubber.add_response("list_tags_for_resource", {"Tags": listed[half:]}, {"ResourceId": ID, "NextToken": "more"})


def test_an_account_has_its_name_tags_and_place(organizations: tuple[Any, Stubber]) -> None:
    """The owner and cost centre decide who gets up; every call is one that the service's model knows."""
    client, stubber = organizations
    tags = {"Team": "ml", "Cost-Center": "4711", "AccountType": "sandbox", "aws:whatever": "x" * 256}
    _expect_account(stubber, tags, ["Sandbox", "Workloads"])
    assert organization.look_up(client, ID) == Account(
        id=ID,
        name="sandbox-ml",
        tags={"AccountType": "sandbox", "Cost-Center": "4711", "OU": "Workloads/Sandbox", "Team": "ml"},
    )
    stubber.assert_no_pending_responses()


def test_an_account_in_no_unit_is_in_the_root(organizations: tuple[Any, Stubber]) -> None:
    """An empty place would read like an unknown one."""
    client, stubber = organizations
    _expect_account(stubber, {}, [])
    assert organization.look_up(client, ID).tags == {"OU": "Root"}


@pytest.mark.parametrize(
    ("code", "gap"),
    [
        ("AccountNotFoundException", "account: not in this organization"),
        ("AccessDeniedException", "account: this deployment may not ask AWS Organizations"),
        ("AWSOrganizationsNotInUseException", "account: this deployment may not ask AWS Organizations"),
    ],
)
def test_an_account_that_nobody_can_look_up_leaves_a_gap(
    world: World, organizations: tuple[Any, Stubber], code: str, gap: str
) -> None:
    """A member account without delegation still gets its alerts, and they say why the owner is missing."""
    client, stubber = organizations
    stubber.add_client_error("describe_account", code)
    memory: enrich_account.Memory = {}
    looked = enrich_account.run({"account_id": ID}, memory, world.table, client, NOW)
    assert (looked["account"], list(looked["gaps"])) == (None, [gap])
    assert (memory, accounts.read(world.table, ID, NOW)) == ({}, None), "a fallback is asked for again next time"


@pytest.mark.parametrize(("account_id", "gaps"), [("organization", []), ("unknown", 1), ("../../etc/pas", 1)])
def test_what_is_no_account_is_not_looked_up(
    world: World, organizations: tuple[Any, Stubber], account_id: str, gaps: Any
) -> None:
    """Ids come from records: the organization as a whole has none, and a hostile one goes into no call."""
    looked = enrich_account.run({"account_id": account_id}, {}, world.table, organizations[0], NOW)
    assert looked["account"] is None
    assert len(looked["gaps"]) == (gaps or 0)


def test_a_known_account_costs_no_call_for_a_day(world: World, organizations: tuple[Any, Stubber]) -> None:
    """Organizations answers a handful of calls a second for everybody: memory first, then the table."""
    client, stubber = organizations
    _expect_account(stubber, {"Team": "ml"}, ["Sandbox"])
    memory: enrich_account.Memory = {}
    event = {"account_id": ID}
    first = enrich_account.run(event, memory, world.table, client, NOW)
    assert enrich_account.run(event, memory, None, client, NOW + timedelta(hours=23)) == first  # type: ignore[arg-type]
    assert enrich_account.run(event, {}, world.table, client, NOW + timedelta(hours=23)) == first
    _expect_account(stubber, {"Team": "other"}, ["Sandbox"])
    renewed = enrich_account.run(event, memory, world.table, client, NOW + timedelta(hours=25))
    assert renewed["account"]["tags"]["Team"] == "other"
    stubber.assert_no_pending_responses()


def test_an_unreadable_row_is_asked_for_again(world: World) -> None:
    """A later version may write what this one does not know."""
    row = {"pk": f"ACCOUNT#{ID}", "sk": "ACCOUNT", "account": '{"id": "1", "new": 1}', "expires": 1 << 40}
    world.table.put_item(Item=row)
    assert accounts.read(world.table, ID, NOW) is None


def test_a_throttled_call_is_tried_again(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """250 accounts are enough to be throttled; botocore's adaptive mode has to take that, not the alert."""
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda seconds: None))
    client = boto3.client("organizations", region_name=organization.REGIONS["aws"], config=organization.PATIENT)
    assert client.meta.config.retries["mode"] == "adaptive"
    throttled = json.dumps({"__type": "TooManyRequestsException", "Message": "slow down"}).encode()
    fine = json.dumps({"Account": {"Id": ID, "Name": "sandbox-ml"}}).encode()
    answers = [(400, throttled), (400, throttled), (200, fine)]

    def answer(request: Any, **_: Any) -> AWSResponse:
        status, body = answers.pop(0)
        raw = SimpleNamespace(stream=lambda *_, **__: iter([body]), read=lambda *_, **__: body)
        return AWSResponse(request.url, status, {"content-type": "application/x-amz-json-1.1"}, raw)

    client.meta.events.register_first("before-send.organizations.DescribeAccount", answer)
    assert client.describe_account(AccountId=ID)["Account"]["Name"] == "sandbox-ml"
    assert answers == []


def test_a_role_of_the_management_account_is_assumed_where_one_is_given(aws: None) -> None:
    """The deployment may live in any account; its credentials there renew themselves."""
    client = organization.connect("arn:aws:iam::999900001111:role/reader")
    credentials = client._request_signer._credentials
    assert credentials.method == "assume-role"
    assert credentials.get_frozen_credentials().token
