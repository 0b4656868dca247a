"""`usage-anomaly show`: what would the alert of this anomaly say?"""

from __future__ import annotations

from pathlib import Path

import click
import msgspec
from msgspec.structs import replace

from usage_anomaly import catalog
from usage_anomaly.alerts import mail
from usage_anomaly.enrichment.accounts import read_accounts
from usage_anomaly.errors import UnusableInput
from usage_anomaly_cli import media, record_text, store, storms
from usage_anomaly_cli.redact_options import redact_options, redaction_of

FORMS = ("full", "mail", "json", "csv", "html")


@click.command()
@click.argument("identity", metavar="[ID]", required=False)
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    help="Output of replay --format jsonl; without it the last replay.",
)
@click.option("--accounts", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="JSON list of accounts.")
@click.option("--format", "form", type=click.Choice(FORMS), default="full", show_default=True)
@redact_options
def show(
    identity: str | None,
    source: Path | None,
    accounts: Path | None,
    form: str,
    redact: bool,
    redact_key: Path | None,
) -> None:
    """Show one anomaly of the last replay: its alert as mail text, then its record (steps, policy, evidence, ids).

    Without an ID: the most severe one. csv and html are those of replay, for this one. A storm's ID shows the storm.
    --redact refuses what was replayed without it.
    """
    media.refuse(form)
    known = catalog.load()
    redaction = redaction_of(redact, redact_key)
    storm = storms.find(identity, source or store.place(), known)
    members = storm[1] if storm is not None else [store.find(identity, source or store.place())]
    if redaction is not None and not all(
        each.redacted for each in members
    ):  # its sentences are made; only before that can values be exchanged
        raise UnusableInput(
            f"{source or 'the last replay'} is not known to be redacted, and a text cannot be: replay again with --redact"
        )
    if storm is not None:
        click.echo(storms.said(*storm, form, known), nl=False)
        return
    (kept,) = members
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(kept.anomaly), indent=2).decode())
        return
    account = kept.account
    if accounts is not None:
        listed = read_accounts(accounts.read_bytes(), str(accounts))
        account = (redaction.accounts(listed) if redaction else listed).get(kept.anomaly.account_id)
    if form in ("csv", "html"):
        click.echo(media.of_one(form, replace(kept, account=account), known), nl=False)
        return
    kind = known.kind_of(kept.anomaly.kind)
    message = mail.render(kept.anomaly, kind, account, update=len(kept.anomaly.alerts) - 1, recipient="replay")
    click.echo(f"Subject: {message.subject}\n\n{message.text}")
    if form == "full":
        click.echo("\n".join(record_text.lines(kept.anomaly)))
