"""Do the tools really enforce the house rules that CONTRIBUTING.md states?"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
LONGEST_FUNCTION = 45
LONGEST_MODULE = 400

# Written in two parts, or this file would break its own rule.
MACHINE_PATHS = tuple(f"/{folder}/" for folder in ("work", "root", "home"))


def files_of_the_project(root: Path) -> list[Path]:
    """What git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.split("\0")
    return [root / name for name in names if name and (root / name).is_file()]


def modules(root: Path) -> list[Path]:
    return [path for path in files_of_the_project(root) if path.suffix == ".py" and path.stat().st_size]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_every_module_opens_by_saying_what_it_answers(root: Path) -> None:
    """A reader finds the module by its question; a module without one tends to answer several."""
    silent = [path for path in modules(root) if not ast.get_docstring(ast.parse(path.read_text("utf-8")))]
    assert silent == []


def test_functions_and_modules_stay_readable_in_one_sitting(root: Path) -> None:
    """Length is the first thing to grow when one function answers two questions."""
    long = [
        f"{path.relative_to(root)}:{node.lineno} {node.name}"
        for path in modules(root)
        for node in functions(path)
        if (node.end_lineno or node.lineno) - node.lineno >= LONGEST_FUNCTION
    ]
    long += [
        str(path.relative_to(root))
        for path in modules(root)
        if len(path.read_text("utf-8").splitlines()) > LONGEST_MODULE
    ]
    assert long == []


def test_every_test_says_why_its_promise_matters(root: Path) -> None:
    """A test whose reason is lost is deleted, or obeyed, for the wrong reason."""
    mute = [
        f"{path.relative_to(root)}:{node.lineno} {node.name}"
        for path in modules(root)
        if path.name.startswith("test_")
        for node in functions(path)
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert mute == []


def test_no_file_names_a_path_of_a_machine(root: Path) -> None:
    """What works only in its author's folder fails in a fresh clone."""
    found = [
        f"{path.relative_to(root)}: {text}"
        for path in files_of_the_project(root)
        for text in MACHINE_PATHS
        if text.encode() in path.read_bytes()
    ]
    assert found == []


def test_every_room_is_pure_or_says_that_it_is_not(root: Path) -> None:
    """A new room in neither list could import whatever it likes."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    listed = [name for contract in contracts[:2] for name in contract["source_modules"]]
    layer = root / "layers" / "core" / "usage_anomaly"
    rooms = {path.stem for path in layer.glob("*.py")} | {path.parent.name for path in layer.glob("*/__init__.py")}
    assert sorted(listed) == sorted(f"usage_anomaly.{room}" for room in rooms - {"__init__"})


@pytest.mark.parametrize(
    "line",
    [
        "from datetime import datetime; NOW = datetime.now()",
        "import datetime; NOW = datetime.datetime.utcnow()",
        "import time; NOW = time.time()",
        "import os; HOME = os.environ['HOME']",
        "import os; HOME = os.getenv('HOME')",
        "import random",
    ],
)
def test_pure_rooms_get_no_clock_environment_or_chance(root: Path, line: str) -> None:
    """Replay, Lambda and tests agree only while the same input gives the same bytes."""
    name = "layers/core/usage_anomaly/example.py"
    command = [str(BIN / "ruff"), "check", "--no-cache", "--select", "TID251", "--stdin-filename", name, "-"]
    run = subprocess.run(command, input=line, cwd=root, capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stderr
    assert "TID251" in run.stdout


def test_the_wheel_carries_tables_and_leaves_samples_out(root: Path, tmp_path: Path) -> None:
    """Without its tables the installed command knows no kind and no price; samples only cost space there."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=root, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    listing = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", str(wheel)], capture_output=True, text=True, check=True
    ).stdout
    names = {line.split()[0] for line in listing.splitlines()[1:]}
    for place, package in ((root / "layers" / "core", "usage_anomaly"), (root / "cli", "usage_anomaly_cli")):
        shipped = [path for path in files_of_the_project(place / package) if path.name != "samples.jsonl"]
        assert {path.relative_to(place).as_posix() for path in shipped} - names == set()
    assert [name for name in names if name.endswith("samples.jsonl")] == []
