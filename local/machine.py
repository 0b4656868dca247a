"""Which servers stand in for AWS on this machine, and are they up?

An emulated AWS (ministack), and an OpenSearch-compatible server (osmem-server, the emulator) or OpenSearch itself (the
node), all on 127.0.0.1 only. `up` starts them and waits until they answer; `down` ends whatever `up` started. Their process
ids and addresses stand in build/local/machine.json.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from local import node
from local.processes import HOST, ROOT, NotUp, alive, end, free_port, start, wait

PLACE = ROOT / "build" / "local"
RECORD = PLACE / "machine.json"
REGION = "us-east-1"  # as samconfig.toml says for local
Search = Literal["emulator", "node"]


def up(search: Search = "emulator") -> dict[str, Any]:
    """Start both servers where they do not run yet; returns their record."""
    record = running()
    if record is not None:
        if (runs := record["engine"]) != search:
            raise NotUp(f"the local machine is up with SEARCH={runs}, not {search}: make local-down first")
        return record
    PLACE.mkdir(parents=True, exist_ok=True)
    ports = {"aws": free_port(4566), "search": free_port(9200)}
    record = {
        "engine": search,
        "pids": {},
        "aws": f"http://{HOST}:{ports['aws']}",
        "search": f"http://{HOST}:{ports['search']}",
    }
    try:
        _start_search(record, ports["search"])
        _start_aws(record, ports)
    except NotUp:
        down()
        raise
    return record


def down() -> None:
    """End the servers that `up` started, with everything they started; twice is the same as once."""
    if RECORD.exists():
        record = json.loads(RECORD.read_text())
        for pid in record["pids"].values():
            end(int(pid))
        if "home" in record:
            shutil.rmtree(record["home"], ignore_errors=True)
        RECORD.unlink()


def running() -> dict[str, Any] | None:
    """The record of the running machine, or None; a record of ended processes is removed."""
    if not RECORD.exists():
        return None
    record: dict[str, Any] = json.loads(RECORD.read_text())
    if all(alive(int(pid)) for pid in record["pids"].values()):
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


def _start_search(record: dict[str, Any], port: int) -> None:
    log = PLACE / "search.log"
    if record["engine"] == "node":
        record["home"] = tempfile.mkdtemp(prefix="opensearch-")
        process = node.start(Path(record["home"]), log, port)
    else:
        process = start(_emulator(port), PLACE, log, {})
    _note(record, "search", process.pid)
    wait(process.pid, lambda: str(record["search"]), log)


def _start_aws(record: dict[str, Any], ports: dict[str, int]) -> None:
    log = PLACE / "ministack.log"
    process = start([str(Path(sys.executable).parent / "ministack")], PLACE, log, _aws_environment(ports))
    _note(record, "aws", process.pid)
    wait(process.pid, lambda: f"{record['aws']}/_localstack/health", log)


def _note(record: dict[str, Any], name: str, pid: int) -> None:
    """Write down what was started, so that `down` ends it also when its start is never waited for."""
    record["pids"][name] = pid
    RECORD.write_text(json.dumps(record, indent=2))


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


def _emulator(port: int) -> list[str]:
    binary = Path(str(files("osmem_server"))) / "bin" / "osmem-server"
    binary.chmod(binary.stat().st_mode | 0o111)  # the wheel may lose the bit
    return [str(binary), "-no-stdin-watch", "-addr", f"{HOST}:{port}"]
