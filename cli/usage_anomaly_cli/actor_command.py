"""`usage-anomaly actor`: what did this key, role, user, address or service do?"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import msgspec

from usage_anomaly_cli import account_of_actor
from usage_anomaly_cli.account_of_actor import Told, quoted
from usage_anomaly_cli.bundled import loaded
from usage_anomaly_cli.case import Case, lines
from usage_anomaly_cli.deeds import ActorRead, Asked, extract
from usage_anomaly_cli.doers import read_doer
from usage_anomaly_cli.reading import Result, find_objects, read_objects
from usage_anomaly_cli.reckoning import nothing_read
from usage_anomaly_cli.redact_options import redact_options, redaction_of
from usage_anomaly_cli.redaction import Redaction
from usage_anomaly_cli.replay_command import TIMES, progress, refuse, utc

_JSON = msgspec.json.Encoder()


@click.command()
@click.argument("doer", metavar="KEY|ARN|ADDRESS|SERVICE|NAME")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--since", type=click.DateTime(TIMES), help="Its calls from this time on, UTC.")
@click.option("--until", type=click.DateTime(TIMES), help="Its calls before this time, UTC.")
@click.option(
    "--reads", is_flag=True, help="A line for each call that only reads; without it one for each span of them."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "jsonl"]),
    default="table",
    show_default=True,
    help="jsonl: one call a line, all of them; the account goes to stderr.",
)
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that read.")
@redact_options
def actor(
    doer: str,
    paths: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    reads: bool,
    form: str,
    jobs: int,
    redact: bool,
    redact_key: Path | None,
) -> None:
    """Tell all that one doer did in CloudTrail files, in order of time, and what it left behind.

    The doer is an access key, the ARN of a user, a role (all its sessions) or one session, an address, an AWS service, or the
    name of a user, role or session. Exits 0 also where it did nothing.
    """
    started = time.monotonic()
    refuse(since, until, [])
    asked = Asked(read_doer(doer), utc(since), utc(until))
    redaction = redaction_of(redact, redact_key)
    case = _read(paths, asked, jobs, redaction)
    deeds = case.deeds()
    told = Told(
        doer=asked.doer if redaction is None else redaction.doer(asked.doer),
        case=case,
        deeds=deeds,
        lines=lines(deeds, reads=reads),
        catalog=loaded()[0],
        prices_date=loaded()[1].date,
        seconds=time.monotonic() - started,
        paths="PATH" if redaction is not None else " ".join(quoted(path) for path in paths),
        redacted=redaction is not None,
    )
    head, tail = account_of_actor.head(told), account_of_actor.tail(told)
    if form == "table":
        click.echo("\n".join([*head, *account_of_actor.table(told), *tail]))
        return
    click.echo(b"".join(_JSON.encode(deed) + b"\n" for deed in deeds), nl=False)
    click.echo("\n".join([*head, *tail]), err=True)


def _read(paths: Sequence[str], asked: Asked, jobs: int, redaction: Redaction | None) -> Case:
    case, look, regions = Case(), partial(extract, asked=asked), frozenset(loaded()[1].regions)
    with TemporaryDirectory(prefix="usage-anomaly-") as scratch:
        sources = find_objects(paths, Path(scratch))
        with progress(sources) as done:
            results: Iterable[Result[ActorRead]] = read_objects(sources, jobs, look, regions)
            for result in results if redaction is None else map(redaction.actor, results):
                case.add(result)
                done()
    if case.records == 0:
        raise nothing_read(paths, case.rejected)
    return case
