"""Does every anomaly end as one alert, whatever fails on the way? The real definition, run by moto's interpreter."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.events.models import EventsBackend
from msgspec.structs import replace
from tests.enrichment import incidents
from tests.workflow.world import Handler, MemoryPast, World, failing, incident, load_result, start_input

from usage_anomaly.anomalies import Alert
from usage_anomaly.anomalies.life_cycle import mint
from usage_anomaly.catalog import Catalog
from usage_anomaly.search.client import SearchUnavailable
from usage_anomaly.state import accounts, claims
from usage_anomaly.workflow import Input, execution_name

NOW = incidents.at("11:12")


@pytest.fixture
def given(world: World, catalog: Catalog) -> Input:
    """Scenario 1, its events in the index, its account known."""
    events, made = incident(catalog)
    world.past = MemoryPast(events)
    accounts.keep(world.table, incidents.SANDBOX, datetime.now(UTC))
    return made


def test_an_incident_is_told_once_everywhere(world: World, given: Input, catalog: Catalog) -> None:
    """The mission: one mail, one event, one record, and they say what replay says of the same events."""
    done = world.run(given)
    assert (done["status"], world.failures) == ("SUCCEEDED", [])
    assert json.loads(done["output"])["alert"] == {"outcome": "SENT"}
    findings = given.anomaly.findings
    whole = incidents.told(catalog.kinds["ec2.instances"], world.past.events, findings)
    assert world.kept == [replace(whole, alerts=given.anomaly.alerts)]
    assert world.kept_types == ["development"]
    (mail,) = world.mails()
    assert mail["Subject"] == "[9.4 CRITICAL] sandbox-ml 111122223333: 47 p3.16xlarge, 1,151 USD/h, one access key"
    for line in ("COST    1,151 USD/h", "WHO     IAM user ci-legacy", "OWNER   ml-platform, cost centre 4711"):
        assert line in mail["text"]
    assert "GAPS    baseline: not in this version" in mail["text"]
    values = {name: each["Value"] for name, each in mail["MessageAttributes"].items()}
    assert values["severity"] == "9.4"
    assert values["kind"] == "ec2.instances"
    (event,) = world.emitted()
    assert (event["detail-type"], event["detail"]["id"]) == ("Usage Anomaly Opened", given.anomaly.id)


@pytest.mark.parametrize(
    ("step", "gap", "still"),
    [
        ("enrich_account", "account: not available, Broken", "1,151 USD/h"),
        ("estimate_cost", "cost: not available, Broken", "IAM user ci-legacy"),
        ("find_evidence", "evidence: not available, Broken", "1,151 USD/h"),
        ("advise", "assessment: not available, Broken", "47 instances"),
    ],
)
def test_an_enrichment_that_fails_leaves_a_stated_gap(
    world: World, given: Input, step: str, gap: str, still: str
) -> None:
    """The alert is what counts: it says what is missing, and everything else."""
    world.steps[step] = failing(type("Broken", (Exception,), {})("not to be shown"))
    done = world.run(given)
    assert done["status"] == "SUCCEEDED"
    (mail,) = world.mails()
    assert gap in mail["text"]
    assert still in mail["text"]
    assert "not to be shown" not in mail["text"]
    assert world.calls[step] == 1, "what is not named as passing is not tried again"


def test_all_enrichments_failing_still_tell_the_bare_facts(world: World, given: Input) -> None:
    """The worst day of the search cluster is the day on which an alert counts most."""
    for step in ("enrich_account", "estimate_cost", "find_evidence"):
        world.steps[step] = failing(SearchUnavailable("down"))
    assert world.run(given)["status"] == "SUCCEEDED"
    (mail,) = world.mails()
    assert mail["Subject"].endswith("111122223333: 47 p3.16xlarge")
    for what in ("account", "cost", "evidence"):
        assert f"{what}: not available, SearchUnavailable" in mail["text"]


def test_a_passing_failure_is_tried_again_and_leaves_no_gap(world: World, given: Input) -> None:
    """A cluster that is busy for a second is no reason for an alert without a cost."""
    world.steps["estimate_cost"] = _failing_first(world.handler("estimate_cost"), SearchUnavailable("busy"), times=2)
    world.run(given)
    assert world.calls["estimate_cost"] == 3
    assert "not available" not in world.mails()[0]["text"]


def test_a_replayed_execution_says_the_same_and_tells_nobody_again(world: World, given: Input) -> None:
    """People start executions again from the console; their subscribers must not notice."""
    world.run(given)
    first, record = world.mails(), list(world.kept)
    assert len(world.emitted()) == 1
    calls = dict(world.calls)
    world.past = MemoryPast([])
    again = world.run(given, name="again")
    assert again["status"] == "SUCCEEDED"
    outcomes = json.loads(again["output"])
    assert (outcomes["alert"], outcomes["event"]) == ({"outcome": "DUPLICATE"}, {"outcome": "DUPLICATE"})
    assert (world.mails(), world.emitted()) == ([], [])
    assert world.kept == record * 2
    assert [world.calls[step] for step in ("enrich_account", "advise")] == [calls["enrich_account"], calls["advise"]]
    assert "Fetch earlier result" in again["path"]
    assert load_result(world, given)["mail"]["text"] == first[0]["text"]


def test_an_unreadable_earlier_result_stops_no_alert(world: World, given: Input) -> None:
    """A broken row is as good as none: the enrichments run, and the facts are told."""
    row = {"pk": f"ANOMALY#{given.anomaly.id}", "sk": "RESULT#1", "result": "{", "total": 1}
    world.table.put_item(Item=row)
    done = world.run(given)
    assert "Look up account" in done["path"]
    assert len(world.mails()) == 1


def test_a_table_that_cannot_be_read_stops_no_enrichment(world: World, given: Input) -> None:
    """The look for an earlier result is a convenience; its failure must not cost the alert."""
    world.names["StateTableName"] = "another"
    done = world.run(given)
    assert done["status"] == "SUCCEEDED"
    assert "Enriched before?" not in done["path"]
    assert len(world.mails()) == 1


@pytest.mark.parametrize("case", ["suppressed", "backfill", "older"])
def test_what_is_not_to_be_told_is_only_recorded(world: World, given: Input, case: str) -> None:
    """Expected use, backfilled history and news that is overtaken wake nobody, and can be searched all the same."""
    if case == "suppressed":
        given = replace(given, anomaly=replace(given.anomaly, suppressed=True))
    if case == "backfill":
        given = replace(given, notify=False)
    if case == "older":
        claims.mark_sent(world.table, claims.Key(given.anomaly.id, 2, "sns"), "another", NOW)
    done = world.run(given)
    assert done["status"] == "SUCCEEDED"
    assert done["path"][-2:] == ["Keep untold record", "Not told"]
    assert (world.mails(), world.emitted()) == ([], [])
    assert len(world.kept) == 1
    assert load_result(world, given)["why_not"].startswith(case)


@pytest.mark.parametrize("case", ["suppressed", "backfill"])
def test_what_is_not_to_be_told_is_not_told_without_assessment_either(world: World, given: Input, case: str) -> None:
    """The fallback of a failed assessment must not become a way around a suppression."""
    world.steps["advise"] = failing(RuntimeError("broken"))
    suppressed = replace(given.anomaly, suppressed=case == "suppressed")
    world.run(replace(given, anomaly=suppressed, notify=case != "backfill"))
    assert world.mails() == []


@pytest.mark.parametrize(
    ("reason", "state", "detail_type"),
    [
        ("grown", "grown", "Usage Anomaly Grown"),
        ("quiet", "quiet", "Usage Anomaly Quiet"),
        ("reminder", "quiet", "Usage Anomaly Quiet"),
        ("closed", "closed", "Usage Anomaly Closed"),
    ],
)
def test_each_reason_has_its_event_and_its_line(
    world: World, given: Input, reason: Any, state: Any, detail_type: str
) -> None:
    """Programs route by the event's detail-type; people read the update line with what they were told first."""
    world.run(given)
    world.mails(), world.emitted()
    alerts = (*given.anomaly.alerts, Alert(incidents.at("12:00"), reason))
    changed = {"sequence": 2, "alerts": alerts, "state": state, "closed_reason": "released", "total": 60}
    done = world.run(replace(given, anomaly=replace(given.anomaly, **changed), reason=reason))
    assert done["status"] == "SUCCEEDED", world.failures
    (mail,) = world.mails()
    assert mail["text"].startswith("UPDATE  1, 25 Nov 12:00 UTC: ")
    assert "First told 10:57 at 47." in mail["text"]
    (event,) = world.emitted()
    assert event["detail-type"] == detail_type


