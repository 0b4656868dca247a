"""What do the captured trail files use, counted by hand once and pinned here?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment.prices import PriceTable
from usage_anomaly.envelopes import event_id, event_time, read_payload
from usage_anomaly.usage import UsageEvent, read_usage

pytestmark = pytest.mark.real_data

SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)
SETS = ("cloud_custodian", "grycap", "invictus", "opensearch_catalog", "otrf", "panther", "stratus", "zmallen")


class Reading:
    """One set of files, read: how many records stood in it, and the events of the distinct ones."""

    def __init__(self) -> None:
        self.records = 0
        self.keys: set[bytes] = set()
        self.events: list[UsageEvent] = []

    def quantities(self, direction: str) -> dict[str, int]:
        """Units by kind; events of quantity 0 only say that a launch did not name its volumes."""
        total: Counter[str] = Counter()
        for event in self.events:
            if event.direction == direction and event.quantity:
                total[event.kind] += event.quantity
        return dict(total)

    def of(self, kind: str, direction: str = "use") -> list[UsageEvent]:
        return [event for event in self.events if (event.kind, event.direction) == (kind, direction)]


Reader = Callable[[str], Reading]


@pytest.fixture(scope="module")
def reader(shared_data: Path, catalog: Catalog, prices: PriceTable) -> Reader:
    """Reads the files of one set; the same record in two files counts once."""

    def read(name: str) -> Reading:
        reading = Reading()
        for file in sorted((shared_data / "cloudtrail" / name).rglob("*.json*")):
            payload = read_payload(file.read_bytes(), file.name)
            for record, key in zip(payload.records, payload.keys, strict=True):
                reading.records += 1
                if key not in reading.keys:
                    reading.keys.add(key)
                    time = event_time(record) or SOME_TIME
                    reading.events += read_usage(record, time, event_id(record, key), catalog, prices, file.name)
        return reading

    return read


def test_the_attack_simulation_used_what_terraform_made(reader: Reader) -> None:
    """An hour of live records whose every call was looked at: the figures of issue 3."""
    invictus = reader("invictus")
    assert invictus.records == 2_900
    assert invictus.quantities("use") == {
        "ec2.instances": 2, "ebs.volumes": 2, "ebs.snapshots": 2, "nat.gateways": 2, "rds.instances": 1, "elastic.ips": 3,
        "api.denied": 60, "identity.changes": 36,
    }  # fmt: skip
    assert invictus.quantities("attempt") == {"ec2.instances.attempts": 6}
    assert invictus.quantities("release") == {
        "ec2.instances": 2, "ebs.volumes": 2, "ebs.snapshots": 2, "nat.gateways": 2, "rds.instances": 1, "elastic.ips": 3,
    }  # fmt: skip
    assert {(event.group, event.automation) for event in invictus.of("ec2.instances")} == {("t3.micro", "Terraform")}
    assert all(event.long_lived_key for event in invictus.of("ec2.instances"))


def test_what_the_simulation_made_it_also_released(reader: Reader) -> None:
    """Burn rate is net of releases: use and release must name a resource by the same id."""
    invictus = reader("invictus")
    for kind in ("ec2.instances", "nat.gateways", "rds.instances", "elastic.ips"):
        made = {each for event in invictus.of(kind) for each in event.resource_ids}
        released = {each for event in invictus.of(kind, "release") for each in event.resource_ids}
        assert made == released, kind


def test_a_launch_by_auto_scaling_is_told_as_one(reader: Reader) -> None:
    """A record of 2017, by the root user as the service wrote it then."""
    (event,) = reader("grycap").of("ec2.instances")
    assert (event.quantity, event.group, event.automation) == (1, "t1.micro", "Auto Scaling")


def test_the_same_launch_in_two_files_counts_once(reader: Reader) -> None:
    """In one live bucket 27 of 100 records stood in two objects."""
    custodian = reader("cloud_custodian")
    assert (custodian.records, len(custodian.keys)) == (24, 23)
    assert [event.quantity for event in custodian.of("ec2.instances")] == [1, 2]


@pytest.mark.parametrize("name", SETS)
def test_no_real_record_makes_the_reading_fail(reader: Reader, name: str) -> None:
    """Hand-edited ids, invented regions, fields of the wrong type: they all come in real folders."""
    reading = reader(name)
    assert reading.records > 0
    assert all(event.account_id and event.region for event in reading.events)


def test_an_invented_region_has_no_price(reader: Reader) -> None:
    """A price for a region that does not exist would be a lie with a basis."""
    for event in reader("stratus").events:
        assert event.usd_per_hour is None or event.kind in ("api.denied", "identity.changes", "console.logins")


def test_refusals_and_changes_of_identities_are_those_counted_by_hand(reader: Reader) -> None:
    """Counted with a search for errorCode and eventName: the passwords and the instance attribute that a role asked
    for 44 times, 13 roles that were not to be taken, two looks at the bill, and an account that should have left."""
    invictus = reader("invictus")
    assert Counter(event.event_name for event in invictus.of("api.denied")) == {
        "GetPasswordData": 29, "DescribeInstanceAttribute": 15, "AssumeRole": 13, "GetCostAndUsage": 1,
        "GetCostForecast": 1, "LeaveOrganization": 1,
    }  # fmt: skip
    assert Counter(event.event_name for event in invictus.of("identity.changes")) == {
        "CreateRole": 13, "AttachRolePolicy": 6, "PutRolePolicy": 5, "CreateUser": 4, "CreateAccessKey": 2,
        "CreateLoginProfile": 2, "UpdateAssumeRolePolicy": 2, "AttachUserPolicy": 1, "CreateTrustAnchor": 1,
    }  # fmt: skip
    assert invictus.of("console.logins") == []  # two logins, both of users and successful


def test_refused_launches_are_not_counted_twice(reader: Reader) -> None:
    """The captures of single techniques: 51 refusals stand in them, one of a launch, which is an attempt."""
    stratus = reader("stratus")
    assert (len(stratus.of("api.denied")), len(stratus.of("ec2.instances.attempts", "attempt"))) == (50, 1)
    assert {event.group for event in stratus.of("bedrock.invocations")} == {"anthropic.claude-3-sonnet-20240229-v1:0"}


def test_logins_that_failed_or_were_roots(reader: Reader) -> None:
    """Samples of a vendor's rules: three of their failures and roots stand there twice."""
    logins = Counter(event.group for event in reader("panther").of("console.logins"))
    assert logins == {"failed": 4, "root": 2, "failed root": 2}
