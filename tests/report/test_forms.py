"""Do the forms of a result leave the command as scripts and people expect?"""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest
from tests.command.conftest import Command

from usage_anomaly.errors import UnusableInput
from usage_anomaly_cli import sheet

RUN = "from usage_anomaly_cli.main import main; main()"


@pytest.mark.parametrize("form", ["csv", "html"])
def test_the_same_input_gives_the_same_bytes(command: Command, trail: Path, tmp_path: Path, form: str) -> None:
    """A report that is filed twice must not differ; to a file and to stdout, by one process and by two."""
    arguments = ("replay", trail / "AWSLogs", "--accounts", trail / "accounts.json", "--all", "--format", form)
    printed = command(*arguments)
    assert printed.stderr.startswith("Read ")
    again = command(*arguments, "--jobs", "2", "--output", tmp_path / "report")
    assert again.stdout.startswith("Read ")
    assert (tmp_path / "report").read_bytes() == printed.stdout_bytes != b""


def test_chart_and_page_are_the_same_in_another_process(trail: Path, tmp_path: Path) -> None:
    """Not by a counter, a hash seed or the settings of whoever runs it."""
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nsvg.fonttype: path\nxtick.major.pad: 30\n")
    pages = []
    for seed, folder in (("1", tmp_path), ("2", trail)):
        environment = {
            "PYTHONHASHSEED": seed,
            "XDG_STATE_HOME": str(tmp_path),
            "HOME": str(tmp_path),
            "LC_ALL": "C.UTF-8",
        }
        command = [sys.executable, "-c", RUN, "replay", str(trail / "AWSLogs"), "--format", "html"]
        pages.append(subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True).stdout)
    assert pages[0] == pages[1]


def test_show_gives_one_anomaly_with_its_chart(command: Command, trail: Path) -> None:
    """What goes into a ticket is one anomaly, not the replay."""
    command("replay", trail / "AWSLogs", "--accounts", trail / "accounts.json")
    found = command("show", "--format", "html").stdout
    assert found.count("<article") == 1
    assert found.count("<svg") == 1
    assert "ml-platform, cost centre 4711" in found
    (row,) = csv.DictReader(io.StringIO(command("show", "--format", "csv").stdout, newline=""))
    assert (row["account_name"], row["quantity"], row["told"]) == ("sandbox-ml", "47", "told")


def test_an_anomaly_without_its_series_has_a_page_that_says_so(command: Command, trail: Path, tmp_path: Path) -> None:
    """JSON lines hold no series: better a page without a chart than none."""
    lines = tmp_path / "anomalies.jsonl"
    command("replay", trail / "AWSLogs", "--format", "jsonl", "--output", lines)
    found = command("show", "--from", lines, "--format", "html").stdout
    assert "<svg" not in found
    assert "No chart: the use over time was not kept." in found


@pytest.mark.parametrize("missing", ["matplotlib", "jinja2"])
@pytest.mark.parametrize("arguments", [("replay", "nowhere"), ("show",)])
def test_a_missing_library_is_named_with_its_remedy(tmp_path: Path, missing: str, arguments: tuple[str, ...]) -> None:
    """Before anything is read: who waited ten minutes for a replay should not learn it then."""
    without = f"import sys; sys.modules[{missing!r}] = None; {RUN}"
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    command = [sys.executable, "-c", without, *arguments, "--format", "html"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert f"needs {missing}" in run.stderr
    assert "pip install jinja2 matplotlib" in run.stderr


def test_the_other_forms_load_neither_library(trail: Path, tmp_path: Path) -> None:
    """They are optional, and take more than a second to load."""
    loaded = "sorted({'matplotlib', 'jinja2'} & set(sys.modules))"
    script = f"import atexit, sys; atexit.register(lambda: print({loaded}, file=sys.stderr)); {RUN}"
    command = [sys.executable, "-c", script, "replay", str(trail / "AWSLogs"), "--format", "csv"]
    run = subprocess.run(command, env={"XDG_STATE_HOME": str(tmp_path)}, capture_output=True, text=True, check=True)
    assert run.stderr.splitlines()[-1] == "[]"
    assert run.stdout.splitlines()[0] == ",".join(sheet.COLUMNS)


def test_an_unwritable_place_is_refused_for_a_page_too(command: Command, trail: Path, tmp_path: Path) -> None:
    """Before reading, as for every form."""
    result = command("replay", trail / "AWSLogs", "--format", "html", "--output", tmp_path / "none" / "report.html")
    assert isinstance(result.exception, UnusableInput)
