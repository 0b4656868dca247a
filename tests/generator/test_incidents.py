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
    return kind, len(elements["instancesSet"]["items"]) if "instancesSet" in elements else 1


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
    assert {kind for kind, _ in said} == {*CREATING.values(), "ec2.instances.attempts"}
