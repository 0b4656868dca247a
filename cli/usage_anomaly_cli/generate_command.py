"""`usage-anomaly generate`: which folder gets a made-up organization's trail?"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from usage_anomaly_generator import HABITS, INCIDENTS, Expectation, accounts_json, demo, expectations, generate, write
from usage_anomaly_generator.calls import Span

MARK = ".generated"  # its presence says that the folder's trail is ours to replace
TRAIL, ACCOUNTS = "AWSLogs", "accounts.json"


class Refused(click.ClickException):
    """The folder is not ours to write into; the text names the remedy."""

    exit_code = 2


@click.command("generate")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--seed", type=int, default=demo.SEED, show_default=True, help="The same seed writes the same bytes.")
@click.option("--days", type=click.FloatRange(0, min_open=True), default=demo.DAYS, show_default=True)
@click.option("--start", type=click.DateTime(("%Y-%m-%d", "%Y-%m-%dT%H:%M")), help="UTC. [default: 2026-11-18T12:00]")
@click.option(
    "--incident",
    "incidents",
    multiple=True,
    type=click.Choice([*INCIDENTS, "none"]),
    help="May be given several times. [default: leaked_key]",
)
@click.option(
    "--habit",
    "habits",
    multiple=True,
    type=click.Choice(list(HABITS)),
    help="Only these habits; may be given several times. [default: all]",
)
def generate_command(
    folder: Path, seed: int, days: float, start: datetime | None, incidents: tuple[str, ...], habits: tuple[str, ...]
) -> None:
    """Write a small organization's trail to FOLDER: log objects below AWSLogs/, and accounts.json.

    Three accounts with daily habits and one incident, all from a seed; nothing in it is real.
    """
    claim(folder)
    begin = start.replace(tzinfo=UTC) if start else demo.START
    span = Span(begin, begin + timedelta(days=days))
    named = [name for name in incidents or ("leaked_key",) if name != "none"]
    planned = [demo.place(name, span) for name in named]
    objects = generate(demo.ORGANIZATION, demo.chosen_habits(habits), planned, begin, days, seed)
    written = write(folder, objects)
    (folder / ACCOUNTS).write_bytes(accounts_json(demo.ORGANIZATION))
    click.echo(f"{folder}: {written.objects:,} objects, {written.records:,} records, {written.bytes:,} bytes")
    for expectation in expectations(demo.ORGANIZATION, planned, begin, days, seed):
        click.echo(sentence(expectation))
    click.echo(f"Next: usage-anomaly replay {folder / TRAIL} --accounts {folder / ACCOUNTS}")


def claim(folder: Path) -> None:
    """Makes the folder ready: new, empty, or holding an earlier trail of ours, which is removed."""
    if folder.exists() and not folder.is_dir():
        raise Refused(f"{folder} is a file. Name a new or empty folder.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise Refused(f"{folder} is not empty and was not written by this command. Name a new or empty folder.")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("usage-anomaly generate wrote this folder and may replace AWSLogs and accounts.json\n")
    if (folder / TRAIL).is_dir():
        shutil.rmtree(folder / TRAIL)


def sentence(expectation: Expectation) -> str:
    """What is hidden in the trail, in one line."""
    regions = ", ".join(f"{region} {quantity:,}" for region, quantity in expectation.regions.items())
    times = f"{expectation.first:%Y-%m-%d %H:%M} to {expectation.last:%Y-%m-%d %H:%M} UTC"
    return (
        f"{expectation.incident}: {expectation.quantity:,} {expectation.kind} in {expectation.account}, "
        f"{times} ({regions})"
    )
