"""Whose accounts does the generated trail belong to?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the organization; `regions[0]` is where its habits live."""

    id: str
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    regions: tuple[str, ...] = ("us-east-1",)

    @property
    def region(self) -> str:
        return self.regions[0]


@dataclass(frozen=True, slots=True)
class Organization:
    """Accounts in the order in which `accounts.json` lists them."""

    accounts: tuple[Account, ...]

    def account(self, name: str) -> Account:
        """The account of that name or id; KeyError when there is none."""
        for account in self.accounts:
            if name in (account.name, account.id):
                return account
        raise KeyError(name)


def accounts_json(organization: Organization) -> bytes:
    """The accounts as `usage-anomaly replay --accounts` reads them."""
    entries = [
        {"id": account.id, "name": account.name, "status": "ACTIVE", "tags": dict(account.tags)}
        for account in organization.accounts
    ]
    return msgspec.json.format(msgspec.json.encode(entries), indent=2) + b"\n"


def digits(key: str, length: int = 17) -> str:
    """Hexadecimal digits that are the same for the same key: ids that need no random numbers, in any order."""
    return hashlib.blake2b(key.encode(), digest_size=32).hexdigest()[:length]


def place(account: str, region: str, kind: str, prefix: str) -> str:
    """A lasting resource (network, subnet, security group, image) of an account in a region, e.g. `subnet-0a1...`."""
    return f"{prefix}-0{digits(f'{account}/{region}/{kind}', 16)}"
