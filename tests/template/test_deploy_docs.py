"""Does docs/deploy.md name the parameters, settings, outputs and alarms that the template has?"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from tests.template.code import OF_LAMBDA, folder_of, settings_of
from tests.template.reading import Node, Template


@pytest.fixture(scope="module")
def sections(root: Path) -> dict[str, str]:
    """The page by heading."""
    parts = re.split(r"^## (.+)$", (root / "docs" / "deploy.md").read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(section: str) -> dict[str, list[str]]:
    """The rows of a table by the name in their first cell."""
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return {cells[0].strip().strip("`"): [cell.strip() for cell in cells[1:]] for cells in lines}


def said(value: Node) -> str:
    """A default as the table says it."""
    return "asked for" if value is None else f"`{value}`" if str(value) else "empty"


def test_parameters_are_explained_with_their_defaults(sections: dict[str, str], template: Template) -> None:
    """The reader decides by this table, before the first deployment."""
    table = rows(sections["Parameters"])
    assert {name: cells[0] for name, cells in table.items()} == {
        name: said(each.get("Default")) for name, each in template.parameters.items()
    }


def test_settings_are_those_that_functions_read(root: Path, sections: dict[str, str], template: Template) -> None:
    """A variable in the docs that nobody reads, or one read that nobody explains, costs an evening."""
    shared = set(template.whole["Globals"]["Function"]["Environment"]["Variables"])
    folders = {folder_of(role): root / "functions" / folder_of(role) / "app.py" for role in template.functions()}
    read = {name: settings_of(app) - shared - OF_LAMBDA for name, app in folders.items()}
    table = rows(sections["Settings of the functions"])
    assert set(table) == set().union(*read.values()) | shared
    for name in set(table) - shared:
        assert re.findall(r"[a-z_]+", table[name][0]) == sorted(each for each in read if name in read[each]), name


def test_outputs_are_explained(sections: dict[str, str], template: Template) -> None:
    """They are what other stacks and scripts hold on to."""
    assert set(rows(sections["Outputs"])) == set(template.whole["Outputs"])


def test_samconfig_knows_the_parameters_it_sets(root: Path, template: Template) -> None:
    """A misspelt override is ignored by nobody: the deployment fails, an hour later."""
    config = tomllib.loads((root / "samconfig.toml").read_text("utf-8"))
    assert set(config) - {"version"} == {"default", "local", "production"}
    overrides = [
        each for part in ("local", "production") for each in config[part]["deploy"]["parameters"]["parameter_overrides"]
    ]
    assert {each.partition("=")[0] for each in overrides} <= set(template.parameters)
