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
SERVICES = {"nat-gateway": "nat_gateway", "elastic-ip": "elastic_ip", "eks-cluster": "eks"}
HOST = "-host"  # c5-host


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
        f"{len(table.elasticache_usd):,} cache nodes, "
        f"{len(table.regions)} regions, newest list {table.date}"
    )


@prices.command("show")
@click.argument("name", metavar="TYPE")
@click.argument("region")
@click.option("--engine", help="Of an RDS class (mysql where not said) or a cache node (redis).")
@click.option("--multi-az", is_flag=True, help="RDS with a standby.")
@click.option("--platform", help="Of an EC2 type, e.g. windows, or a Fargate task, e.g. arm64.")
@click.option("--tenancy", help="Of an EC2 type, e.g. dedicated.")
@click.option("--vcpus", type=float, default=1, show_default=True, help="Of a Fargate task.")
@click.option("--gib", type=float, default=2, show_default=True, help="Memory of a Fargate task.")
def show(
    name: str,
    region: str,
    engine: str | None,
    multi_az: bool,
    platform: str | None,
    tenancy: str | None,
    vcpus: float,
    gib: float,
) -> None:
    """Show the list price of TYPE in REGION.

    TYPE is an EC2 type (p3.16xlarge), an EBS volume type (gp3), an RDS class (db.t3.micro), a cache node
    (cache.m5.large), a Redshift node (ra3.4xlarge), an OpenSearch instance (r6g.large.search), a SageMaker instance
    (ml.c5.xlarge), a Dedicated Host (c5-host), ebs-snapshot, fargate-task, eks-cluster, nat-gateway or elastic-ip.
    """
    table = price_room.load()
    _check(name, names(table), "is no type this table knows")
    _check(region, sorted(table.regions | table.columns.keys()), "is no AWS region")
    click.echo(f"{name} {region}")
    for line in _facts(table, name):
        click.echo(line)
    if name in table.ebs_usd:
        _print_volume(table, name, region)
    elif name == "ebs-snapshot":
        _print_month(table.snapshot(region, 1))
    elif name.startswith("db."):
        engine = engine or "mysql"
        _print_price(table.rds(region, name, engine, multi_az), f"{engine}{', multi-AZ' if multi_az else ''}")
    elif name.startswith("cache."):
        engine = engine or "redis"
        _print_price(table.elasticache(region, name, engine), engine)
    elif name == "fargate-task":
        _print_price(table.fargate(region, vcpus, gib, platform), f"{vcpus:g} vCPU, {gib:g} GiB")
    elif name in SERVICES:
        _print_price(table.hourly(SERVICES[name], region))
    else:
        _print_price(_machine(table, name, region, platform, tenancy))


def default_source() -> Path:
    """The real data folder, where this repository is checked out beside it."""
    folder = os.environ.get("USAGE_ANOMALY_DATA")
    return (Path(folder) if folder else REPOSITORY.parent / "shared" / "data") / "prices"


def names(table: PriceTable) -> list[str]:
    """Everything `show` takes, sorted."""
    classes = {row.partition(" ")[0] for row in table.rds_usd}
    home = table.home_usd
    return sorted(
        {
            *table.instances,
            *table.ec2_usd,
            *table.ebs_usd,
            *classes,
            *table.elasticache_usd,
            *home["redshift"],
            *(f"{machine}.search" for machine in (*table.ec2_usd, *home["opensearch"])),
            *(f"ml.{machine}" for machine in (*table.ec2_usd, *home["sagemaker"])),
            *(f"{family}{HOST}" for family in home["dedicated_host"]),
            *SERVICES,
            "ebs-snapshot",
            "fargate-task",
        }
    )


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


def _machine(table: PriceTable, name: str, region: str, platform: str | None, tenancy: str | None) -> Price | None:
    if name.endswith(HOST):
        return table.dedicated_host(region, name.removesuffix(HOST))
    if name.startswith("ml."):
        return table.sagemaker(region, name)
    if name.endswith(".search"):
        return table.opensearch(region, name)
    if name in table.home_usd["redshift"]:
        return table.redshift(region, name)
    return table.ec2(region, name, platform, tenancy)


def _print_price(price: Price | None, remark: str = "") -> None:
    suffix = f" ({remark})" if remark else ""
    if price is None:
        click.echo(f"price       unknown{suffix}")
        return
    click.echo(f"price       {price.usd:.6g} USD/h{suffix}")
    _print_basis(price)


def _print_volume(table: PriceTable, volume_type: str, region: str) -> None:
    """Of one GiB with nothing provisioned; rates that come on top are those of the list."""
    price, with_iops = table.ebs(region, volume_type, 1, iops=0), table.ebs(region, volume_type, 1, iops=10_000)
    more = 0.0 if price is None or with_iops is None else with_iops.usd - price.usd
    _print_month(price, f"{more * HOURS_PER_MONTH:.6g} USD/month more for 10,000 IOPS" if more > 0 else "")


def _print_month(price: Price | None, remark: str = "") -> None:
    if price is None:
        click.echo("price       unknown")
        return
    click.echo(f"price       {price.usd * HOURS_PER_MONTH:.6g} USD per GiB-month")
    if remark:
        click.echo(f"            {remark}")
    _print_basis(price)


def _print_basis(price: Price) -> None:
    click.echo(f"basis       {price.basis}")
    click.echo(f"date        {price.date}")
    click.echo(f"confidence  {price.confidence:g}")
