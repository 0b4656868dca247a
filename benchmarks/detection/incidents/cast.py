"""Who takes part in an incident, and when does it begin?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from random import Random
from typing import NamedTuple

import msgspec

from benchmarks.detection.accounts import Account
from benchmarks.detection.setting import Setting
from usage_anomaly.usage import UsageEvent

EVERYWHERE = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "eu-west-1", "eu-west-2"),
    *("eu-west-3", "eu-central-1", "eu-north-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2"),
    *("ap-northeast-1", "ap-northeast-2"),
)


class Cast(NamedTuple):
    """One incident about to happen; most have one setting, those over the organization one for each account."""

    settings: tuple[Setting, ...]
    at: datetime
    dice: Random

    @property
    def setting(self) -> Setting:
        return self.settings[0]

    @property
    def account(self) -> Account:
        return self.settings[0].account

    def regions(self, count: int) -> list[str]:
        """Regions that the account never used."""
        return self.dice.sample([each for each in EVERYWHERE if each not in self.account.regions], count)


class IncidentRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row: who can have it, which usage kinds may tell it (the first one's quantity is the label's), how long at most.

    `accounts` is in how many at once; `newcomer` asks for the account whose first record was days before; `night` likes
    Friday nights.
    """

    name: str
    make: Callable[[Cast], Iterator[UsageEvent]]
    kinds: tuple[str, ...]
    stages: tuple[str, ...] = ("production", "staging", "development", "sandbox", "unknown")
    hours: float = 2
    accounts: int = 1
    newcomer: bool = False
    night: bool = False
