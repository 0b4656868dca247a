"""What of the kept usage is to be summed up, remembered and forgotten now?

Once an hour: the hours of which events came in are rolled up, the pasts that are due are made, what is too old is deleted.
Every step may stop anywhere and goes on in the next run; one that fails holds up no other.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

import msgspec
from opensearchpy import OpenSearch

from usage_anomaly.catalog import Catalog
from usage_anomaly.renewing import OVERLAP, Archive, renew
from usage_anomaly.search.hourly import hours, roll_up
from usage_anomaly.search.indexes import milliseconds
from usage_anomaly.search.retention import forget
from usage_anomaly.state import Table, progress

JOB = "hours"
LEAST_SECONDS = 30.0  # for one hour of events
SHARE = 0.5  # of the time, at most, for the roll-up: the pasts of a large organization take the rest


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the template sets."""

    search_endpoint: str
    search_auth: str
    aws_region: str
    state_table: str
    retention_days: int


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What came in up to `seen` is rolled up; while `until` is set, also what came in up to then, up to the hour `after`."""

    seen: datetime | None = None
    until: datetime | None = None
    after: datetime | None = None


class Report(msgspec.Struct, kw_only=True):
    """What a run did: hours rolled up and pasts written, pairs that a tick wrote meanwhile, and what was deleted.

    `finished` False: the time ran out, and the next run goes on.
    """

    hours: int = 0
    pasts: int = 0
    overtaken: int = 0
    deleted: tuple[str, ...] = ()
    finished: bool = True


class Stores(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything is kept: OpenSearch, as a client and as the history, and the state table."""

    client: OpenSearch
    archive: Archive
    table: Table


def run(stores: Stores, catalog: Catalog, retention_days: int, now: datetime, time_left: Callable[[], float]) -> Report:
    """Do all that is due, as far as the time goes. Raises the first failure after every step was tried."""
    report = Report()
    failures: list[Exception] = []
    kept_back = time_left() * (1 - SHARE)
    for step in (
        partial(_roll_up, stores, now, lambda: time_left() - kept_back, report),
        partial(_renew, stores, catalog, now, time_left, report),
        partial(_forget, stores, retention_days, now, time_left, report),
    ):
        try:
            step()
        except Exception as error:  # noqa: BLE001 - one step holds up no other; raised below
            failures.append(error)
    if failures:
        raise failures[0]
    return report


def _roll_up(stores: Stores, now: datetime, time_left: Callable[[], float], report: Report) -> None:
    known = progress.read(stores.table, JOB, Progress)
    since = None if known.seen is None else known.seen - OVERLAP
    until = known.until or now
    try:
        for hour in hours(stores.client, since, until):
            if known.after is not None and hour <= known.after:
                continue
            if time_left() < LEAST_SECONDS:
                report.finished = False
                return
            roll_up(stores.client, hour, milliseconds(now))
            report.hours += 1
            known = msgspec.structs.replace(known, until=until, after=hour)
        known = Progress(seen=until)
    finally:
        progress.write(stores.table, JOB, known)


def _renew(stores: Stores, catalog: Catalog, now: datetime, time_left: Callable[[], float], report: Report) -> None:
    renewed = renew(stores.archive, catalog, stores.table, now, time_left)
    report.pasts, report.overtaken = renewed.written, renewed.overtaken
    report.finished = report.finished and renewed.finished


def _forget(stores: Stores, retention_days: int, now: datetime, time_left: Callable[[], float], report: Report) -> None:
    if time_left() < LEAST_SECONDS:
        report.finished = False
        return
    report.deleted = tuple(forget(stores.client, now, retention_days))
