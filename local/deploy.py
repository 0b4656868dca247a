"""How does the real `sam build` and `sam deploy` put the application onto the local machine?

The layers are built for the emulator's own Python and CPU, in a folder of their own: it runs the handlers in its process.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from typing import Any

import boto3

from local.machine import PLACE, REGION, client_environment
from local.processes import ROOT, clean_environment, tail

STACK = "usage-anomaly-local"
TRAIL = "organization-trail"
BUILT = PLACE / "sam"
SAM = ROOT / ".venv-sam" / "bin" / "sam"


def deploy(record: dict[str, Any]) -> dict[str, str]:
    """Build and deploy; returns the stack's outputs."""
    environment = {**clean_environment(), **client_environment(record)}
    environment["PATH"] = os.pathsep.join([str(ROOT / ".venv" / "bin"), environment["PATH"]])  # the locked uv
    layers = {"LAYER_PYTHON": f"{sys.version_info.major}.{sys.version_info.minor}", "ARCH": platform.machine()}
    _sam(["build", "--config-env", "local", "--build-dir", str(BUILT)], {**environment, **layers})
    logs = client(record, "logs")
    if not logs.describe_log_groups(logGroupNamePrefix=TRAIL)["logGroups"]:
        logs.create_log_group(logGroupName=TRAIL)
    template = str(BUILT / "template.yaml")
    overrides = [f"{name}={value}" for name, value in parameters(record).items()]
    _sam(
        [
            "deploy",
            "--config-file",
            str(ROOT / "samconfig.toml"),
            "--config-env",
            "local",
            "--template-file",
            template,
            "--parameter-overrides",
            *overrides,
        ],
        environment,
    )
    return outputs(record)


def parameters(record: dict[str, Any]) -> dict[str, str]:
    """What the emulator needs otherwise than AWS; see samconfig.toml."""
    return {
        "TrailLogGroupName": TRAIL,
        "SubscriptionPattern": "EMPTY",
        "FailureDestination": "SQS",
        "SearchAuth": "none",
        "OpenSearchDomainEndpoint": record["search"],
        "OpenSearchDomainArn": f"arn:aws:es:{REGION}:000000000000:domain/local",
    }


def outputs(record: dict[str, Any]) -> dict[str, str]:
    """The outputs of the deployed stack by name."""
    (stack,) = client(record, "cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}


def client(record: dict[str, Any], service: str) -> Any:
    """A client of the emulated AWS."""
    return boto3.client(
        service,
        endpoint_url=record["aws"],
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def _sam(arguments: list[str], environment: dict[str, str]) -> None:
    if not SAM.exists():
        raise FileNotFoundError(f"{SAM.relative_to(ROOT)} is not there: make local-up builds it")
    log = PLACE / f"sam-{arguments[0]}.log"
    with log.open("wb") as stream:
        finished = subprocess.run(
            [str(SAM), *arguments], cwd=ROOT, env=environment, stdout=stream, stderr=subprocess.STDOUT, check=False
        )
    if finished.returncode != 0:
        sys.stderr.write(tail(log))
        raise SystemExit(f"sam {arguments[0]} failed: {log.relative_to(ROOT)}")
