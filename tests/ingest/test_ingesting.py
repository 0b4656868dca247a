"""Do the records of a trail become exactly their documents, whatever comes between them and however often they come?"""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from opensearchpy import OpenSearch
from tests.ingest.packing import NOW, Record, expected, payloads, subscription, thousand
from tests.search.making import NOBODY, plenty
from tests.search.serving import LOOPBACK, documents

from usage_anomaly.ingesting import FailureStore, Ingested, Intake, ingest
from usage_anomaly.search.client import SearchUnavailable, connect
from usage_anomaly.usage import UsageEvent

pytestmark = LOOPBACK


def sent(payload: Record, intake: Intake) -> Ingested:
    return ingest(json.dumps(payload).encode(), intake, NOW, plenty)


def kept(client: OpenSearch) -> dict[str, UsageEvent]:
    """The usage events in the index by document id; origin and place of the record are not theirs."""
    return {name: plain(msgspec.convert(document, UsageEvent)) for name, document in documents(client).items()}


def plain(event: UsageEvent) -> UsageEvent:
    return msgspec.structs.replace(event, origin="live", record_location=None)


def rejected(store: FailureStore) -> dict[str, dict[str, Any]]:
    """Everything below rejected/ in the failure bucket."""
    found = store.s3.get_paginator("list_objects_v2").paginate(Bucket=store.bucket, Prefix="rejected/")
    names = [each["Key"] for page in found for each in page.get("Contents", ())]
    return {name: json.loads(store.get(name)) for name in names}


def launched(records: list[Record]) -> int:
    """Instances launched, counted plainly in the records' JSON."""
    answered = [
        each["responseElements"]["instancesSet"]["items"]
        for each in records
        if each["eventName"] == "RunInstances" and "errorCode" not in each
    ]
    return sum(map(len, answered))


def test_a_thousand_records_of_five_accounts_give_exactly_their_documents(intake: Intake, client: OpenSearch) -> None:
    """Nothing lost, nothing made up: the index holds what a replay of the same records reads."""
    found = thousand()
    results = [sent(payload, intake) for payload in payloads(found)]
    wanted = {name: plain(event) for name, event in expected(found, intake.catalog, intake.prices).items()}
    assert len({event.account_id for event in wanted.values()}) == 5
    assert len(wanted) > 300
    assert kept(client) == wanted
    assert sum(each.records for each in results) == 1_000
    assert sum(each.created for each in results) == len(wanted)
    launches = [each for each in kept(client).values() if (each.kind, each.direction) == ("ec2.instances", "use")]
    started = sum(each.quantity for each in launches if each.event_name == "RunInstances")
    assert started == launched(found) > 47


def test_the_same_payloads_again_change_nothing(intake: Intake, client: OpenSearch) -> None:
    """CloudWatch Logs and Lambda both deliver at least once, in other batches too."""
    found = thousand()
    for payload in payloads(found):
        sent(payload, intake)
    before = documents(client)
    again = [sent(payload, intake) for payload in payloads(found, size=333)]
    assert sum(each.created for each in again) == 0
    assert sum(each.existing for each in again) == len(before)
    assert documents(client) == before


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        ({"eventTime": "2035-01-01T00:00:00Z"}, "event_time is more than an hour ahead"),
        ({"eventTime": "2020-01-01T00:00:00Z"}, "event_time is older than the 36 days that are kept"),
        ({"eventTime": None}, "no eventTime"),
        ("{broken", "broken JSON"),
        ('"a text"', "no JSON object"),
    ],
)
def test_one_poisoned_record_leaves_the_rest(
    poison: Record | str, reason: str, intake: Intake, client: OpenSearch, store: FailureStore
) -> None:
    """The rest is kept; the poison lies in the failure bucket with its reason, once, however often it comes."""
    found = [each for each in thousand() if each["eventName"] == "RunInstances"][:20]
    if not isinstance(poison, str):
        poison = {**found[0], "eventID": "0f0f0f0f-0000-4000-8000-000000000001", **poison}
    payload = subscription([*found[:10], poison, *found[10:]])
    first, second = sent(payload, intake), sent(payload, intake)
    assert len(documents(client)) == len(expected(found, intake.catalog, intake.prices)) == first.created
    assert first.rejected == second.rejected >= 1
    ((name, part),) = rejected(store).items()
    assert name.startswith("rejected/final/")
    assert reason in part["refusals"][0]["reason"]
    by_index = part["refusals"][0]["event"] is not None
    assert by_index or part["payload"] == json.dumps(payload), "what is no record is kept as it came"


def test_what_the_index_refuses_is_kept_with_its_reason(
    intake: Intake, client: OpenSearch, store: FailureStore
) -> None:
    """A mapping that somebody changed must not cost more than the records it cannot hold."""
    template = client.indices.get_index_template(name="usage-events")["index_templates"][0]["index_template"]
    template["template"]["mappings"]["properties"]["key_name"] = {"type": "integer"}
    client.indices.put_index_template(name="changed", body={**template, "priority": 300})
    found = [each for each in thousand() if each["eventName"] == "RunInstances" and "errorCode" not in each][:6]
    for each in found:
        for item in each["responseElements"]["instancesSet"]["items"]:
            item["keyName"] = "not a number" if each is found[2] else "7"
    done = sent(subscription(found), intake)
    assert done.rejected >= 1
    assert done.created >= 5
    ((_, part),) = rejected(store).items()
    assert {each["event"]["event_id"] for each in part["refusals"]} == {found[2]["eventID"]}
    assert "key_name" in part["refusals"][0]["reason"]


