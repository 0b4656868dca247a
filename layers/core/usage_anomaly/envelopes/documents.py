"""Where does each JSON value of a text begin and end, also where the text is broken?"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, TypeVar

import msgspec

S = TypeVar("S")
T = TypeVar("T")

BROKEN = "broken JSON"
TOO_DEEP = "JSON nested too deeply"
# A record has at most 256 KB; a search for the next one after a break looks no further than this for its end.
WINDOW = 1 << 20
# A record that is broken on purpose cannot hold more places that look like the beginning of the next one.
MOST_ATTEMPTS = 100_000

_RAW = msgspec.json.Decoder(msgspec.Raw)
_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")
_SPACE = re.compile(rb"[ \t\r\n]*")
_NEXT_ELEMENT = re.compile(rb'[,\[][ \t\r\n]*(?=\{[ \t\r\n]*")')
# A line that begins a value, or an object right after another one.
_NEXT_DOCUMENT = re.compile(rb"\n(?=[\[{])|\}[ \t\r\n]*(?=\{)")


class _Probe(msgspec.Struct):
    eventName: str  # noqa: N815 - CloudTrail's name
    eventSource: msgspec.Raw  # noqa: N815 - CloudTrail's name


class _LookedUpProbe(msgspec.Struct):
    CloudTrailEvent: str


_PROBES = (msgspec.json.Decoder(_Probe), msgspec.json.Decoder(_LookedUpProbe))


# More frames than any later step stands deeper: up to Python 3.11 each frame takes from the nesting that can be decoded.
SPARE_FRAMES = 20 if sys.version_info < (3, 12) else 0


def with_room(decode: Callable[[S], T], text: S, frames: int = SPARE_FRAMES) -> T:
    """Decode some frames further down, so that what is accepted here can be decoded again by whoever uses it."""
    return decode(text) if frames == 0 else with_room(decode, text, frames - 1)


class BrokenJson(ValueError):
    """No complete JSON value begins here; the text is the reason."""


def skip_space(text: bytes, position: int) -> int:
    """The first position at or after this one that is no blank."""
    found = _SPACE.match(text, position)
    return found.end() if found else position


def value_end(view: memoryview) -> int:
    """Where the JSON value at the beginning of this view ends (blanks after it included). Raises BrokenJson."""
    try:
        with_room(_RAW.decode, view)
    except msgspec.DecodeError as error:
        # The one way to learn where a value ends without decoding it; `tests/envelopes` pins the message.
        trailing = _TRAILING.search(str(error))
        if trailing is None:
            raise BrokenJson(BROKEN) from None
        return int(trailing[1]) - 1
    except RecursionError:
        raise BrokenJson(TOO_DEEP) from None
    return len(view)


class Piece(msgspec.Struct, frozen=True):
    """One element of a broken list: its place, and either where it ends or why it does not."""

    start: int
    end: int
    broken: str | None = None


def elements(text: bytes, start: int) -> Iterator[Piece]:
    """The elements of the list whose first begins at `start`; after a break the next one that looks like a record.

    Stops at the list's end, or at the text's. One break can hide several records: what lies between is one piece, and
    `records_between` says how many they seem to be.
    """
    view, position = memoryview(text), skip_space(text, start)
    while position < len(text) and text[position] != ord("]"):
        try:
            end = position + value_end(view[position:])
            if text[end : end + 1] not in (b",", b"]", b""):  # damage can end a record early, without its errorCode
                raise BrokenJson(BROKEN)
            yield Piece(position, end)
        except BrokenJson as error:
            end = _next_record(text, view, position + 1)
            yield Piece(position, end, str(error))
            position = end
            continue
        position = skip_space(text, end + 1) if text[end : end + 1] == b"," else end


def _next_record(text: bytes, view: memoryview, start: int) -> int:
    """Where the next record begins, or the text's end."""
    for found in islice(_NEXT_ELEMENT.finditer(text, start), MOST_ATTEMPTS):
        begin = found.end()
        try:
            end = begin + value_end(view[begin : begin + WINDOW])
        except BrokenJson:
            continue
        if any(_is_one(view[begin:end], probe) for probe in _PROBES):
            return begin
    return len(text)


def _is_one(value: memoryview, probe: msgspec.json.Decoder[Any]) -> bool:
    try:
        probe.decode(value)
    except msgspec.DecodeError:
        return False
    return True


def records_between(text: bytes, start: int, end: int) -> int:
    """How many records a stretch that cannot be read seems to hold, at least one: each begins with its version."""
    return max(1, text.count(b'"eventVersion"', start, end), text.count(b'"CloudTrailEvent"', start, end))


def may_follow(text: bytes, end: int) -> bool:
    """Whether a document can end here: damage may end a record early, before its errorCode."""
    return end == len(text) or text[end] in b"{[" or text[end - 1] == ord("\n")


def next_document(text: bytes, start: int) -> int:
    """Where the next document may begin after a broken one; the text's end if nowhere."""
    found = _NEXT_DOCUMENT.search(text, start)
    return found.end() if found else len(text)