@pytest.mark.parametrize(
    ("broken", "state"),
    [
        ("deliver_alert", "Alert not delivered"),
        ("record_anomaly", "Record not kept"),
        ("share_with_chat", "Chat not told"),
        ("event", "Event not emitted"),
    ],
)
def test_one_way_of_telling_that_fails_stops_no_other(
    world: World, given: Input, monkeypatch: pytest.MonkeyPatch, broken: str, state: str
) -> None:
    """The others get their news, and the execution shows as failed, which an alarm watches."""
    if broken == "event":
        monkeypatch.setattr(EventsBackend, "put_events", failing(RuntimeError("no bus")))
    else:
        world.steps[broken] = failing(RuntimeError("broken"))
    done = world.run(given, chat=True)
    assert done["status"] == "FAILED"
    assert done["error"] == "NotAllWasDone"
    assert state in done["path"]
    assert len(world.mails()) == (broken != "deliver_alert")
    assert len(world.kept) == (broken != "record_anomaly")
    assert len(world.emitted()) == (broken != "event")
    assert "Share with chat" in done["path"]


def test_an_untold_record_that_cannot_be_kept_shows_as_a_failure(world: World, given: Input) -> None:
    """Nobody was told, so the record is all there is: losing it silently would lose the anomaly."""
    world.steps["record_anomaly"] = failing(SearchUnavailable("down"))
    done = world.run(replace(given, notify=False))
    assert done["status"] == "FAILED"
    assert world.calls["record_anomaly"] == 4


