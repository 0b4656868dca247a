"""Does docs/deploy.md name the parameters, settings, outputs and alarms that the template has?"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from tests.template.code import folder_of, settings_of
from tests.template.reading import Node, Template

from usage_anomaly.enrichment import prices
from usage_anomaly.search import policies, retention

OF_WORKFLOW_AND_ALERTS = 5  # figures that monitoring asks for beside two of each function


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
    assert {name: cells[1] for name, cells in table.items()} == {
        name: each["Description"] for name, each in template.parameters.items()
    }


def test_settings_are_those_that_functions_read(root: Path, sections: dict[str, str], template: Template) -> None:
    """A variable in the docs that nobody reads, or one read that nobody explains, costs an evening."""
    shared = set(template.whole["Globals"]["Function"]["Environment"]["Variables"])
    folders = {folder_of(role): root / "functions" / folder_of(role) / "app.py" for role in template.functions()}
    read = {name: settings_of(app) - shared for name, app in folders.items()}
    table = rows(sections["Settings of the functions"])
    assert set(table) == set().union(*read.values()) | shared
    for name in set(table) - shared:
        assert re.findall(r"[a-z_]+", table[name][0]) == sorted(each for each in read if name in read[each]), name


def test_outputs_are_explained(sections: dict[str, str], template: Template) -> None:
    """They are what other stacks and scripts hold on to."""
    explained = {name: cells[0] for name, cells in rows(sections["Outputs"]).items()}
    assert explained == {name: each["Description"] for name, each in template.whole["Outputs"].items()}


def test_costs_count_the_alarms_and_figures_that_there_are(sections: dict[str, str], template: Template) -> None:
    """A list of costs that lags behind the template is worse than none. 730 hours a month, as for the domain."""
    alarms = len(template.of_type("AWS::CloudWatch::Alarm"))
    assert f"| {alarms} alarms at 0.10 | {alarms * 0.10:.2f} |" in sections["Costs"]
    watched = template.functions()["MonitorHealth"]["Environment"]["Variables"]["FUNCTION_NAMES"]["Fn::Join"][1]
    figures = 2 * len(watched) + OF_WORKFLOW_AND_ALERTS
    assert f"{figures} every five minutes" in sections["Costs"]
    assert f"| {figures * 12 * 730 * 0.01 / 1_000:.2f} * |" in sections["Costs"]


@pytest.mark.parametrize("part", ["default", "production"])
def test_costs_of_the_domain_are_those_of_its_nodes_and_disks(
    root: Path, sections: dict[str, str], template: Template, part: str
) -> None:
    """The domain is nearly all of the bill; a node more in samconfig.toml would cost 130 USD that nobody announced."""
    sizes = {name: str(each.get("Default")) for name, each in template.parameters.items()}
    config = tomllib.loads((root / "samconfig.toml").read_text("utf-8"))[part]["deploy"]["parameters"]
    sizes |= dict(each.split("=") for each in config.get("parameter_overrides", ()))
    machine, count = sizes["OpenSearchInstanceType"], int(sizes["OpenSearchInstanceCount"])
    gib = count * int(sizes["OpenSearchVolumeGib"])
    (row,) = [line for line in sections["Costs"].splitlines() if f"| domain, {count} x {machine} (" in line]
    (hour,) = re.findall(r"730 hours at ([\d.]+) \*", row)
    assert row.endswith(f"| {count * 730 * float(hour):.2f} * |")
    assert f"| its disk, {gib} GiB gp3 at 0.122 | {gib * 0.122:.2f} |" in sections["Costs"]
    estimate = prices.load().opensearch("us-east-1", machine)
    assert estimate is not None
    assert f"{estimate.usd:.3f}" in sections["Costs"]
    assert estimate.date in sections["Costs"]


def test_retention_is_said_as_policy_and_job_do_it(sections: dict[str, str], template: Template) -> None:
    """A promise about retention is one about other people's data."""
    assert policies.GRACE_DAYS == retention.GRACE_DAYS == 2
    said_so = "older ones are refused, and their indexes deleted two days after"
    assert said_so in template.parameters["UsageRetentionDays"]["Description"]
    assert said_so in sections["Parameters"]
    variables = template.functions()["RollUp"]["Environment"]["Variables"]
    assert variables["RETENTION_DAYS"] == {"Ref": "UsageRetentionDays"}


def test_first_deployment_on_a_domain_with_roles_of_its_own_is_kept(sections: dict[str, str]) -> None:
    """A rollback would take the very role that is to be mapped."""
    steps = sections["A domain that exists"]
    role = steps.index("Map `ConfigureSearchRole`")
    assert steps.index("--disable-rollback") < role < steps.rindex("--disable-rollback")


def test_samconfig_knows_the_parameters_it_sets(root: Path, template: Template) -> None:
    """A misspelt override is ignored by nobody: the deployment fails, an hour later."""
    config = tomllib.loads((root / "samconfig.toml").read_text("utf-8"))
    assert set(config) - {"version"} == {"default", "local", "production"}
    overrides = [
        each for part in ("local", "production") for each in config[part]["deploy"]["parameters"]["parameter_overrides"]
    ]
    for name, _, value in (each.partition("=") for each in overrides):
        assert value in map(str, template.parameters[name].get("AllowedValues", [value])), name
