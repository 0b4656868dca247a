"""Does a redacted report hold no name of the trail, and say the same apart from names?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.command.conftest import Command
from tests.command.leaks import records, secrets, told

from usage_anomaly_cli import deeds
from usage_anomaly_cli.deeds import Asked
from usage_anomaly_cli.doers import read_doer
from usage_anomaly_cli.reading import find_objects, read_objects
from usage_anomaly_cli.redaction import Redaction
from usage_anomaly_cli.running import extract
from usage_anomaly_generator import INCIDENTS, Incident, accounts_json, demo, generate, write
from usage_anomaly_generator.calls import Span

KEY = b"the key of these tests, thirty-two"
REAL = ("cloud_custodian", "grycap", "invictus", "opensearch_catalog", "otrf", "panther", "stratus", "zmallen")
# Of an anomaly what holds no name, id, address or event; the rest is compared by its size.
NAMELESS: tuple[str, ...] = (
    "kind",
    "regions",
    "start",
    "last_seen",
    "first_use",
    "last_use",
    "state",
    "sequence",
    "total",
    "released",
)
NAMELESS += ("expected", "unit", "findings", "ready", "detected_at", "alerts", "cost", "severity", "severity_reasons")
NAMELESS += ("automation", "resource_count", "truncated", "suppressed", "groups", "closed_reason", "notes")


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_bytes(KEY)
    return file


@pytest.fixture(scope="module", params=sorted(INCIDENTS))
def incident_trail(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of the demo's habits with one incident."""
    folder = tmp_path_factory.mktemp("incident")
    span = Span(demo.START, demo.START.replace(day=25))
    placed = demo.place(request.param, span)
    small = {"scale": 0.2} if request.param == "lambda_loop" else {}
    incident = Incident(placed.name, placed.account, placed.at, small)
    write(folder, generate(demo.ORGANIZATION, demo.HABITS_OF_THE_DEMO, [incident], demo.START.replace(day=22), 3, 5))
    (folder / "accounts.json").write_bytes(accounts_json(demo.ORGANIZATION))
    return folder


def nameless(anomaly: dict[str, Any]) -> dict[str, Any]:
    """The anomaly without names."""
    actors = [
        {field: actor[field] for field in ("type", "long_lived_key", "share", "calls", "quantity")}
        for actor in anomaly["actors"]
    ]
    evidence = [(each["topic"], each["count"], len(each["event_ids"])) for each in anomaly["evidence"]]
    guidance = [(each["kind"], each["command"] is None) for each in anomaly["guidance"]]
    sizes = {"actors": actors, "evidence": evidence, "guidance": guidance, "accounts": len(anomaly["accounts"])}
    return {field: anomaly.get(field) for field in NAMELESS} | sizes


def findings(output: str, redaction: Redaction | None = None) -> list[tuple[str, str]]:
    """Each anomaly's account, as its pseudonym, with all that holds no name."""
    found = [json.loads(line) for line in output.splitlines()]
    account = redaction.account if redaction else str
    return sorted((account(each["account_id"]), json.dumps(nameless(each), sort_keys=True)) for each in found)


def test_a_redacted_replay_finds_the_same(command: Command, incident_trail: Path, key_file: Path) -> None:
    """A report that is shared must not judge otherwise than the one at home."""
    arguments = ("replay", incident_trail, "--accounts", incident_trail / "accounts.json", "--all", "--format", "jsonl")
    plain = command(*arguments)
    redacted = command(*arguments, "--redact-key", key_file)
    assert (plain.exit_code, redacted.exit_code) == (0, 0)
    assert plain.stdout
    assert findings(plain.stdout, Redaction(KEY)) == findings(redacted.stdout)


def outputs(command: Command, folder: Path, tmp_path: Path, doers: int) -> Iterator[tuple[str, str]]:
    """Everything that can be printed or written of a folder, redacted; under one key, lest a test depends on luck."""
    state = tmp_path / "state" / "usage-anomaly"
    state.mkdir(parents=True)
    (state / "redact-key").write_bytes(KEY)
    accounts = ["--accounts", folder / "accounts.json"] if (folder / "accounts.json").exists() else []
    summary, events = tmp_path / "summary.json", tmp_path / "events.jsonl"
    files = ("--summary", summary, "--events", events)
    yield "table", command("replay", folder, *accounts, "--redact", "--all", *files).output
    yield "jsonl", command("replay", folder, *accounts, "--redact", "--all", "--format", "jsonl").output
    yield "summary", summary.read_text()
    yield "events", events.read_text()
    kept = (state / "last-replay.jsonl").read_text()
    yield "kept", kept
    ids = [json.loads(line)["anomaly"]["id"] for line in kept.splitlines()]
    for identity in ids[:1]:
        for form in ("full", "json"):
            yield f"show {form}", command("show", identity, "--redact", *accounts, "--format", form).output
    for doer in busiest(folder)[:doers]:
        yield "actor", command("actor", doer, folder, "--redact", "--reads").output
        yield "actor jsonl", command("actor", doer, folder, "--redact", "--format", "jsonl").output
    yield "actor, none", command("actor", "AKIAEXAMPLE000000999", folder, "--redact").output