def test_chat_gets_a_document_only_where_it_is_switched_on(world: World, given: Input) -> None:
    """A stack without a chat service must not fail for want of one."""
    world.run(given)
    assert "share_with_chat" not in world.calls
    done = world.run(given, name="with-chat", chat=True)
    assert json.loads(done["output"])["chat"] == {"outcome": "SHARED"}


def test_a_delivery_waits_while_another_execution_holds_the_claim(world: World, given: Input) -> None:
    """Two executions of one sequence must not publish twice: the later one comes back when the lease is over."""
    deliver = world.handler("deliver_alert")
    world.steps["deliver_alert"] = _failing_first(deliver, claims.DeliveryBusy("another has it"), times=3)
    assert world.run(given)["status"] == "SUCCEEDED"
    assert world.calls["deliver_alert"] == 4
    assert len(world.mails()) == 1


def test_a_delivery_outlasts_a_long_refusal(world: World, given: Input) -> None:
    """Somebody locks the key for half an hour: everybody else is told, and the alert comes when it opens again."""
    locked = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "Publish")
    world.steps["deliver_alert"] = _failing_first(world.handler("deliver_alert"), locked, times=20)
    world.steps["record_anomaly"] = failing(RuntimeError("broken"))
    world.run(given)
    assert world.calls["deliver_alert"] == 21
    assert len(world.mails()) == 1


def test_a_mark_that_cannot_be_written_is_no_second_mail(
    world: World, given: Input, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The table is throttled just after the publish: sent once, the execution succeeds, and the log warns."""
    throttled = ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "UpdateItem")
    monkeypatch.setattr(claims, "mark_sent", failing(throttled))
    assert world.run(given)["status"] == "SUCCEEDED"
    assert (world.calls["deliver_alert"], len(world.mails())) == (1, 1)
    assert "told, but the claim could not be marked" in caplog.messages


def test_an_anomaly_of_refused_calls_is_told(world: World, catalog: Catalog) -> None:
    """Attempts have no cost, no resources and no releases; nothing on the way may take that for a failure."""
    events = incidents.refusals()
    findings = [incidents.finding("threshold", 300, 20, "300 refused calls in 20 minutes, limit 20", events)]
    whole = incidents.told(catalog.kinds["ec2.instances"], events, findings, kind_name="ec2.instances.attempts")
    world.past = MemoryPast(events)
    done = world.run(start_input(whole, now=incidents.at("14:35")))
    assert (done["status"], world.failures) == ("SUCCEEDED", [])
    (mail,) = world.mails()
    assert "COST    none: refused calls cost nothing" in mail["text"]
    assert "cost:" not in mail["text"]
    assert world.kept[0].evidence == whole.evidence


def test_an_anomaly_of_the_organization_is_told(world: World, catalog: Catalog) -> None:
    """It has no account to look up and no account's events; its commands name the account each belongs to."""
    events = incidents.everywhere()
    findings = [incidents.finding("threshold", 30, 10, "30 instances in 30 minutes, limit 10", events)]
    kind = catalog.kinds["ec2.instances"]
    whole = incidents.told(kind, events, findings, account=None, account_id="organization")
    world.past = MemoryPast(events)
    assert world.run(start_input(whole))["status"] == "SUCCEEDED", world.failures
    assert world.kept[0].evidence == whole.evidence
    assert world.kept[0].guidance == whole.guidance
    assert "account: " not in world.mails()[0]["text"]


def test_an_execution_carries_the_name_that_detection_gives(given: Input) -> None:
    """Step Functions takes names of 80 characters; the longest kind's attempts must fit."""
    longest = mint("lambda.invocations.attempts", "organization", 5_000_000, ())
    assert len(execution_name(replace(given.anomaly, id=longest, sequence=1_000))) <= 80


def _failing_first(handler: Handler, error: Exception, times: int) -> Handler:
    left = [error] * times

    def first_failing(event: dict[str, Any]) -> dict[str, Any]:
        if left:
            raise left.pop()
        return handler(event)

    return first_failing
