"""Where in a record does a value stand, and can it be used?

A path starts at `item`, `per`, `request`, `response`, `resources` or `identity`. A simple dotted one is compiled to a
plain walk; anything else is JMESPath, compiled once. CloudTrail writes one element now as an object, now as a list of
one, numbers now as strings, and an empty list as `{}`: a walk that meets a list goes on in its first element,
`items_of` takes every form. Whatever has the wrong type counts as missing, so nothing here raises on a record's content.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import jmespath
from jmespath.exceptions import JMESPathError

from usage_anomaly.errors import CatalogError

Document = dict[str, object]
Path = Callable[[Document], object]

ROOTS = ("item", "per", "request", "response", "resources", "identity")
ID_CHARACTERS = 256
TEXT_CHARACTERS = 1_024
MOST_UNITS = 100_000  # a record is capped at 256 KB: more units than this in one record are no count but noise

MEASURE = 10**18  # more GiB, IOPS or units than this no field of AWS holds

_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_ROOTED = re.compile(rf"\b(?:{'|'.join(ROOTS)})\b|^'")
_NUMBER_CHARACTERS = 32


def compile_path(text: str) -> Path:
    """Turn a path of a catalog file into a function. Raises CatalogError with the remedy if it is no path."""
    if _DOTTED.fullmatch(text):
        return _dotted(text)
    if not _ROOTED.search(text):
        raise CatalogError(f"path {text!r} starts nowhere: begin it with one of {', '.join(ROOTS)}")
    try:
        expression = jmespath.compile(text)
    except JMESPathError as error:
        raise CatalogError(f"path {text!r} is no JMESPath: {str(error).splitlines()[0]}") from error

    def search(document: Document) -> object:
        try:
            found: object = expression.search(document)
        except JMESPathError:  # a function met a type it does not take: the value is not there
            return None
        return found

    return search


def _dotted(text: str) -> Path:
    names = tuple(text.split("."))
    if names[0] not in ROOTS:
        raise CatalogError(f"path {text!r} starts at {names[0]!r}: begin it with one of {', '.join(ROOTS)}")

    def walk(document: Document) -> object:
        value: object = document
        for name in names:
            if type(value) is list:
                value = value[0] if value else None
            if type(value) is not dict:
                return None
            value = value.get(name)
        return value

    return walk


def first_text(paths: Iterable[Path], document: Document, limit: int = ID_CHARACTERS) -> str | None:
    """Return the first value that reads as text, clipped; None if there is none."""
    for path in paths:
        found = text_of(path(document), limit)
        if found is not None:
            return found
    return None


def first_number(paths: Iterable[Path], document: Document) -> float | None:
    """Return the first value that reads as a finite number of at least 0; None if there is none."""
    for path in paths:
        found = number_of(path(document))
        if found is not None:
            return found
    return None


def text_of(value: object, limit: int = ID_CHARACTERS) -> str | None:
    """Read a value as text, clipped to `limit` characters and otherwise verbatim; numbers become their digits."""
    if type(value) is str:
        return value[:limit] or None
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int and abs(value) < MEASURE:
        return str(value)
    return None


def number_of(value: object) -> float | None:
    """Read a value as a number of at least 0, also out of a string such as "8"; what is past all measure is none."""
    if type(value) is str and len(value) <= _NUMBER_CHARACTERS:
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < MEASURE else None  # nan and inf are not between them


def is_omitted(value: object) -> bool:
    """Return whether CloudTrail cut this field: it then marks it with `"omitted": true` inside."""
    return type(value) is dict and value.get("omitted") in (True, "true")


def items_of(container: object) -> tuple[list[Document], bool]:
    """Return the objects of a list in any of CloudTrail's forms, and whether the list was cut."""
    if type(container) is dict:
        if is_omitted(container):
            kept, _ = items_of({name: value for name, value in container.items() if name in ("items", "item")})
            return kept, True
        inner = container.get("items", container.get("item"))
        if is_omitted(inner):
            return [], True
        if type(inner) is dict and inner:
            return [inner], False
        container = inner
    if type(container) is list:
        return [item for item in container if type(item) is dict], False
    return [], False
