"""What does a usage event say of caller, account and price?"""

from __future__ import annotations

from typing import Any

import pytest
from tests.usage.calls import ACCOUNT, call, launch, parsed
from tests.usage.conftest import Read

from usage_anomaly.callers import ip_of, read_caller, role_of
from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment.prices import PriceTable
from usage_anomaly.envelopes import event_time
from usage_anomaly.series import Series
from usage_anomaly.usage import UsageEvent, read_usage

ROLE = "arn:aws:iam::111122223333:role/service-role/deploy"
SESSION = "arn:aws:sts::111122223333:assumed-role/deploy/build-4711"


def one(events: list[UsageEvent], kind: str) -> UsageEvent:
    (event,) = (event for event in events if event.kind == kind)
    return event


def test_a_session_is_its_role_with_the_name_apart() -> None:
    """A thousand sessions of one role are one actor; as a thousand actors none would ever have a past."""
    identity = {"type": "AssumedRole", "arn": SESSION, "sessionContext": {"sessionIssuer": {"arn": ROLE}}}
    caller = read_caller(identity, "203.0.113.77")
    assert (caller.arn, caller.session, caller.service) == (ROLE, "build-4711", False)


@pytest.mark.parametrize(
    ("arn", "role"),
    [
        (SESSION, "arn:aws:iam::111122223333:role/deploy"),
        ("arn:aws-cn:sts::111122223333:assumed-role/deploy/x", "arn:aws-cn:iam::111122223333:role/deploy"),
        ("arn:aws::sts:111122223333:assumed-role/deploy/x", "arn:aws:iam::111122223333:role/deploy"),
        ("arn:aws:iam::111122223333:user/team/ci", "arn:aws:iam::111122223333:user/team/ci"),
    ],
)
def test_the_role_follows_from_the_session_where_no_issuer_is_named(arn: str, role: str) -> None:
    """Vendors drop sessionContext from exports, and one writes the ARN with a colon misplaced."""
    assert role_of(arn) == role


@pytest.mark.parametrize("identity", [None, "root", 7, [], {}, {"type": 3, "sessionContext": "x", "arn": ["y"]}])
def test_an_identity_that_cannot_be_read_is_nobody(identity: object) -> None:
    """The launch still counts; who did it is then not established."""
    caller = read_caller(identity, None)
    assert (caller.arn, caller.session, caller.service) == (None, None, False)


def test_a_caller_without_arn_is_known_by_its_principal() -> None:
    """Calls from other accounts name no ARN, yet two of them must not look like one."""
    assert read_caller({"type": "AWSAccount", "principalId": "AROAX:job"}, None).arn == "AROAX:job"


@pytest.mark.parametrize(
    ("address", "ip"),
    [
        ("203.0.113.77", "203.0.113.77"),
        ("2001:DB8::1", "2001:db8::1"),
        ("ec2.amazonaws.com", None),
        ("fe80::1%eth0", None),
        ("203.0.113.77 ", None),
        (None, None),
    ],
)
def test_only_an_address_becomes_a_source_ip(address: str | None, ip: str | None) -> None:
    """Four of five records have a service's name there, which an index field of type ip refuses with the document."""
    assert ip_of(address) == ip


@pytest.mark.parametrize(
    ("fields", "account"),
    [
        ({}, ACCOUNT),
        ({"recipientAccountId": None}, ACCOUNT),
        ({"recipientAccountId": None, "userIdentity": None}, "unknown"),
        ({"recipientAccountId": "444455556666"}, "444455556666"),
    ],
)
def test_the_account_that_received_the_record_pays(read: Read, fields: dict[str, Any], account: str) -> None:
    """A service calls with an account of its own; the launch is billed where the record arrived."""
    assert one(read(launch("m5.large", **fields)), "ec2.instances").account_id == account


def test_an_event_says_all_it_knows_of_its_record(read: Read, catalog: Catalog) -> None:
    """Evidence, alert and index read the event only: what it leaves out is lost."""
    event = one(read(launch("m5.large", "m5.large")), "ec2.instances")
    assert (event.event_id, event.region, event.unit) == (
        "0f0f0f0f-0000-4000-8000-000000000001",
        "us-east-2",
        "instances",
    )
    assert (event.actor_arn, event.actor_type) == (f"arn:aws:iam::{ACCOUNT}:user/ci", "IAMUser")
    assert (event.long_lived_key, event.access_key_id) == (True, "AKIAEXAMPLE000000001")
    assert (event.source_ip, event.user_agent, event.market) == ("203.0.113.77", "aws-cli/2.22.10", "on-demand")
    assert (event.record_location, event.catalog_version) == ("a.json.gz#0", catalog.version)


