"""Does the state machine keep the house rules? What no run in memory shows is read from the definition."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
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


def every_state(machine: State) -> Iterator[tuple[str, State]]:
    """All states by name, those in branches too."""
    for name, state in machine["States"].items():
        yield name, state
        for branch in state.get("Branches", ()):
            yield from every_state(branch)


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
            assert not {"States.ALL", "States.TaskFailed"} & set(retry["ErrorEquals"]), (
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
    waits = [
        min(retry["MaxDelaySeconds"], retry["IntervalSeconds"] * retry["BackoffRate"] ** number)
        for number in range(retry["MaxAttempts"])
    ]
    assert sum(waits) / 2 > 3 * 300


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
