"""Does `usage-anomaly replay` keep the contract that scripts rely on?"""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import pytest
from tests.command.conftest import Command
from tests.envelopes.building import aggregated, log, made, zipped

from usage_anomaly.errors import UnusableInput

FIELDS = {
    *(
        "id",
        "kind",
        "account_id",
        "account_name",
        "regions",
        "start",
        "last_seen",
        "state",
        "total",
        "released",
        "expected",
    ),
    *(
        "unit",
        "findings",
        "ready",
        "detected_at",
        "alerts",
        "cost",
        "severity",
        "severity_reasons",
        "actors",
        "automation",
    ),
    *("evidence", "guidance", "resource_ids", "resource_count", "truncated", "suppressed"),
}
FINDING = {
    *("detector", "scope", "region", "window_start", "window_end", "window_minutes", "actual", "expected", "score"),
    *("confidence", "reason"),
}
SUMMARY = {
    *(
        "objects",
        "records",
        "distinct",
        "duplicates",
        "rejected",
        "first",
        "last",
        "gaps",
        "usage",
        "releases",
        "attempts",
    ),
    "anomalies",
}


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_jsonl_has_the_fields_of_the_contract(command: Command, trail: Path) -> None:
    """They are stable from now on."""
    result = command("replay", trail / "AWSLogs", "--accounts", trail / "accounts.json", "--format", "jsonl", "--all")
    assert result.exit_code == 0
    found = lines(result.stdout)
    told = [each for each in found if each["alerts"]]
    assert all(each.keys() >= FIELDS for each in found)
    assert [each for each in found if not each["alerts"]]
    incident = next(each for each in told if each["account_name"] == "sandbox-ml")
    assert (incident["total"], incident["released"], incident["state"]) == (47, 0, "grown")
    assert set(incident["cost"]) == {"usd_per_hour", "usd_so_far", "usd_month_end", "basis", "confidence"}  # type: ignore[call-overload]  # JSON
    assert all(finding.keys() >= FINDING for finding in incident["findings"])  # type: ignore[attr-defined]  # JSON
    assert str(incident["start"]).endswith("Z")


def test_without_all_only_told_anomalies_are_printed(command: Command, trail: Path) -> None:
    """Recorded ones are for those who ask."""
    result = command("replay", trail / "AWSLogs", "--format", "jsonl")
    assert all(each["alerts"] for each in lines(result.stdout))


def test_jobs_and_the_archives_shape_change_no_byte(
    command: Command, trail: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise (a) for files: two processes, a zip file, a packed tar file and plain text tell the same."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    plain = command("replay", trail / "AWSLogs", "--format", "jsonl", "--all").stdout
    assert command("replay", trail / "AWSLogs", "--format", "jsonl", "--all", "--jobs", "2").stdout == plain
    archive = shutil.make_archive(str(tmp_path / "case"), "zip", trail, "AWSLogs")
    assert command("replay", archive, "--format", "jsonl", "--all").stdout == plain
    packed = shutil.make_archive(str(tmp_path / "case"), "gztar", trail, "AWSLogs")
    assert command("replay", packed, "--format", "jsonl", "--all", "--jobs", "2").stdout == plain
    assert list(scratch.iterdir()) == []
    unpacked = tmp_path / "unpacked"
    for file in (trail / "AWSLogs").rglob("*.json.gz"):
        target = unpacked / file.relative_to(trail).with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.decompress(file.read_bytes()))
    assert command("replay", unpacked, "--format", "jsonl", "--all").stdout == plain


def test_summary_and_events_agree(command: Command, trail: Path, tmp_path: Path) -> None:
    """The counts are the sums of the usage events."""
    summary, events = tmp_path / "summary.json", tmp_path / "events.jsonl"
    command("replay", trail / "AWSLogs", "--summary", summary, "--events", events)
    counts = json.loads(summary.read_text())
    assert counts.keys() >= SUMMARY
    assert counts["records"] == counts["distinct"] + counts["duplicates"]
    sums: dict[str, dict[str, int]] = {"use": {}, "release": {}, "attempt": {}}
    for event in lines(events.read_text()):
        by = sums[str(event["direction"])]
        kind = str(event["kind"]).removesuffix(".attempts")
        by[kind] = by.get(kind, 0) + int(str(event["quantity"]))
    assert (sums["use"], sums["release"], sums["attempt"]) == (counts["usage"], counts["releases"], counts["attempts"])
    assert counts["usage"]["ec2.instances"] > 47


