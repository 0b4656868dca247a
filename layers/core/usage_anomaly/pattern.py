"""Which log events does the trail's log group hand to ingest?

The subscription filter's pattern, made from the catalog: the calls that some kind wants, in one regular expression
on `eventName`. A log group has room for two filters and a pattern for 1,024 characters and two expressions; parentheses are
not allowed inside one (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/regex-expressions.html). Where whole
names do not fit, names that share a part stand as that part: some others come along, and ingest leaves them out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from usage_anomaly.catalog import Catalog
from usage_anomaly.errors import CatalogError

LONGEST = 1_024
SHORTEST_PART = 6  # "Create" and "Delete" alone would let half of a trail through
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+")


def names(catalog: Catalog) -> list[str]:
    """The event names of all kinds, each once, sorted."""
    return sorted({name for _, name in catalog.wanted})


def subscription_pattern(names: Iterable[str], longest: int = LONGEST) -> str:
    """The filter pattern that lets these event names through. Raises CatalogError where they cannot be made to fit."""
    parts = {f"^{name}$": {name} for name in names}
    while len(_pattern(parts)) > longest:
        part = _best_part(parts)
        if part is None:
            raise CatalogError(
                f"{len(parts)} parts of event names need {len(_pattern(parts))} characters of {longest}: "
                "the log subscription cannot name them all; leave calls out of the catalog"
            )
        covered = {old for old, of_old in parts.items() if all(part in name for name in of_old)}
        parts = {old: of_old for old, of_old in parts.items() if old not in covered} | {
            part: {name for old in covered for name in parts[old]}
        }
    return _pattern(parts)


def _pattern(parts: Iterable[str]) -> str:
    return "{ ($.eventName = %" + "|".join(sorted(parts)) + "%) }"


def _best_part(parts: dict[str, set[str]]) -> str | None:
    """The longest part of whole words that two or more entries share: the longer, the fewer others it lets through."""
    shared: dict[str, int] = {}
    for of_entry in parts.values():
        for part in set.intersection(*(_parts(name) for name in of_entry)):
            shared[part] = shared.get(part, 0) + 1
    candidates = [part for part, count in shared.items() if count > 1 and part not in parts]
    return min(candidates, key=lambda part: (-len(part), part), default=None)


def _parts(name: str) -> set[str]:
    """Each run of the name's words that is long enough: of CreateDBInstance also DBInstance."""
    words = _WORDS.findall(name)
    runs = ("".join(words[start:end]) for start in range(len(words)) for end in range(start + 1, len(words) + 1))
    return {run for run in runs if len(run) >= SHORTEST_PART} - {"Create", "Delete", "Update", "Modify", "Describe"}
