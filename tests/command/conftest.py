"""The command, and a small trail to run it on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from usage_anomaly_cli.main import cli
from usage_anomaly_generator import accounts_json, demo, generate, write
from usage_anomaly_generator.calls import Span

Command = Callable[..., Result]


@pytest.fixture(scope="session")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last three days of the demo: `AWSLogs/` and `accounts.json`."""
    folder = tmp_path_factory.mktemp("trail")
    start = demo.START.replace(day=22)
    incident = demo.place("leaked_key", Span(demo.START, demo.START.replace(day=25)))
    write(folder, generate(demo.ORGANIZATION, demo.HABITS_OF_THE_DEMO, [incident], start, 3, 5))
    (folder / "accounts.json").write_bytes(accounts_json(demo.ORGANIZATION))
    return folder


@pytest.fixture(scope="session")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole demo, as the README generates it: a week, seed 7."""
    folder = tmp_path_factory.mktemp("week")
    incident = demo.place("leaked_key", Span(demo.START, demo.START + timedelta(days=demo.DAYS)))
    write(folder, generate(demo.ORGANIZATION, demo.HABITS_OF_THE_DEMO, [incident], demo.START, demo.DAYS, 7))
    (folder / "accounts.json").write_bytes(accounts_json(demo.ORGANIZATION))
    return folder


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `usage-anomaly` with its state in a folder of this test; errors become the exit code that a shell would see."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(cli, [str(each) for each in arguments], catch_exceptions=True)

    return run
