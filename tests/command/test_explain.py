"""Does `usage-anomaly explain` say what was really compared, and why it was told or not?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from click.testing import Result
from tests.command.conftest import Command
from tests.command.test_replay_command import record

from usage_anomaly.anomalies import extents
from usage_anomaly.anomalies.rules import ORGANIZATION, Pair
from usage_anomaly.coverage import Gap
from usage_anomaly.detection import baseline
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.enrichment.accounts import read_accounts
from usage_anomaly.errors import UnusableInput
from usage_anomaly.series import bucket_of, bucket_start
from usage_anomaly_cli import account_of_explanation
from usage_anomaly_cli.explanation import Around, Compared, Explanation, Here, explain
from usage_anomaly_cli.reading import find_objects
from usage_anomaly_cli.running import Plan, Run, run

SANDBOX, PRODUCTION = "111122223333", "111122224444"
KIND = "ec2.instances"
FIRED = "2026-11-25T10:20"


@cache
def replayed(folder: Path) -> tuple[Run, Plan]:
    plan = Plan(accounts=read_accounts((folder / "accounts.json").read_bytes(), "accounts.json"))
    return run(find_objects([str(folder / "AWSLogs")], folder / "scratch"), plan, lambda: None), plan


@pytest.fixture
def finished(week: Path) -> Run:
    return replayed(week)[0]


def pairs(finished: Run) -> Iterator[tuple[Pair, list[int]]]:
    """Everything that is judged, with its used buckets."""
    catalog = finished.replay.catalog
    accounts = [pair for pair in sorted(finished.replay.series) if catalog.judges(pair[1])]
    for pair in [*accounts, *sorted({(ORGANIZATION, kind) for _, kind in accounts})]:
        if used := finished.replay.judged(pair).used_since(0):
            yield pair, used


def asked(week: Path, pair: Pair, bucket: int) -> Explanation:
    return explain(*replayed(week), pair, bucket_start(bucket))


def numbers(text: str) -> list[float]:
    return [float(each.replace(",", "")) for each in re.findall(r"-?\d[\d,]*(?:\.\d+)?", text)]


def ask(command: Command, week: Path, *arguments: object, at: str = FIRED, account: str = SANDBOX) -> Result:
    options = ("--accounts", week / "accounts.json", "--kind", KIND, "--account", account, "--at", at)
    result = command("explain", week / "AWSLogs", *options, *arguments)
    if result.exception is not None:
        raise result.exception
    return result


def answer(command: Command, week: Path, *arguments: object, at: str = FIRED, account: str = SANDBOX) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        ask(command, week, "--format", "json", *arguments, at=at, account=account).stdout
    )
    return found


def test_what_it_says_is_what_the_judge_compared(week: Path, finished: Run) -> None:
    """Every number, of every detector and window, at times all over the week."""
    seen: set[tuple[str, str]] = set()
    for pair, used in pairs(finished):
        for bucket in used[:: max(1, len(used) // 8)]:
            said = asked(week, pair, bucket)
            verdicts = finished.replay.compared(pair, bucket)
            assert len(said.compared) == len(verdicts)
            for each, verdict in zip(said.compared, verdicts, strict=True):
                assert (each.detector, each.window_minutes) == (verdict.detector, verdict.length * 5)
                assert (each.actual, each.bound) == (verdict.actual, verdict.bound)
                assert (each.expected, each.score, each.score_needed) == (
                    verdict.expected, verdict.score, verdict.needed
                )  # fmt: skip
                assert (each.verdict == "told") is (verdict.finding is not None and verdict.excuse is None)
                assert (each.verdict == "recorded") is (verdict.excuse is not None)
                assert (each.verdict == "not judged") is (verdict.idle is not None)
                seen.add((each.detector, each.verdict))
    assert {each for each in seen if each[1] in ("told", "recorded")} >= {("threshold", "recorded")}
    assert seen >= {(name, "not above") for name in ("threshold", "burn_rate", "baseline")}
    assert seen >= {(name, "not judged") for name in ("baseline", "first_use")}


def test_the_text_has_the_same_numbers(week: Path, finished: Run) -> None:
    """A figure that was rounded to the other side of its limit would explain the opposite."""
    for pair, used in pairs(finished):
        for bucket in used[:: max(1, len(used) // 8)]:
            said = asked(week, pair, bucket)
            lines = account_of_explanation.lines(said, [], "PATH")
            table = lines[next(n for n, line in enumerate(lines) if line.startswith("DETECTOR")) + 1 :]
            for each, line in zip(said.compared, table, strict=False):
                cells = re.split(r" {2,}", line)
                assert cells[0] == each.detector.replace("_", " ")
                if cells[2] == "-":
                    assert (each.detector, each.verdict) == ("first_use", "not judged")
                    continue
                found = numbers(cells[2])
                left = [float(each.left_out)] if each.left_out else []
                if each.score is None or each.expected is None:
                    assert found == pytest.approx([each.actual, *left, each.bound], abs=1e-6)
                    continue
                actual, *rest = found
                assert [actual, *rest[: len(left)]] == [each.actual, *left]
                mean, *days, score, needed = rest[len(left) :]
                assert mean == pytest.approx(each.expected, rel=0.005)
                assert days == ([] if each.days_known is None else [each.days_known])
                assert 0 <= each.score - score < 0.011
                assert needed == pytest.approx(each.score_needed, abs=0.011)
                assert (score >= needed) is (each.score >= (each.score_needed or 0))


def test_every_finding_of_an_anomaly_is_explained_with_its_numbers(week: Path, finished: Run) -> None:
    """What a mail says and what explain says of the same minutes must be one story."""
    checked = 0
    for outcome in finished.replay.outcomes():
        for finding in outcome.extent.findings:
            said = asked(week, (outcome.account_id, outcome.kind), bucket_of(finding.window_end) - 1)
            (same,) = [
                each
                for each in said.compared
                if (each.detector, each.window_minutes) == (finding.detector, finding.window_minutes)
            ]
            assert same.actual == pytest.approx(finding.actual, abs=1e-4)
            assert same.verdict == ("told" if outcome.extent.telling else "recorded")
            assert [each for each in said.anomalies if not each.ended and each.told is (outcome.told is not None)]
            checked += 1
    assert checked > 8


def test_what_is_long_gone_is_explained_as_it_was_judged(
    week: Path, finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay remembers the last part of its walk only; a busy series is asked about before that."""
    pair = (PRODUCTION, KIND)
    used = finished.replay.judged(pair).used_since(0)
    early = used[: len(used) // 2 : 4]
    whole = [finished.replay.compared(pair, bucket) for bucket in early]
    monkeypatch.setattr(extents, "KEPT_STATES", len(used) - 1)  # the half that is more is forgotten
    assert [finished.replay.compared(pair, bucket) for bucket in early] == whole


def test_told_use_names_its_anomaly_and_when_it_was_told(command: Command, week: Path) -> None:
    """From a doubt to the mail in one step: the commands that it prints work as they stand."""
    found = answer(command, week)
    (here,) = found["anomalies"]
    assert (here["id"], here["told"], here["ended"]) == ("ec2-instances-111122223333-20261125T1000Z", True, False)
    assert [each["reason"] for each in here["alerts"]] == ["opened", "grown"]
    text = ask(command, week).stdout
    assert "TOLD" in text
    assert "told: opened 25 Nov 10:10, grown 25 Nov 10:40" in text
    again, show = [line.split("usage-anomaly ")[1].split() for line in text.splitlines()[-2:]]
    assert command(*again).exit_code == 0
    assert "47 p3.16xlarge" in command(*show).stdout


def test_recorded_use_says_what_excuses_it(command: Command, week: Path) -> None:
    """The nightly batch: how many days the habit counted, and that nobody was told."""
    found = answer(command, week, at="2026-11-24T01:34", account=PRODUCTION)
    (habit,) = [each for each in found["compared"] if each["verdict"] == "recorded"]
    assert habit["why"] == "3 of 3 working days before saw two thirds of it at this hour"
    assert (habit["detector"], habit["window_minutes"], habit["bound"]) == ("threshold", 10, 10)
    assert [each["told"] for each in found["anomalies"]] == [False]
    assert len(found["around"]["days_before"]) == 5
    text = ask(command, week, at="2026-11-24T01:34", account=PRODUCTION).stdout
    assert f"recorded: {habit['why']}" in text
    assert "recorded, not told" in text


def test_silent_use_says_what_it_was_below(command: Command, week: Path) -> None:
    """Most questions are about what did not ring."""
    found = answer(command, week, at="2026-11-20T08:35")
    assert {each["verdict"] for each in found["compared"]} <= {"not above", "not judged"}
    assert (found["anomalies"], found["around"]["quantity"]) == ([], 1)
    assert "Anomaly  none at this time" in ask(command, week, at="2026-11-20T08:35").stdout


def test_a_detector_that_is_not_ready_says_what_it_needs(command: Command, week: Path) -> None:
    """The first days of an account look like a fault otherwise."""
    found = answer(command, week, at="2026-11-20T01:32", account=PRODUCTION)
    why = {each["detector"]: each["why"] for each in found["compared"] if each["verdict"] == "not judged"}
    assert why == {"baseline": f"2 of the {FIGURES.baseline.ready_days} days known that it needs"}
    ready = answer(command, week, at="2026-11-25T01:32", account=PRODUCTION)
    (hour,) = [each for each in ready["compared"] if each["detector"] == "baseline" and each["window_minutes"] == 60]
    assert hour["days_known"] >= FIGURES.baseline.ready_days
    score_needed = baseline.needed(hour["days_known"], running=False)
    assert (hour["score_needed"], hour["verdict"]) == (score_needed, "not above")
    assert score_needed > FIGURES.baseline.score  # while few days are known


def test_detectors_that_compare_nothing_say_why(command: Command, week: Path) -> None:
    """A line that is missing looks like a detector that was forgotten."""
    text = ask(command, week, account=ORGANIZATION).stdout
    assert "the organization is judged by quantity" in text
    assert re.search(r"^first use +1 hour +(-|0 accounts, floor 5) +not (judged|above)", text, re.MULTILINE)
    refused = ("--kind", f"{KIND}.attempts", "--at", "2026-11-25T09:58")
    assert "refused calls cost nothing" in ask(command, week, *refused).stdout
    calm = ask(command, week, at="2026-11-24T01:34", account=PRODUCTION).stdout
    assert "no region, family of accelerators, user or role that is new" in calm


def test_twice_the_most_of_all_days_is_told_whatever_its_score(command: Command, tmp_path: Path) -> None:
    """Twenty machines a day at any hour scatter so much that 45 at once are no improbable draw; the line must say why."""
    trail = tmp_path / "trail.jsonl"
    lot = Random(0)
    days = [f"2026-11-{day:02}T{lot.randrange(24):02}:10:00Z" for day in range(1, 29)]
    launches = [*(each for each in days for _ in range(4)), *["2026-11-29T12:01:00Z"] * 9]
    trail.write_text("\n".join(record(each, number) for number, each in enumerate(launches)))
    options = (trail, "--kind", KIND, "--account", SANDBOX, "--at", "2026-11-29T12:01")
    (hour,) = [
        each
        for each in json.loads(command("explain", *options, "--format", "json").stdout)["compared"]
        if (each["detector"], each["window_minutes"]) == ("baseline", 60)
    ]
    assert hour["score"] < hour["score_needed"]
    assert (hour["verdict"], hour["days_known"]) == ("told", 28)
    assert "TOLD: above the limit, and 2 times what any such window held before" in command("explain", *options).stdout


def test_while_an_anomaly_is_open_the_usual_is_that_of_before(command: Command, week: Path) -> None:
    """Less is needed for more of it, and the days since are no past of its own."""
    later = answer(command, week, at="2026-11-25T10:45")
    (hour,) = [each for each in later["compared"] if each["detector"] == "baseline" and each["window_minutes"] == 60]
    assert (hour["score_needed"], hour["days_known"]) == (FIGURES.baseline.score_open, None)
    assert "(before the open anomaly), score" in ask(command, week, at="2026-11-25T10:45").stdout


def test_without_use_the_last_two_hours_answer_and_then_the_nearest_uses(command: Command, week: Path) -> None:
    """A time out of a mail is seldom exact; a silence is only one within what was read."""
    moment = datetime(2026, 11, 20, 8, 35, tzinfo=UTC)
    for minutes, found in ((4, True), (5, True), (124, True), (125, False)):
        said = answer(command, week, at=f"{moment + timedelta(minutes=minutes):%Y-%m-%dT%H:%M}")
        assert (said["around"] is not None) is found, minutes
        assert (said["before"] == "2026-11-20T08:35:00Z") is not found
    text = ask(command, week, at="2026-11-20T12:00").stdout
    assert "Silent   no use between 20 Nov 2026 08:40 and 23 Nov 2026 07:40 UTC" in text
    before, after = [line.split("usage-anomaly ")[1].split() for line in text.splitlines()[-2:]]
    assert "1 instance" in command(*before).stdout
    assert "Bucket   23 Nov 2026 07:40" in command(*after).stdout


def test_a_kind_that_was_never_used_names_those_that_were(command: Command, week: Path) -> None:
    """Silence of the wrong kind is no answer yet."""
    text = ask(command, week, "--kind", "rds.instances").stdout
    assert "no database instances in all that was read; used there: ebs.volumes, ec2.instances" in text


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        pytest.param({"--kind": "ec2.instance"}, "'ec2.instance' is no kind with limits; known: api.denied", id="kind"),
        pytest.param({"--kind": "identity.changes"}, "evidence only: nothing judges it", id="evidence"),
        pytest.param(
            {"--account": "999988887777"}, "no record of '999988887777' was read; read were 1111", id="account"
        ),
        pytest.param({"--account": "\x1b[2J\n"}, "no record of '\\x1b[2J\\n' was read", id="hostile-account"),
        pytest.param({"--at": "2026-11-17T10:00"}, "from 2026-11-18T12:00Z to 2026-11-25T11:31Z", id="before"),
        pytest.param({"--at": "2026-12-01"}, "outside of the records that were read", id="after"),
    ],
)
def test_what_was_not_read_is_named_with_what_was(
    command: Command, week: Path, changed: dict[str, str], words: str
) -> None:
    """A typing error must not look like silence."""
    options = {"--kind": KIND, "--account": SANDBOX, "--at": FIRED} | changed
    result = command("explain", week / "AWSLogs", *(each for option in options.items() for each in option))
    assert isinstance(result.exception, UnusableInput)
    assert words in str(result.exception)


