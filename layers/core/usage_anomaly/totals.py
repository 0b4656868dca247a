"""What do all accounts use together, and what do several of them share?"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import copy
from typing import Literal, Protocol

import msgspec

from usage_anomaly.callers import principal
from usage_anomaly.places import Place
from usage_anomaly.ranges import Range
from usage_anomaly.series import NEVER, Past
from usage_anomaly.sums import Sums


class Trait(msgspec.Struct, frozen=True, order=True):
    """What calls in several accounts may have in common. An actor is a user, or a role with its session, of any account."""

    what: Literal["image", "address", "actor"]
    name: str


class Spread(msgspec.Struct, frozen=True):
    """A trait, and the accounts that had it within one window, in order."""

    trait: Trait
    accounts: tuple[str, ...]


class Doing(Protocol):
    """What of a use it could share with others: a usage event, or a row of several alike."""

    @property
    def image_id(self) -> str | None: ...
    @property
    def source_ip(self) -> str | None: ...
    @property
    def actor_arn(self) -> str | None: ...
    @property
    def actor_session(self) -> str | None: ...
    @property
    def invoked_by(self) -> str | None: ...


def traits(event: Doing) -> list[Trait]:
    """What a use could share with others. What a service does by itself, and names in place of addresses, say nothing."""
    found = []
    if event.image_id:
        found.append(Trait("image", event.image_id))
    if event.source_ip and not event.invoked_by:
        found.append(Trait("address", event.source_ip))
    actor = None if event.invoked_by else principal(event.actor_arn, event.actor_session)
    if actor:
        found.append(Trait("actor", actor))
    return found


class CappedTotal:
    """Use of one kind over all accounts, each bucket of an account counted up to that account's own limit.

    One account alone can so never make the organization unusual (that is its own anomaly), while one instance in each of
    300 accounts can.
    """

    def __init__(self, past: Past | None = None) -> None:
        self._end = NEVER
        self._parts: dict[int, dict[str, int]] = {}
        self._gross = Sums(lambda key: sum(self._parts[key].values()))
        self._gross.remember({bucket: quantity for bucket, quantity, _ in past.used} if past else {})
        self._seen: dict[Trait, list[tuple[int, str]]] = defaultdict(list)  # in order, each pair once
        self._present: dict[int, set[Trait]] = defaultdict(set)

    def past(self, cut: int, memory: int) -> Past:
        """What is to be kept of the buckets before `cut`, `memory` buckets back."""
        keys = self._gross.between(cut - memory, cut - 1)
        return Past(cut=cut, used=tuple((key, self._gross.at(key), 0) for key in keys))

    def put(self, account_id: str, bucket: int, quantity: int, cap: int) -> None:
        """Say what an account used in a bucket by now."""
        self._parts.setdefault(bucket, {})[account_id] = min(quantity, cap)
        self._gross.touch(bucket)

    def note(self, trait: Trait, account_id: str, bucket: int) -> None:
        """Say that use in an account had a trait."""
        seen, pair = self._seen[trait], (bucket, account_id)
        at = bisect_left(seen, pair)
        if at == len(seen) or seen[at] != pair:
            seen.insert(at, pair)
        self._present[bucket].add(trait)

    def shared(self, low: int, end: int, accounts: int) -> Iterator[Spread]:
        """The traits that so many accounts have in [low, end], of those that some use in the last bucket has."""
        for trait in sorted(self._present.get(end, ())):
            members = {account for _, account in self._rows(trait, low, end)}
            if len(members) >= accounts:
                yield Spread(trait, tuple(sorted(members)))

    def known(self, trait: Trait, low: int, high: int, width: int, accounts: int) -> bool:
        """Whether so many accounts had a trait within `width` buckets somewhere in [low, high]."""
        rows = self._rows(trait, low, high)
        present, oldest = Counter[str](), 0
        for bucket, account in rows:
            present[account] += 1
            while rows[oldest][0] <= bucket - width:
                over = rows[oldest][1]
                present[over] -= 1
                if not present[over]:
                    del present[over]
                oldest += 1
            if len(present) >= accounts:
                return True
        return False

    def used_since(self, bucket: int) -> list[int]:
        return [key for key in self._gross.between(bucket, self._end) if self.quantity(key, key) > 0]

    def until(self, bucket: int) -> CappedTotal:
        """The same total, as if nothing had been used after a bucket; to be asked only, not added to."""
        until = copy(self)
        until._end = bucket  # noqa: SLF001 - its own
        return until

    def first_used(self, low: int, high: int) -> int:
        return next((key for key in self._gross.between(low, high) if self.quantity(key, key) > 0), high)

    def quantity(self, low: int, high: int) -> int:
        return self._gross.sum(low, high)

    def counts(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        """The buckets of [low, high] in which something counts, with the use."""
        return ((key, self._gross.at(key)) for key in self._gross.between(low, high))

    def net_micro(self, low: int, high: int) -> int:
        """Always 0: the organization is judged by quantity only."""
        return 0

    def taken_off(self, low: int, high: int, launched: Sequence[Range]) -> int:
        """Always 0: nothing is netted."""
        return 0

    def truncated(self, low: int, high: int) -> int:
        """Always 0: confidence is said by the accounts' own findings."""
        return 0

    def news(self, end: int, memory: int) -> Mapping[Place, int]:
        """Never any: a region is new to an account."""
        return {}

    def quantity_at(self, where: Collection[Place], low: int, high: int) -> int:
        """Always 0: as above."""
        return 0

    def replacing(self, low: int, end: int) -> int:
        """Always 0: groups live in one account."""
        return 0

    def _rows(self, trait: Trait, low: int, high: int) -> list[tuple[int, str]]:
        seen = self._seen.get(trait, [])
        return seen[bisect_left(seen, (low, "")) : bisect_left(seen, (high + 1, ""))]
