"""What does one function answer to one event, in Lambda's real runtime loop, without Docker?

`aws-lambda-rie` (it comes with aws-sam-cli) speaks Lambda's runtime interface; `awslambdaric` runs the handler in it, with
the layer's folder on the path, as Lambda does.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from local.processes import HOST, PATIENCE_SECONDS, ROOT, NotUp, clean_environment, free_port

ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def emulator() -> Path:
    """The runtime interface emulator of this CPU, from the environment that holds aws-sam-cli."""
    name = f"aws-lambda-rie-{ARCHITECTURES[platform.machine().lower()]}"
    found = sorted((ROOT / ".venv-sam" / "lib").glob(f"python*/site-packages/samcli/local/rapid/{name}"))
    if not found:
        raise NotUp(f"{name} is not there: make setup-local installs aws-sam-cli, which brings it")
    return found[0]


def once(function: str, event: bytes) -> object:
    """One answer of one function, in the environment that its deployed twin on the local machine has."""
    with served(function, deployed_environment(function)) as address:
        return invoke(address, event)


def deployed_environment(function: str) -> dict[str, str]:
    """The variables that the template set for the deployed function, with the emulator's address."""
    from local import deploy, machine

    record = machine.needed()
    logical = "".join(word.capitalize() for word in function.split("_")) + "Function"
    resources = deploy.client(record, "cloudformation").describe_stack_resources(StackName=deploy.STACK)[
        "StackResources"
    ]
    names = [each["PhysicalResourceId"] for each in resources if each["LogicalResourceId"] == logical]
    if not names:
        raise NotUp(f"{logical} is not deployed: make local-deploy")
    configuration = deploy.client(record, "lambda").get_function_configuration(FunctionName=names[0])
    variables: dict[str, str] = configuration["Environment"]["Variables"]
    return {**variables, **machine.client_environment(record), "AWS_LAMBDA_FUNCTION_NAME": names[0]}


@contextmanager
def served(function: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Serve functions/<function> in the runtime loop; gives the address to post events to."""
    folder = ROOT / "functions" / function
    if not (folder / "app.py").exists():
        raise NotUp(
            f"no function {function}: functions/ holds {', '.join(sorted(each.name for each in folder.parent.iterdir()))}"
        )
    address, api = f"{HOST}:{free_port(9000)}", f"{HOST}:{free_port(9001)}"
    command = [
        str(emulator()), "--log-level", "error", "--runtime-interface-emulator-address", address,
        "--runtime-api-address", api, sys.executable, "-m", "awslambdaric", "app.handler",
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**clean_environment(), "PYTHONPATH": str(ROOT / "layers" / "core"), **environment},
        stdout=subprocess.DEVNULL if os.environ.get("QUIET") else sys.stderr,
        start_new_session=True,
    )
    try:
        yield f"http://{address}/2015-03-31/functions/function/invocations"
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=10)


def invoke(address: str, event: bytes) -> object:
    """Post one event and give the handler's answer; waits until the emulator listens."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(address, data=event), timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError:
            raise
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
