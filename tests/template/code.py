"""What does the code of the functions read from its environment, and which metrics does it publish?"""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import msgspec

OF_LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION"}  # set by the runtime
# What a function's settings allow and the template leaves out, and why. A key is the function's folder.
LEFT_OUT = {
    "ingest": {"INGEST_FUNCTION_NAME"}
}  # a function cannot name itself in the template; Lambda tells it its name


def folder_of(role: str) -> str:
    """The folder of a function: EnrichAccount lives in enrich_account."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", role).lower()


def settings_of(app: Path) -> set[str]:
    """The variables that an app.py reads with `settings.read(Struct, os.environ)` from the template, without running it."""
    tree = ast.parse(app.read_text("utf-8"))
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "settings.read"
        and isinstance(node.args[0], ast.Name)
    ]
    read = {field.upper() for call in calls for field in _fields(tree, ast.unparse(call.args[0]))}
    return read - OF_LAMBDA - LEFT_OUT.get(app.parent.name, set())


def _fields(tree: ast.Module, struct: str) -> list[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == struct:
            return [
                each.target.id
                for each in node.body
                if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
            ]
        if isinstance(node, ast.ImportFrom) and node.module and struct in {each.name for each in node.names}:
            found = getattr(importlib.import_module(node.module), struct)
            return [field.name for field in msgspec.structs.fields(found)]
    raise AssertionError(f"{struct} is neither defined nor imported")


def metrics_of(root: Path) -> set[str]:
    """The names of all metrics that functions publish."""
    names = set(importlib.import_module("usage_anomaly.monitoring").UNITS)
    for app in (root / "functions").glob("*/app.py"):
        for node in ast.walk(ast.parse(app.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".add_metric"):
                given = [*node.args[:1], *(each.value for each in node.keywords if each.arg == "name")]
                names |= {str(each.value) for each in given if isinstance(each, ast.Constant)}
    return names
