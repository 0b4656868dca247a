"""Does `usage-anomaly generate` write a trail, and only where it may?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from usage_anomaly_cli.generate_command import generate_command
from usage_anomaly_generator import demo


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(generate_command, [str(argument) for argument in arguments])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_demo_is_small_and_the_same_each_time(tmp_path: Path) -> None:
    """It runs in front of a new user: a few thousand objects, under 3 MB."""
    results = [run(tmp_path / name, "--seed", "1") for name in ("a", "b")]
    assert [result.exit_code for result in results] == [0, 0]
    first = contents(tmp_path / "a")
    assert first == contents(tmp_path / "b")
    assert 300 <= len(first) <= 4000
    assert sum(map(len, first.values())) < 3_000_000
    assert "leaked_key: 47 ec2.instances in 111122223333, 2026-11-25 10:04 to 2026-11-25 10:57 UTC" in results[0].output


def test_accounts_are_written_beside_the_trail(tmp_path: Path) -> None:
    """`--accounts` takes the file as it is: id, name, status, tags."""
    run(tmp_path / "a", "--days", "1")
    accounts = json.loads((tmp_path / "a" / "accounts.json").read_bytes())
    assert [account["name"] for account in accounts] == ["sandbox-ml", "data-prod", "web-staging"]
    assert all(set(account) == {"id", "name", "status", "tags"} for account in accounts)
    assert accounts[0]["tags"]["CostCenter"] == "4711"


def test_a_second_run_replaces_the_first(tmp_path: Path) -> None:
    """Two seeds mixed in one folder would be one trail with twice the usage."""
    run(tmp_path, "--seed", "1", "--days", "1")
    run(tmp_path, "--seed", "2", "--days", "1")
    run(tmp_path / "other", "--seed", "2", "--days", "1")
    again = contents(tmp_path / "other")
    assert {name: content for name, content in contents(tmp_path).items() if not name.startswith("other")} == again


def test_a_folder_of_someone_else_is_left_alone(tmp_path: Path) -> None:
    """A mistyped folder must not lose or gain a file."""
    (tmp_path / "notes.txt").write_text("mine")
    result = run(tmp_path)
    assert result.exit_code == 2
    assert "is not empty and was not written by this command. Name a new or empty folder." in result.output
    assert contents(tmp_path) == {"notes.txt": b"mine"}


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    """With the remedy, not with a traceback."""
    (tmp_path / "file").write_text("")
    result = run(tmp_path / "file")
    assert (result.exit_code, "is a file. Name a new or empty folder." in result.output) == (2, True)


def test_incidents_and_habits_can_be_chosen(tmp_path: Path) -> None:
    """One habit, other incidents, another week."""
    chosen = ("--incident", "giant_node", "--incident", "thin_spread", "--habit", "ci_runs")
    result = run(tmp_path, "--start", "2026-03-02", "--days", "2", *chosen)
    assert result.exit_code == 0
    assert "giant_node: 1 ec2.instances" in result.output
    assert "thin_spread: " in result.output
    assert "leaked_key" not in result.output
    assert all("/2026/03/" in name for name in contents(tmp_path) if name.endswith(".gz"))


def test_a_week_without_an_incident_can_be_asked_for(tmp_path: Path) -> None:
    """What must stay silent is tried on such a week."""
    result = run(tmp_path, "--incident", "none", "--days", "1")
    assert result.exit_code == 0
    assert "ec2.instances" not in result.output


@pytest.mark.parametrize("name", sorted(demo.PLACES))
def test_every_incident_has_a_place_even_in_a_short_trail(tmp_path: Path, name: str) -> None:
    """Three quarters of an hour are enough to show the start of any incident."""
    assert f"{name}: " in run(tmp_path, "--days", "0.03", "--habit", "legacy_key", "--incident", name).output
