"""`usage-anomaly backfill`: is the cluster given the history that lies in trail files?"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Literal

import click

from usage_anomaly.alerts.plain import inert
from usage_anomaly.errors import UnusableInput
from usage_anomaly_cli.bundled import loaded
from usage_anomaly_cli.reading import find_objects
from usage_anomaly_cli.replay_command import TIMES, refuse, utc
from usage_anomaly_cli.taken import Header, Taken

if TYPE_CHECKING:  # at run time they need libraries that the other commands do without
    from opensearchpy import OpenSearch

    from usage_anomaly_cli.backfilling import Backfill, Tally

LIVE = timedelta(hours=1)
SHOWN = 5
_REASON = 200


@click.command("backfill")
@click.argument("paths", nargs=-1, required=True, metavar="PATH|s3://BUCKET/PREFIX...")
@click.option("--endpoint", required=True, metavar="URL", help="The cluster: https://HOST.")
@click.option(
    "--auth",
    type=click.Choice(["sigv4", "none"]),
    default="sigv4",
    show_default=True,
    help="Sign with your AWS credentials, or not.",
)
@click.option("--region", help="AWS region of the cluster.  [default: that of your AWS profile]")
@click.option(
    "--retention-days",
    type=click.IntRange(1),
    default=36,
    show_default=True,
    help="UsageRetentionDays of the deployment; older use is left out.",
)
@click.option("--since", type=click.DateTime(TIMES), help="Use from this time on, UTC.")
@click.option("--until", type=click.DateTime(TIMES), help="Use before this time, UTC.  [default: an hour ago]")
@click.option(
    "--progress-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Note finished objects there, and leave out those it names.",
)
@click.option(
    "--rejected",
    "rejected_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Append what is rejected or cannot be read, as JSON lines.",
)
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that read.")
def backfill(
    paths: tuple[str, ...],
    endpoint: str,
    auth: Literal["sigv4", "none"],
    region: str | None,
    retention_days: int,
    since: datetime | None,
    until: datetime | None,
    progress_file: Path | None,
    rejected_file: Path | None,
    jobs: int,
) -> None:
    """Give the cluster of a deployment the history in CloudTrail files; nobody is told of it.

    The same again changes nothing. Exits 1 where something is missing in the end: run it again. 2 where the input cannot be
    used.
    """
    _refuse_without_libraries()
    from usage_anomaly_cli import backfilling

    started, now = time.monotonic(), clock()
    endpoint = endpoint.rstrip("/")
    refuse(since, until, [progress_file, rejected_file])
    kept = now - timedelta(days=retention_days)
    plan = backfilling.Plan(
        since=max(kept, utc(since) or kept), until=utc(until) or now - LIVE, retention_days=retention_days, jobs=jobs
    )
    with (
        _connected(endpoint, auth, region) as client,
        Taken(progress_file, Header(endpoint, loaded()[0].version)) as taken,
        _appended(rejected_file) as rejects,
    ):
        backfilling.refuse_unprepared(client)
        run = backfilling.Backfill(client, plan, taken, rejects, clock)
        _take_in(run, paths, region, plan.since, taken)
        if run.tally.broken_off is None:
            backfilling.drop_profiles(client, run.pairs, run.tally)
    if run.tally.broken_off is not None and not run.tally.seen():
        raise UnusableInput(run.tally.broken_off)
    click.echo("\n".join(_told(run.tally, time.monotonic() - started)))
    if missing := _missing(run.tally, progress_file):
        click.echo(f"usage-anomaly: {missing}", err=True)
        sys.exit(1)


def clock() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)


def _refuse_without_libraries() -> None:
    try:
        import_module("usage_anomaly_cli.backfilling")
    except ModuleNotFoundError as error:
        raise UnusableInput(
            f"backfill needs {error.name}, which is not installed: python -m pip install 'usage-anomaly[aws]', "
            "or in a checkout: make setup"
        ) from error


@contextmanager
def _connected(endpoint: str, auth: str, region: str | None) -> Iterator[OpenSearch]:
    import boto3
    from botocore.exceptions import BotoCoreError

    from usage_anomaly.search.client import connect

    # What is signed carries the token of a session: nobody on the way may read it.
    if not endpoint.startswith("https://" if auth == "sigv4" else ("https://", "http://")):
        raise UnusableInput(f"--endpoint {endpoint} is no URL of a cluster with --auth {auth}: give https://HOST")
    try:
        session = boto3.Session()
        region = region or session.region_name or ""
        if auth == "sigv4" and not region:
            raise UnusableInput("no AWS region: give --region, or set one in your AWS profile")
        if auth == "sigv4" and session.get_credentials() is None:
            raise UnusableInput("no AWS credentials: log in first, or give --auth none where the cluster asks for none")
        found = connect(endpoint, auth, region)
    except BotoCoreError as error:
        raise UnusableInput(f"no AWS credentials ({error}): log in first, and see AWS_PROFILE") from error
    except ValueError as error:
        raise UnusableInput(f"--endpoint {endpoint} is no URL ({error}): give https://HOST") from error
    with found as client:
        yield client


def _take_in(run: Backfill, paths: Sequence[str], region: str | None, start: datetime, taken: Taken) -> None:
    from usage_anomaly_cli import backfilling, bucket

    in_buckets = [path for path in paths if path.startswith(bucket.SCHEME)]
    with TemporaryDirectory(prefix="usage-anomaly-") as scratch:
        # Two folders: what is fetched has names of ours, and so has what is unfolded.
        unfolded, fetched = Path(scratch, "unfolded"), Path(scratch, "fetched")
        unfolded.mkdir()
        fetched.mkdir()
        sources = find_objects([path for path in paths if path not in in_buckets], unfolded)
        with _progress(None if in_buckets else len(sources)) as done:
            items = backfilling.local_items(sources)
            if in_buckets:
                s3 = bucket.connect(region)
                items = chain(items, *(bucket.listed(s3, url, start) for url in in_buckets))
            wanted = backfilling.not_taken(items, taken, start, run.tally, done)
            if not in_buckets:
                run.run(wanted, done)
                return
            # Closed before the folder goes: broken off, as by Ctrl-C, nothing more is fetched into it.
            with closing(bucket.fetched(s3, wanted, fetched)) as here:
                run.run(here, done)


@contextmanager
def _progress(length: int | None) -> Iterator[Callable[[], object]]:
    """A bar on a terminal's stderr; how long it will be is not known of a bucket."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    objects = count() if length is None else range(length)
    with click.progressbar(objects, label="Objects", file=sys.stderr, show_pos=True) as bar:
        yield lambda: bar.update(1)


