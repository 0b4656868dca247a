"""When does something happen in an account, and which usage event does it make?

A setting is one habit or one incident in one account over a span of days. Each day has dice of its own, so that another
amount on one day changes that day alone. The ids of its events begin with its tag, which says afterwards what made them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from benchmarks.detection.accounts import Account
from benchmarks.detection.doers import Doer
from usage_anomaly import catalog as catalogs
from usage_anomaly.catalog import ATTEMPTS, Catalog
from usage_anomaly.enrichment import prices as price_lists
from usage_anomaly.enrichment.prices import PriceTable
from usage_anomaly.rates import Unit, price_of
from usage_anomaly.usage import ATTEMPT_UNIT, Direction, UsageEvent

TIMES = 3.0  # as much on a tripled day
NUMBERED = "#"

Pairs = tuple[tuple[str, str], ...]
Figures = tuple[tuple[str, float], ...]


@cache
def rooms() -> tuple[Catalog, PriceTable]:
    """The shipped catalog and price table."""
    return catalogs.load(), price_lists.load()


class Day(NamedTuple):
    """A day in the account's time zone; `times` is how many times the usual amount it has."""

    date: date
    dice: Random
    weekend: bool
    times: float

    @property
    def last_of_month(self) -> bool:
        return (self.date + timedelta(days=1)).day == 1


class Setting:
    """One habit or incident in one account."""

    def __init__(
        self, account: Account, first: date, days: int, tag: str, seed: int, tripled_on: date | None = None
    ) -> None:
        self.account = account
        self.first = first
        self.span = days
        self.tag = tag
        self.tripled_on = tripled_on
        self.region = Random(f"{seed}/{tag}/region").choice(account.regions)
        self.traits = Random(f"{seed}/{tag}")  # what holds for all days: size, hour, service
        self._seed = seed
        self.zone = ZoneInfo(account.zone)
        self._count = 0

    def days(self) -> Iterator[Day]:
        """Every day from the account's beginning on, in its time zone."""
        for number in range(self.account.begins, self.span):
            each = self.first + timedelta(days=number)
            dice = Random(f"{self._seed}/{self.tag}/{each}")
            yield Day(each, dice, each.weekday() >= 5, TIMES if each == self.tripled_on else 1.0)

    def bounds(self) -> tuple[datetime, datetime]:
        """The moments between which the account has records, the later one excluded: whole days of UTC."""
        first = datetime.combine(self.first, time(), UTC)
        return first + timedelta(days=self.account.begins), first + timedelta(days=self.span)

    def at(self, day: date, hour: float, zone: ZoneInfo | None = None) -> datetime:
        """The moment (UTC) of an hour of a day as clocks in the account's time zone show it; hours may pass 24."""
        extra, hour = divmod(hour, 24)
        whole = datetime.combine(day + timedelta(days=int(extra)), time(int(hour)), zone or self.zone)
        return whole.astimezone(UTC) + timedelta(seconds=round(hour % 1 * 3600))

    def event(
        self,
        at: datetime,
        doer: Doer,
        call: str,
        kind: str,
        direction: Direction,
        quantity: int,
        *,
        region: str | None = None,
        group: str | None = None,
        ids: Sequence[str] = (),
        measures: Figures = (),
        attributes: Pairs = (),
        fields: Mapping[str, object] | None = None,
    ) -> UsageEvent:
        """The event that `read_usage` would give for such a call; `measures` are per unit, `attributes` set its price."""
        self._count += 1
        where = region or self.region
        source, unit = _source_and_unit(kind)
        priced = _figures(kind, where, group, quantity, measures, attributes) if direction == "use" else {}
        told: dict[str, object] = {
            "event_id": f"{self.tag}{NUMBERED}{self._count}",
            "event_time": at,
            "event_source": source,
            "event_name": call,
            "kind": kind,
            "account_id": self.account.id,
            "region": where,
            "direction": direction,
            "quantity": quantity,
            "unit": unit,
            "group": group,
            "resource_ids": tuple(ids),
        }
        told.update(doer)
        told.update(priced)
        told.update(fields or {})
        return UsageEvent(**told)  # type: ignore[arg-type]  # each value has its field's type


def tag_of(event_id: str) -> str:
    """What made an event."""
    return event_id.partition(NUMBERED)[0]


def new_ids(dice: Random, prefix: str, count: int) -> tuple[str, ...]:
    return tuple(f"{prefix}-{dice.getrandbits(68):017x}" for _ in range(count))


def around(dice: Random, mean: float, spread: float = 0.1) -> int:
    """A whole number near the mean, normally distributed with that share of it."""
    return max(0, round(dice.gauss(mean, spread * mean)))


def portions(ids: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    """The ids in calls of so many."""
    for low in range(0, len(ids), size):
        yield tuple(ids[low : low + size])


def after(moment: datetime, *, hours: float = 0, minutes: float = 0, seconds: float = 0) -> datetime:
    return moment + timedelta(seconds=round(hours * 3600 + minutes * 60 + seconds))


@cache
def _source_and_unit(kind: str) -> tuple[str, str]:
    read = rooms()[0].kind_of(kind)
    return read.source, ATTEMPT_UNIT if kind.endswith(ATTEMPTS) else read.many


@cache
def _figures(
    kind: str, region: str, group: str | None, quantity: int, measures: Figures, attributes: Pairs
) -> dict[str, object]:
    """Size and price of a use, as the shipped price table has it."""
    catalog, prices = rooms()
    rule = catalog.kind_of(kind).price
    machine = prices.facts(group) if group and rule == "ec2" else None
    found: dict[str, object] = {name: value * quantity for name, value in measures if name in ("gib", "vcpus")}
    if machine is not None:
        found |= {"vcpus": float(machine.vcpus * quantity), "gpus": float(machine.gpus * quantity)}
    unit = Unit(region=region, group=group, attributes=dict(attributes), measures=dict(measures))
    price = None if kind.endswith(ATTEMPTS) or not quantity else price_of(rule, unit, prices)
    if price is not None:
        found |= {
            "usd_per_hour": price.usd * quantity,
            "price_basis": price.basis,
            "price_confidence": price.confidence,
        }
    return found