def test_limits_of_a_file_are_those_it_explains_by(command: Command, week: Path, tmp_path: Path) -> None:
    """The same question with the limits that are meant to be saved."""
    limits = tmp_path / "limits.json"
    limits.write_text('{"ec2.instances": {"111122223333": 3}, "burn_rate_usd_per_hour": {"111122223333": 5000}}')
    found = answer(command, week, "--limits", limits)
    said = {(each["detector"], each["window_minutes"]): each for each in found["compared"]}
    assert (said["threshold", 10]["bound"], said["threshold", 10]["verdict"]) == (3, "told")
    assert (said["burn_rate", 60]["bound"], said["burn_rate", 60]["verdict"]) == (5000, "not above")
    text = ask(command, week, "--limits", limits).stdout
    assert "8 instances, limit 3 set by --limits" in text
    assert f"usage-anomaly replay {week / 'AWSLogs'} --accounts {week / 'accounts.json'} --limits {limits}" in text


def test_a_gap_of_the_trail_is_named(command: Command, tmp_path: Path) -> None:
    """Nothing was told because nothing was read: that is no silence of the account."""
    trail = tmp_path / "trail.jsonl"
    calls = []
    for day in range(2, 6):
        for hour in range(24):
            if day == 5 and 8 <= hour < 14:
                continue
            names = {"eventName": "DescribeInstances", "responseElements": None}
            calls += [
                record(f"2026-11-{day:02}T{hour:02}:{minute:02}:00Z", 2_000 * day + 60 * hour + minute, **names)
                for minute in range(0, 60, 5)
            ]
    launches = [record("2026-11-05T07:30:00Z", 99_001), record("2026-11-05T15:30:00Z", 99_002)]
    trail.write_text("\n".join([*calls, *launches]))
    where = ("--kind", KIND, "--account", SANDBOX)
    text = command("explain", trail, *where, "--at", "2026-11-05T12:00").stdout
    assert "Gap      eu-central-1: nothing 5 Nov 08:00-14:00" in text
    assert "Silent   no use between" in text
    assert "Gap " not in command("explain", trail, *where, "--at", "2026-11-05T15:30").stdout


def test_hostile_text_stands_inert(capsys: pytest.CaptureFixture[str]) -> None:
    """Names of regions, images and accounts come from records and tags."""
    evil = "\x1b[2Jx\n\u202eDETECTOR https://evil.example"
    now = datetime(2026, 11, 25, tzinfo=UTC)
    said = Explanation(
        kind=KIND, account_id=evil, account_name=evil, account_type="production", limit_is_set=False, asked=now,
        unit="instances", one="instance", gaps=(Gap(evil, evil, now, now),), unseen=(evil,),
        around=Around(bucket=now, quantity=1, hour=1, day=1, days_before=()),
        compared=(
            Compared(
                detector="first_use", window_minutes=5, actual=1, bound=1, unit="instances", left_out=0, verdict="told",
                why=evil,
            ),
        ),
        anomalies=(
            Here(
                id=evil, start=now, last_seen=now, ended=False, told=False, alerts=(), closed_reason=None, severity=1.0,
                usd_per_hour=None,
            ),
        ),
    )  # fmt: skip
    for each in (said, msgspec.structs.replace(said, around=None, before=now)):
        for line in account_of_explanation.lines(each, [], "PATH"):
            assert not {"\x1b", "\n", "\u202e"} & set(line)
            assert "https://" not in line
