"""Does `usage-anomaly tune` show what a change of limits would do, and does the change then do just that?"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.command.conftest import Command
from tests.command.test_replay_command import lines, record

from usage_anomaly.alerts.words import number
from usage_anomaly.errors import UnusableInput
from usage_anomaly_cli import reading, running
from usage_anomaly_cli.tune_command import read_changes

ACCOUNT = "111122223333"
DEVELOPMENT = {"id": ACCOUNT, "name": "sandbox", "status": "ACTIVE", "tags": {"AccountType": "development"}}


def volumes(moment: str, number: int) -> str:
    """One volume."""
    made = {"volumeId": f"vol-{number}", "size": 100, "volumeType": "gp3", "availabilityZone": "eu-central-1a"}
    return record(moment, number, eventName="CreateVolume", responseElements=made)


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """Of a development account: five launches on Monday; on Tuesday five every four minutes; on Wednesday four volumes."""
    tuesday = [record(f"2026-11-03T10:{4 * number:02}:00Z", 10 + number) for number in range(4)]
    wednesday = [volumes(f"2026-11-04T09:0{number}:00Z", 20 + number) for number in range(4)]
    (tmp_path / "trail.jsonl").write_text("\n".join([record("2026-11-02T08:00:00Z", 1), *tuesday, *wednesday]))
    (tmp_path / "accounts.json").write_text(json.dumps([DEVELOPMENT]))
    return tmp_path


def tuned(command: Command, case: Path, *arguments: object) -> str:
    result = command("tune", case / "trail.jsonl", "--accounts", case / "accounts.json", *arguments)
    if result.exception is not None:
        raise result.exception
    assert result.exit_code == 0
    return result.stdout


def summary(command: Command, case: Path, *arguments: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tuned(command, case, *arguments, "--format", "json"))
    return found


CHANGE = ("--limit", "ec2.instances:development=8", "--limit", f"ebs.volumes:{ACCOUNT}=3")


def test_one_is_hidden_one_added_one_told_later(command: Command, case: Path) -> None:
    """The three things that a change of limits does, each with its dollars."""
    text = tuned(command, case, *CHANGE)
    rows = [re.split(r" {2,}", line.strip()) for line in text.splitlines() if re.match(r"[A-Z]+ +[\d.]+ ", line)]
    assert [(row[0], row[3], row[4]) for row in rows] == [
        ("HIDDEN", "5 m5.large, eu-central-1", "2 Nov 08:00"),
        ("CHANGED", "20 m5.large, eu-central-1", "3 Nov 10:00-10:12"),
        ("ADDED", "4 volumes (gp3), eu-central-1", "4 Nov 09:00-09:03"),
    ]
    assert [row[7].split(";")[0] for row in rows] == ["then no finding", "told 4 min later", "now no finding"]
    assert "Now      2 told" in text
    assert "Then     2 told" in text
    found = summary(command, case, *CHANGE)
    hidden, changed, added = found["differences"]
    assert (hidden["after"], added["before"]) == (None, None)
    assert hidden["before"]["usd_per_hour"] == pytest.approx(5 * 0.115)
    assert (changed["before"]["opened"], changed["after"]["opened"]) == ("2026-11-03T10:00:00Z", "2026-11-03T10:04:00Z")
    assert f"Hidden   1: {float(rows[0][5]):g} USD/h, {rows[0][6]} USD so far" in text


def test_what_it_prints_last_does_what_it_says(command: Command, case: Path, tmp_path: Path) -> None:
    """Saved and given to replay, the limits tell what was announced, and nothing else."""
    text = tuned(command, case, *CHANGE)
    limits = tmp_path / "limits.json"
    limits.write_text(text[text.index("\n{") :])
    assert json.loads(limits.read_text()) == {"ebs.volumes": {ACCOUNT: 3}, "ec2.instances": {"development": 8}}
    files = (case / "trail.jsonl", "--accounts", case / "accounts.json", "--format", "jsonl", "--all")
    as_they_are = lines(command("replay", *files).stdout)
    changed = lines(command("replay", *files, "--limits", limits).stdout)
    found = summary(command, case, *CHANGE)
    for name, every in (("before", as_they_are), ("after", changed)):
        told = [each for each in every if each["alerts"]]
        assert found[name]["told"] == len(told)
        assert found[name]["messages"] == sum(len(each["alerts"]) for each in told)  # type: ignore[arg-type,misc]  # JSON
        assert found[name]["recorded"] == len(every) - len(told)
    ids = {each["id"] for each in as_they_are} - {each["id"] for each in changed}
    assert ids == {each["before"]["id"] for each in found["differences"] if each["change"] == "hidden"}
    assert "(2 limits set by --limits)" in command("replay", *files[:3], "--limits", limits).stdout


def test_a_change_counts_from_the_limits_that_are_set_already(command: Command, case: Path, tmp_path: Path) -> None:
    """Who has set limits tunes those, and must not lose the others by saving."""
    limits = tmp_path / "limits.json"
    limits.write_text('{"ec2.instances": {"development": 8}, "rds.instances": {"staging": 1}}')
    text = tuned(command, case, "--limits", limits, "--limit", "ec2.instances:development=2")
    assert "ec2.instances, development: 2 per 10 minutes, now 8; holds for 1 of 1 account read" in text
    assert "Now      1 told" in text
    assert "Added    1" in text
    saved = json.loads(text[text.index("\n{") :])
    assert saved == {"ec2.instances": {"development": 2}, "rds.instances": {"staging": 1}}


def test_burn_rates_are_tuned_alike(command: Command, case: Path) -> None:
    """A loop of small machines may cost more than its number says."""
    text = tuned(command, case, "--burn-limit", f"{ACCOUNT}=0.000001", "--limit", "ec2.instances:development=1000")
    assert f"burn rate, {ACCOUNT}: 0.000001 USD/h, now 5; holds for this account" in text
    assert "Then     3 told" in text


def test_what_accounts_do_together_is_summed_once(command: Command, tmp_path: Path) -> None:
    """Seven accounts with fifteen machines each are told, and so is the organization: the dollars are those of 105."""
    trail = tmp_path / "trail.jsonl"
    calls = [
        record("2026-11-05T10:01:00Z", 10 * account + n, recipientAccountId=f"{account:012}")
        for account in range(1, 8)
        for n in range(3)
    ]
    trail.write_text("\n".join(calls))
    accounts = tmp_path / "accounts.json"
    named = [{"id": f"{n:012}", "name": f"p{n}", "tags": {"AccountType": "production"}} for n in range(1, 8)]
    accounts.write_text(json.dumps(named))
    options = ("--accounts", accounts, "--limit", "ec2.instances:production=40")
    result = json.loads(command("tune", trail, *options, "--format", "json").stdout)
    (whole,) = [each["before"] for each in result["differences"] if each["account_id"] == "organization"]
    assert (len(result["differences"]), whole["quantity"]) == (8, 105)
    text = command("tune", trail, *options).stdout
    assert f"Hidden   8: {number(whole['usd_per_hour'])} USD/h" in text


def test_what_becomes_part_of_another_is_not_called_gone(command: Command, case: Path) -> None:
    """Lower limits join what was told apart: fewer messages, and nothing less is told."""
    two = {"responseElements": {"instancesSet": {"items": [{"instanceId": f"i-{each}"} for each in range(2)]}}}
    calls = [record("2026-11-05T08:00:00Z", 30), record("2026-11-05T09:30:00Z", 31, **two)]
    (case / "trail.jsonl").write_text("\n".join([*calls, record("2026-11-05T11:00:00Z", 32)]))
    (grown, joined) = summary(command, case, "--limit", "ec2.instances:development=1")["differences"]
    assert (grown["change"], joined["change"]) == ("changed", "hidden")
    assert grown["how"].startswith("12 instead of 5 instances")
    assert joined["how"] == f"then part of {grown['after']['id']}"
    limits = case / "limits.json"
    limits.write_text('{"ec2.instances": {"development": 1}}')
    (apart_again, split) = summary(command, case, "--limits", limits, "--limit", "ec2.instances:development=2")[
        "differences"
    ]
    assert (apart_again["change"], split["change"]) == ("changed", "added")
    assert split["how"] == f"now part of {apart_again['before']['id']}"


def test_what_is_recorded_instead_says_why(command: Command, tmp_path: Path) -> None:
    """Hidden is not gone: the launches are still above the limit, and the baseline judges in its place."""
    launches = [
        record(f"2026-11-{day:02}T{hour:02}:{day % 4 % 2 * 30:02}:00Z", 10 * day + hour)
        for day in range(1, 16)
        for hour in range(day % 4 * 3 // 2, 24, 6)
    ]  # four a day, and every fourth day at the same hours: no habit
    (tmp_path / "trail.jsonl").write_text("\n".join(launches))
    (tmp_path / "accounts.json").write_text(json.dumps([DEVELOPMENT]))
    limits = tmp_path / "limits.json"
    limits.write_text('{"burn_rate_usd_per_hour": {"development": 0.3}}')
    why = "recorded: the baseline is ready and judges in its place"
    hidden = summary(command, tmp_path, "--limits", limits, "--burn-limit", "development=5")
    assert {(each["change"], each["how"]) for each in hidden["differences"]} == {("hidden", f"then {why}")}
    assert hidden["after"]["recorded"] == hidden["before"]["recorded"] + len(hidden["differences"])
    added = summary(command, tmp_path, "--limit", "ec2.instances:development=2")
    assert {(each["change"], each["how"]) for each in added["differences"]} == {("added", f"now {why}")}


def test_a_change_that_holds_for_nobody_says_so(command: Command, case: Path) -> None:
    """Without the accounts file all accounts are of unknown type: nothing would change, for the wrong reason."""
    result = command("tune", case / "trail.jsonl", "--limit", "ec2.instances:production=1").stdout
    assert "holds for 0 of 1 account read (their types come from --accounts)" in result
    assert "Hidden   0\nAdded    0\nChanged  0" in result
    assert (
        "holds for 1 of 1 account" in command("tune", case / "trail.jsonl", "--limit", "ec2.instances:staging=1").stdout
    )
    other = command("tune", case / "trail.jsonl", "--limit", "ec2.instances:999988887777=1").stdout
    assert "of this account nothing was read" in other


def test_the_files_are_read_once(command: Command, case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading takes most of the time of a replay."""
    read: list[int] = []
    real = reading.read_objects

    def counted(*arguments: Any) -> Any:
        read.append(1)
        return real(*arguments)

    monkeypatch.setattr(running, "read_objects", counted)
    assert tuned(command, case, *CHANGE)
    assert read == [1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param([], "no change to look at; give --limit", id="none"),
        pytest.param(
            ["--limit", "production=40"], "write KIND:WHO=UNITS, as ec2.instances:production=40", id="no-kind"
        ),
        pytest.param(["--limit", "ec2.instances:production"], "write KIND:WHO=UNITS", id="no-amount"),
        pytest.param(["--limit", "ec2.instances:production=-1"], "write KIND:WHO=UNITS", id="negative"),
        pytest.param(["--limit", "ec2.instances:production=1e3"], "write KIND:WHO=UNITS", id="exponent"),
        pytest.param(["--limit", "ec2.instances:production=2.5"], "no quantity from 0", id="half"),
        pytest.param(["--limit", "ec2.instance:production=2"], "is no kind with limits", id="kind"),
        pytest.param(["--limit", "ec2.instances:prod=2"], "'prod' is no account type", id="type"),
        pytest.param(["--burn-limit", "ec2.instances:production=2"], "write WHO=USD", id="burn-of-a-kind"),
        pytest.param(["--limit", "\x1b:a=1"], "--limit '\\x1b:a=1'", id="hostile"),
        pytest.param(["--limit", "ec2.instances:staging=2", "--limit", "ec2.instances:staging=3"], "twice", id="twice"),
    ],
)
def test_a_change_that_cannot_be_is_named_with_the_remedy(arguments: list[str], words: str) -> None:
    """Before the files are read, which may take minutes."""
    options = list(zip(arguments[::2], arguments[1::2], strict=True))
    with pytest.raises(UnusableInput) as caught:
        read_changes(
            [text for name, text in options if name == "--limit"],
            [text for name, text in options if name == "--burn-limit"],
        )
    assert words in str(caught.value)


def test_a_name_out_of_the_accounts_file_stands_inert(command: Command, case: Path) -> None:
    """Tags and names are anybody's."""
    evil = DEVELOPMENT | {"name": "\x1b[2Jprod\n\u202e"}
    (case / "accounts.json").write_text(json.dumps([evil]))
    text = tuned(command, case, *CHANGE)
    assert not {"\x1b", "\u202e"} & set(text)
    assert "HIDDEN" in text
