"""Do incidents look like the reports they are taken from, and do the expectations match the records?"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from usage_anomaly_generator import INCIDENTS, Expectation, Incident, demo, expectations, records, usage
from usage_anomaly_generator.calls import Record, Span
from usage_anomaly_generator.demo import place

START, DAYS, SEED = demo.START, demo.DAYS, 5
SPAN = Span(START, START + timedelta(days=DAYS))
CREATING = {
    "RunInstances": "ec2.instances",
    "StartInstances": "ec2.instances",
    "CreateVolume": "ebs.volumes",
    "CreateSnapshot": "ebs.snapshots",
    "RunTask": "ecs.tasks",
    "CreateService": "ecs.tasks",
    "InvokeModel": "bedrock.invocations",
    "Invoke": "lambda.invocations",
    "CreateDBInstance": "rds.instances",
    "CreateNatGateway": "nat.gateways",
    "AllocateAddress": "elastic.ips",
}


def planned(name: str) -> Incident:
    options = {"hours": 0.5} if name == "lambda_loop" else {}
    where = place(name, SPAN)
    return Incident(name, where.account, where.at, options)


def made(incident: Incident) -> list[Record]:
    return list(records(demo.ORGANIZATION, [], [incident], START, DAYS, SEED))


def expected(incident: Incident) -> dict[str, Expectation]:
    return {e.kind: e for e in expectations(demo.ORGANIZATION, [incident], START, DAYS, SEED)}


def kind_and_quantity(record: Record) -> tuple[str, int]:
    """Read from the record alone, so that it can disagree with what the generator says."""
    kind = CREATING[record["eventName"]]
    if "errorCode" in record:
        return f"{kind}.attempts", 0 if "invokedBy" in record["userIdentity"] else 1
    elements = record["responseElements"] or {}
    if "service" in elements:
        return kind, elements["service"]["desiredCount"]
    counted = elements["instancesSet"]["items"] if "instancesSet" in elements else elements.get("tasks", [elements])
    return kind, len(counted)


@pytest.mark.parametrize("name", INCIDENTS)
def test_expectations_are_what_the_records_say(name: str) -> None:
    """Tests of detectors compare with the expectation; it must not come from the same mistake as the records."""
    incident = planned(name)
    regions: dict[str, Counter[str]] = {}
    times: dict[str, list[str]] = {}
    for record in made(incident):
        if record["eventName"] in CREATING:
            kind, quantity = kind_and_quantity(record)
            regions.setdefault(kind, Counter())[record["awsRegion"]] += quantity
            times.setdefault(kind, []).append(record["eventTime"])
    found = expected(incident)
    assert {kind: e.regions for kind, e in found.items()} == regions
    assert {kind: e.quantity for kind, e in found.items()} == {kind: r.total() for kind, r in regions.items()}
    for kind, expectation in found.items():
        span = [at.isoformat().replace("+00:00", "Z") for at in (expectation.first, expectation.last)]
        assert span == [min(times[kind]), max(times[kind])]
        assert expectation.account == demo.ORGANIZATION.account(incident.account).id


def test_the_leaked_key_is_scenario_one() -> None:
    """47 p3.16xlarge by 19 calls over three regions in 53 minutes; dry runs, refusals and a new user before."""
    found = made(planned("leaked_key"))
    use = expected(planned("leaked_key"))["ec2.instances"]
    assert (use.quantity, use.regions) == (47, {"us-east-2": 20, "us-west-2": 15, "us-east-1": 12})
    assert (use.first, use.last) == (
        datetime(2026, 11, 25, 10, 4, tzinfo=UTC),
        datetime(2026, 11, 25, 10, 57, tzinfo=UTC),
    )
    names = Counter(record["eventName"] for record in found if "errorCode" not in record)
    assert names == {
        "GetCallerIdentity": 1,
        "CreateUser": 1,
        "AttachUserPolicy": 1,
        "CreateAccessKey": 1,
        "RunInstances": 19,
    }
    codes = [record["errorCode"] for record in found if "errorCode" in record]
    assert codes == ["Client.DryRunOperation"] * 6 + ["Client.VcpuLimitExceeded"] * 4
    assert {record["userIdentity"]["accessKeyId"] for record in found} == {"AKIAIOSFODNN7EXAMPLE"}
    assert {record["sourceIPAddress"] for record in found} == {"203.0.113.77"}
    assert [record["eventTime"] for record in found] == sorted(record["eventTime"] for record in found)


def test_part_of_the_stolen_instances_can_be_ended() -> None:
    """The quiet message says what still runs, so some must be released."""
    incident = Incident("leaked_key", "sandbox-ml", START, {"ended": 16})
    ends = [record for record in made(incident) if record["eventName"] == "TerminateInstances"]
    assert sum(len(record["requestParameters"]["instancesSet"]["items"]) for record in ends) == 16


def test_the_lambda_loop_runs_at_two_thousand_a_minute_from_friday_night() -> None:
    """One function, no pause, in an account that invokes a few dozen an hour."""
    use = expected(planned("lambda_loop"))["lambda.invocations"]
    assert use.quantity == 2000 * 30
    assert (use.first.strftime("%A"), use.first.hour) == ("Friday", 22)
    minutes = Counter(record["eventTime"][:16] for record in made(planned("lambda_loop")))
    assert set(minutes.values()) == {2000}


def test_the_giant_node_is_one_call_for_one_instance() -> None:
    """No count of calls or instances can see it; only its price and size can."""
    (launch,) = (record for record in made(planned("giant_node")) if record["eventName"] == "RunInstances")
    assert launch["requestParameters"]["instanceType"] == "u-12tb1.112xlarge"
    assert expected(planned("giant_node"))["ec2.instances"].quantity == 1


def test_the_provisioner_never_reaches_ten_in_ten_minutes() -> None:
    """20 an hour for half a day, by known automation: only longer windows can tell."""
    use = expected(planned("provisioner_loop"))["ec2.instances"]
    assert use.quantity == 240
    times = [
        datetime.fromisoformat(record["eventTime"])
        for record in made(planned("provisioner_loop"))
        if record["eventName"] == "RunInstances"
    ]
    width = timedelta(minutes=10)
    assert max(sum(first <= at < first + width for at in times) for first in times) <= 5
    assert timedelta(hours=11.5) < use.last - use.first < timedelta(hours=12)


def test_the_thin_spread_stays_at_two_or_three_a_region() -> None:
    """Below each region's limit; the account total is not."""
    use = expected(planned("thin_spread"))["ec2.instances"]
    assert len(use.regions) == 16
    assert set(use.regions.values()) <= {2, 3}


