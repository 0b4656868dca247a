"""Does the largest anomaly pass through every state, and a hostile one too? A state takes 256 KiB."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.enrichment import incidents
from tests.workflow.world import MemoryPast, World, incident

from usage_anomaly.alerts import notification
from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment.compose import IDS_KEPT, REGIONS_SHOWN
from usage_anomaly.usage import UsageEvent
from usage_anomaly.workflow import Input
from usage_anomaly.workflow.bounds import INPUT_BYTES, MOST_BYTES, fit, size
from usage_anomaly.workflow.find_evidence import EVIDENCE_BYTES, OTHERS_BYTES, PLACES_BYTES

MOST = 256 * 1_024
HOSTILE = '\u202e<!channel> [a](https://b) *x* `y` "\\\n=cmd()' + "\x07" * 20
KILOBYTE = (HOSTILE * 40)[:1_000]


def largest(catalog: Catalog, text: str, id_letters: str = "a") -> tuple[list[UsageEvent], Input]:
    """40 regions, 1,000 ids of 60 characters, 20 findings, and `text` wherever a record's words can stand."""
    past, given = incident(catalog)
    doer: dict[str, Any] = {
        "actor_arn": f"arn:aws:iam::111122223333:user/{text[:200]}",
        "actor_session": text[:256],
        "user_agent": text,
        "source_address": text,
        "image_id": text[:256],
        "launcher_id": text[:256],
        "access_key_id": "AKIA" + text[:100],
        "long_lived_key": True,
    }
    events = [
        incidents.event(
            5_000 + number,
            incidents.at("10:04"),
            region=f"{number:02}{text[:250]}" if text != "plain" else f"us-east-{number}",
            group=f"{number:02}{text[:250]}",
            quantity=25,
            usd_per_hour=25.0,
            resource_ids=tuple(f"{number * 25 + each:04}".ljust(60, id_letters) for each in range(25)),
            **{**doer, "actor_arn": doer["actor_arn"] + str(number % 7)},
        )
        for number in range(REGIONS_SHOWN)
    ]
    ids = tuple(each for event in events for each in event.resource_ids)
    assert len(ids) == IDS_KEPT
    finding = replace(given.anomaly.findings[0], reason=text, region=text[:256])
    anomaly = replace(
        given.anomaly,
        regions={event.region: 25 for event in events},
        groups={event.group or "": 25 for event in events},
        findings=(finding,) * 20,
        resource_ids=ids,
        resource_count=5_000,
        total=1_000,
        alerts=given.anomaly.alerts * 40,
        notes=(text,) * 5,
    )
    return [*past, *events], replace(given, anomaly=anomaly)


def test_an_input_of_the_longest_texts_fits_as_it_is(catalog: Catalog) -> None:
    """Detection hands over what records say; only what no record of AWS holds has to be cut there."""
    _, given = largest(catalog, KILOBYTE)
    assert size(given) < INPUT_BYTES


@pytest.mark.parametrize("text", ["plain", KILOBYTE, "\U0001f4a5" * 250])
def test_the_largest_anomaly_passes_every_state(world: World, catalog: Catalog, text: str) -> None:
    """One byte too many ends the execution with an error that nothing catches, and the alert with it."""
    events, given = largest(catalog, text)
    given = replace(given, anomaly=fit(given.anomaly, INPUT_BYTES))
    world.past = MemoryPast(events)
    done = world.run(given, chat=True)
    assert (done["status"], world.failures) == ("SUCCEEDED", []), done.get("cause")
    again = world.run(given, name="again")
    assert again["status"] == "SUCCEEDED"
    entered = {name: len(_text(value)) for run in (done, again) for name, value in run["inputs"].items()}
    assert max(entered.values()) < MOST, entered
    assert max(size for _, size in world.payloads) < MOST, world.payloads
    assert "Fetch earlier result" in entered
    row = world.table.get_item(Key={"pk": f"ANOMALY#{given.anomaly.id}", "sk": "RESULT#1"})["Item"]
    fetched = json.dumps({"Item": {"result": {"S": row["result"]}}}, ensure_ascii=False)
    assert len(fetched.encode()) < MOST
    (mail,) = world.mails()
    assert len(mail["Message"].encode()) < MOST
    (event,) = world.emitted()
    assert len(json.dumps(event, ensure_ascii=False).encode()) < MOST


