"""Do the locked requirements say what pyproject.toml says, and nothing about the machine that wrote them?"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LOCKS = ("runtime", "test", "bench", "local", "sam")
UV = Path(sys.executable).parent / "uv"


@pytest.fixture(scope="module")
def compiled(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lock files as `make lock` would write them now, present pins kept."""
    copy = tmp_path_factory.mktemp("lock")
    for name in ("pyproject.toml", "Makefile"):
        shutil.copy(root / name, copy / name)
    shutil.copytree(root / "requirements", copy / "requirements")
    run = subprocess.run(["make", "lock", f"UV={UV}"], cwd=copy, capture_output=True, text=True, check=False)
    if run.returncode != 0 and "Failed to fetch" in run.stderr and os.environ.get("CI") != "true":
        pytest.skip("no package index within reach to compile the locks against")
    assert run.returncode == 0, run.stderr
    return copy / "requirements"


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_file_matches_pyproject(root: Path, compiled: Path, lock: str) -> None:
    """A dependency added or raised without `make lock` would be missing on the next machine only."""
    name = f"{lock}.txt"
    assert (root / "requirements" / name).read_text() == (compiled / name).read_text(), "run `make lock`"


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_file_names_no_address(root: Path, lock: str) -> None:
    """A lock that records where its author downloads from fails, or leaks, everywhere else."""
    line = re.compile(r"[a-z0-9][a-z0-9.-]*==\S+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    lines = (root / "requirements" / f"{lock}.txt").read_text().splitlines()
    assert [text for text in lines if not line.fullmatch(text)] == []


def test_every_lock_file_is_checked(root: Path) -> None:
    """A lock file that this module does not know would drift unseen."""
    assert {path.stem for path in (root / "requirements").glob("*.txt")} == set(LOCKS)


def test_the_layer_carries_the_runtime_dependencies_only(root: Path) -> None:
    """Every megabyte in the layer is cold-start time: the command's and the tests' packages stay out."""
    text = (root / "requirements" / "runtime.txt").read_text()
    packages = set(re.findall(r"^([a-z0-9-]+)==", text, flags=re.MULTILINE))
    asked_for = {"deflate", "jmespath", "msgspec", "opensearch-py", "aws-lambda-powertools"}
    brought_along = {"certifi", "charset-normalizer", "events", "idna", "python-dateutil", "requests", "six", "urllib3"}
    assert packages == asked_for | brought_along | {"typing-extensions"}


def test_the_layer_lock_holds_on_any_interpreter(root: Path) -> None:
    """pip reads a condition with its own Python, not with Lambda's: a package could be missing there."""
    assert " ; " not in (root / "requirements" / "runtime.txt").read_text()