def test_refused_launches_use_nothing_and_end() -> None:
    """300 in 20 minutes, then silence: no spend, yet a sign."""
    found = expected(planned("refused_launches"))
    assert set(found) == {"ec2.instances.attempts"}
    assert found["ec2.instances.attempts"].quantity == 300
    assert found["ec2.instances.attempts"].last - found["ec2.instances.attempts"].first < timedelta(minutes=20)


def test_the_stolen_administrator_is_scenario_two() -> None:
    """Quotas, dry runs and refusals first; then 50 clusters with tasks and protected groups, all in ten minutes."""
    found = made(planned("stolen_administrator"))
    names = Counter(record["eventName"] for record in found)
    assert (names["CreateCluster"], names["CreateService"], names["RunTask"]) == (50, 25, 25)
    assert (names["GetServiceQuota"], names["CreateAutoScalingGroup"], names["ModifyInstanceAttribute"]) == (6, 2, 40)
    assert (names["CreateUser"], names["CreateAccessKey"], names["AttachUserPolicy"]) == (1, 1, 1)
    codes = Counter(record["errorCode"] for record in found if "errorCode" in record)
    assert codes == {"Client.DryRunOperation": 6, "Client.VcpuLimitExceeded": 4}
    launches = [each for each in found if each["eventName"] == "RunInstances" and "errorCode" not in each]
    assert {each["userIdentity"].get("invokedBy") for each in launches} == {"autoscaling.amazonaws.com"}
    uses = expected(planned("stolen_administrator"))
    assert (uses["ecs.tasks"].quantity, uses["ec2.instances"].quantity) == (350, 40)
    assert uses["ec2.instances"].last - uses["ecs.tasks"].first < timedelta(minutes=10)


