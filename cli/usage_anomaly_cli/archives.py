"""Which files lie in this zip or tar file, and where do their bytes begin?

A member is known by its place, never by its name: no name from an archive becomes a path here. What cannot be reached by
place (a packed tar file, an archive inside another) is unfolded into a scratch folder, within limits.
"""

from __future__ import annotations

import gzip
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

import msgspec

from usage_anomaly.envelopes.unpack import ALWAYS_ALLOWED, LARGEST_RATIO, MIB

Kind = Literal["zip", "tar", "packed tar"]
Read = Callable[[int], bytes]  # at most so many bytes; none at the end

LARGEST_FILE = 1024 * MIB
# What all archives of a run may take on disk, unfolded; the folder is removed at the end.
LARGEST_SCRATCH = 8192 * MIB
CHUNK = 1 * MIB
BLOCK = 512  # of a tar file
LONGEST_EXTENSION = 64 * 1024  # of a header that tells more of the next one

_SUFFIXES: tuple[tuple[str, Kind], ...] = (
    (".zip", "zip"),
    (".tar", "tar"),
    (".tar.gz", "packed tar"),
    (".tgz", "packed tar"),
)
ARCHIVE_SUFFIXES = tuple(suffix for suffix, _ in _SUFFIXES)
_EXTENDING = (
    tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip
_PAX_RECORD = re.compile(rb"([1-9]\d{0,8}) ")
_BROKEN = (
    zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError,
    IndexError,
)  # fmt: skip


class Member(msgspec.Struct, frozen=True):
    """One file of an archive: `place` is its index in a zip file's directory, or where its bytes begin in a tar file.

    `size` is as packed. `unusable` says why it is not read; without a name that is about the archive itself.
    """

    name: str
    place: int
    size: int
    unusable: str | None = None


class Refused(Exception):
    """Why an archive is not unfolded."""


def archive_kind(name: str) -> Kind | None:
    """What a file is by its name, None for no archive."""
    lower = name.lower()
    return next((kind for suffix, kind in _SUFFIXES if lower.endswith(suffix)), None)


def words(error: Exception) -> str:
    """An error as the end of a sentence."""
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)).lower()


class Scratch:
    """A folder for what is unfolded; each archive once, all of them together within a limit."""

    def __init__(self, folder: Path, room: int = LARGEST_SCRATCH) -> None:
        self._folder = folder
        self._most = self._room = room
        self._known: dict[tuple[Path, int], tuple[Path, str | None]] = {}

    def unfolded(self, path: Path, member: Member | None, kind: Kind) -> tuple[Path, str | None]:
        """The file that holds a packed tar file's tar file, or an archive's member; and why its end is missing, if so.

        Raises Refused where it is too large, or there is no room for it.
        """
        key = (path.resolve(), -1 if member is None else member.place)
        if key not in self._known:
            with _opened(path, member, kind) as (read, taken):
                self._known[key] = self._copied(read, taken)
        return self._known[key]

    def _copied(self, read: Read, taken: Callable[[], int]) -> tuple[Path, str | None]:
        target = self._folder / f"{len(self._known):06}"
        try:
            with target.open("wb") as file:
                return target, self._copy(read, taken, file)
        except (OSError, Refused):
            target.unlink()
            raise

    def _copy(self, read: Read, taken: Callable[[], int], file: IO[bytes]) -> str | None:
        size = 0
        while True:
            try:
                chunk = read(CHUNK)
            except _BROKEN as error:
                return f"archive is broken ({words(error)}): what lies behind the break is missing"
            if not chunk:
                return None
            size, self._room = size + len(chunk), self._room - len(chunk)
            most = max(ALWAYS_ALLOWED, taken() * LARGEST_RATIO)
            if size > most or self._room < 0:
                self._room += size
                what, most = ("archive unfolds", most) if size > most else ("all archives unfold", self._most)
                raise Refused(f"{what} to more than {most // MIB:,} MiB: unpack it first")
            file.write(chunk)


@contextmanager
def _opened(path: Path, member: Member | None, kind: Kind) -> Iterator[tuple[Read, Callable[[], int]]]:
    """A reader of what is to be unfolded, and how many packed bytes it has taken so far. Raises Refused."""
    try:
        with path.open("rb") as file:
            if member is None:
                with gzip.GzipFile(fileobj=file) as packed:
                    yield packed.read1, file.tell
            elif kind == "zip":
                with zipfile.ZipFile(file) as archive, archive.open(archive.infolist()[member.place]) as inner:
                    yield inner.read, lambda: member.size
            else:
                file.seek(member.place)
                end = member.place + member.size
                yield lambda most: file.read(min(most, end - file.tell())), lambda: member.size
    except _BROKEN as error:
        raise Refused(f"archive cannot be unfolded ({words(error)})") from error


