"""Replays generated trails in memory, and finds by plain counting when a limit was passed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache

from usage_anomaly import catalog as catalogs
from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.catalog import Catalog
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.enrichment import prices as price_lists
from usage_anomaly.enrichment.accounts import Account, account_type, read_accounts
from usage_anomaly.enrichment.prices import PriceTable
from usage_anomaly.envelopes import read_payload
from usage_anomaly.intake import ObjectRead, read_object
from usage_anomaly.replay import Replay
from usage_anomaly.usage import UsageEvent
from usage_anomaly_cli.running import minutes
from usage_anomaly_generator import LogObject, accounts_json, demo
from usage_anomaly_generator.delivery import encode

ACCOUNTS = read_accounts(accounts_json(demo.ORGANIZATION), "accounts.json")


Arrived = list[tuple[datetime, UsageEvent]]


@cache
def rooms() -> tuple[Catalog, PriceTable]:
    return catalogs.load(), price_lists.load()


def read(objects: Iterable[LogObject]) -> Iterator[ObjectRead]:
    """Each object as a worker of the command reads it."""
    catalog, prices = rooms()
    for each in objects:
        yield read_object(read_payload(encode(each), each.name), catalog, prices)


def replayed(
    objects: Iterable[LogObject], accounts: dict[str, Account] = ACCOUNTS
) -> tuple[Replay, list[tuple[datetime, UsageEvent]]]:
    """The finished replay, and every distinct usage event with the minute it arrived in."""
    replay = Replay(rooms()[0], accounts)
    arrived: Arrived = []
    for minute, arrivals in minutes(read(objects)):
        replay.tick(minute, arrivals)
        arrived += [(minute, event) for event in replay.fresh]
    return replay, arrived


def told(replay: Replay) -> list[tuple[str, str, datetime]]:
    """Account, kind and time of each opening, the organization left out."""
    return sorted(
        (account_id, kind, each.alerts[0].at)
        for (account_id, kind), rows in replay.told.items()
        for each in rows
        if account_id != ORGANIZATION
    )


def limit_passed(arrived: Sequence[tuple[datetime, UsageEvent]], account: str, kind: str) -> datetime | None:
    """The first minute in which what had arrived was more than the account may use: counted plainly, without any series.

    That is a limit, or, once seven days of the demo are known, half of the hour's or the day's limit.
    """
    which = account_type(ACCOUNTS.get(account))
    limit = rooms()[0].limit(kind, which)
    burn = getattr(FIGURES.burn_rate_usd_per_hour, which if which != "unknown" else "staging")
    counted: list[UsageEvent] = []
    for minute in sorted({at for at, _ in arrived}):
        new = [event for at, event in arrived if at == minute and (event.account_id, event.kind) == (account, kind)]
        counted += [event for event in new if event.direction != "release" and not event.dry_run]
        for last in (event.event_time for event in new):
            known = (last.date() - demo.START.date()).days >= FIGURES.baseline.ready_days
            for hours, factor in ((1, 1.5), (24, 6)) if known else ((1 / 6, 1), (1, 3), (24, 12)):
                # Buckets are five minutes: a window of an hour that ends in the record's bucket holds at least 55 minutes.
                since = last - timedelta(hours=hours) + timedelta(minutes=5)
                inside = [event for event in counted if since <= event.event_time <= last]
                if sum(event.quantity for event in inside) > limit * factor:
                    return minute
                if hours == 1 and sum(event.usd_per_hour or 0.0 for event in inside) > burn:
                    return minute
    return None
