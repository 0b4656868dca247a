"""`usage-anomaly prices`: which table does the layer carry, and what does it say of one thing in one region?"""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

import click

from usage_anomaly.enrichment import prices as price_room
from usage_anomaly.enrichment.prices import HOURS_PER_MONTH, Price, PriceTable
from usage_anomaly.errors import UnusableInput
from usage_anomaly_cli import prices_build

BUNDLED = Path(price_room.__file__).with_name("prices.json")
REPOSITORY = Path(__file__).parents[2]
SERVICES = {"nat-gateway": "nat_gateway", "elastic-ip": "elastic_ip"}


class Refused(click.ClickException):
    """The input is unusable; the text names the remedy."""

    exit_code = 2


@click.group()
def prices() -> None:
    """Build the price table, or show one price."""


@prices.command("build")
@click.option("--source", type=click.Path(path_type=Path), help="Folder of price lists.")
@click.option("--output", type=click.Path(path_type=Path), default=BUNDLED, help="Table to write.")
def build(source: Path | None, output: Path) -> None:
    """Read the price lists and write the table."""
    try:
        table = prices_build.build(source or default_source())
    except UnusableInput as reason:
        raise Refused(str(reason)) from reason
    content = price_room.write_table(table)
    output.write_bytes(content)
    click.echo(
        f"{output}: {len(content):,} bytes, {len(table.ec2_usd):,} EC2 types, {len(table.rds_usd):,} RDS rows, "
        f"{len(table.regions)} regions, newest list {table.date}"
    )


@prices.command("show")
@click.argument("name", metavar="TYPE")
@click.argument("region")
@click.option("--engine", default="mysql", show_default=True, help="Of an RDS class.")
@click.option("--multi-az", is_flag=True, help="RDS with a standby.")
@click.option("--platform", help="Of an EC2 type, e.g. windows.")
@click.option("--tenancy", help="Of an EC2 type, e.g. dedicated.")
def show(name: str, region: str, engine: str, multi_az: bool, platform: str | None, tenancy: str | None) -> None:
    """Show the list price of TYPE in REGION.

    TYPE is an EC2 type (p3.16xlarge), an EBS volume type (gp3), an RDS class (db.t3.micro), nat-gateway or elastic-ip.
    """
    table = price_room.load()
    _check(name, names(table), "is no type this table knows")
    _check(region, sorted(table.regions | table.columns.keys()), "is no AWS region")
    click.echo(f"{name} {region}")
    for line in _facts(table, name):
        click.echo(line)
    if name in table.ebs_usd:
        _print_volume(table, name, region)
    elif name.startswith("db."):
        _print_price(table.rds(region, name, engine, multi_az), f"{engine}{', multi-AZ' if multi_az else ''}")
    elif name in SERVICES:
        _print_price(table.hourly(SERVICES[name], region))
    else:
        _print_price(table.ec2(region, name, platform, tenancy))


def default_source() -> Path:
    """The real data folder, where this repository is checked out beside it."""
    folder = os.environ.get("USAGE_ANOMALY_DATA")
    return (Path(folder) if folder else REPOSITORY.parent / "shared" / "data") / "prices"


def names(table: PriceTable) -> list[str]:
    """Everything `show` takes, sorted."""
    classes = {row.partition(" ")[0] for row in table.rds_usd}
    return sorted({*table.instances, *table.ec2_usd, *table.ebs_usd, *classes, *SERVICES})


def _check(asked: str, known: list[str], reason: str) -> None:
    if asked in known:
        return
    near = get_close_matches(asked, known, n=5, cutoff=0.6)
    remedy = f"Near: {', '.join(near)}." if near else f"One that is known: {known[0]}."
    raise Refused(f"{asked} {reason}: price unknown. {remedy}")


def _facts(table: PriceTable, name: str) -> list[str]:
    facts = table.facts(name)
    if facts is None:
        return []
    devices = f", {facts.accelerators} x {facts.accelerator}" if facts.accelerator else ""
    return [f"has         {facts.vcpus} vCPU, {facts.gib:g} GiB{devices}"]


def _print_price(price: Price | None, remark: str = "") -> None:
    suffix = f" ({remark})" if remark else ""
    if price is None:
        click.echo(f"price       unknown{suffix}")
        return
    click.echo(f"price       {price.usd:.6g} USD/h{suffix}")
    _print_basis(price)


def _print_volume(table: PriceTable, volume_type: str, region: str) -> None:
    """Of one GiB with nothing provisioned; rates that come on top are those of the list."""
    price = table.ebs(region, volume_type, 1, iops=0)
    if price is None:
        click.echo("price       unknown")
        return
    click.echo(f"price       {price.usd * HOURS_PER_MONTH:.6g} USD per GiB-month")
    with_iops = table.ebs(region, volume_type, 1, iops=10_000)
    if with_iops is not None and with_iops.usd > price.usd:
        click.echo(f"            {(with_iops.usd - price.usd) * HOURS_PER_MONTH:.6g} USD/month more for 10,000 IOPS")
    _print_basis(price)


def _print_basis(price: Price) -> None:
    click.echo(f"basis       {price.basis}")
    click.echo(f"date        {price.date}")
    click.echo(f"confidence  {price.confidence:g}")
