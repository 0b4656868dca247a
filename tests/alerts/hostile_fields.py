"""Which texts does an anomaly have, and what if a hostile hand wrote all of them?

Found in the structs themselves: a field that is added is hostile here at once, and one of a form that is not known fails.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

# What the reader's sentence is chosen by: a few words of ours. Each is hostile in the second round (`chosen=True`).
CHOSEN = frozenset({("Anomaly", "kind"), ("Statement", "topic"), ("Step", "kind")})
# Made by `guidance` out of values that match strict patterns: `test_hostile_mail` tries what records could put there.
MADE = frozenset({("Step", "command")})


def hostile(value: T, text: str, *, chosen: bool = False) -> T:
    """The same anomaly or account with `text` in every field that can hold one, whether it held one before or not."""
    struct = type(value)
    hints = get_type_hints(struct)
    changed = {
        name: _filled(hints[name], getattr(value, name), text, chosen)
        for name in (field.name for field in msgspec.structs.fields(struct))
        if (struct.__name__, name) not in (MADE if chosen else CHOSEN | MADE)
    }
    return msgspec.structs.replace(value, **changed)


def texts(value: object) -> Iterator[str]:
    """Every text in the value, keys too; words of a closed set are left out."""
    if isinstance(value, msgspec.Struct):
        for name, hint in get_type_hints(type(value)).items():
            if get_origin(hint) is not Literal:
                yield from texts(getattr(value, name))
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from (key, *texts(each))
    elif isinstance(value, tuple):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def _filled(hint: Any, value: Any, text: str, chosen: bool) -> Any:
    inner = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        (wanted,) = (each for each in inner if each is not type(None))
        return value if value is None and wanted is not str else _filled(wanted, value, text, chosen)
    if hint is str:
        return text
    if get_origin(hint) is tuple:
        if inner[0] is str:
            return (text, *(text for _ in value))
        assert value, f"{hint}: nothing in it to make hostile"
        return tuple(_filled(inner[0], each, text, chosen) for each in value)
    if get_origin(hint) is dict:
        return {text: text if inner[1] is str else 3}
    if isinstance(value, msgspec.Struct):
        return hostile(value, text, chosen=chosen)
    assert get_origin(hint) is Literal or hint.__name__ in ("int", "float", "bool", "datetime"), f"{hint}: not covered"
    return value