def test_kinds_since_and_severity_narrow_what_is_told(command: Command, trail: Path) -> None:
    """Everything read stays history; only what is asked for is judged and shown."""
    place = trail / "AWSLogs"
    assert lines(command("replay", place, "--format", "jsonl", "--kinds", "rds.instances,nat.gateways").stdout) == []
    late = lines(command("replay", place, "--format", "jsonl", "--since", "2026-11-25T09:00Z").stdout)
    assert {each["account_id"] for each in late} == {"111122223333"}
    assert lines(command("replay", place, "--format", "jsonl", "--until", "2026-11-22T13:00Z").stdout) == []
    severe = lines(command("replay", place, "--format", "jsonl", "--min-severity", "8").stdout)
    assert [each["account_id"] for each in severe] == ["111122223333"]


def test_an_unknown_kind_is_named_with_those_that_exist(command: Command, trail: Path) -> None:
    """A typing error must not look like a quiet week."""
    result = command("replay", trail / "AWSLogs", "--kinds", "ec2.instance")
    assert result.exit_code == 2
    assert "ec2.instances" in result.stderr


def test_no_anomaly_is_no_error(command: Command, trail: Path) -> None:
    """Exit 0 with or without anomalies."""
    result = command("replay", trail / "AWSLogs", "--kinds", "rds.instances")
    assert result.exit_code == 0
    assert "0 told, 0 recorded" in result.stdout


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param({}, "no file in it", id="empty"),
        pytest.param({"a.txt": b"hello"}, "not a trail file", id="no-trail-file"),
        pytest.param({"a.json": b'{"hello": 1}'}, "no CloudTrail record", id="no-record"),
        pytest.param({"a.parquet": b"PAR1"}, "a Parquet file: read the trail's S3 objects", id="security-lake"),
    ],
)
def test_input_without_a_record_is_unusable(
    command: Command, tmp_path: Path, content: dict[str, bytes], words: str
) -> None:
    """Silence about nothing read would look like silence about nothing unusual."""
    place = tmp_path / "case"
    place.mkdir()
    for name, data in content.items():
        (place / name).write_bytes(data)
    result = command("replay", place)
    assert isinstance(result.exception, UnusableInput)
    assert words in str(result.exception)


