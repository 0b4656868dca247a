"""Does the README print what the command prints?"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
BIN = Path(sys.executable).parent


def examples() -> list[tuple[str, str]]:
    """Each `$ usage-anomaly ...` of the README's console blocks with the lines printed below it, in order."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.replace("\\\n", "").partition("\n")
            if command.startswith("usage-anomaly "):
                found.append((command, output))
    return found


EXAMPLES = examples()


def pattern(output: str) -> str:
    """The printed text as a pattern: a line `...` stands for any lines, `...` within a line for any text of it."""
    lines = [".*" if line == "..." else re.escape(line).replace(r"\.\.\.", "[^\n]*") for line in output.splitlines()]
    return "".join(rf"(?:{line}\n)?" if line == ".*" else rf"{line}\n" for line in lines)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[subprocess.CompletedProcess[str]]:
    """All examples, run one after the other in an empty folder, as a reader would."""
    folder = tmp_path_factory.mktemp("readme")
    environment = {"PATH": f"{BIN}{os.pathsep}{os.defpath}", "HOME": str(folder), "COLUMNS": "120", "LC_ALL": "C.UTF-8"}
    return [
        subprocess.run(
            ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        for command, _ in EXAMPLES
    ]


@pytest.mark.parametrize("number", range(len(EXAMPLES)), ids=[command for command, _ in EXAMPLES])
def test_readme_example_prints_what_it_says(printed: list[subprocess.CompletedProcess[str]], number: int) -> None:
    """The first thing a reader tries must not be the first thing that fails."""
    run, output = printed[number], EXAMPLES[number][1]
    assert run.returncode == 0, run.stderr
    as_printed = re.fullmatch(pattern(output), run.stdout, flags=re.DOTALL) is not None
    assert as_printed, f"it prints now:\n{run.stdout}"


def test_readme_names_every_target_and_no_other() -> None:
    """A target that nobody hears of is dead; one that does not exist costs the reader's trust."""
    named = set(re.findall(r"\bmake ([a-z-]+)", README))
    assert named == TARGETS


def test_readme_shows_the_command_at_work() -> None:
    """With no example found, the test above would pass by running nothing."""
    assert len(EXAMPLES) >= 5
