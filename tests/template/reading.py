"""How does a test read a CloudFormation template? As plain values; `!Ref X` is {"Ref": "X"}."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

Node = Any  # what YAML holds: dicts, lists and scalars
GRANTS = ("Policies", "PolicyDocument", "KeyPolicy", "AccessPolicies")


class Template(msgspec.Struct, frozen=True):
    """The parts of a template."""

    whole: dict[str, Node]

    @property
    def resources(self) -> dict[str, Node]:
        found: dict[str, Node] = self.whole["Resources"]
        return found

    @property
    def parameters(self) -> dict[str, Node]:
        found: dict[str, Node] = self.whole["Parameters"]
        return found

    def of_type(self, kind: str) -> dict[str, Node]:
        """Logical id and properties of every resource of a type."""
        return {name: each.get("Properties", {}) for name, each in self.resources.items() if each["Type"] == kind}

    def functions(self) -> dict[str, Node]:
        """The functions by role, as in the ids of what belongs to them: Ingest, Detect, ..."""
        return {name.removesuffix("Function"): it for name, it in self.of_type("AWS::Serverless::Function").items()}

    def statements(self) -> Iterator[tuple[str, Node]]:
        """Every policy statement with the id of the resource that makes it."""
        for name, each in self.resources.items():
            for part in GRANTS:
                for found in walk(each.get("Properties", {}).get(part)):
                    if isinstance(found, dict) and "Effect" in found:
                        yield name, found


class _Loader(yaml.SafeLoader):
    """Safe YAML that knows CloudFormation's short forms."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> Node:
    if isinstance(node, yaml.ScalarNode):
        value: Node = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


def load(path: Path) -> Template:
    """Read a template."""
    return Template(yaml.load(path.read_text("utf-8"), Loader=_Loader))


def walk(node: Node) -> Iterator[Node]:
    """A node and everything below it."""
    yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from walk(child)


def listed(value: Node) -> list[Node]:
    """A value that may stand alone or in a list."""
    return value if isinstance(value, list) else [value]
