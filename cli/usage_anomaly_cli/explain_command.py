"""`usage-anomaly explain`: why was this told, or why not?"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from usage_anomaly.anomalies.overrides import check_kind
from usage_anomaly.catalog import ATTEMPTS
from usage_anomaly_cli import account_of_explanation
from usage_anomaly_cli.account_of_replay import was_read
from usage_anomaly_cli.bundled import loaded
from usage_anomaly_cli.explanation import explain
from usage_anomaly_cli.given_files import accounts_in, accounts_option, again, limits_in, limits_option
from usage_anomaly_cli.replay_command import TIMES, read
from usage_anomaly_cli.running import Plan


@click.command("explain")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--kind", required=True, help="What was used: ec2.instances; ec2.instances.attempts: refused calls.")
@click.option(
    "--account", required=True, metavar="ID", help="Where: 12 digits, or organization: all accounts together."
)
@click.option(
    "--at", required=True, metavar="TIME", type=click.DateTime(TIMES), help="When, UTC; the five minutes that hold it."
)
@accounts_option
@limits_option
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that read.")
def explain_command(
    paths: tuple[str, ...],
    kind: str,
    account: str,
    at: datetime,
    accounts: Path | None,
    limits: Path | None,
    form: str,
    jobs: int,
) -> None:
    """Say why use was told, recorded or neither: what each detector compared with what at that time.

    Replays the files as replay does and looks at what is known at their end. Without use at that time it takes the last
    five minutes with use of the two hours before.
    """
    check_kind(loaded()[0], "--kind", kind)
    chosen = frozenset({kind.removesuffix(ATTEMPTS)})
    plan = Plan(accounts=accounts_in(accounts), overrides=limits_in(limits), kinds=chosen, jobs=jobs)
    (finished,) = read(paths, plan)
    told = explain(finished, plan, (account, kind), at.replace(tzinfo=UTC))
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
    else:
        head = was_read(finished.reckoning, finished.replay.counts)
        click.echo("\n".join(account_of_explanation.lines(told, head, again(paths, accounts, limits))))
