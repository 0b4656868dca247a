"""Can any content of a record make the reading fail?"""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.usage.calls import call
from tests.usage.conftest import Read

from usage_anomaly.catalog import BUNDLED, Catalog, load
from usage_anomaly.usage import UsageEvent

CATALOG = load()
CALLS = sorted(CATALOG.wanted)

# Names that the paths look for, so that nonsense reaches every step of them.
LOOKED_FOR = (
    "item items instancesSet instanceType instanceId minCount previousState name blockDeviceMapping ebs volumeSize "
    "volumeType omitted tagSet key value placement tenancy CreateNatGatewayResponse natGateway natGatewayId volumeId "
    "size iops functionName ARN dBInstanceIdentifier dBInstanceClass engine multiAZ publicIpv4Pool allocationId arn "
    "type sessionContext sessionIssuer invokedBy accountId accessKeyId principalId instanceMarketOptions marketType "
    "invocationType tagList CopyVolumesResponse volumeSet deleteOnTermination deviceName ConsoleLogin modelId "
    "userName roleName groupName policyArn status accessKey serviceSpecificCredential serviceSpecificCredentialId url "
    "trustAnchor trustAnchorId userId commitment savingsPlanId reservedInstancesId exchangeId purchase "
    "hostReservationId hostIdSet capacityReservation capacityReservationId capacityBlockExtensionSet "
    "capacityReservationFleetId scheduledInstanceSet scheduledInstanceId reservedDBInstanceId reservedCacheNodeId "
    "reservedNodeId reservationId reservedInstanceId provisionedModelArn trainingPlanArn "
    "trainingPlanExtensionOfferingId reservation reservationArn subscription id order orderId groupId permissionSetArn "
    "tasks taskArn launchType cpu memory "
    "overrides capacityProviderName containerInstances service desiredCount runningCount pendingCount task group "
    "taskDefinition taskDefinitionArn "
    "cacheClusterId replicationGroupId cacheNodeType numCacheNodes memberClusters nodeGroups nodeGroupMembers "
    "nodeGroupConfiguration replicaCount clusterIdentifier nodeType numberOfNodes domainStatus domainName clusterConfig "
    "instanceCount cluster jobFlowIds jobFlowId resourceConfig instanceGroups restrictedInstanceGroups trainingJobName "
    "hyperParameterTuningJobName processingJobName transformJobName notebookInstanceName endpointName domainId spaceName "
    "userProfileName appType appName clusterName successful instanceTypes trainingJobDefinition "
    "processingResources transformResources resourceSpec id snapshotId volumeSize snapshotSet"
)
NAMES = LOOKED_FOR.split()
# A lone surrogate is no UTF-8 and never gets past the envelopes.
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.sampled_from(
        ["1", "-1", "1e300", "1e400", "nan", "true", "9" * 40, "stopped", "running", "amazon", "spot", "m5.large"]
    )
)
CONTENT = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=25,
)


PARTS = ("requestParameters", "responseElements", "userIdentity", "resources")
RECORDS = [
    record
    for kind in CATALOG.kinds
    for line in (BUNDLED / kind / "samples.jsonl").read_text("utf-8").splitlines()
    if "eventName" in (record := json.loads(line)["record"])  # an aggregated event may be several records, or none
]


def places(value: object) -> list[tuple[Any, Any]]:
    """Every place in a value where something else could stand: the container and the key."""
    if isinstance(value, dict):
        return [(value, key) for key in value] + [place for each in value.values() for place in places(each)]
    if isinstance(value, list):
        return [(value, key) for key in range(len(value))] + [place for each in value for place in places(each)]
    return []


@st.composite
def spoiled(draw: st.DrawFn) -> dict[str, Any]:
    """A sample with one to three of its values replaced by nonsense."""
    record: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(RECORDS)))
    for _ in range(draw(st.integers(1, 3))):
        inside = [place for part in PARTS for place in places(record.get(part))]
        container, key = draw(st.sampled_from(inside or [(record, "responseElements")]))
        container[key] = draw(CONTENT)
    return record


@given(
    st.sampled_from(CALLS),
    st.fixed_dictionaries(
        {},
        optional={
            "requestParameters": CONTENT,
            "responseElements": CONTENT,
            "userIdentity": CONTENT,
            "resources": CONTENT,
            "errorCode": st.none() | TEXT,
            "sourceIPAddress": SCALARS,
            "userAgent": SCALARS,
            "recipientAccountId": SCALARS,
        },
    ),
)
def test_no_content_makes_the_reading_fail(read: Read, name: tuple[str, str], fields: dict[str, Any]) -> None:
    """One hand-edited record in a folder of a million must not end the run, nor invent a quantity."""
    source, call_name = name
    check(read(call(call_name, source=source, **fields)))


@given(spoiled())
def test_no_single_value_makes_the_reading_fail(read: Read, record: dict[str, Any]) -> None:
    """Nonsense deep inside a record that is otherwise sound gets further than a record of nonsense."""
    check(read(record))


def check(events: list[UsageEvent]) -> None:
    """What holds of the events of any record."""
    for event in events:
        assert type(event.quantity) is int
        assert 0 <= event.quantity <= 100_000
        assert len(event.resource_ids) <= 1_000
        assert event.usd_per_hour is None or event.usd_per_hour >= 0
        assert event.direction != "attempt" or event.quantity == 1
    groups = [(event.kind, event.group) for event in events]
    assert len(groups) == len(set(groups))
    for kind in {event.kind for event in events}:
        assert sum(event.quantity for event in events if event.kind == kind) <= 100_000


@given(st.sampled_from(CALLS), CONTENT)
def test_every_event_can_be_written_down(read: Read, name: tuple[str, str], content: Any) -> None:
    """What cannot be encoded would be lost at the store, after it was counted."""
    source, call_name = name
    for event in read(call(call_name, source=source, requestParameters=content, responseElements=content)):
        assert json.loads(msgspec.json.encode(event))["kind"] == event.kind


def test_the_nonsense_reaches_what_the_catalog_reads(catalog: Catalog) -> None:
    """A property test over names that no path looks for proves nothing: a new kind adds its names above."""
    for kind in catalog.kinds.values():
        for reading in kind.calls:
            for paths in (reading.items, reading.resource_ids, reading.group):
                assert not paths or any(set(re.findall(r"\.(\w+)", path)) <= set(NAMES) for path in paths), paths