def busiest(folder: Path) -> list[str]:
    """Keys, ARNs and addresses, those of the most records first."""
    counts: Counter[str] = Counter()
    for record in records(folder):
        identity = record.get("userIdentity")
        fields = identity if isinstance(identity, dict) else {}
        found = (fields.get("arn"), fields.get("accessKeyId"), fields.get("userName"), record.get("sourceIPAddress"))
        counts.update(each for each in found if isinstance(each, str) and each)
    return sorted(counts, key=lambda each: (-counts[each], each))


def test_no_name_of_a_generated_trail_is_told(command: Command, incident_trail: Path, tmp_path: Path) -> None:
    """One name that slips through undoes all others."""
    values = secrets(incident_trail)
    names = {each["name"] for each in json.loads((incident_trail / "accounts.json").read_text())}
    assert len(values) > 1_000
    for what, text in outputs(command, incident_trail, tmp_path, doers=1):
        assert text, what
        assert (what, told(text, values | names)) == (what, [])


@pytest.mark.real_data
@pytest.mark.parametrize("name", REAL)
def test_no_name_of_a_real_trail_is_told(command: Command, shared_data: Path, tmp_path: Path, name: str) -> None:
    """Real records hold names where nobody looks for them: in session names, user agents, error messages."""
    folder = shared_data / "cloudtrail" / name
    values = secrets(folder)
    assert len(values) > 50
    for what, text in outputs(command, folder, tmp_path, doers=3):
        assert (what, told(text, values)) == (what, [])


def test_nothing_that_is_kept_of_an_object_holds_a_name(trail: Path) -> None:
    """What is printed only in rare cases, such as a silent region's account, is made from these values too."""
    values = secrets(trail)
    redaction = Redaction(KEY)
    sources = find_objects([trail / "AWSLogs"])
    read = [redaction.result(each) for each in read_objects(sources, 1, extract)]
    assert sum(len(each.value.presence) for each in read if each.value) > 100
    assert told(repr(read), values) == []
    asked = Asked(read_doer("KarpenterControllerRole-main"))
    acted = [redaction.actor(each) for each in read_objects(sources, 1, partial(deeds.extract, asked=asked))]
    assert sum(len(each.value.done) for each in acted if each.value) > 10
    assert told(repr(acted), values) == []


def test_two_runs_agree_and_other_keys_do_not(command: Command, trail: Path, tmp_path: Path) -> None:
    """Reports of two days have to speak of the same doer under one name; those for two readers must not."""
    arguments = ("replay", trail, "--accounts", trail / "accounts.json", "--format", "jsonl", "--all")
    first = command(*arguments, "--redact").stdout
    assert first == command(*arguments, "--redact", "--jobs", "2").stdout
    other = tmp_path / "other"
    other.write_text("0123456789abcdef0123456789abcdef")
    again = command(*arguments, "--redact-key", other).stdout
    accounts = [{json.loads(line)["account_id"] for line in text.splitlines()} for text in (first, again)]
    assert accounts[0]
    assert not accounts[0] & accounts[1]
    doer = ("actor", "AKIAIOSFODNN7EXAMPLE", trail, "--redact", "--format", "jsonl")
    assert command(*doer).stdout == command(*doer, "--jobs", "2").stdout


def test_show_refuses_to_redact_what_is_already_said(command: Command, trail: Path) -> None:
    """Sentences cannot be redacted; a person who asked for it must not get them plain."""
    command("replay", trail)
    plain = command("show", "--redact")
    assert plain.exit_code == 1
    assert "replay again with --redact" in str(plain.exception)
    command("replay", trail, "--redact")
    assert command("show", "--redact").exit_code == 0


def test_files_that_cannot_be_read_are_told_without_their_names(command: Command, trail: Path, tmp_path: Path) -> None:
    """Paths hold names of people and cases, and libraries quote them in their messages."""
    folder = tmp_path / "acme-case"
    (folder / "jane").mkdir(parents=True)
    (folder / "jane" / "acme.zip").write_bytes(b"PK\x03\x04 no zip")
    (folder / "acme.json.gz").write_bytes(b"\x1f\x8b broken")
    (folder / "acme.txt").write_text("no trail")
    summary = tmp_path / "summary.json"
    result = command("replay", folder, trail, "--redact", "--summary", summary)
    text = result.output + summary.read_text()
    assert result.exit_code == 0
    assert len(json.loads(summary.read_text())["rejected"]) >= 3
    assert "acme" not in text
    assert "jane" not in text
    assert str(tmp_path) not in text
