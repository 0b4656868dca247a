"""`usage-anomaly catalog`: what counts as usage, and is every catalog file proved?"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path

import click

from usage_anomaly.catalog import BUNDLED, Kind, Limits, load
from usage_anomaly.enrichment import prices as price_room
from usage_anomaly.errors import CatalogError
from usage_anomaly.pattern import subscription_pattern
from usage_anomaly.usage import ATTEMPT_UNIT
from usage_anomaly_cli import catalog_page, catalog_proof

CALLS_WIDTH = 48
HEAD = ("KIND", "CALLS", "UNIT", "PER 10 MIN", "PRICE")
PRICE_RULES = {
    "ec2": "EC2 type, per hour",
    "ebs": "EBS type, size, IOPS",
    "snapshot": "volume size, at most",
    "rds": "RDS class, engine",
    "nat_gateway": "NAT gateway, per hour",
    "elastic_ip": "public IPv4, per hour",
    "free": "costs nothing",
    "fargate": "Fargate vCPU, GiB",
    "eks": "EKS cluster, per hour",
    "elasticache": "cache node type, engine",
    "redshift": "Redshift node type",
    "opensearch": "domain's instance type",
    "sagemaker": "ML instance type",
    "commitment": "USD/h named, or host",
    "emr": "unknown: EC2 part counts as EC2",
    "none": "unknown",
}

folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=BUNDLED,
    help="Folder of kinds, <kind>/kind.json each; without it the bundled ones.",
)


@click.group()
def catalog() -> None:
    """What counts as usage: list the kinds, or prove their files."""


@catalog.command("list")
@folder_option
def list_kinds(folder: Path) -> None:
    """Show each usage kind with its calls, unit, limits and price rule.

    Limits are units per 10 minutes in production, staging and development accounts.
    """
    try:
        kinds = load(folder).kinds.values()
    except CatalogError as error:
        raise click.ClickException(str(error)) from error
    for line in _table([HEAD, *(row for kind in kinds for row in _rows(kind))]):
        click.echo(line)


@catalog.command("check")
@folder_option
def check(folder: Path) -> None:
    """Prove every catalog file: format, paths, limits, guidance, and each sample as said.

    Exit status 1 with one line per problem: the file and the remedy.
    """
    found = catalog_proof.problems(folder, price_room.load())
    for problem in found:
        click.echo(problem, err=True)
    if found:
        raise click.exceptions.Exit(1)
    kinds = load(folder).kinds
    samples = sum(len((folder / kind / "samples.jsonl").read_bytes().splitlines()) for kind in kinds)
    click.echo(f"{len(kinds)} kinds proved by {samples} samples")


@catalog.command("pattern")
@folder_option
def pattern(folder: Path) -> None:
    """Print the filter pattern of the trail's log subscription: template.yaml holds it, and a test compares.

    At most 1,024 characters, two regular expressions. Ingest matches each record exactly again.
    """
    try:
        click.echo(subscription_pattern(load(folder)))
    except CatalogError as error:
        raise click.ClickException(str(error)) from error


@catalog.command("docs")
@folder_option
def docs(folder: Path) -> None:
    """Print the page on all kinds in markdown: docs/catalog.md holds it, and a test compares."""
    try:
        text = catalog_page.page(load(folder), price_room.load(), folder)
    except CatalogError as error:
        raise click.ClickException(str(error)) from error
    click.echo(text, nl=False)


@catalog.command("schema")
def schema() -> None:
    """Print the JSON Schema of kind.json."""
    click.echo(catalog_proof.schema_text(), nl=False)


def _rows(kind: Kind) -> list[tuple[str, ...]]:
    """The calls line by line; unit, limits and price stand in the first line, those of attempts in the last."""
    said = [
        f"{direction}: {', '.join(name for call in kind.calls if call.direction == direction for name in call.names)}"
        for direction in ("use", "definition", "release")
        if any(call.direction == direction for call in kind.calls)
    ]
    calls = [line for text in said for line in textwrap.wrap(text, CALLS_WIDTH, subsequent_indent="  ")]
    first = (kind.kind, calls[0], kind.many, _limits(kind.limits), PRICE_RULES[kind.price])
    rest = [("", line, "", "", "") for line in calls[1:]]
    attempts = ("", "attempts: refused, dry, empty use", ATTEMPT_UNIT, _limits(kind.attempt_limits), "")
    return [first, *rest, *([attempts] if kind.attempt_limits else [])]


def _limits(limits: Limits | None) -> str:
    if limits is None:
        return "evidence"
    return f"{limits.production:,}/{limits.staging:,}/{limits.development:,}"


def _table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = list(rows)
    widths = [max(len(row[column]) for row in lines) for column in range(len(HEAD))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in lines]
