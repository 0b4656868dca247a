"""Which servers stand in for AWS on this machine, and are they up?

An emulated AWS (ministack) and an OpenSearch-compatible server (osmem-server), both from the package index, both on
127.0.0.1 only. `up` starts them and waits until they answer; `down` ends whatever `up` started. Their process ids and
addresses stand in build/local/machine.json.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.resources import files
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "build" / "local"
RECORD = PLACE / "machine.json"
HOST = "127.0.0.1"
PATIENCE_SECONDS = 30.0
REGION = "us-east-1"  # as samconfig.toml says for local


class NotUp(Exception):
    """A server did not answer, or the machine was not started; the text names the remedy."""


def up() -> dict[str, Any]:
    """Start both servers where they do not run yet; returns their record."""
    record = running()
    if record is not None:
        return record
    PLACE.mkdir(parents=True, exist_ok=True)
    ports = {"aws": _free_port(4566), "search": _free_port(9200)}
    search = _start("osmem-server", _search_command(ports["search"]), {})
    aws = _start("ministack", [str(Path(sys.executable).parent / "ministack")], _aws_environment(ports))
    record = {
        "pids": {"aws": aws.pid, "search": search.pid},
        "aws": f"http://{HOST}:{ports['aws']}",
        "search": f"http://{HOST}:{ports['search']}",
    }
    RECORD.write_text(json.dumps(record, indent=2))
    try:
        _wait(f"{record['aws']}/_localstack/health", "ministack")
        _wait(str(record["search"]), "osmem-server")
    except NotUp:
        down()
        raise
    return record


def down() -> None:
    """End the servers that `up` started, with everything they started; twice is the same as once."""
    if RECORD.exists():
        for pid in json.loads(RECORD.read_text())["pids"].values():
            _end(int(pid))
        RECORD.unlink()


def running() -> dict[str, Any] | None:
    """The record of the running machine, or None; a record of ended processes is removed."""
    if not RECORD.exists():
        return None
    record: dict[str, Any] = json.loads(RECORD.read_text())
    if all(_alive(int(pid)) for pid in record["pids"].values()):
        return record
    down()
    return None


def needed() -> dict[str, Any]:
    """The record of the running machine. Raises NotUp with the remedy."""
    record = running()
    if record is None:
        raise NotUp("the local machine is not up: make local-up")
    return record


def client_environment(record: dict[str, Any]) -> dict[str, str]:
    """What an AWS client needs to talk to the emulator, and to nothing else."""
    return {
        "AWS_ENDPOINT_URL": record["aws"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAM_CLI_TELEMETRY": "0",
    }


def clean_environment() -> dict[str, str]:
    """A small environment: the emulator hands its own to every function it runs."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _aws_environment(ports: dict[str, int]) -> dict[str, str]:
    return {
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "GATEWAY_PORT": str(ports["aws"]),
        "IOT_MTLS_ENABLED": "0",  # BIND_HOST alone leaves its MQTT listener open to all
        "SFN_WAIT_SCALE": "0",
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.05",
        "AWS_EC2_METADATA_DISABLED": "true",
        "MINISTACK_OPENSEARCH_ENDPOINT": f"{HOST}:{ports['search']}",
    }


def _search_command(port: int) -> list[str]:
    binary = Path(str(files("osmem_server"))) / "bin" / "osmem-server"
    binary.chmod(binary.stat().st_mode | 0o111)  # the wheel may lose the bit
    return [str(binary), "-no-stdin-watch", "-addr", f"{HOST}:{port}"]


def _start(name: str, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with (PLACE / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            command,
            cwd=PLACE,
            env={**clean_environment(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait(address: str, name: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise NotUp(f"{name} does not answer at {address}: see {(PLACE / f'{name}.log').relative_to(ROOT)}")


def _end(pid: int) -> None:
    """End the process group: handlers run in workers of the emulator."""
    for sign, seconds in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(pid, sign)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + seconds
        while _alive(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not _alive(pid):
            return


def _alive(pid: int) -> bool:
    try:
        finished, _ = os.waitpid(pid, os.WNOHANG)
        if finished == pid:
            return False
    except ChildProcessError:  # started by another run of this module
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _free_port(wished: int) -> int:
    """The usual port where it is free, else any."""
    for port in (wished, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise NotUp("no free port on 127.0.0.1")
