"""What is CloudFormation told of the search set-up? (a custom resource: it waits until the ResponseURL is answered)

Create and Update set the cluster up. Delete takes the detectors away, and results only where the stack says so: what was kept
is worth more than a clean cluster. A stack can be deleted whatever its cluster says, so Delete never fails. The answer's URL
is a secret for its hour: it is never logged.
"""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Any, Literal

import msgspec

from usage_anomaly.search.client import Wait, patiently
from usage_anomaly.search.setup import Outcome, Wanted

RESOURCE_ID = "search-setup"  # stable: another id would make CloudFormation delete the old resource after an update
MOST_REASON = 1_000  # characters; the whole answer may have 4,096 bytes
ANSWER_SECONDS = 10.0
ANSWER_WAITS = (0.5, 2.0)


class Request(msgspec.Struct, frozen=True, rename="pascal"):
    """The part of CloudFormation's request that is read."""

    request_type: Literal["Create", "Update", "Delete"]
    response_url: str = msgspec.field(name="ResponseURL")
    stack_id: str
    request_id: str
    logical_resource_id: str
    physical_resource_id: str = RESOURCE_ID
    resource_properties: dict[str, Any] = {}


class Answer(msgspec.Struct, frozen=True, rename="pascal"):
    """What CloudFormation is told. `data` are the resource's attributes."""

    status: Literal["SUCCESS", "FAILED"]
    reason: str
    physical_resource_id: str
    stack_id: str
    request_id: str
    logical_resource_id: str
    data: dict[str, str]


class NotAnswered(Exception):
    """The answer could not be delivered: CloudFormation waits until its own time is over."""


Step = Callable[[Wanted], Outcome]


def handle(event: dict[str, Any], configure: Step, remove: Step, wait: Wait = time.sleep) -> Answer:
    """Do what the request asks for and answer it, whatever happens. Raises NotAnswered only."""
    request = msgspec.convert(event, Request)
    deleting = request.request_type == "Delete"
    try:
        wanted = msgspec.convert(request.resource_properties, Wanted, strict=False)
        outcome = remove(wanted) if deleting else configure(wanted)
    except Exception as error:  # noqa: BLE001 - one not answered hangs the deployment for an hour; it is told as FAILED
        answer = _answer(request, "SUCCESS" if deleting else "FAILED", f"{type(error).__name__}: {error}")
    else:
        done = "; ".join([*(outcome.changed or ["nothing to change"]), *outcome.said])
        answer = _answer(request, "SUCCESS", done, len(outcome.changed))
    patiently(lambda: _send(request.response_url, msgspec.json.encode(answer)), ANSWER_WAITS, wait, NotAnswered)
    return answer


def _answer(request: Request, status: Literal["SUCCESS", "FAILED"], reason: str, changes: int = 0) -> Answer:
    return Answer(
        status=status,
        reason=reason[:MOST_REASON],
        physical_resource_id=request.physical_resource_id,
        stack_id=request.stack_id,
        request_id=request.request_id,
        logical_resource_id=request.logical_resource_id,
        data={"Changes": str(changes)},
    )


def _send(url: str, content: bytes) -> None:
    # The URL is signed for an empty content type.
    request = urllib.request.Request(url, data=content, method="PUT", headers={"Content-Type": ""})
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS):
            pass
    except (urllib.error.URLError, HTTPException, TimeoutError) as error:
        raise NotAnswered(f"CloudFormation took no answer: {type(error).__name__}") from None