def test_steps_that_fail_leave_room_too(world: World, catalog: Catalog) -> None:
    """An error's cause can be 32 KiB of a stack trace: it must not travel on."""
    events, given = largest(catalog, KILOBYTE)
    world.past = MemoryPast(events)

    def broken(event: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("x" * 32_000)

    for step in ("enrich_account", "estimate_cost", "advise"):
        world.steps[step] = broken
    done = world.run(given)
    assert done["status"] == "SUCCEEDED"
    assert max(len(_text(each)) for each in done["inputs"].values()) < MOST


def test_what_is_left_out_is_said(world: World, catalog: Catalog) -> None:
    """A reader who acts on eight commands must know that there are more."""
    events, given = largest(catalog, "plain")
    world.past = MemoryPast(events)
    world.run(given)
    (anomaly,) = world.kept
    assert len(msgspec.json.encode(anomaly)) <= MOST_BYTES
    assert any(note.startswith("commands: ") and note.endswith("ids left out") for note in anomaly.notes)
    assert any(note.startswith("size: ") for note in anomaly.notes)
    assert anomaly.resource_count == 5_000


def test_an_ordinary_anomaly_of_a_thousand_instances_loses_nothing(world: World, catalog: Catalog) -> None:
    """The bounds are for what nobody expects: a large incident of real ids keeps each of its commands."""
    past, given = incident(catalog)
    events = [
        incidents.event(6_000 + number, incidents.at("10:04"), quantity=100, usd_per_hour=100.0, **incidents.THIEF)
        for number in range(10)
    ]
    ids = tuple(each for event in events for each in event.resource_ids)
    anomaly = replace(given.anomaly, total=1_000, resource_ids=ids, resource_count=1_000)
    world.past = MemoryPast([each for each in past if each.kind != "ec2.instances" or each.event_time < anomaly.start])
    world.past.events += events
    world.run(replace(given, anomaly=replace(anomaly, regions={"eu-central-1": 1_000})))
    (kept,) = world.kept
    assert not [note for note in kept.notes if note.startswith(("size", "commands", "evidence"))]
    assert len([step for step in kept.guidance if step.command and "stop-instances" in step.command]) == 20
    assert kept.resource_ids == ids


def test_the_parts_leave_room_for_each_other() -> None:
    """Input, account, evidence and places travel together into the assessment."""
    assert EVIDENCE_BYTES + PLACES_BYTES + OTHERS_BYTES < MOST - MOST_BYTES
    assert INPUT_BYTES + OTHERS_BYTES < MOST
    assert 2 * MOST_BYTES < MOST


def test_fit_changes_nothing_that_fits(catalog: Catalog) -> None:
    """Nothing is lost for order's sake."""
    _, given = incident(catalog)
    assert fit(given.anomaly) == given.anomaly


def test_a_message_that_is_too_long_gives_up_its_json_first(catalog: Catalog) -> None:
    """The mail is what people read; programs find the anomaly in the index."""
    _, given = largest(catalog, KILOBYTE)
    anomaly = replace(given.anomaly, notes=())
    whole = notification.message(
        replace(anomaly, resource_ids=("x" * 1_000,) * 250), notification.bare_mail(anomaly, ())
    )
    assert len(whole.encode()) <= notification.MOST_BYTES
    assert json.loads(json.loads(whole)["sqs"])["anomaly"]["resource_ids"] == []


def _text(value: str) -> bytes:
    """A state's input in the longest form in which it may be counted: every character beyond ASCII escaped."""
    return json.dumps(json.loads(value), separators=(",", ":")).encode()
