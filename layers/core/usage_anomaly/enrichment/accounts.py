"""Whose account is this, and which limits does its type set?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from usage_anomaly.errors import UnusableInput

AccountType = Literal["production", "staging", "development", "unknown"]

# Whole words only: "sb" is a sandbox, the "sb" inside "usb" is not. Sandbox and testing accounts have development's limits.
TYPE_WORDS: dict[str, AccountType] = {
    "prod": "production",
    "production": "production",
    "prd": "production",
    "live": "production",
    "stag": "staging",
    "stage": "staging",
    "staging": "staging",
    "stg": "staging",
    "preprod": "staging",
    "preproduction": "staging",
    "uat": "staging",
    "dev": "development",
    "develop": "development",
    "development": "development",
    "test": "development",
    "testing": "development",
    "qa": "development",
    "sandbox": "development",
    "sb": "development",
    "demo": "development",
    # What is not production says no more than that: staging's limits hold for unknown accounts too.
    "nonprod": "staging",
    "nonproduction": "staging",
}
_PREFIXES = ("pre", "non")  # "pre-prod" is one word written as two
_TYPE_TAGS = ("accounttype", "environment")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_TOKEN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SHAPE = 'each entry is {"id": "12 digits", "name": "...", "status": "ACTIVE", "tags": {"Owner": "..."}}'


class Account(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of the accounts file (a JSON list), as AWS Organizations would answer it."""

    id: str
    name: str = ""
    status: str = "ACTIVE"
    tags: dict[str, str] = {}


class Ownership(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers for an account, as its tags say; None where no tag says so."""

    owner: str | None = None
    team: str | None = None
    cost_centre: str | None = None
    ou: str | None = None
    business_unit: str | None = None
    compliance: str | None = None


# Tag keys are compared without case, blanks and punctuation; the first one present wins.
OWNERSHIP_TAGS: dict[str, tuple[str, ...]] = {
    "owner": ("owner",),
    "team": ("team",),
    "cost_centre": ("costcenter", "costcentre"),
    "ou": ("ou", "organizationalunit"),
    "business_unit": ("businessunit", "bu"),
    "compliance": ("compliancelevel",),
}


def read_accounts(data: bytes, name: str) -> dict[str, Account]:
    """Accounts by id from a JSON list of `{id, name, status, tags{}}`.

    Raises UnusableInput, with the file's name, the entry and the remedy, for anything else: people write this file.
    """
    try:
        entries = msgspec.json.decode(data, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnusableInput(f"{name}: not a JSON list of accounts ({error}); {_SHAPE}") from error
    accounts: dict[str, Account] = {}
    for number, entry in enumerate(entries, start=1):
        account = _read_entry(bytes(entry), f"{name}: entry {number}")
        if account.id in accounts:
            raise UnusableInput(f"{name}: entry {number}: account {account.id} stands there twice; keep one")
        accounts[account.id] = account
    return accounts


def _read_entry(entry: bytes, place: str) -> Account:
    try:
        account = msgspec.json.decode(entry, type=Account)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnusableInput(f"{place}: {error}; {_SHAPE}") from error
    if _ACCOUNT_ID.fullmatch(account.id) is None:
        raise UnusableInput(f"{place}: id {account.id[:40]!r} is not 12 digits; {_SHAPE}")
    return account


def account_type(account: Account | None) -> AccountType:
    """Which limits hold: the AccountType tag, then Environment, then whole words of the name, else unknown."""
    if account is None:
        return "unknown"
    for key in _TYPE_TAGS:
        found = _type_of(_tag(account, (key,)) or "")
        if found != "unknown":
            return found
    return _type_of(account.name)


def account_name(account: Account | None, account_id: str) -> str:
    """The name people know the account by; its id where no name is known."""
    return (account.name if account is not None else "") or account_id


def environment(account: Account | None) -> str | None:
    """What the account's Environment tag says, in its owner's words."""
    return None if account is None else _tag(account, ("environment",))


def read_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Those of an account's tags that are read here; an organization may have fifty more on each."""
    wanted = {*_TYPE_TAGS, *(key for keys in OWNERSHIP_TAGS.values() for key in keys)}
    return {key: value for key, value in sorted(tags.items()) if _plain(key) in wanted}


def ownership(account: Account | None) -> Ownership:
    """Who answers for the account, from its tags."""
    if account is None:
        return Ownership()
    return Ownership(**{field: _tag(account, keys) for field, keys in OWNERSHIP_TAGS.items()})


def _tag(account: Account, keys: tuple[str, ...]) -> str | None:
    values = {_plain(key): value for key, value in sorted(account.tags.items()) if value.strip()}
    return next((values[key] for key in keys if key in values), None)


def _plain(key: str) -> str:
    return re.sub(r"[\W_]+", "", key).lower()


def _type_of(text: str) -> AccountType:
    """The one type that the words of a text name; unknown when they name none or several."""
    words = [word.lower() for word in _TOKEN.findall(text)]
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in _PREFIXES:
            joined[-1] += word
        else:
            joined.append(word)
    found = {TYPE_WORDS[word] for word in joined if word in TYPE_WORDS}
    return found.pop() if len(found) == 1 else "unknown"