def test_a_missing_path_ends_with_2_and_the_remedy(tmp_path: Path) -> None:
    """As a shell sees it: one line, exit 2, no traceback."""
    finished = subprocess.run(
        [sys.executable, "-c", "from usage_anomaly_cli.main import main; main()", "replay", str(tmp_path / "nowhere")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert finished.stderr.startswith("usage-anomaly: ")
    assert finished.stderr.count("\n") == 1
    assert "name a file, folder, zip or tar file" in finished.stderr


@pytest.mark.parametrize(("told", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, 143)])
def test_a_replay_told_to_end_leaves_nothing_behind(tmp_path: Path, told: signal.Signals, code: int) -> None:
    """What archives unfold to may be gigabytes."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    content = zipped(log([made(1)]))
    with tarfile.open(tmp_path / "case.tgz", "w:gz") as archive:
        for number in range(20_000):  # seconds of work
            header = tarfile.TarInfo(f"{number}.json.gz")
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    with subprocess.Popen(
        [sys.executable, "-c", "from usage_anomaly_cli.main import main; main()", "replay", str(tmp_path / "case.tgz")],
        env=os.environ | {"TMPDIR": str(scratch)},
        stderr=subprocess.DEVNULL,
    ) as replay:
        while not list(scratch.glob("*/*")):  # an archive is being unfolded
            time.sleep(0.01)
        replay.send_signal(told)
    assert replay.returncode == code
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    "content", ['{"id": 1}', '[{"id": "1"}]', '[{"id": "111122223333", "colour": "red"}]', "nonsense"]
)
def test_a_wrong_accounts_file_is_named_with_its_entry(
    command: Command, trail: Path, tmp_path: Path, content: str
) -> None:
    """People write this file; a silent default would judge production by staging's limits."""
    file = tmp_path / "accounts.json"
    file.write_text(content)
    result = command("replay", trail / "AWSLogs", "--accounts", file)
    assert isinstance(result.exception, UnusableInput)
    assert str(file) in str(result.exception)


def test_a_broken_object_is_named_and_the_rest_read(command: Command, trail: Path, tmp_path: Path) -> None:
    """One broken file must not cost the analyst the case."""
    place = tmp_path / "case"
    shutil.copytree(trail / "AWSLogs", place)
    whole = next(iter(sorted(place.rglob("*.json.gz"))))
    whole.with_name("broken.json.gz").write_bytes(whole.read_bytes()[:100])
    result = command("replay", place)
    assert result.exit_code == 0
    assert "broken.json.gz" in result.stdout
    assert "1 rejected" in result.stdout


def test_show_prints_the_mail_of_the_last_replay(command: Command, trail: Path) -> None:
    """The next command that the account names works as it stands."""
    table = command("replay", trail / "AWSLogs", "--accounts", trail / "accounts.json").stdout
    identity = table.rsplit("usage-anomaly show ", 1)[1].split()[0]
    mail = command("show", identity).stdout
    assert mail.startswith("Subject: [9.")
    assert "sandbox-ml 111122223333: 47 p3.16xlarge" in mail
    assert json.loads(command("show", identity, "--format", "json").stdout)["id"] == identity


def test_show_reads_the_output_of_a_replay_too(command: Command, trail: Path, tmp_path: Path) -> None:
    """A case can be handed over as one file."""
    file = tmp_path / "case.jsonl"
    command("replay", trail / "AWSLogs", "--format", "jsonl", "--output", file)
    identity = json.loads(file.read_text().splitlines()[0])["id"]
    assert command("show", identity, "--from", file).exit_code == 0
    missing = command("show", "nothing-of-the-kind", "--from", file)
    assert isinstance(missing.exception, UnusableInput)
    assert identity in str(missing.exception)


def record(moment: str, number: int, **changes: object) -> str:
    """One launch of five instances as a line of JSON."""
    items = [{"instanceId": f"i-{number}-{each}", "instanceType": "m5.large"} for each in range(5)]
    return json.dumps(
        {
            "eventName": "RunInstances",
            "eventSource": "ec2.amazonaws.com",
            "eventID": f"00000000-0000-4000-8000-{number:012}",
            "eventTime": moment,
            "awsRegion": "eu-central-1",
            "recipientAccountId": "111122223333",
            "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/a", "accountId": "111122223333"},
            "responseElements": {"instancesSet": {"items": items}},
            **changes,
        }
    )


def test_a_bucket_with_data_events_and_their_counts_counts_each_call_once(command: Command, tmp_path: Path) -> None:
    """A trail that aggregates writes both, in two folders of its bucket; the counts alone tell the same anomaly."""
    region = "us-east-1"
    name = f"111122223333_CloudTrail_{region}_20260120T1010Z"
    single, counted = (tmp_path / "AWSLogs" / "111122223333" / each for each in ("CloudTrail", "CloudTrail-Aggregated"))
    calls = [
        made(n, eventName="Invoke", eventSource="lambda.amazonaws.com", requestParameters={"functionName": "resize"})
        for n in range(290)
    ]
    function = f"arn:aws:lambda:{region}:111122223333:function:resize"
    for folder, records in ((single, calls), (counted, [aggregated(300, details={"resourceARN": {function: 300}})])):
        (folder / region).mkdir(parents=True)
        (folder / region / f"{name}_{folder.name[-3:]}.json.gz").write_bytes(zipped(log(records)))
    accounts = tmp_path / "accounts.json"
    accounts.write_text(
        '[{"id": "111122223333", "name": "x", "status": "ACTIVE", "tags": {"AccountType": "development"}}]'
    )
    totals = {}
    for place in (single, counted, tmp_path / "AWSLogs"):
        summary = tmp_path / "summary.json"
        (found,) = lines(
            command("replay", place, "--accounts", accounts, "--format", "jsonl", "--summary", summary).stdout
        )
        totals[place.name] = (found["total"], json.loads(summary.read_text())["usage"]["lambda.invocations"])
        assert found["kind"] == "lambda.invocations"
        assert "resize" in json.dumps(found["guidance"])
    assert "caller not named" in command("replay", counted, "--accounts", accounts).stdout
    assert totals == {"CloudTrail": (290, 290), "CloudTrail-Aggregated": (300, 300), "AWSLogs": (300, 300)}


