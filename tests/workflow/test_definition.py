"""Does the state machine keep the house rules? What no run in memory shows is read from the definition."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions
from botocore.session import get_session
from tests.workflow.world import DEFINITION, STEPS

State = dict[str, Any]
SUBSTITUTIONS = {*STEPS, "Partition", "StateTableName", "EventBusName", "ChatEnabled"}
# Errors of ours that a later try can mend, by the step that raises them.
OURS = {
    "Estimate cost": {"SearchUnavailable"},
    "Find evidence": {"SearchUnavailable"},
    "Deliver alert": {"DeliveryBusy"},
    "Keep record": {"SearchUnavailable"},
    "Keep untold record": {"SearchUnavailable"},
    "Share with chat": {"ChatUnavailable", "SyncBusy"},
}
# What ends by itself, or when somebody mends a policy; by the names of boto3's classes.
PASSING = {
    "KMSAccessDeniedException", "KMSDisabledException", "KMSInvalidStateException", "KMSThrottlingException",
    "AuthorizationErrorException", "InternalErrorException", "InternalServerError", "ThrottledException",
    "ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded", "ClientError",
    "EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError",
}  # fmt: skip


def every_state(machine: State) -> Iterator[tuple[str, State]]:
    """All states by name, those in branches too."""
    for name, state in machine["States"].items():
        yield name, state
        for branch in state.get("Branches", ()):
            yield from every_state(branch)


def longest_wait(retry: State) -> float:
    """The sum of the waits; with full jitter half of it on average."""
    delays = (retry["IntervalSeconds"] * retry["BackoffRate"] ** number for number in range(retry["MaxAttempts"]))
    return float(sum(min(retry["MaxDelaySeconds"], each) for each in delays))


def longest(task: State) -> float:
    """The seconds of a task that fails at every try, each at its time limit."""
    tries = 1 + sum(retry["MaxAttempts"] for retry in task["Retry"])
    return float(tries * task["TimeoutSeconds"] + sum(longest_wait(each) for each in task["Retry"]))


@pytest.fixture(scope="module")
def states() -> list[tuple[str, State]]:
    return list(every_state(json.loads(DEFINITION.read_text("utf-8"))))


@pytest.fixture(scope="module")
def tasks(states: list[tuple[str, State]]) -> dict[str, State]:
    return {name: state for name, state in states if state["Type"] == "Task"}


def test_each_state_says_what_it_is_for(states: list[tuple[str, State]]) -> None:
    """The console shows names and comments to whoever looks at a failed execution at night."""
    assert [name for name, state in states if not state.get("Comment", "").endswith((".", "?"))] == []
    assert len({name for name, _ in states}) == len(states)


def test_each_task_ends_in_time_is_tried_again_and_is_caught(tasks: dict[str, State]) -> None:
    """One task without a limit holds an alert for a year, one without a catch loses it."""
    for name, task in tasks.items():
        assert 0 < task["TimeoutSeconds"] <= 900, name
        assert task["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name
        for retry in task["Retry"]:
            assert retry["JitterStrategy"] == "FULL", name
            assert retry["BackoffRate"] > 1, name
            assert retry["MaxDelaySeconds"] > retry["IntervalSeconds"], name
            assert not {"States.ALL", "States.TaskFailed"} & set(retry["ErrorEquals"]) or name == "Deliver alert", (
                f"{name} retries what never passes"
            )


def test_passing_errors_are_tried_again_by_name(tasks: dict[str, State]) -> None:
    """A busy service costs seconds, not the alert's content: Lambda's own errors everywhere, ours where they arise."""
    for name, task in tasks.items():
        named = {each for retry in task["Retry"] for each in retry["ErrorEquals"]}
        assert OURS.get(name, set()) <= named
        if task["Resource"].endswith("lambda:invoke"):
            assert {"Lambda.TooManyRequestsException", "Lambda.ServiceException"} <= named, name


def test_our_error_names_exist(tasks: dict[str, State]) -> None:
    """A renamed class would silently never be tried again."""
    code = "".join(each.read_text("utf-8") for each in (Path(DEFINITION).parents[1] / "layers" / "core").rglob("*.py"))
    for error in set().union(*OURS.values()):
        assert f"class {error}(" in code


def test_waiting_for_a_claim_outlasts_its_lease(tasks: dict[str, State]) -> None:
    """With full jitter a wait is half as long on average: the sum must still pass five minutes by far."""
    (retry,) = (each for each in tasks["Deliver alert"]["Retry"] if each["ErrorEquals"] == ["DeliveryBusy"])
    assert longest_wait(retry) / 2 > 3 * 300


def test_an_alert_outlasts_an_hour_of_a_service_that_is_busy_or_refuses(tasks: dict[str, State]) -> None:
    """It is the product: throttling, a key's policy, an error that boto3 has no class for pass; it must still be there."""
    _, passing, last = tasks["Deliver alert"]["Retry"]
    assert set(passing["ErrorEquals"]) >= PASSING
    assert 3_600 <= longest_wait(passing) <= 2 * 3_600
    assert (last["ErrorEquals"], last["MaxAttempts"]) == (["States.ALL"], 5), "a dead process may have published"


