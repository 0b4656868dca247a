"""What does a record count, when CloudTrail writes it in one of its many ways?"""

from __future__ import annotations

from typing import Any

import pytest
from tests.usage.calls import ACCOUNT, call, launch
from tests.usage.conftest import Read

from usage_anomaly.usage import UsageEvent

SERVICE_CALLERS: list[dict[str, Any]] = [
    {"userIdentity": {"type": "AWSService", "invokedBy": "autoscaling.amazonaws.com"}},
    {"userIdentity": {"type": "AssumedRole", "invokedBy": "cloudformation.amazonaws.com"}},
    {"sourceIPAddress": "eks-nodegroup.amazonaws.com"},
    {"sourceIPAddress": "AWS Internal"},
]


def instances(events: list[UsageEvent]) -> list[UsageEvent]:
    return [event for event in events if event.kind.startswith("ec2.")]


def volumes(events: list[UsageEvent]) -> list[UsageEvent]:
    return [event for event in events if event.kind.startswith("ebs.")]


def test_a_record_no_kind_wants_gives_nothing(read: Read) -> None:
    """99 of 100 records are of no interest; they must cost one look-up and leave no trace."""
    assert read(call("DescribeInstances")) == []
    assert read(call("RunInstances", source="lightsail.amazonaws.com")) == []


def test_items_priced_alike_are_one_event_each(read: Read) -> None:
    """The id of a stored event is record, kind and group: two events of one group would overwrite each other."""
    events = instances(read(launch("m5.large", "r5.large", "m5.large")))
    assert [(event.group, event.quantity, len(event.resource_ids)) for event in events] == [
        ("m5.large", 2, 2),
        ("r5.large", 1, 1),
    ]


@pytest.mark.parametrize(
    "container",
    [
        {"items": [{"instanceId": "i-1", "instanceType": "m5.large"}]},
        {"item": {"instanceId": "i-1", "instanceType": "m5.large"}},
        {"items": {"instanceId": "i-1", "instanceType": "m5.large"}},
        [{"instanceId": "i-1", "instanceType": "m5.large"}],
        {"items": [None, 7, "i-2", {"instanceId": "i-1", "instanceType": "m5.large"}]},
    ],
)
def test_a_list_counts_in_every_form_it_is_written_in(read: Read, container: object) -> None:
    """CloudTrail turns XML into JSON: a list of one may be an object, and one account's form is not another's."""
    (event,) = instances(read(call("RunInstances", responseElements={"instancesSet": container})))
    assert (event.quantity, event.resource_ids, event.truncated) == (1, ("i-1",), False)


@pytest.mark.parametrize("answer", [{}, {"instancesSet": {}}, {"instancesSet": {"items": []}}, {"instancesSet": None}])
def test_an_answer_without_items_is_an_attempt(read: Read, answer: object) -> None:
    """Eight of eleven launches in a live account failed: counting what was asked for would triple the spend."""
    (event,) = read(call("RunInstances", responseElements=answer))
    assert (event.kind, event.direction, event.quantity) == ("ec2.instances.attempts", "attempt", 1)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"omitted": True},
        {"omitted": True, "instancesSet": {"items": [{"instanceId": "i-1"}]}},
        {"instancesSet": {"omitted": True}},
        {"instancesSet": {"items": {"omitted": True}}},
        "text",
        7,
        [],
    ],
)
def test_a_missing_or_cut_answer_counts_what_was_asked_for_and_says_so(read: Read, answer: object) -> None:
    """The worst launches have the longest answers: those are the ones that CloudTrail cuts."""
    asked = {"instancesSet": {"items": [{"minCount": "40", "maxCount": 60}]}, "instanceType": "p3.16xlarge"}
    (event,) = instances(read(call("RunInstances", requestParameters=asked, responseElements=answer)))
    assert (event.quantity, event.truncated, event.kind) == (40, True, "ec2.instances")


def test_a_launch_that_says_nothing_at_all_is_one_instance(read: Read) -> None:
    """A call that succeeded launched something; 0 would hide it, and more than 1 would be invented."""
    (event,) = instances(read(call("RunInstances")))
    assert (event.quantity, event.truncated, event.group) == (1, True, None)


def test_a_count_beyond_a_record_is_capped_and_marked(read: Read) -> None:
    """A forged minCount must not become a figure in an alert, nor fill the memory."""
    asked = {"instancesSet": {"items": [{"minCount": 10**12}]}, "blockDeviceMapping": [{"ebs": {"volumeSize": 1}}] * 3}
    events = read(call("RunInstances", requestParameters=asked))
    assert [(event.kind, event.quantity, event.truncated) for event in events] == [
        ("ebs.volumes", 100_000, True),
        ("ec2.instances", 100_000, True),
    ]


def test_ids_are_kept_up_to_a_thousand(read: Read) -> None:
    """An event has to fit its store; the quantity still counts them all."""
    (event,) = instances(read(launch(*["m5.large"] * 1_200)))
    assert (event.quantity, len(event.resource_ids)) == (1_200, 1_000)


@pytest.mark.parametrize(
    ("named", "known"),
    [
        ("arn:aws:ecs:us-east-2:111122223333:task/batch/0f0f0f0f", "0f0f0f0f"),
        ("arn:aws:rds:us-east-2:111122223333:db:orders", "orders"),
        ("0f0f0f0f", "0f0f0f0f"),
        ("arn:", "arn:"),
    ],
)
def test_a_resource_goes_by_its_id_and_its_arn_alike(read: Read, named: str, known: str) -> None:
    """A task is launched with an ARN and often stopped by its id: told apart, it would never be seen released."""
    (event,) = read(call("StopTask", source="ecs.amazonaws.com", requestParameters={"task": named}))
    assert event.resource_ids == (known,)