def test_since_moves_no_start_and_makes_no_alarm(command: Command, tmp_path: Path) -> None:
    """Seventy launches at eight are no reason to alarm at noon, whatever span is asked for."""
    file = tmp_path / "trail.jsonl"
    launches = [record(f"2026-11-02T08:{number:02}:00Z", number) for number in range(14)]
    file.write_text("\n".join([*launches, record("2026-11-02T12:05:00Z", 99, responseElements=None)]))
    everything = lines(command("replay", file, "--format", "jsonl").stdout)
    assert [each["start"] for each in everything] == ["2026-11-02T08:00:00Z"]
    assert lines(command("replay", file, "--format", "jsonl", "--since", "2026-11-02T10:00Z").stdout) == []
    late = command("replay", file, "--since", "2026-11-03", "--until", "2026-11-02")
    assert isinstance(late.exception, UnusableInput)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:00Z", "1969-12-31T23:59:59Z"])
def test_an_absurd_date_is_counted_and_costs_nothing_else(command: Command, tmp_path: Path, moment: str) -> None:
    """One broken clock must not end the case."""
    file = tmp_path / "trail.jsonl"
    launches = [record(f"2026-11-02T08:0{number}:00Z", number) for number in range(3)]
    file.write_text("\n".join([*launches, record(moment, 50)]))
    result = command("replay", file)
    assert result.exit_code == 0
    assert "1 told" in result.stdout
    assert "no time: stands in no bucket: 1" in result.stdout


def test_a_hostile_account_id_reaches_no_command(command: Command, tmp_path: Path) -> None:
    """The line after Next is pasted into a shell."""
    file = tmp_path / "trail.jsonl"
    evil = {"recipientAccountId": "1\x1b]0;x\x07\n$(touch /tmp/owned)", "userIdentity": None}
    file.write_text("\n".join(record(f"2026-11-02T08:0{number}:00Z", number, **evil) for number in range(3)))
    result = command("replay", file)
    assert "usage-anomaly show ec2-instances-unknown-20261102T0800Z" in result.stdout
    assert "\x1b" not in result.stdout + result.stderr
    assert "touch" not in result.stdout


def test_an_account_called_organization_is_not_the_organization(command: Command, tmp_path: Path) -> None:
    """Its use must be judged as an account's."""
    file = tmp_path / "trail.jsonl"
    named = {"recipientAccountId": "organization", "userIdentity": None}
    file.write_text("\n".join(record(f"2026-11-02T08:0{number}:00Z", number, **named) for number in range(9)))
    found = lines(command("replay", file, "--format", "jsonl").stdout)
    assert [(each["account_id"], each["total"]) for each in found] == [("unknown", 45)]


def test_other_kinds_stay_evidence_when_kinds_are_chosen(command: Command, trail: Path, tmp_path: Path) -> None:
    """ "No refused call before" must not be said because refused calls were not asked for."""
    events = tmp_path / "events.jsonl"
    place = trail / "AWSLogs"
    (chosen,) = [
        each
        for each in lines(command("replay", place, "--format", "jsonl", "--kinds", "ec2.instances").stdout)
        if each["total"] == 47
    ]
    (whole,) = [each for each in lines(command("replay", place, "--format", "jsonl").stdout) if each["total"] == 47]
    assert chosen["evidence"] == whole["evidence"]
    command("replay", place, "--kinds", "rds.instances", "--events", events)
    assert {each["kind"] for each in lines(events.read_text())} <= {"rds.instances", "rds.instances.attempts"}


def test_a_place_that_cannot_be_written_is_refused_before_reading(
    command: Command, trail: Path, tmp_path: Path
) -> None:
    """Minutes of reading must not end in a traceback."""
    result = command("replay", trail / "AWSLogs", "--output", tmp_path / "nowhere" / "out.jsonl")
    assert isinstance(result.exception, UnusableInput)


def test_a_state_folder_that_cannot_be_written_loses_no_result(
    command: Command, trail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read-only container still gets its answer."""
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    result = command("replay", trail / "AWSLogs")
    assert result.exit_code == 0
    assert "told" in result.stdout
    assert "show will not find this replay" in result.stderr
