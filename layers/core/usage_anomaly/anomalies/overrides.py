"""Which limits did people set in place of the catalog's?

By usage kind (or the kind's refused calls), and by account type or single account:

    {"ec2.instances": {"production": 40, "111122223333": 60}, "burn_rate_usd_per_hour": {"staging": 100}}

Quantities are per 10 minutes; three and twelve times as much may be used in an hour and in a day, as with any limit. An account
stands before its type. People write this, so it is taken whole or not at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from usage_anomaly.catalog import ATTEMPTS, Catalog
from usage_anomaly.enrichment.accounts import AccountType
from usage_anomaly.errors import UnusableInput

BURN_RATE = "burn_rate_usd_per_hour"
TYPES: tuple[AccountType, ...] = ("production", "staging", "development")
MOST_UNITS, MOST_USD = 1_000_000, 1_000_000_000
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_SHAPE = f'write {{"ec2.instances": {{"production": 40, "111122223333": 60}}, "{BURN_RATE}": {{"staging": 100}}}}'

Limits = Mapping[str, Mapping[str, float]]


class Overrides(msgspec.Struct, frozen=True):
    """`limits` by kind or BURN_RATE, then by account type or account id: units per 10 minutes, or USD per hour."""

    limits: Limits = {}

    def limit(self, kind: str, account_id: str, account_type: AccountType) -> int | None:
        """The quantity per 10 minutes that somebody set for this account, or None."""
        found = self._of(kind, account_id, account_type)
        return None if found is None else int(found)

    def burn_limit(self, account_id: str, account_type: AccountType) -> float | None:
        """The USD per hour that somebody set for this account, or None."""
        return self._of(BURN_RATE, account_id, account_type)

    def names(self, account_id: str, kind: str) -> bool:
        """Whether a limit for this kind, or of its burn rate, is the account's own."""
        return any(account_id in self.limits.get(each, {}) for each in (kind, BURN_RATE))

    def count(self) -> int:
        """How many limits are set."""
        return sum(map(len, self.limits.values()))

    def changed(self, others: Limits) -> Overrides:
        """These limits with others in their place or beside them."""
        kinds = sorted({*self.limits, *others})
        return Overrides({each: {**self.limits.get(each, {}), **others.get(each, {})} for each in kinds})

    def renamed(self, name: Callable[[str], str]) -> Overrides:
        """The same for accounts under other ids."""
        return Overrides(
            {
                kind: {who if who in TYPES else name(who): amount for who, amount in each.items()}
                for kind, each in self.limits.items()
            }
        )

    def text(self) -> str:
        """As people write it, a line for each kind."""
        lines = (f"  {json.dumps(kind)}: {json.dumps(self.limits[kind])}" for kind in sorted(self.limits))
        return "{\n" + ",\n".join(lines) + "\n}" if self.limits else "{}"

    def _of(self, kind: str, account_id: str, account_type: AccountType) -> float | None:
        of_kind = self.limits.get(kind, {})
        return of_kind.get(account_id, of_kind.get("staging" if account_type == "unknown" else account_type))


NONE = Overrides()


def read_overrides(data: bytes, name: str, catalog: Catalog) -> Overrides:
    """The limits in a file or parameter called `name`.

    Raises UnusableInput with the name, the key and the remedy for anything that is not as it has to be.
    """
    try:
        content = json.loads(data, object_pairs_hook=_each_key_once)
    except (ValueError, RecursionError) as error:  # not JSON, not text, a key twice, nested without end
        raise UnusableInput(f"{name}: not JSON as it has to be ({error}); {_SHAPE}") from error
    if not isinstance(content, dict):
        raise UnusableInput(f"{name}: no JSON object; {_SHAPE}")
    for kind, entry in content.items():
        if not isinstance(entry, dict):
            raise UnusableInput(f"{name}: {kind[:60]!r} holds no limits by account type or account; {_SHAPE}")
        check(catalog, name, kind, entry)
    return Overrides(content)


def check_kind(catalog: Catalog, name: str, kind: str) -> None:
    """Raise UnusableInput, beginning with `name`, unless a kind, or the refused calls for one, is judged by a limit."""
    known = kinds_with_limits(catalog)
    if kind not in known:
        why = "is evidence only: nothing judges it" if kind in catalog.kinds else "is no kind with limits"
        several = ", ".join(each for each in sorted(known) if not each.endswith(ATTEMPTS))
        raise UnusableInput(f"{name}: {kind[:60]!r} {why}; known: {several}; their refused calls end in {ATTEMPTS}")


def check(catalog: Catalog, name: str, kind: str, limits: Mapping[str, Any]) -> None:
    """Raise UnusableInput, beginning with `name`, unless these can be the limits of a kind, or burn rates."""
    if kind != BURN_RATE:
        check_kind(catalog, name, kind)
    for who, amount in limits.items():
        if who not in TYPES and _ACCOUNT_ID.fullmatch(who) is None:
            raise UnusableInput(
                f"{name}: {kind}: {who[:40]!r} is no account type ({', '.join(TYPES)}) and no account id of 12 digits"
            )
        if kind == BURN_RATE and not _is_number(amount, (int, float), MOST_USD):
            raise UnusableInput(f"{name}: {kind}: {who}: not USD per hour from 0 to {MOST_USD:,}; write a number")
        if kind != BURN_RATE and not _is_number(amount, (int,), MOST_UNITS):
            raise UnusableInput(f"{name}: {kind}: {who}: no quantity from 0 to {MOST_UNITS:,}; write a whole number")


def kinds_with_limits(catalog: Catalog) -> set[str]:
    """The names of all that is judged by a limit: kinds, and the refused calls of those that keep them."""
    attempts = {f"{name}{ATTEMPTS}" for name, kind in catalog.kinds.items() if kind.attempt_limits is not None}
    return attempts | {name for name, kind in catalog.kinds.items() if kind.limits is not None}


def _is_number(amount: object, types: tuple[type, ...], most: int) -> bool:
    """A bool is an int to Python, and NaN is in no range."""
    return type(amount) in types and 0 <= amount <= most  # type: ignore[operator]  # of these types it can be compared


def _each_key_once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key[:60]!r} stands there twice")
        found[key] = value
    return found
