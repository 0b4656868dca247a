"""Does the account of a replay say what was found, and nothing that a record could forge?"""

from __future__ import annotations

import json
from pathlib import Path

from tests.command.conftest import Command
from tests.command.test_replay_command import record


def _typed(time: str, number: int, name: str) -> str:
    """A launch of five instances of this type."""
    launch = json.loads(record(time, number))
    for item in launch["responseElements"]["instancesSet"]["items"]:
        item["instanceType"] = name
    return json.dumps(launch)


def test_a_hostile_type_reaches_no_line_of_the_account(command: Command, tmp_path: Path) -> None:
    """The note about an unknown price names the type: it is shown, not obeyed by the terminal."""
    file = tmp_path / "trail.jsonl"
    evil = "p3.16xlarge\x1b[31m\x07\u202e\nFAKE LINE"
    rows = [_typed(f"2026-11-02T08:0{number}:00Z", number, evil) for number in range(3)]
    file.write_text("\n".join([*rows, _typed("2026-11-02T08:04:00Z", 4, "t3.micro")]))
    result = command("replay", file)
    assert "price unknown for 15 of 20 instances" in result.stdout
    assert "15 unpriced" in result.stdout
    assert not {"\x1b", "\x07", "\u202e"} & set(result.stdout)
    assert not any(line.startswith("FAKE") for line in result.stdout.splitlines())


def test_the_next_command_keeps_the_accounts(command: Command, trail: Path, tmp_path: Path) -> None:
    """Pasted without them, the second replay would judge by other limits."""
    accounts = tmp_path / "my accounts.json"
    accounts.write_bytes((trail / "accounts.json").read_bytes())
    told = command("replay", trail / "AWSLogs", "--accounts", accounts, "--min-severity", "10")
    assert told.stdout.splitlines()[-1].endswith(f"AWSLogs --accounts '{accounts}' --all")