def test_task_miners_launch_no_instance() -> None:
    """Hundreds of tasks on Fargate by one access key, each region's definition registered first."""
    found = made(planned("task_miners"))
    assert {record["eventName"] for record in found} == {"RegisterTaskDefinition", "RunTask"}
    assert len({record["userIdentity"]["accessKeyId"] for record in found}) == 1
    use = expected(planned("task_miners"))["ecs.tasks"]
    assert (use.quantity, len(use.regions)) == (300, 3)
    seen: set[str] = set()
    for record in found:
        if record["eventName"] == "RunTask":
            assert record["awsRegion"] in seen
        seen.add(record["awsRegion"])


def test_model_theft_reads_only_and_is_refused_first() -> None:
    """By the thousand from a long-lived key, in a region that no habit of the account touches."""
    found = made(planned("model_theft"))
    assert {(record["eventName"], record["readOnly"]) for record in found} == {("InvokeModel", True)}
    assert {record["userIdentity"]["accessKeyId"][:4] for record in found} == {"AKIA"}
    assert ["errorCode" in record for record in found] == [True] * 9 + [False] * 2000
    use = expected(planned("model_theft"))["bedrock.invocations"]
    assert set(use.regions).isdisjoint(demo.SANDBOX.regions)


def test_the_driver_leaks_slowly_for_days() -> None:
    """By the hundred a day, never twenty in ten minutes, and nothing is deleted."""
    found = made(planned("driver_leak"))
    assert {record["eventName"] for record in found} == {"CreateVolume", "CreateSnapshot"}
    uses = expected(planned("driver_leak"))
    assert (uses["ebs.volumes"].quantity, uses["ebs.snapshots"].quantity) == (900, 720)
    assert uses["ebs.volumes"].last - uses["ebs.volumes"].first > timedelta(days=2)
    times = [datetime.fromisoformat(each["eventTime"]) for each in found if each["eventName"] == "CreateVolume"]
    assert max(sum(first <= at < first + timedelta(minutes=10) for at in times) for first in times) <= 4


@pytest.mark.parametrize("name", INCIDENTS)
def test_every_incident_can_be_tripled_and_is_cut_at_the_end(name: str) -> None:
    """Size is a parameter; what would happen after the trail's end is in no expectation."""
    incident = planned(name)
    tripled = Incident(name, incident.account, incident.at, {**incident.options, "scale": 3})
    assert all(
        2 * e.quantity < expected(tripled)[kind].quantity for kind, e in expected(incident).items() if e.quantity > 10
    )
    assert all(e.last < SPAN.end for e in expected(tripled).values())


def test_usage_sums_habits_and_incidents(demo_records: list[Record], demo_incident: Incident) -> None:
    """The figure that a replay's summary must reach, duplicates or not."""
    totals: Counter[tuple[str, str]] = Counter()
    for record in demo_records:
        if record["eventName"] in CREATING:
            kind, quantity = kind_and_quantity(record)
            totals[kind, record["recipientAccountId"]] += quantity
    said = usage(demo.ORGANIZATION, demo.HABITS_OF_THE_DEMO, [demo_incident], START, DAYS, demo.SEED)
    assert said == {key: quantity for key, quantity in totals.items() if quantity}
    elsewhere = {"ecs.tasks", "bedrock.invocations"}  # of incidents only
    assert {kind for kind, _ in said} == {*CREATING.values(), "ec2.instances.attempts"} - elsewhere
