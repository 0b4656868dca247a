"""Does a redacted report hold no name of the trail, and say the same apart from names?"""

from __future__ import annotations

import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from tests.command import takeover
from tests.command.conftest import Command
from tests.command.leaks import records, secrets, told

from usage_anomaly_cli import deeds
from usage_anomaly_cli.deeds import Asked
from usage_anomaly_cli.doers import read_doer
from usage_anomaly_cli.main import cli
from usage_anomaly_cli.reading import find_objects, read_objects
from usage_anomaly_cli.redaction import Redaction
from usage_anomaly_cli.report.page import STYLE
from usage_anomaly_cli.running import extract
from usage_anomaly_generator import INCIDENTS, Incident, accounts_json, demo, generate, write
from usage_anomaly_generator.calls import Span

KEY = b"the key of these tests, thirty-two"
REAL = ("cloud_custodian", "grycap", "invictus", "opensearch_catalog", "otrf", "panther", "stratus", "zmallen")
# Of an anomaly what holds no name, id, address or event; the rest is compared by its size.
NAMELESS: tuple[str, ...] = (
    *("kind", "regions", "start", "last_seen", "first_use", "last_use", "state", "sequence", "total", "released"),
    *("expected", "unit", "findings", "ready", "detected_at", "alerts", "severity", "severity_reasons"),
    *("automation", "resource_count", "truncated", "suppressed", "closed_reason"),
)

OF_EVENTS = (
    *(
        "event_time",
        "event_name",
        "kind",
        "direction",
        "quantity",
        "unit",
        "vcpus",
        "gib",
        "usd_per_hour",
        "price_basis",
    ),
    *("actor_type", "long_lived_key", "automation", "units_each", "dry_run", "truncated", "aggregated"),
)


class Case(msgspec.Struct, frozen=True):
    """A trail, replayed plainly and with pseudonyms: `texts` is all that the redacted replay printed or wrote."""

    folder: Path
    paths: list[Path]
    plain: list[dict[str, Any]]
    redacted: list[dict[str, Any]]
    plain_events: list[dict[str, Any]]
    events: list[dict[str, Any]]
    texts: dict[str, str]
    state: Path

    def run(self, *arguments: object) -> Result:
        """A command that knows the redacted replay as the last one, and its key."""
        return _runner(self.state)(*arguments)


def _runner(state: Path) -> Callable[..., Result]:
    environment = {"XDG_STATE_HOME": str(state)}
    return lambda *arguments: CliRunner().invoke(cli, [str(each) for each in arguments], env=environment)


def replayed(folder: Path, paths: list[Path], place: Path) -> Case:
    """Replay the paths twice: one run writes every form but those that `show` makes of what it keeps."""
    state = place / "state"
    (state / "usage-anomaly").mkdir(parents=True)
    (state / "usage-anomaly" / "redact-key").write_bytes(KEY)  # lest a test depend on luck
    kept = state / "usage-anomaly" / "last-replay.jsonl"
    accounts = ["--accounts", folder / "accounts.json"] if (folder / "accounts.json").exists() else []
    run = _runner(state)
    assert run("replay", *paths, *accounts, "--all", "--events", place / "plain events").exit_code == 0
    plain = _anomalies(kept)
    files = {name: place / name for name in ("page", "summary", "events")}
    named = ("--output", files["page"], "--summary", files["summary"], "--events", files["events"])
    result = run("replay", *paths, *accounts, "--all", "--redact", "--format", "html", *named)
    assert result.exit_code == 0, result.output
    texts = {name: file.read_text("utf-8") for name, file in files.items()}
    texts["page"] = texts["page"].replace(STYLE, "")  # its words are names elsewhere
    return Case(
        folder=folder,
        paths=paths,
        plain=plain,
        redacted=_anomalies(kept),
        plain_events=_lines(place / "plain events"),
        events=_lines(files["events"]),
        texts={**texts, "table": result.output, "kept": kept.read_text("utf-8")},
        state=state,
    )


def _anomalies(kept: Path) -> list[dict[str, Any]]:
    return [each["anomaly"] for each in _lines(kept)]


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


