"""Which figures make a window unusual, whatever the kind?

They live in `limits.json` with their reasons; a kind's own limit per 10 minutes stands in its catalog file.
"""

from __future__ import annotations

from importlib.resources import files
from math import ceil, floor

import msgspec


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A window length in buckets of 5 minutes, and how many times the 10-minute limit may be used within it."""

    buckets: int
    factor: int
    reason: str

    @property
    def minutes(self) -> int:
        return self.buckets * 5


class BurnRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """USD per hour at list price that may be added within an hour, net of releases, by account type."""

    production: float
    staging: float
    development: float
    reason: str


class OrganizationFactor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    factor: int
    reason: str


class HabitRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the same hour of other days excuses a window; see `habit.py`."""

    share: float
    shift_buckets: int
    days: int
    week_days: int
    week_hits: int
    weeks: int
    weekday_hits: int
    same_type_hits: int
    month_edge: int
    reason: str


class BaselineRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When an hour is more than the past explains; see `baseline.py`.

    The floor is more than a share of the window's limit.
    """

    windows: tuple[Window, ...]
    score: float
    score_open: float
    young: float
    days: int
    ready_days: int
    floor_share: float
    level_share: int
    tamed_score: float
    edge_hours: int
    trend_days: int
    frozen_days: int
    peak_factor: float
    reason: str

    def factor(self, length: int) -> int:
        """How many times the 10-minute limit may be used in a window of so many buckets."""
        return next(each.factor for each in self.windows if each.buckets == length)

    def floor(self, limit: int) -> int:
        """The least use in a window with this limit that is worth a finding."""
        return floor(limit * self.floor_share) + 1


class FirstUseRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long something must not have been used to be new, and how many days must be known; see `first_use.py`."""

    memory_days: int
    ready_days: int
    floor_share: float
    floor_least: int
    reason: str

    def floor(self, limit: int) -> int:
        """The least use of the first day that is worth a finding, by the 10-minute limit."""
        return max(self.floor_least, ceil(limit * self.floor_share))

    def passing(self, limit: int) -> int:
        """The least use of the first day that is above the 10-minute limit."""
        return max(self.floor_least, limit + 1)


class SharedRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many accounts within how many buckets share one image, address or actor that is new to them; `shared_use.py`."""

    accounts: int
    buckets: int
    reason: str


class LifeCycle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times and factors of an anomaly's life; see `anomalies/life_cycle.py`."""

    join_buckets: int
    quiet_minutes: int
    grown_factor: int
    grown_minutes: int
    grown_at_once_factor: int
    reminder_minutes: int
    reminder_again_minutes: int
    expire_minutes: int
    watermark_minutes: int
    reason: str


class StormRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many accounts open one kind within how many minutes to be one storm; see `anomalies/storms.py`.

    Members from the severity `singly_from` on are told singly too.
    """

    accounts: int
    minutes: int
    singly_from: float
    reason: str


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `limits.json`."""

    windows: tuple[Window, ...]
    burn_rate_usd_per_hour: BurnRate
    organization_factor: OrganizationFactor
    habit: HabitRule
    baseline: BaselineRule
    first_use: FirstUseRule
    shared_use: SharedRule
    life_cycle: LifeCycle
    storm: StormRule


def load() -> Figures:
    """The figures that ship with the package.

    Raises msgspec.ValidationError if the file and this module disagree, which the tests rule out.
    """
    return msgspec.json.decode((files(__package__) / "limits.json").read_bytes(), type=Figures)


FIGURES = load()
