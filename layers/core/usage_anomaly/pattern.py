"""Which log events does the trail's log group hand to ingest?

The subscription filter's pattern, made from the catalog: the calls that some kind wants, in one regular expression on
`eventName`, and refusals of any call, in one on `errorCode`. A log group has room for two filters and a pattern for 1,024
characters and two expressions; parentheses are not allowed inside one
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/regex-expressions.html). Where whole names do not fit, names that
begin alike stand as their beginning: some others come along, and ingest leaves them out. Calls that only read, which are
most of a trail, begin with other words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from usage_anomaly.catalog import Catalog
from usage_anomaly.errors import CatalogError

LONGEST = 1_024
# Half of a trail's writing calls begin with one of these; the verb alone is no beginning.
COMMON = frozenset({
    "Add", "Associate", "Attach", "Batch", "Copy", "Create", "Delete", "Describe", "Disable", "Enable", "Get",
    "Head", "Import", "List", "Modify", "Put", "Register", "Remove", "Reset", "Set", "Start", "Stop", "Tag",
    "Update", "Upload",
})  # fmt: skip
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|[a-z]+|[0-9]+")


def names(catalog: Catalog) -> list[str]:
    """The event names of all kinds, each once, sorted."""
    return sorted({name for _, name in catalog.wanted})


def errors(catalog: Catalog) -> list[str]:
    """The parts of error codes that make a call count whatever its name, sorted."""
    return sorted({part for reading in catalog.denied for part in reading.call.errors})


def subscription_pattern(catalog: Catalog) -> str:
    """The filter pattern that lets through what the catalog wants. Raises CatalogError where it cannot be made to fit."""
    refused = errors(catalog)
    tail = f" || ($.errorCode = %{'|'.join(refused)}%)" if refused else ""
    room = LONGEST - len("{ ($.eventName = %%) }") - len(tail)
    return "{ ($.eventName = %" + expression(names(catalog), room) + "%)" + tail + " }"


def expression(wanted: Iterable[str], room: int) -> str:
    """One regular expression, at most `room` characters, that finds each of these names. Raises CatalogError."""
    parts = {f"^{name}$": [name] for name in wanted}
    while len("|".join(parts)) > room:
        beginning = _best_beginning(parts.values())
        if beginning is None:
            raise CatalogError(
                f"{len(parts)} beginnings of event names need {len('|'.join(parts))} characters of {room}: "
                "the log subscription cannot name them all; leave calls out of the catalog"
            )
        covered = {part for part, of_part in parts.items() if all(name.startswith(beginning) for name in of_part)}
        parts[f"^{beginning}"] = [name for part in sorted(covered) for name in parts[part]]
        for part in covered - {f"^{beginning}"}:
            del parts[part]
    return "|".join(sorted(parts))


def _best_beginning(parts: Iterable[list[str]]) -> str | None:
    """The longest run of first words that two or more entries share: the longer, the fewer others it lets through."""
    shared: dict[str, int] = {}
    for of_part in parts:
        for beginning in set.intersection(*(_beginnings(name) for name in of_part)):
            shared[beginning] = shared.get(beginning, 0) + 1
    candidates = [beginning for beginning, count in shared.items() if count > 1]
    return min(candidates, key=lambda each: (-len(each), each), default=None)


def _beginnings(name: str) -> set[str]:
    words = _WORDS.findall(name)
    return {"".join(words[:end]) for end in range(1, len(words) + 1)} - COMMON