@pytest.fixture(scope="module")
def incidents(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Three days of the demo's habits with every incident of the generator."""
    folder, place = tmp_path_factory.mktemp("incidents"), tmp_path_factory.mktemp("redacted")
    span = Span(demo.START, demo.START.replace(day=25))
    placed = [demo.place(name, span) for name in sorted(INCIDENTS)]
    small = {"lambda_loop": {"scale": 0.2}}
    scaled = [Incident(each.name, each.account, each.at, small.get(each.name, {})) for each in placed]
    write(folder, generate(demo.ORGANIZATION, demo.HABITS_OF_THE_DEMO, scaled, demo.START.replace(day=22), 3, 5))
    (folder / "accounts.json").write_bytes(accounts_json(demo.ORGANIZATION))
    return replayed(folder, [folder / "AWSLogs"], place)


@pytest.fixture(scope="module")
def taken_over(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Users and keys made, tasks and models used, read from archives whose names tell the case."""
    folder, place = tmp_path_factory.mktemp("takeover"), tmp_path_factory.mktemp("redacted")
    return replayed(folder / "plain", [takeover.write(folder)], place)


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """All real sets in one replay."""
    folder = shared_data / "cloudtrail"
    return replayed(folder, [folder / name for name in REAL], tmp_path_factory.mktemp("redacted"))


def nameless(anomaly: dict[str, Any]) -> dict[str, Any]:
    """The anomaly without names."""
    fields = ("type", "long_lived_key", "share", "calls", "quantity")
    actors = [{field: actor[field] for field in fields} for actor in anomaly["actors"]]
    evidence = [(each["topic"], each["count"], len(each["event_ids"])) for each in anomaly["evidence"]]
    guidance = [(each["kind"], each["command"] is None) for each in anomaly["guidance"]]
    sizes = {"actors": actors, "evidence": evidence, "guidance": guidance, "accounts": len(anomaly["accounts"])}
    sizes["cost"] = {**anomaly["cost"], "basis": re.sub(r"\(.*\)", "", anomaly["cost"]["basis"])}  # names groups
    sizes |= {"groups": sorted(anomaly["groups"].values()), "notes": len(anomaly["notes"])}
    return {field: anomaly.get(field) for field in NAMELESS} | sizes


def findings(anomalies: list[dict[str, Any]], redaction: Redaction | None = None) -> list[tuple[str, str]]:
    """Each anomaly's account, as its pseudonym, with all that holds no name."""
    account = redaction.account if redaction else str
    return sorted((account(each["account_id"]), json.dumps(nameless(each), sort_keys=True)) for each in anomalies)


def figures(events: list[dict[str, Any]], fields: tuple[str, ...] = OF_EVENTS) -> list[str]:
    """Of each usage event all that holds no name."""
    return sorted(
        json.dumps([*(each[field] for field in fields), len(each["resource_ids"])], default=str) for each in events
    )


@pytest.mark.parametrize("name", ["incidents", "taken_over"])
def test_a_redacted_replay_finds_the_same(request: pytest.FixtureRequest, name: str) -> None:
    """A report that is shared must not judge otherwise than the one at home."""
    case: Case = request.getfixturevalue(name)
    assert len(case.plain) >= 4
    assert findings(case.plain, Redaction(KEY)) == findings(case.redacted)
    assert figures(case.plain_events) == figures(case.events)


@pytest.mark.real_data
def test_a_redacted_replay_of_real_sets_counts_the_same(real: Case) -> None:
    """Real names hold what nobody thinks of when writing rules for them."""
    assert len(real.events) > 100
    # Some records stand in two sets, with other names in each: which copy counts depends on its text.
    fields = tuple(each for each in OF_EVENTS if each not in ("actor_type", "long_lived_key", "automation"))
    assert figures(real.plain_events, fields) == figures(real.events, fields)
    assert findings(real.plain, Redaction(KEY)) == findings(real.redacted)


def shown(case: Case, ids: int) -> Iterator[tuple[str, str]]:
    """What `show` makes of the redacted replay."""
    accounts = ["--accounts", case.folder / "accounts.json"] if (case.folder / "accounts.json").exists() else []
    for anomaly in case.redacted[:ids]:
        for form in ("full", "json", "csv", "html"):
            yield f"show {form}", case.run("show", anomaly["id"], "--redact", *accounts, "--format", form).output


def acted(case: Case, doers: list[str], *paths: Path) -> Iterator[tuple[str, str]]:
    """What `actor` says of some doers."""
    for doer in doers:
        yield f"actor {doer}", case.run("actor", doer, *paths, "--redact", "--reads").output
    yield "actor jsonl", case.run("actor", doers[0], *paths, "--redact", "--format", "jsonl").output
    yield "actor, none", case.run("actor", "AKIAEXAMPLE000000999", *paths, "--redact").output


def leaks(texts: dict[str, str], values: set[str]) -> dict[str, list[str]]:
    """What stands where it should not."""
    return {what: found for what, text in texts.items() if (found := told(text, values))}


def busiest(folder: Path) -> list[str]:
    """Keys, ARNs and addresses, those of the most records first."""
    counts: Counter[str] = Counter()
    for record in records(folder):
        identity = record.get("userIdentity")
        fields = identity if isinstance(identity, dict) else {}
        found = (fields.get("arn"), fields.get("accessKeyId"), fields.get("userName"), record.get("sourceIPAddress"))
        counts.update(each for each in found if isinstance(each, str) and each)
    return sorted(counts, key=lambda each: (-counts[each], each))


def test_no_name_of_a_generated_trail_is_told(incidents: Case) -> None:
    """One name that slips through undoes all others."""
    values = secrets(incidents.folder)
    names = {each["name"] for each in json.loads((incidents.folder / "accounts.json").read_text())}
    assert len(values) > 1_000
    texts = {**incidents.texts, **dict(shown(incidents, 3))}
    texts |= dict(acted(incidents, busiest(incidents.folder)[:1], *incidents.paths))
    assert leaks(texts, values | names) == {}
    assert min(map(len, texts.values())) > 100


def test_no_name_of_identities_tasks_models_and_archives_is_told(taken_over: Case) -> None:
    """Their names stand in groups, in resource ids and in file names, where other kinds have AWS's own words."""
    values = secrets(taken_over.folder)
    assert {"acme-spare", "acme-miner", "acme-gpu-pool", takeover.NEW_KEY, takeover.ADDRESS} <= values
    kinds = {each["kind"]: each for each in taken_over.redacted}
    assert kinds.keys() == {"ecs.tasks", "bedrock.invocations", "lambda.invocations", "console.logins"}
    evidence = {each["topic"]: each for each in kinds["ecs.tasks"]["evidence"]}
    assert (evidence["identity"]["count"], evidence["also"]["count"] > 0) == (4, True)
    texts = {**taken_over.texts, **dict(shown(taken_over, 4))}
    texts |= dict(acted(taken_over, [*busiest(taken_over.folder)[:3], "acme-jane"], *taken_over.paths))
    for form in ("jsonl", "csv"):
        result = taken_over.run("replay", *taken_over.paths, "--redact", "--format", form)
        texts |= {f"{form} by replay": result.stdout, f"{form}, its account": result.stderr}
    assert leaks(texts, values) == {}
    assert [what for what, text in texts.items() if "acme" in text.lower() or "jane" in text.lower()] == []
    assert all(word in taken_over.texts["page"] for word in ("eu.anthropic.claude-sonnet-4-", "failed", "eu-west-1"))


@pytest.mark.real_data
def test_no_name_of_a_real_trail_is_told(real: Case, shared_data: Path) -> None:
    """Real records hold names where nobody looks for them: in session names, user agents, error messages."""
    folders = [shared_data / "cloudtrail" / name for name in REAL]
    values = {folder: secrets(folder) for folder in folders}
    assert min(map(len, values.values())) > 50
    every = set[str]().union(*values.values())
    texts = {**real.texts, **dict(shown(real, 5))}
    assert leaks(texts, every) == {}
    for folder in folders:
        texts = dict(acted(real, busiest(folder)[:3], folder))
        assert leaks(texts, values[folder]) == {}


def test_nothing_that_is_kept_of_an_object_holds_a_name(incidents: Case, tmp_path: Path) -> None:
    """What is printed only in rare cases, such as a silent region's account, is made from these values too."""
    values = secrets(incidents.folder)
    redaction = Redaction(KEY)
    sources = find_objects(incidents.paths, tmp_path)
    read = [redaction.result(each) for each in read_objects(sources, 1, extract)]
    assert sum(len(each.value.presence) for each in read if each.value) > 100
    assert told(repr(read), values) == []
    asked = Asked(read_doer("KarpenterControllerRole-main"))
    done = [redaction.actor(each) for each in read_objects(sources, 1, partial(deeds.extract, asked=asked))]
    assert sum(len(each.value.done) for each in done if each.value) > 10
    assert told(repr(done), values) == []


def test_two_runs_agree_and_other_keys_do_not(taken_over: Case, tmp_path: Path) -> None:
    """Reports of two days have to speak of the same doer under one name; those for two readers must not."""
    arguments = ("replay", *taken_over.paths, "--format", "jsonl", "--all")
    again = [json.loads(line) for line in taken_over.run(*arguments, "--redact").stdout.splitlines()]
    assert again == taken_over.redacted
    other = tmp_path / "other"
    other.write_text("0123456789abcdef0123456789abcdef")
    others = [json.loads(line) for line in taken_over.run(*arguments, "--redact-key", other).stdout.splitlines()]
    assert len(others) == len(again)
    assert not {each["account_id"] for each in again} & {each["account_id"] for each in others}
    assert not {group for each in again for group in each["groups"] if group.startswith("name-")} & {
        group for each in others for group in each["groups"]
    }


def test_processes_change_no_pseudonym(incidents: Case) -> None:
    """Values are exchanged after reading, wherever that was done."""
    doer = ("actor", "AKIAIOSFODNN7EXAMPLE", *incidents.paths, "--redact", "--format", "jsonl")
    assert incidents.run(*doer).stdout == incidents.run(*doer, "--jobs", "2").stdout != ""


def test_show_refuses_to_redact_what_is_already_said(command: Command, tmp_path: Path) -> None:
    """Sentences cannot be redacted; a person who asked for it must not get them plain."""
    packed = takeover.write(tmp_path)
    command("replay", packed)
    for form in ("full", "csv", "html"):
        plain = command("show", "--redact", "--format", form)
        assert plain.exit_code == 1
        assert "replay again with --redact" in str(plain.exception)
    command("replay", packed, "--redact")
    assert command("show", "--redact").exit_code == 0


def test_files_that_cannot_be_read_are_told_without_their_names(command: Command, tmp_path: Path) -> None:
    """Paths hold names of people and cases, and libraries quote them in their messages."""
    packed = takeover.write(tmp_path)
    folder = tmp_path / "acme-case"
    (folder / "jane").mkdir(parents=True)
    for name, content in {
        "jane/acme.zip": b"PK\x03\x04 no zip",
        "jane/acme.tar": b"acme" * 200,
        "jane/acme.tgz": b"\x1f\x8b broken",
        "acme.json.gz": b"\x1f\x8b broken",
        "acme.csv": b"acme,jane\n1,2\n",
        "acme.parquet": b"PAR1acme",
        "acme.txt": b"no trail",
    }.items():
        (folder / name).write_bytes(content)
    with zipfile.ZipFile(folder / "jane" / "bad.zip", "w") as archive:
        archive.writestr("acme/jane.json", b'{"Records": []}')
    bad = folder / "jane" / "bad.zip"
    bad.write_bytes(bad.read_bytes().replace(b'{"Records"', b'{"records"'))  # its checksum is wrong: the error names it
    summary = tmp_path / "summary.json"
    result = command("replay", folder, packed, "--redact", "--summary", summary)
    text = result.output + summary.read_text()
    assert result.exit_code == 0
    assert len(json.loads(summary.read_text())["rejected"]) >= 9
    assert "acme" not in text.lower()
    assert "jane" not in text.lower()
    assert str(tmp_path) not in text