@pytest.mark.parametrize("caller", SERVICE_CALLERS)
def test_what_a_service_tries_is_no_attempt(read: Read, caller: dict[str, Any]) -> None:
    """Auto Scaling retries all day; its failures are no sign of a stolen key."""
    assert read(call("RunInstances", errorCode="Client.VcpuLimitExceeded", **caller)) == []


@pytest.mark.parametrize("caller", SERVICE_CALLERS)
def test_what_a_service_launches_counts(read: Read, caller: dict[str, Any]) -> None:
    """Attackers launch through Auto Scaling because it is trusted (scenario 2)."""
    assert [event.quantity for event in instances(read(launch("m5.large", **caller)))] == [1]


def test_a_person_at_the_console_is_no_service(read: Read) -> None:
    """Older records name the console in invokedBy: a person's refused launches must still be seen."""
    caller = {"type": "IAMUser", "invokedBy": "signin.amazonaws.com"}
    assert len(read(call("RunInstances", errorCode="Client.VcpuLimitExceeded", userIdentity=caller))) == 1


def test_a_refused_launch_is_one_attempt_whatever_it_asked_for(read: Read) -> None:
    """Attempts count calls, and belong to the instances only: volumes of a launch that failed were never tried."""
    asked = {"instanceType": "p4d.24xlarge", "instancesSet": {"items": [{"minCount": 50}]}}
    (event,) = read(call("RunInstances", errorCode="Client.UnauthorizedOperation", requestParameters=asked))
    assert (event.kind, event.quantity, event.unit) == ("ec2.instances.attempts", 1, "calls")
    assert (event.group, event.error_code) == ("p4d.24xlarge", "Client.UnauthorizedOperation")
    assert event.usd_per_hour is None


def test_a_volume_without_a_size_leaves_the_sum_unknown(read: Read) -> None:
    """A part of the storage would pass for the whole."""
    mapping = {"items": [{"ebs": {"volumeType": "gp3", "volumeSize": 8}}, {"ebs": {"volumeType": "gp3"}}]}
    (event,) = volumes(read(launch("m5.large", mapping=mapping)))
    assert (event.quantity, event.gib, event.usd_per_hour) == (2, None, None)


def test_a_started_instance_carries_no_type(read: Read) -> None:
    """The record has none: a guess would be priced. The ids lead to the launch that knows."""
    items = [{"instanceId": "i-1", "previousState": {"name": "stopped"}}, {"instanceId": "i-2"}]
    (event,) = read(call("StartInstances", responseElements={"instancesSet": {"items": items}}))
    assert (event.group, event.vcpus, event.usd_per_hour, event.resource_ids) == (None, None, None, ("i-1",))


@pytest.mark.parametrize(
    ("named", "bare"),
    [
        ("orders", "orders"),
        ("orders:live", "orders"),
        (f"{ACCOUNT}:function:orders", "orders"),
        (f"arn:aws:lambda:us-east-2:{ACCOUNT}:function:orders", "orders"),
        (f"arn:aws:lambda:us-east-2:{ACCOUNT}:function:orders:$LATEST", "orders"),
        ("function:live", "function"),
        (":", ":"),
    ],
)
def test_a_function_has_one_name(read: Read, named: str, bare: str) -> None:
    """A loop of one function called by four names must not look like four quiet functions."""
    (event,) = read(call("Invoke", source="lambda.amazonaws.com", requestParameters={"functionName": named}))
    assert (event.function_name, event.quantity, event.truncated) == (bare, 1, False)


def test_volumes_that_end_with_their_instance_go_by_its_id(read: Read) -> None:
    """Their own ids are in no record: instance and device name them, and the instance's end is theirs."""
    mapping = {
        "items": [
            {"deviceName": "/dev/xvda", "ebs": {"volumeSize": 8, "deleteOnTermination": True}},
            {"deviceName": "/dev/sdb", "ebs": {"volumeSize": 9, "deleteOnTermination": "true"}},
            {"deviceName": "/dev/sdc", "ebs": {"volumeSize": 9, "deleteOnTermination": False}},
            {"deviceName": "/dev/sdd", "ebs": {"volumeSize": 9}},
            {"deviceName": ["/dev/sde"], "ebs": {"volumeSize": 9, "deleteOnTermination": True}},
        ]
    }
    (event,) = volumes(read(launch("m5.large", "m5.large", mapping=mapping)))
    first, second = "i-00000000000000000", "i-00000000000000001"
    assert event.quantity == 10
    assert event.resource_ids == tuple(
        f"{each}:{device}" for device in ("/dev/xvda", "/dev/sdb") for each in (first, second)
    )
    ended = call("TerminateInstances", requestParameters={"instancesSet": {"items": [{"instanceId": first}]}})
    (release,) = volumes(read(ended))
    assert (release.direction, release.quantity, release.resource_ids) == ("release", 0, (first,))
    assert (release.truncated, release.usd_per_hour, release.gib) == (False, None, None)
    stopped = call("StopInstances", requestParameters={"instancesSet": {"items": [{"instanceId": first}]}})
    assert volumes(read(stopped)) == []


def test_the_ids_of_volumes_are_as_few_as_those_of_all_else(read: Read) -> None:
    """A thousand instances with twenty volumes each are no twenty thousand ids in one event."""
    item = {"deviceName": "/dev/sdb", "ebs": {"volumeSize": 1, "deleteOnTermination": True}}
    (event,) = volumes(read(launch(*["m5.large"] * 400, mapping=[item] * 20)))
    assert (event.quantity, len(event.resource_ids)) == (8_000, 1_000)
