"""`usage-anomaly tune`: what would other limits have hidden or added?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from usage_anomaly.anomalies.overrides import BURN_RATE, Limits, check
from usage_anomaly.errors import UnusableInput
from usage_anomaly_cli import account_of_comparison
from usage_anomaly_cli.account_of_comparison import Tuned
from usage_anomaly_cli.account_of_replay import was_read
from usage_anomaly_cli.bundled import loaded
from usage_anomaly_cli.comparison import compare
from usage_anomaly_cli.given_files import accounts_in, accounts_option, limits_in, limits_option
from usage_anomaly_cli.replay_command import read
from usage_anomaly_cli.running import Plan

_CHANGE = re.compile(r"(?:([^:=]+):)?([^:=]+)=([0-9]+(?:\.[0-9]+)?)")


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--limit",
    "quantities",
    multiple=True,
    metavar="KIND:WHO=UNITS",
    help="Per 10 minutes: ec2.instances:production=40, ec2.instances:111122223333=60; several may be given.",
)
@click.option("--burn-limit", "burn_rates", multiple=True, metavar="WHO=USD", help="USD per hour: production=100.")
@accounts_option
@limits_option
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that read.")
def tune(
    paths: tuple[str, ...],
    quantities: tuple[str, ...],
    burn_rates: tuple[str, ...],
    accounts: Path | None,
    limits: Path | None,
    form: str,
    jobs: int,
) -> None:
    """Show which told anomalies a change of limits would hide, add or alter, before anyone saves it.

    Judges the files twice: by the limits as they are (--limits FILE, else the catalog's), and with the change. Ends with the
    limits to save. WHO is production, staging, development, or an account's 12 digits.
    """
    changes = read_changes(quantities, burn_rates)
    plan = Plan(accounts=accounts_in(accounts), overrides=limits_in(limits), jobs=jobs)
    before, after = read(paths, plan, others=[plan.overrides.changed(changes)])
    told = Tuned(
        limits=plan.overrides,
        changes=changes,
        comparison=compare(before, after, plan),
        accounts={each: before.replay.type_of(each) for each in sorted(before.reckoning.accounts())},
        catalog=loaded()[0],
    )
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(account_of_comparison.summary(told)), indent=2).decode())
    else:
        head = was_read(before.reckoning, before.replay.counts)
        click.echo("\n".join(account_of_comparison.lines(told, head)))


def read_changes(quantities: Sequence[str], burn_rates: Sequence[str]) -> Limits:
    """The limits of both options, by kind or BURN_RATE. Raises UnusableInput that names the one that is wrong."""
    changes: dict[str, dict[str, float]] = {}
    given = [*(("--limit", each) for each in quantities), *(("--burn-limit", each) for each in burn_rates)]
    for option, text in given:
        found = _CHANGE.fullmatch(text)
        if found is None or (found[1] is None) is (option == "--limit"):
            shape = (
                "KIND:WHO=UNITS, as ec2.instances:production=40"
                if option == "--limit"
                else "WHO=USD, as production=100"
            )
            raise UnusableInput(f"{option} {text[:100]!r}: write {shape}")
        kind, who = found[1] or BURN_RATE, found[2]
        amount = float(found[3]) if "." in found[3] else int(found[3])
        check(loaded()[0], f"{option} {text[:100]!r}", kind, {who: amount})
        if who in changes.setdefault(kind, {}):
            raise UnusableInput(f"{option} {text[:100]!r}: {who} is given twice; give one")
        changes[kind][who] = amount
    if not changes:
        raise UnusableInput("no change to look at; give --limit KIND:WHO=UNITS, as ec2.instances:production=40")
    return changes
