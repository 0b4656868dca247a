"""`usage-anomaly`: which command does the user want?"""

from __future__ import annotations

import signal
import sys

import click

from usage_anomaly.errors import UsageAnomalyError
from usage_anomaly_cli.actor_command import actor
from usage_anomaly_cli.backfill_command import backfill
from usage_anomaly_cli.catalog_command import catalog
from usage_anomaly_cli.dashboards_command import dashboards
from usage_anomaly_cli.explain_command import explain_command
from usage_anomaly_cli.generate_command import generate_command
from usage_anomaly_cli.prices_command import prices
from usage_anomaly_cli.replay_command import replay
from usage_anomaly_cli.show_command import show
from usage_anomaly_cli.tune_command import tune


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="usage-anomaly")
def cli() -> None:
    """Find unusual usage in AWS accounts from CloudTrail records: who, what, where, USD per hour, and what to do."""


COMMANDS = (
    replay,
    show,
    explain_command,
    tune,
    actor,
    backfill,
    catalog,
    prices,
    dashboards,
    generate_command,
)
for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Run the command; exit 2 with the remedy where the input cannot be used."""
    # As Ctrl-C does, being told to end removes the scratch folder and ends the reading processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        cli()
    except UsageAnomalyError as error:
        click.echo(f"usage-anomaly: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our output (head, less) has left: point stdout elsewhere so that its flush at exit is quiet.
        sys.stdout = None  # CPython accepts it: nothing is left to flush
        sys.exit(141)
