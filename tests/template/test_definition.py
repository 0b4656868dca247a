"""Is the state machine's definition sound, and does the template fill every gap in it?"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.template.reading import Node, Template, listed

DEFINITION = "statemachines/enrichment.asl.json"
BUS = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/${EventBusName}"
GAP = re.compile(r"\$\{([A-Za-z0-9]+)\}")


def states(machine: Node) -> Iterator[tuple[str, Node]]:
    """Every state of a definition by name, also those inside Parallel and Map."""
    for name, state in machine["States"].items():
        yield name, state
        for inner in [*state.get("Branches", ()), *([state["ItemProcessor"]] if "ItemProcessor" in state else ())]:
            yield from states(inner)


@pytest.fixture(scope="module")
def text(root: Path) -> str:
    """The definition with its gaps."""
    return (root / DEFINITION).read_text("utf-8")


@pytest.fixture(scope="module")
def machine(text: str) -> Node:
    """The definition as JSON."""
    return json.loads(text)


def test_every_gap_is_filled_and_every_filling_has_a_gap(text: str, template: Template) -> None:
    """A gap that nobody fills is deployed as it stands, and fails at the first alert."""
    (machine,) = template.of_type("AWS::Serverless::StateMachine").values()
    assert machine["DefinitionUri"] == DEFINITION
    assert set(GAP.findall(text)) == set(machine["DefinitionSubstitutions"])


def test_every_task_ends_in_time_tries_again_and_catches(machine: Node) -> None:
    """A task without a limit waits a year; one without Catch stops the alert."""
    tasks = {name: state for name, state in states(machine) if state["Type"] == "Task"}
    assert len(tasks) >= 8
    bare = [name for name, state in tasks.items() if not {"TimeoutSeconds", "Retry", "Catch"} <= set(state)]
    assert bare == []
    retries = [retry for state in tasks.values() for retry in state["Retry"]]
    assert [retry for retry in retries if retry.get("JitterStrategy") != "FULL"] == []


def test_every_state_says_what_it_is_for(machine: Node) -> None:
    """The console shows the comment to whoever looks for a lost alert at night."""
    assert [name for name, state in states(machine) if not state.get("Comment")] == []


def test_the_state_machine_may_call_what_it_calls_and_nothing_else(text: str, template: Template) -> None:
    """A function added to the definition and not to the role fails at the first alert."""
    substitutions = template.resources["EnrichmentStateMachine"]["Properties"]["DefinitionSubstitutions"]
    called = [value for value in substitutions.values() if isinstance(value, dict) and str(value).find("Function'") > 0]
    statements = [it for name, it in template.statements() if name == "EnrichmentRole"]
    (allowed,) = [it["Resource"] for it in statements if it["Action"] == "lambda:InvokeFunction"]
    assert sorted(map(str, allowed)) == sorted(map(str, called))


def test_the_state_machine_may_do_what_it_does_itself(machine: Node, template: Template) -> None:
    """Catch hides a refused call: the event goes out and is never marked, so that the next execution sends it again."""
    resources = {
        state["Resource"].partition(":states:::")[2] for _, state in states(machine) if state["Type"] == "Task"
    }
    own = {_action(each) for each in resources - {"lambda:invoke"}}
    assert own == {"dynamodb:GetItem", "dynamodb:UpdateItem", "events:PutEvents"}
    statements = [it for name, it in template.statements() if name == "EnrichmentRole"]
    targets = {"dynamodb": {"Fn::GetAtt": ["StateTable", "Arn"]}, "events": {"Fn::Sub": BUS}}
    for action in own:
        (on,) = [it["Resource"] for it in statements if action in listed(it["Action"])]
        assert on == targets[action.partition(":")[0]], action


def test_asl_validator_finds_no_fault(root: Path, text: str, tmp_path: Path) -> None:
    """It finds what neither cfn-lint nor an emulator does: a transition to nowhere, a state nobody reaches."""
    validator = root / "build" / "asl" / "node_modules" / ".bin" / "asl-validator"
    if not validator.exists():
        missing = "no asl-validator in build/asl; it needs npm (`make test` installs it)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    definition = tmp_path / "definition.asl.json"
    definition.write_text(GAP.sub(_filled, text), "utf-8")
    command = [str(validator), "--json-path", str(definition)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
    assert shutil.which("node"), "asl-validator needs node"
    assert run.returncode == 0, run.stdout + run.stderr


def _action(resource: str) -> str:
    """The IAM action of an integration: dynamodb:updateItem is dynamodb:UpdateItem."""
    service, method = resource.removeprefix("aws-sdk:").partition(".")[0].split(":")
    return f"{service}:{method[0].upper()}{method[1:]}"


def _filled(gap: re.Match[str]) -> str:
    name = gap[1]
    if name.endswith("FunctionArn"):
        return f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    return "aws" if name == "Partition" else name
