"""Does `replay --limits` judge by the limits of the file, under pseudonyms too, and refuse what it cannot take?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.command.conftest import Command
from tests.command.test_replay_command import lines

from usage_anomaly.errors import UnusableInput

PRODUCTION = "111122224444"


@pytest.fixture
def limits(tmp_path: Path) -> Path:
    """The nightly batch is allowed in its account only."""
    file = tmp_path / "limits.json"
    file.write_text(json.dumps({"ec2.instances": {PRODUCTION: 40}}))
    return file


def told(command: Command, week: Path, *options: object) -> list[tuple[object, object]]:
    files = (week / "AWSLogs", "--accounts", week / "accounts.json", "--format", "jsonl", "--all")
    return [(each["total"], bool(each["alerts"])) for each in lines(command("replay", *files, *options).stdout)]


def test_what_a_limit_allows_is_neither_told_nor_recorded(command: Command, week: Path, limits: Path) -> None:
    """A batch that somebody looked at and accepted; everything else as before."""
    plain, allowed = told(command, week), told(command, week, "--limits", limits)
    assert (47, True) in allowed
    assert len(plain) > len(allowed)
    assert set(allowed) < set(plain)


def test_pseudonyms_change_no_limit(command: Command, week: Path, limits: Path) -> None:
    """The file names real accounts; the report knows none."""
    assert told(command, week, "--limits", limits, "--redact") == told(command, week, "--limits", limits)
    text = command("replay", week / "AWSLogs", "--limits", limits, "--redact").stdout
    assert "1 limit set by --limits" in text
    assert PRODUCTION not in text


def test_a_file_that_is_missing_or_wrong_is_named_before_anything_is_read(
    command: Command, tmp_path: Path, limits: Path
) -> None:
    """Hours of reading must not end in a typing error."""
    missing = command("replay", tmp_path / "nowhere", "--limits", tmp_path / "none.json")
    assert isinstance(missing.exception, UnusableInput)
    assert str(missing.exception).endswith("give a JSON object of limits, or leave --limits out")
    limits.write_text('{"ec2.instances": {"prod": 1}}')
    wrong = command("replay", tmp_path / "nowhere", "--limits", limits)
    assert isinstance(wrong.exception, UnusableInput)
    assert str(wrong.exception).startswith(f"{limits}: ec2.instances: 'prod'")


def test_the_next_command_takes_the_limits_along(command: Command, week: Path, limits: Path) -> None:
    """Without them it would show another result."""
    limits.write_text(json.dumps({"ec2.instances": {PRODUCTION: 10}}))
    files = (week / "AWSLogs", "--accounts", week / "accounts.json", "--limits", limits, "--min-severity", "10")
    text = command("replay", *files).stdout
    again = next(line for line in text.splitlines() if line.startswith("Next"))
    assert again.endswith(f"--limits {limits} --all")
