"""Does the cluster answer what each panel asks, with the figures that a person would expect?"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from opensearchpy import OpenSearch
from opensearchpy.exceptions import RequestError
from tests.dashboards.asking import body
from tests.enrichment import incidents
from tests.search.making import ACCOUNT, NOW, event, plenty
from tests.search.serving import LOOPBACK

from usage_anomaly import catalog
from usage_anomaly.dashboards import saved
from usage_anomaly.dashboards.patterns import PATTERNS
from usage_anomaly.search.anomalies import keep
from usage_anomaly.search.events import write
from usage_anomaly.usage import UsageEvent

pytestmark = LOOPBACK

Body = dict[str, Any]
BY_ID = {each.id: each for each in PATTERNS}
OTHER = "444455556666"
PANELS = [each["id"] for each in saved.objects() if each["type"] in ("visualization", "search")]


def some_events() -> list[UsageEvent]:
    """Launches in two accounts, a release, a refusal, logins, invocations, a volume."""
    launch: Body = {
        "group": "p3.16xlarge",
        "vcpus": 64.0,
        "gpus": 8.0,
        "usd_per_hour": 24.48,
        "actor_arn": "arn:role/ci",
    }
    refused: Body = {
        "kind": "ec2.instances.attempts",
        "direction": "attempt",
        "error_code": "Client.UnauthorizedOperation",
    }
    login: Body = {"event_name": "ConsoleLogin", "event_source": "signin.amazonaws.com", "kind": "console.logins"}
    invoked: Body = {
        "kind": "lambda.invocations",
        "event_name": "Invoke",
        "function_name": "resize",
        "invoked_by": "sqs",
    }
    return [
        event(1, **launch),
        event(2, 5, **{**launch, "account_id": OTHER}),
        event(3, 5, **{**launch, "account_id": OTHER, "quantity": 2, "usd_per_hour": 48.96}),
        event(4, direction="release", group="p3.16xlarge", quantity=9),
        event(5, **refused),
        event(6, **login, group="failed"),
        event(7, **login, group="root", actor_type="Root"),
        event(8, **invoked, quantity=500, actor_arn="arn:role/web"),
        event(9, kind="ebs.volumes", event_name="CreateVolume", group="gp3", gib=100.0, actor_arn="arn:role/ci"),
    ]


@pytest.fixture
def filled(client: OpenSearch) -> OpenSearch:
    """A little of everything that panels are about."""
    write(client, some_events(), NOW, plenty, 36)
    launches = incidents.stolen_key()
    finding = incidents.finding("threshold", 47, 6, "47 instances in 60 minutes, limit 6", launches)
    told = incidents.told(catalog.load().kinds["ec2.instances"], launches, [finding])
    keep(client, told, account_type="development")
    keep(client, msgspec.structs.replace(told, id="ended", state="closed", severity=1.0, expected=40.0))
    hour = {"hour": NOW, "account_id": ACCOUNT, "kind": "ec2.instances", "region": "us-east-1"}
    client.index(index="usage-hourly-2026.11", body={**hour, "quantity": 1, "usd_per_hour": 24.48, "usd": 0.0})
    client.indices.refresh(index="usage-*")
    return client


def ask(client: OpenSearch, objects: list[Body], panel: str) -> Body:
    """The cluster's answer to one panel."""
    (each,) = (it for it in objects if it["id"] == panel)
    pattern = BY_ID[each["references"][0]["id"]]
    try:
        answer: Body = client.search(
            index=pattern.title, body=body(each, {it.name: it.script for it in pattern.scripted})
        )
    except RequestError as refused:
        if "not supported by osmem" in str(refused):
            pytest.skip("the emulator knows no scripts; a node of OpenSearch does")
        raise
    assert answer["_shards"]["failed"] == 0
    return answer


def rows(answer: Body, split: str, figure: str) -> dict[str, float]:
    """The first split of an answer: value and figure."""
    return {each["key"]: each[figure]["value"] for each in answer["aggregations"][split]["buckets"]}


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_finds_something_to_show(filled: OpenSearch, objects: list[Body], panel: str) -> None:
    """An aggregation that the cluster refuses, or a filter that nothing passes, is found here and not by a reader."""
    answer = ask(filled, objects, panel)
    assert answer["hits"]["total"]["value"] > 0


def test_closed_anomalies_burn_nothing(filled: OpenSearch, objects: list[Body]) -> None:
    """USD per hour of what has ended would be counted twice: as past and as present."""
    answer = ask(filled, objects, "usage-anomaly-burning")
    (hit,) = ask(filled, objects, "usage-anomaly-open")["hits"]["hits"]
    assert answer["hits"]["total"]["value"] == 1
    assert answer["aggregations"]["2"]["value"] == hit["_source"]["cost"]["usd_per_hour"] > 0


def test_launches_are_summed_by_type_and_releases_left_out(filled: OpenSearch, objects: list[Body]) -> None:
    """A stopped machine must not look like a started one."""
    (day,) = ask(filled, objects, "usage-anomaly-ec2-types")["aggregations"]["2"]["buckets"]
    assert {each["key"]: each["1"]["value"] for each in day["3"]["buckets"]} == {"p3.16xlarge": 4}
    (day,) = ask(filled, objects, "usage-anomaly-ec2-usd")["aggregations"]["2"]["buckets"]
    assert [(each["key"], each["1"]["value"]) for each in day["3"]["buckets"]] == [
        (OTHER, pytest.approx(73.44)),
        (ACCOUNT, pytest.approx(24.48)),
    ]


def test_refused_calls_and_failed_logins_are_told_from_the_others(filled: OpenSearch, objects: list[Body]) -> None:
    """What worked must not stand among what failed."""
    assert ask(filled, objects, "usage-anomaly-refused")["hits"]["total"]["value"] == 1
    assert rows(ask(filled, objects, "usage-anomaly-failed-logins"), "2", "1") == {ACCOUNT: 1}
    assert ask(filled, objects, "usage-anomaly-root")["hits"]["total"]["value"] == 1


def test_an_account_that_nobody_could_look_up_has_a_slice_of_its_own(filled: OpenSearch, objects: list[Body]) -> None:
    """Left out, the shares of the others would be wrong."""
    answer = ask(filled, objects, "usage-anomaly-account-types")
    types = {each["key"]: each["doc_count"] for each in answer["aggregations"]["2"]["buckets"]}
    assert types == {"development": 1, "__missing__": 1}
