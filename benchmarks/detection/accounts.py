"""Whose accounts does a generated organization have?

Twelve by default: production, staging, development, a sandbox, one whose type nobody wrote down, one that begins later.
"""

from __future__ import annotations

from random import Random

import msgspec

from usage_anomaly.enrichment.accounts import Account as Listed
from usage_anomaly.enrichment.accounts import AccountType

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")
REGIONS = ("us-east-1", "eu-central-1", "us-west-2", "eu-west-1", "ap-south-1", "us-east-2")
TEAMS = (
    *("payments", "search", "catalog", "orders", "billing", "media", "risk", "mobile", "data", "ads", "crm", "fleet"),
    *("maps", "chat", "legal", "video"),
)
# In this order, again and again: twelve accounts are four, two, three, one sandbox and two of the rest.
TYPES = (
    *("production", "development", "staging", "production", "sandbox", "unknown", "development", "production"),
    *("staging", "development", "production", "development"),
)
LATE_STARTER = 11  # this account's first record comes weeks after the others'
IMAGES = ("web", "node", "batch", "runner")  # built once and used in every account


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One account: `regions[0]` holds most of its use, jobs and office hours run in `zone`, `size` scales its habits.

    `stage` is what its owners call it ("sandbox"), `begins` the day of its first record.
    """

    id: str
    name: str
    stage: str
    zone: str
    regions: tuple[str, ...]
    size: float
    begins: int = 0

    @property
    def type(self) -> AccountType:
        """Whose limits hold."""
        types: dict[str, AccountType] = {"production": "production", "staging": "staging", "unknown": "unknown"}
        return types.get(self.stage, "development")

    @property
    def region(self) -> str:
        return self.regions[0]

    def listed(self) -> Listed:
        """As the accounts file lists it; the one of unknown type has a name that says nothing."""
        tags = {} if self.stage == "unknown" else {"Environment": self.stage}
        return Listed(id=self.id, name=self.name, tags=tags)


def draw_accounts(dice: Random, count: int) -> tuple[Account, ...]:
    """So many accounts; a third has use in two regions, sizes differ by up to six times."""
    found = []
    for number in range(count):
        stage, team = TYPES[number % len(TYPES)], TEAMS[number % len(TEAMS)]
        begins = dice.randint(9, 18) if number == LATE_STARTER else 0
        found.append(
            Account(
                id=f"{dice.randrange(10**11, 10**12)}",
                name=team if stage == "unknown" else f"{team}-{stage}",
                stage=stage,
                zone=dice.choice(ZONES),
                regions=tuple(dice.sample(REGIONS, 2 if number % 3 == 0 else 1)),
                size=round(0.5 * 6 ** dice.random(), 2),
                begins=begins,
            )
        )
    return tuple(found)


def image(name: str, region: str, version: int = 0) -> str:
    """The organization's image of that name: the same id in every account of a region."""
    return f"ami-{Random(f'{name}/{region}/{version}').getrandbits(68):017x}"
