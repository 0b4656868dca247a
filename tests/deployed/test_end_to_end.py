"""Does an incident that enters the trail's log group come out as a mail, through a real build and deployment?

The emulated AWS, the search server and every function run in processes of their own, as `make demo-deployed` starts them;
in `make test-node` the search server is OpenSearch itself. What the emulator leaves out stands in docs/local.md.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

SECONDS = 420


def local(root: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one verb of the local machine; its environments are there or the test fails."""
    python = root / ".venv-local" / "bin" / "python"
    assert python.exists(), "make setup-local builds .venv-local and .venv-sam"
    return subprocess.run(
        [str(python), "-m", "local", *arguments],
        cwd=root,
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        capture_output=True,
        text=True,
        check=check,
        timeout=SECONDS,
    )


@pytest.fixture(scope="module", params=["emulator", pytest.param("node", marks=pytest.mark.node)])
def machine(root: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    """A fresh local machine with the application deployed; ended afterwards, whatever happens."""
    local(root, "down")
    try:
        local(root, "up", "--search", request.param)
        deployed = local(root, "deploy", check=False)
        assert deployed.returncode == 0, deployed.stderr
        yield
    finally:
        local(root, "down")


@pytest.fixture(scope="module")
def shown(root: Path, machine: None) -> str:
    """What the demo prints."""
    finished = local(root, "demo", check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def test_the_mail_arrives_and_says_who_what_where_and_how_much(shown: str) -> None:
    """The product: template to mail."""
    assert re.search(
        r"^Subject: \[9\.\d CRITICAL\] sandbox-ml \d{12}: \d+ p3\.16xlarge, \d+ USD/h, one access key$",
        shown,
        re.MULTILINE,
    )
    assert "IAM user ci-legacy, long-lived key" in shown
    assert "cost centre 4711" in shown
    assert "aws iam update-access-key --user-name ci-legacy" in shown


def test_the_workflow_went_through_every_step(shown: str) -> None:
    """No step was left out, none failed."""
    assert re.search(r"^workflow +ec2-instances-\d{12}-\d{8}T\d{4}Z-1: SUCCEEDED$", shown, re.MULTILINE)
    assert "Look up account" in shown
    assert "Tell everybody" in shown


def test_from_record_to_mail_takes_less_than_ninety_seconds(shown: str) -> None:
    """The promise of the product, with its one-minute tick; a figure of the run, not of this machine's speed."""
    (seconds,) = re.findall(r"^altogether +([\d.]+) s$", shown, re.MULTILINE)
    assert float(seconds) < 90


def test_a_function_answers_in_the_real_runtime_loop(root: Path, machine: None) -> None:
    """make invoke: the same handler, without Docker."""
    finished = local(root, "invoke", "detect", "events/detect.json", check=False)
    assert finished.returncode == 0, finished.stderr
    assert '"finished": true' in finished.stdout


def test_the_machine_listens_on_loopback_only_and_ends_with_down(root: Path, machine: None) -> None:
    """Nothing that was started is left, nothing was open to others."""
    # Of this checkout only: the machine of another may be up.
    leaders = json.loads((root / "build" / "local" / "machine.json").read_text())["pids"].values()
    ours = listening(leaders)
    assert len(ours) >= len(leaders)
    assert all(address.removeprefix("[::ffff:").startswith("127.0.0.1") for address in ours)
    local(root, "down")
    assert not processes(leaders)


def processes(leaders: Iterable[int]) -> set[str]:
    """The ids of the servers that still run, and of whatever they started: each began a session."""
    command = ["ps", "-o", "pid=", "-s", ",".join(map(str, leaders))]
    return set(subprocess.run(command, capture_output=True, text=True, check=False).stdout.split())  # 1: there are none


def listening(leaders: Iterable[int]) -> list[str]:
    """The addresses at which they listen."""
    lines = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout.splitlines()
    ours = processes(leaders)
    return [line.split()[3] for line in lines if ours.intersection(re.findall(r"pid=(\d+),", line))]
