"""`usage-anomaly replay`: what is unusual in these trail files?"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import click
import msgspec
from msgspec.structs import replace

from usage_anomaly.anomalies import Anomaly
from usage_anomaly.anomalies.overrides import Overrides
from usage_anomaly.errors import UnusableInput
from usage_anomaly.usage import UsageEvent
from usage_anomaly_cli import account_of_replay, media, store, storms
from usage_anomaly_cli.account_of_replay import Story
from usage_anomaly_cli.bundled import loaded
from usage_anomaly_cli.given_files import accounts_in, accounts_option, again, limits_in, limits_option
from usage_anomaly_cli.reading import Source, find_objects
from usage_anomaly_cli.reckoning import nothing_read, summary
from usage_anomaly_cli.redact_options import redact_options, redaction_of
from usage_anomaly_cli.redaction import Redaction
from usage_anomaly_cli.running import Plan, Run, absent, anomalies, ready_accounts, run_beside, use_over_time
from usage_anomaly_cli.store import Kept

_JSON = msgspec.json.Encoder()
FORMS = ("table", "jsonl", "csv", "html")
FORMS_SAID = "csv: one row each; html: one page with charts, which asks for no network and runs no script."
TIMES = ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%SZ")


class Kinds(click.ParamType[frozenset[str]]):
    """Kinds of the catalog, divided by commas."""

    name = "KIND,..."

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> frozenset[str]:
        known = loaded()[0].kinds
        names = frozenset(name.strip() for name in str(value).split(",") if name.strip())
        unknown = sorted(names - known.keys())
        if unknown or not names:
            self.fail(f"no kind {', '.join(unknown) or value!r}; known: {', '.join(sorted(known))}", param, ctx)
        return names


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@accounts_option
@limits_option
@click.option(
    "--since", type=click.DateTime(TIMES), help="Judge use from this time on, UTC; all that is read is history."
)
@click.option("--until", type=click.DateTime(TIMES), help="Judge use before this time, UTC.")
@click.option("--kinds", type=Kinds(), help="Judge and count these kinds only.")
@click.option("--min-severity", type=click.FloatRange(0, 10), default=0.0, help="Leave out what is less severe.")
@click.option("--all", "everything", is_flag=True, help="Show recorded anomalies too: habits, and limits they excuse.")
@click.option("--format", "form", type=click.Choice(FORMS), default="table", show_default=True, help=FORMS_SAID)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the result to a file.")
@click.option(
    "--summary", "summary_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the counts as JSON."
)
@click.option(
    "--events", "events_file", type=click.Path(path_type=Path, dir_okay=False), help="Write usage events as JSON lines."
)
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that read.")
@redact_options
def replay(
    paths: tuple[str, ...],
    accounts: Path | None,
    limits: Path | None,
    since: datetime | None,
    until: datetime | None,
    kinds: frozenset[str] | None,
    min_severity: float,
    everything: bool,
    form: str,
    output: Path | None,
    summary_file: Path | None,
    events_file: Path | None,
    jobs: int,
    redact: bool,
    redact_key: Path | None,
) -> None:
    """Find what is unusual in CloudTrail files: folders, zip and tar files, .json.gz, .json, JSON lines, CSV exports.

    Needs no AWS and no server. Exits 0 with or without anomalies, 2 where the input cannot be used.
    """
    started = time.monotonic()
    refuse(since, until, [output, summary_file, events_file])
    media.refuse(form)
    plan = _plan(accounts, limits, redaction_of(redact, redact_key))
    plan = replace(plan, kinds=kinds, since=utc(since), until=utc(until), jobs=jobs)
    (finished,) = read(paths, plan, events_file)
    every = anomalies(finished, plan)
    kept = [_kept(each, finished, plan) for each in every]
    _store(kept)
    chosen = [each for each in kept if (everything or each.anomaly.alerts) and each.anomaly.severity >= min_severity]
    unseen = absent(finished, plan)
    if summary_file is not None:
        _summarize(finished, every, list(unseen), summary_file)
    shown, seconds = [each.anomaly for each in chosen], time.monotonic() - started
    story = _story(finished, plan, every, shown, list(unseen.values()), seconds, min_severity)
    story = storms.with_storms(story, everything)
    named = ("PATH", "PATH") if plan.redaction else (again(paths, None, None), again(paths, accounts, limits))
    _print(story, chosen, form, output, *named)


def refuse(since: datetime | None, until: datetime | None, files: Sequence[Path | None]) -> None:
    """Refuse what cannot lead to a result, before anything is read."""
    if since is not None and until is not None and since >= until:
        raise UnusableInput(
            f"--since {since:%Y-%m-%dT%H:%M} is not before --until {until:%Y-%m-%dT%H:%M}: exchange them"
        )
    for file in files:
        if file is not None:
            try:
                file.open("ab").close()
            except OSError as error:
                raise UnusableInput(f"{file}: {error.strerror}; name a file in a folder that can be written") from error


def read(
    paths: Sequence[str], plan: Plan, events_file: Path | None = None, others: Sequence[Overrides] = ()
) -> list[Run]:
    """Find the files, read them once, and replay them by the plan's limits and by others. Raises UnusableInput."""
    with TemporaryDirectory(prefix="usage-anomaly-") as scratch:
        sources = find_objects(paths, Path(scratch))
        with progress(sources) as done, _events(events_file) as keep:
            finished = run_beside(sources, plan, others, done, keep)
    if finished[0].reckoning.records == 0:
        raise nothing_read(paths, finished[0].reckoning.rejected)
    return finished