def test_sums_are_over_all_units(read: Read) -> None:
    """Two machines cost twice: a rate per item would be added up wrongly by everyone who reads the event."""
    event = one(read(launch("m5.large", "m5.large")), "ec2.instances")
    assert (event.vcpus, event.gpus, event.usd_per_hour, event.price_basis) == (4.0, 0.0, 0.2, "invented")


@pytest.mark.parametrize("region", ["us-east-2", "xx-nowhere-9"])
def test_a_type_without_a_price_has_no_price(read: Read, region: str) -> None:
    """Unknown is told as unknown; 0 would say that it is free."""
    event = one(read(launch("m9.huge", awsRegion=region)), "ec2.instances")
    assert (event.usd_per_hour, event.vcpus, event.price_basis) == (None, None, None)


@pytest.mark.parametrize(
    ("market", "usd", "confidence"), [("spot", 0.1, 0.5), ("capacity-block", None, None), ("on-demand", 0.1, 1.0)]
)
def test_the_market_decides_how_sure_a_price_is(
    read: Read, market: str, usd: float | None, confidence: float | None
) -> None:
    """Spot costs less than the list, and a capacity block was paid when it was bought."""
    record = launch("m5.large")
    record["requestParameters"]["instanceMarketOptions"] = {"marketType": market}
    event = one(read(record), "ec2.instances")
    assert (event.market, event.usd_per_hour, event.price_confidence) == (market, usd, confidence)


def test_volumes_are_priced_by_their_own_sizes(read: Read) -> None:
    """One type in two sizes is one event; the price is the sum of both, for each instance."""
    mapping = {"items": [{"ebs": {"volumeType": "gp3", "volumeSize": size}} for size in (100, "200")]}
    event = one(read(launch("m5.large", "m5.large", mapping=mapping)), "ebs.volumes")
    assert (event.quantity, event.gib) == (4, 600.0)
    assert event.usd_per_hour == pytest.approx(0.06)


@pytest.mark.parametrize(("multi_az", "usd"), [(True, 0.4), ("true", 0.4), (False, 0.2), (None, 0.2)])
def test_a_standby_is_priced(read: Read, multi_az: object, usd: float) -> None:
    """A database with a standby costs twice."""
    answer = {
        "dBInstanceIdentifier": "Orders",
        "dBInstanceClass": "db.m6g.large",
        "engine": "mysql",
        "multiAZ": multi_az,
    }
    (event,) = read(call("CreateDBInstance", source="rds.amazonaws.com", responseElements=answer))
    assert (event.usd_per_hour, event.resource_ids) == (usd, ("orders",))


def test_long_text_is_clipped_and_otherwise_kept(read: Read) -> None:
    """Hostile text is made inert where it is shown; here only its length is a danger."""
    hostile = "\u202e<!channel>\n=cmd|'x'\x1b[2J" + "x" * 20_000
    event = one(read(launch(hostile, userAgent=hostile, sourceIPAddress=hostile)), "ec2.instances")
    assert event.user_agent == hostile[:1_024]
    assert event.source_address == hostile[:1_024]
    assert (event.group, event.source_ip) == (hostile[:256], None)


def test_a_services_tasks_cost_what_their_registered_definition_says(catalog: Catalog, prices: PriceTable) -> None:
    """A thief registers a miner's definition, then sets a service to 50: neither record alone has a price."""
    arn = f"arn:aws:ecs:us-east-2:{ACCOUNT}:task-definition/miner:1"
    definition = {"taskDefinitionArn": arn, "cpu": "4096", "memory": "8192", "compatibilities": ["EC2", "FARGATE"]}
    service = {"launchType": "FARGATE", "taskDefinition": arn, "desiredCount": 50, "runningCount": 2, "pendingCount": 0}
    series, buckets = Series(), set[int]()
    for name, field, answer in (
        ("UpdateService", "service", service),
        ("RegisterTaskDefinition", "taskDefinition", definition),
    ):
        record = parsed(
            call(
                name,
                source="ecs.amazonaws.com",
                requestParameters={"desiredCount": 50},
                responseElements={field: answer},
            )
        )
        moment = event_time(record)
        assert moment is not None
        for event in read_usage(record, moment, name, catalog, prices):
            buckets.update(series.add(event))
    (bucket,) = buckets
    assert series.quantity(bucket, bucket) == 48
    assert series.net_micro(bucket, bucket) == pytest.approx(48 * (4 * 0.04048 + 8 * 0.004445) * 1e6, rel=1e-6)
