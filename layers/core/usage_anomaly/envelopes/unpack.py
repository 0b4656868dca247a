"""Which text lies in these bytes?"""

from __future__ import annotations

import re
import zlib

import deflate

from usage_anomaly.envelopes.tally import Tally

GZIP = b"\x1f\x8b"
# Method and flags of a header that holds nothing more than, perhaps, a file's name.
PLAIN_HEADERS = (b"\x08\x00", b"\x08\x08")
MIB = 1 << 20
LARGEST = 1024 * MIB  # of unpacked text; CloudTrail's own objects stay under 50 MiB
ALWAYS_ALLOWED = 64 * MIB
# Trail text shrinks 10 to 30 times, deflate's limit is 1,032: what shrinks more than this was made to.
LARGEST_RATIO = 250
CHUNK = 64 * 1024


class _TooLarge(ValueError):
    """The gzip unfolds to more than a trail file of its length can be: `most` bytes."""

    def __init__(self, most: int) -> None:
        self.most = most


def unpack(packed: bytes, tally: Tally) -> tuple[bytes | bytearray, bool]:
    """The UTF-8 text in a payload's bytes, and whether its end is missing. Gzip is told by content, not by name."""
    if packed[:2] != GZIP:
        return _as_utf8(packed, tally), False
    whole = _unfold_at_once(packed)
    text, cut = (whole, False) if whole is not None else _gunzip(packed, tally)
    return _as_utf8(text, tally), cut


def _unfold_at_once(packed: bytes) -> bytearray | None:
    """The text of a gzip that is one sound member up to its last byte; None for any other, which is unfolded with care.

    Libdeflate is twice as fast as zlib, but says nothing of what follows a member. A member ends in the size of its text:
    where the last four bytes are the size of what was unfolded, and stand nowhere before, nothing follows.
    """
    footer = packed[-4:]
    size = int.from_bytes(footer, "little")
    if packed[2:4] not in PLAIN_HEADERS or not 0 < size <= _room(packed) or packed.find(footer) != len(packed) - 4:
        return None
    try:
        text = deflate.gzip_decompress(packed, size)
    except deflate.DeflateError:
        return None
    return text if len(text) == size else None


def _room(packed: bytes) -> int:
    """The most bytes that a payload may unfold to."""
    return min(LARGEST, max(ALWAYS_ALLOWED, len(packed) * LARGEST_RATIO))


def _gunzip(packed: bytes, tally: Tally) -> tuple[bytes, bool]:
    """Unfold gzip member by member. A member that fails its check is left out; one whose end is missing is kept."""
    room = _room(packed)
    view, position, members = memoryview(packed), 0, list[bytes]()
    while position < len(packed):
        if packed[position : position + 2] != GZIP:
            if packed[position:].strip(b"\0"):  # zeros pad tape blocks
                tally.reject("bytes that are no gzip follow the gzip", position)
            break
        try:
            member, end = _unfold(view, position, room)
        except zlib.error as error:
            tally.reject(f"gzip is broken ({str(error).rpartition(': ')[2]}), member", position)
            break
        except _TooLarge as error:
            tally.reject(f"gzip unfolds to more than {error.most // MIB:,} MiB: split it, member", position)
            break
        members.append(member)
        if end is None:
            tally.reject("gzip ends", len(packed))
            return b"".join(members), True
        position, room = end, room - len(member)
    return (members[0] if len(members) == 1 else b"".join(members)), False


def _unfold(view: memoryview, start: int, room: int) -> tuple[bytes, int | None]:
    """One gzip member and where it ends; None when the bytes end first."""
    inflate, parts, position, chunk, size = zlib.decompressobj(wbits=31), list[bytes](), start, CHUNK, 0
    while position < len(view) and not inflate.eof:
        part = inflate.decompress(view[position : position + chunk], room + 1 - size)
        position, chunk, size = min(position + chunk, len(view)), chunk * 2, size + len(part)
        # Told by what was taken so far, so that a bomb is given up long before it has filled the whole room.
        most = min(room, max(ALWAYS_ALLOWED, (position - start) * LARGEST_RATIO))
        if size > most or inflate.unconsumed_tail:
            raise _TooLarge(most)
        parts.append(part)
    member = parts[0] if len(parts) == 1 else b"".join(parts)
    return member, position - len(inflate.unused_data) if inflate.eof else None


def _as_utf8(text: bytes | bytearray, tally: Tally) -> bytes | bytearray:
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):  # what a Windows shell writes when it redirects
        tally.odd("UTF-16 instead of UTF-8")
        return text.decode("utf-16", "replace").encode("utf-8", "replace")
    if text[:3] == b"\xef\xbb\xbf":
        text = text[3:]
    if text.isascii():
        return text
    try:
        text.decode()
    except UnicodeDecodeError:
        tally.odd("bytes that are not UTF-8: replaced")
        return text.decode("utf-8", "replace").encode()
    return text


# A backslash that is itself escaped, a pair, or half of one.
_ESCAPES = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


def without_lone_surrogates(text: bytes, tally: Tally) -> bytes:
    """The same JSON with every half of a surrogate pair replaced; no reader of UTF-8 can hold them."""
    if _HALF.search(text) is None:
        return text
    mended = _ESCAPES.sub(lambda found: rb"\ufffd" if found[1] else found[0], text)
    if mended != text:
        tally.odd("half a surrogate pair: replaced")
    return mended