def _plan(accounts: Path | None, limits: Path | None, redaction: Redaction | None) -> Plan:
    """Whose accounts are judged by which limits, under their names or pseudonyms."""
    known, overrides = accounts_in(accounts), limits_in(limits)
    if redaction is None:
        return Plan(accounts=known, overrides=overrides)
    renamed = overrides.renamed(redaction.account)
    return Plan(accounts=redaction.accounts(known), overrides=renamed, redaction=redaction)


def _summarize(finished: Run, every: list[Anomaly], unseen: list[str], file: Path) -> None:
    counted = summary(finished.reckoning, finished.replay.counts, every, unseen)
    file.write_bytes(msgspec.json.format(_JSON.encode(counted), indent=2) + b"\n")


def _kept(anomaly: Anomaly, finished: Run, plan: Plan) -> Kept:
    return Kept(
        anomaly,
        plan.accounts.get(anomaly.account_id),
        use_over_time(anomaly, finished),
        redacted=plan.redaction is not None,
    )


def _store(kept: Sequence[Kept]) -> None:
    try:
        store.keep(kept, store.place())
    except OSError as error:  # the result itself is not lost
        click.echo(f"usage-anomaly: show will not find this replay: {store.place()}: {error.strerror}", err=True)


def _print(
    story: Story, shown: Sequence[Kept], form: str, output: Path | None, paths: str, paths_and_files: str
) -> None:
    """The result to stdout or the file; the account beside it, on stderr where stdout carries the result."""
    head, tail = account_of_replay.head(story), account_of_replay.tail(story, paths, paths_and_files)
    text = "\n".join([*head, "", *account_of_replay.table(story), *tail])
    if form == "table":
        click.echo(text)
        if output is not None:
            output.write_text(text + "\n", encoding="utf-8")
    elif output is None:
        click.echo(media.of_replay(form, story, shown), nl=False)
        click.echo("\n".join([*head, *tail]), err=True)
    else:
        output.write_bytes(media.of_replay(form, story, shown))
        click.echo(text)


def _story(
    finished: Run,
    plan: Plan,
    every: Sequence[Anomaly],
    shown: Sequence[Anomaly],
    absent: Sequence[str],
    seconds: float,
    min_severity: float,
) -> Story:
    catalog, prices = loaded()
    return Story(
        reckoning=finished.reckoning,
        counts=finished.replay.counts,
        every=every,
        shown=shown,
        absent=absent,
        accounts=plan.accounts,
        catalog=catalog,
        prices_date=prices.date,
        seconds=seconds,
        min_severity=min_severity,
        limits_set=plan.overrides.count(),
        ready=ready_accounts(finished),
        redacted=plan.redaction is not None,
    )


def utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


@contextmanager
def progress(sources: Sequence[Source]) -> Iterator[Callable[[], object]]:
    """A bar on a terminal's stderr; silence elsewhere."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    with click.progressbar(length=len(sources), label="Reading", file=sys.stderr) as bar:
        yield lambda: bar.update(1)


@contextmanager
def _events(file: Path | None) -> Iterator[Callable[[Sequence[UsageEvent]], object] | None]:
    """Writes usage events as JSON lines, minute by minute, in order of time and id within a minute."""
    if file is None:
        yield None
        return
    with file.open("wb") as stream:
        yield lambda events: _write(stream, events)


def _write(stream: IO[bytes], events: Sequence[UsageEvent]) -> None:
    for event in sorted(events, key=lambda each: (each.event_time, each.event_id, each.kind, each.group or "")):
        stream.write(_JSON.encode(event) + b"\n")