@contextmanager
def _appended(file: Path | None) -> Iterator[IO[bytes] | None]:
    if file is None:
        yield None
        return
    with file.open("ab") as stream:
        yield stream


def _told(tally: Tally, seconds: float) -> Iterator[str]:
    left_out = (
        (tally.before, "finished before"),
        (tally.old, "delivered before the span"),
        (tally.passed, "no trail files"),
    )
    notes = "".join(f", {number:,} {what}" for number, what in left_out if number)
    yield f"Read      {tally.objects:,} objects, {tally.records:,} records{notes}; {seconds:.1f} s"
    rejected = tally.rejected.total()
    yield (
        f"Events    {tally.created:,} new, {tally.existing:,} there already, {rejected:,} rejected, "
        f"{tally.outside:,} outside the span"
    )
    for reason, number in tally.rejected.most_common(SHOWN):
        yield f"Rejected  {number:,} {inert(reason, _REASON)}"
    for name, reason in tally.failures:
        yield f"Failed    {inert(name, _REASON)}: {inert(reason, _REASON)}"
    if tally.pauses:
        yield f"Waited    {tally.pauses:,} times for the cluster"
    if tally.profiles:
        yield f"Profiles  {tally.profiles:,} dropped, made anew by the application"


def _missing(tally: Tally, progress_file: Path | None) -> str | None:
    """What is missing in the end, and the remedy."""
    reasons = []
    if tally.broken_off is not None:
        reasons.append(f"broken off: {inert(tally.broken_off, 1_000)}")
    if tally.failed:
        reasons.append(f"{tally.failed:,} objects could not be read")
    if not reasons:
        return None
    again = "what is finished is left out" if progress_file else "with --progress-file it need not begin anew"
    return f"{'; '.join(reasons)}. Run it again: nothing is counted twice, {again}"