def test_a_record_a_little_ahead_is_kept_for_later(intake: Intake, store: FailureStore) -> None:
    """A clock that is two hours ahead is overtaken; its record is none to throw away."""
    record = {**thousand()[0], **launch(), "eventTime": f"{NOW + timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}"}
    assert sent(subscription([record]), intake).rejected >= 1
    assert all(name.startswith("rejected/retryable/") for name in rejected(store))


def launch() -> Record:
    return next(each for each in thousand() if each["eventName"] == "RunInstances" and "errorCode" not in each)


def test_our_own_calls_are_dropped(intake: Intake, client: OpenSearch) -> None:
    """With Lambda data events on, each call of ingest would make the next one."""
    role = "arn:aws:iam::111122223333:role/usage-anomaly-DetectRole-1A2B3C4D5E6F"
    mine = {"type": "AssumedRole", "accountId": "111122223333", "sessionContext": {"sessionIssuer": {"arn": role}}}
    alike = {**mine, "sessionContext": {"sessionIssuer": {"arn": role.replace("DetectRole", "MinerRole")}}}
    theirs = {**mine, "sessionContext": {"sessionIssuer": {"arn": role.replace("111122223333", "111122224444")}}}
    arn = "arn:aws:lambda:us-east-1:111122223333:function:usage-anomaly-IngestFunction-1A2B3C4D5E6F"
    invoke = {
        **launch(),
        "eventSource": "lambda.amazonaws.com",
        "eventName": "Invoke",
        "requestParameters": {"functionName": arn},
        "responseElements": None,
    }
    calls = [
        {**launch(), "userIdentity": mine},
        {**launch(), "userIdentity": theirs, "eventID": "0f0f0f0f-0000-4000-8000-000000000001"},
        {**launch(), "userIdentity": alike, "eventID": "0f0f0f0f-0000-4000-8000-000000000004"},
        invoke,
        {**invoke, "recipientAccountId": "111122224444", "eventID": "0f0f0f0f-0000-4000-8000-000000000002"},
        {**invoke, "requestParameters": {"functionName": "other"}, "eventID": "0f0f0f0f-0000-4000-8000-000000000003"},
    ]
    done = sent(subscription(calls), intake)
    assert done.own >= 2
    assert {str(each["event_id"])[-1] for each in documents(client).values()} == {"1", "2", "3", "4"}


def test_three_thousand_unknown_keys_add_no_field(intake: Intake, client: OpenSearch) -> None:
    """A mapping that grows with what callers send stops taking anything at a thousand fields."""
    sent(subscription([thousand()[0], launch()]), intake)
    before = client.indices.get_mapping(index="usage-events-*")
    hostile = {**launch(), "eventID": "0f0f0f0f-0000-4000-8000-000000000001"}
    hostile |= {f"key{number}": {"deep": [number]} for number in range(3_000)}
    hostile["requestParameters"] = {**hostile["requestParameters"], **{f"k{each}": each for each in range(3_000)}}
    assert sent(subscription([hostile]), intake).created >= 1
    assert client.indices.get_mapping(index="usage-events-*") == before


def test_texts_longer_than_the_index_takes_hide_no_launch(intake: Intake) -> None:
    """One user agent over 32,766 bytes, and OpenSearch refuses the whole document: a launch that nobody would see."""
    hostile = stretched({**launch(), "eventID": "0f0f0f0f-0000-4000-8000-000000000001"})
    plain = {name: launch()[name] for name in ("eventTime", "eventSource", "eventName", "recipientAccountId")}
    done = sent(subscription([{**hostile, **plain}]), intake)
    assert done.created >= 1
    assert done.rejected == 0


def stretched(value: Any) -> Any:
    """The same with every text grown to more than 40,000 bytes."""
    if isinstance(value, dict):
        return {name: stretched(each) for name, each in value.items()}
    if isinstance(value, list):
        return [stretched(each) for each in value]
    return f"{value}ä" * (40_000 // len(f"{value}ä")) if isinstance(value, str) else value


def test_a_control_message_writes_nothing(intake: Intake, store: FailureStore, root: Any) -> None:
    """CloudWatch Logs sends one to see whether the function is there."""
    content = (root / "events" / "ingest-control.json").read_bytes()
    assert ingest(content, intake, NOW, plenty) == Ingested()
    assert rejected(store) == {}


def test_a_payload_that_cannot_be_read_is_kept_not_retried(intake: Intake, store: FailureStore) -> None:
    """Broken gzip stays broken: three tries and a redrive each hour would change nothing."""
    done = sent({"awslogs": {"data": base64.b64encode(b"\x1f\x8b\x08 no gzip").decode()}}, intake)
    assert (done.records, done.rejected) == (0, 1)
    ((name, part),) = rejected(store).items()
    assert name.startswith("rejected/final/")
    assert "awslogs" in part["payload"]


def test_a_cluster_that_is_away_raises(intake: Intake, store: FailureStore) -> None:
    """Only a call that fails is tried again by Lambda and kept at last."""
    with connect(NOBODY, "none", "") as nobody, pytest.raises(SearchUnavailable):
        ingest(
            json.dumps(subscription([launch()])).encode(),
            msgspec.structs.replace(intake, client=nobody),
            NOW,
            lambda: 1.0,
        )
    assert rejected(store) == {}