def test_errors_that_delivery_waits_out_have_the_names_of_boto3() -> None:
    """Retry compares names: a class is named otherwise than the code in the answer, KMSThrottling for one."""
    for name in ("EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError"):
        assert issubclass(getattr(exceptions, name), exceptions.BotoCoreError)
    assert exceptions.ClientError.__name__ == "ClientError"
    classes = {
        each.name
        for service, operations in {"sns": ["Publish"], "dynamodb": ["UpdateItem", "Query"]}.items()
        for operation in operations
        for each in get_session().get_service_model(service).operation_model(operation).error_shapes
    }
    modelled = {each for each in PASSING if each.startswith(("KMS", "Provisioned", "Internal", "Authorization"))}
    assert modelled <= classes


def test_the_machine_outlasts_its_longest_way(tasks: dict[str, State]) -> None:
    """A time limit that strikes while an alert waits for its next try loses it."""
    machine = json.loads(DEFINITION.read_text("utf-8"))
    branches = [dict(every_state(each)) for each in machine["States"]["Tell everybody"]["Branches"]]
    telling = [sum(longest(tasks[name]) for name in branch if name in tasks) for branch in branches]
    before = [longest(task) for name, task in tasks.items() if not any(name in branch for branch in branches)]
    assert sum(before) + max(telling) < machine["TimeoutSeconds"]


def test_no_way_of_telling_cancels_another(states: list[tuple[str, State]]) -> None:
    """A branch that fails cancels its Parallel: the alert's long wait would end with a record that is not kept."""
    (parallel,) = (state for name, state in states if name == "Tell everybody")
    inside = [state for branch in parallel["Branches"] for _, state in every_state(branch)]
    assert [state for state in inside if state["Type"] == "Fail"] == []
    assert all(state["Catch"][-1]["ErrorEquals"] == ["States.ALL"] for state in inside if state["Type"] == "Task")


def test_substitutions_are_declared_and_used() -> None:
    """A name that the template does not fill reaches AWS as text, and fails only when an alert is due."""
    used = set(re.findall(r"\$\{(\w+)\}", DEFINITION.read_text("utf-8")))
    assert used == SUBSTITUTIONS


def test_substitutions_stand_in_the_handbook(root: Path) -> None:
    """The template's author reads them there."""
    page = (root / "docs" / "workflow.md").read_text("utf-8")
    assert {
        name for name in re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) if name in SUBSTITUTIONS
    } == SUBSTITUTIONS
    assert all(f"`{name}`" in page for name, _ in every_state(json.loads(DEFINITION.read_text("utf-8"))))


def test_the_definition_names_no_account_region_or_partition() -> None:
    """It runs in any of them."""
    text = DEFINITION.read_text("utf-8")
    assert re.search(r"\b[0-9]{12}\b|[a-z]{2}-[a-z]+-[0-9]\b|arn:aws", text) is None


def test_no_state_is_out_of_reach(states: list[tuple[str, State]]) -> None:
    """What nothing leads to is either forgotten or a forgotten way."""
    machine = json.loads(DEFINITION.read_text("utf-8"))
    starts = {machine["StartAt"], *(branch["StartAt"] for _, state in states for branch in state.get("Branches", ()))}
    for _, state in states:
        choices = [*state.get("Choices", ()), *state.get("Catch", ())]
        starts |= {each["Next"] for each in choices} | {state[key] for key in ("Next", "Default") if key in state}
    assert starts == {name for name, _ in states}
