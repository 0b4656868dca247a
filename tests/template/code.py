"""What does the code of the functions read from its environment, ask of its table, and which metrics does it publish?"""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path

import msgspec

OF_LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION"}  # set by the runtime
STATE = "usage_anomaly.state"
# By boto3's method; a transaction of puts is allowed by what allows each of them.
ACTIONS = {
    "get_item": "dynamodb:GetItem",
    "put_item": "dynamodb:PutItem",
    "update_item": "dynamodb:UpdateItem",
    "delete_item": "dynamodb:DeleteItem",
    "query": "dynamodb:Query",
    "transact_write_items": "dynamodb:PutItem",
}
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


def table_actions(app: Path) -> set[str]:
    """The DynamoDB actions that the modules behind an app.py need: their own calls, and those of the state they name."""
    found, seen, waiting = set[str](), set[str](), [ast.parse(app.read_text("utf-8"))]
    while waiting:
        tree = waiting.pop()
        found |= _table_calls(tree)
        bound = _imported(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                module = bound.get(node.value.id, "")
                found |= _state_calls(module, node.attr) if module.startswith(f"{STATE}.") else set()
        new = {name for name in bound.values() if not name.startswith(STATE)} - seen
        seen |= new
        waiting += [_tree(name) for name in sorted(new)]
    return found


def _imported(tree: ast.Module) -> dict[str, str]:
    """By the name it has here, each module of ours that is imported, or out of which something is."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("usage_anomaly"):
            for each in node.names:
                module = f"{node.module}.{each.name}"
                found[each.asname or each.name] = module if _is_module(module) else str(node.module)
    return found


def _state_calls(module: str, name: str, *before: str) -> set[str]:
    """The actions of one function of a state module, and of those in it that it calls."""
    functions = {each.name: each for each in _tree(module).body if isinstance(each, ast.FunctionDef)}
    if name not in functions or name in before:
        return set()
    called = {each.id for each in ast.walk(functions[name]) if isinstance(each, ast.Name)}
    within = (_state_calls(module, each, name, *before) for each in called)
    return _table_calls(functions[name]).union(*within)


def _table_calls(tree: ast.AST) -> set[str]:
    called = (each.func for each in ast.walk(tree) if isinstance(each, ast.Call))
    return {ACTIONS[each.attr] for each in called if isinstance(each, ast.Attribute) and each.attr in ACTIONS}


@cache
def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is no package
        return False


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(Path(str(importlib.import_module(module).__file__)).read_text("utf-8"))