def members(path: Path, kind: Kind) -> Iterator[Member]:
    """The files of a zip or tar file in its order; what cannot be listed is said."""
    try:
        yield from _of_zip(path) if kind == "zip" else _of_tar(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        yield Member("", 0, 0, f"{kind} file cannot be read ({words(error)})")


def _of_zip(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        found = archive.infolist()
    if sum(each.compress_size for each in found) > path.stat().st_size:
        yield Member("", 0, 0, "members of the zip file share their bytes: a zip bomb, nothing of it is read")
        return
    for index, each in enumerate(found):
        if not each.is_dir():
            yield Member(each.filename, index, each.compress_size, _why_not(each))


def _why_not(member: zipfile.ZipInfo) -> str | None:
    if member.flag_bits & 1:
        return "encrypted zip member: unpack it with its password"
    most = min(LARGEST_FILE, max(ALWAYS_ALLOWED, member.compress_size * LARGEST_RATIO))
    return None if member.file_size <= most else f"unfolds to more than {most // MIB:,} MiB: split it"


def _of_tar(path: Path) -> Iterator[Member]:
    with path.open("rb") as file:
        extended: dict[str, str] = {}
        for start, header in _headers(file, path.stat().st_size):
            if isinstance(header, str):
                yield Member("", 0, 0, header)
                continue
            if header.type in _EXTENDING:
                extended |= _extension(header, file.read(min(header.size, LONGEST_EXTENSION)))
                continue
            header.size = int(extended.get("size", header.size))
            if not header.isdir():
                yield Member(
                    extended.get("path") or _text(header.name), start, header.size, _not_in_tar(header, extended)
                )
            extended = {}
            if header.issym() or header.islnk() or header.isdir():
                header.size = 0  # whatever it says, nothing follows


def _headers(file: IO[bytes], length: int) -> Iterator[tuple[int, tarfile.TarInfo | str]]:
    """Each header with the byte behind it; after a broken one the next sound one, and what to say of the break.

    Goes on behind as many bytes as the header's size says when the next one is asked for.
    """
    position, ended, broken = 0, False, False
    while position < length:
        file.seek(position)
        block = file.read(BLOCK)
        if not block.strip(b"\0"):
            position, ended, broken = position + BLOCK, True, False
            continue
        header = _header(block)
        if header is None:
            if not broken:
                yield position, f"no tar header at byte {position:,}: what it told of is missing"
            position, broken = position + BLOCK, True
            continue
        ended = broken = False
        yield position + BLOCK, header
        position += BLOCK + -(-header.size // BLOCK) * BLOCK
    if position > length or not ended:
        yield length, "tar file ends early: members may be missing"


def _header(block: bytes) -> tarfile.TarInfo | None:
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return None
    return header if header.size >= 0 else None


def _not_in_tar(header: tarfile.TarInfo, extended: dict[str, str]) -> str | None:
    if header.issym() or header.islnk():
        return "a link in a tar file is not followed"
    if header.type == tarfile.GNUTYPE_SPARSE or any(key.startswith("GNU.sparse") for key in extended):
        return "a sparse file in a tar file: pack it anew without holes"
    if not header.isreg():
        return "not a trail file"
    return None if header.size <= LARGEST_FILE else f"larger than {LARGEST_FILE // MIB:,} MiB: split it"


def _extension(header: tarfile.TarInfo, text: bytes) -> dict[str, str]:
    """What an extending header says of the next one."""
    if header.type == tarfile.GNUTYPE_LONGNAME:
        return {"path": text.partition(b"\0")[0].decode("utf-8", "replace")}
    return _pax(text) if header.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE) else {}


def _pax(text: bytes) -> dict[str, str]:
    """The fields of an extended header: `<length> <key>=<value>` and a line end, each."""
    fields: dict[str, str] = {}
    position = 0
    while found := _PAX_RECORD.match(text, position):
        end = position + int(found[1])
        key, _, value = text[found.end() : end - 1].decode("utf-8", "replace").partition("=")
        fields[key] = value
        position = max(end, found.end())
    if not fields.get("size", "0").isdecimal() or len(fields.get("size", "")) > 15:
        del fields["size"]
    return fields


def _text(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
