"""Which objects lie under these paths, and what do they hold?

Files, folders, zip and tar files are listed once, in the order of their delivery; then read in that order, by one process or
several. Only what `extract` makes of a payload travels back, and never more than a few batches wait, so memory does not
grow with the folder. Nothing is passed over in silence: what is no trail file comes back as a rejection.
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain, islice
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from usage_anomaly.envelopes import Oddity, Payload, Rejection, delivery_minute, read_payload
from usage_anomaly.envelopes.foreign import foreign_name
from usage_anomaly.envelopes.unpack import MIB
from usage_anomaly.errors import UnusableInput
from usage_anomaly_cli.archives import LARGEST_FILE, Kind, Member, Refused, Scratch, archive_kind, members, words

T = TypeVar("T")

TRAIL_SUFFIXES = (".json", ".json.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".csv", ".csv.gz", ".gz")
NO_TRAIL_FILE = "not a trail file"
DEEPEST = 3  # a zip file in a zip file in a zip file
# A batch is the unit that travels to a process: enough work to outweigh the journey, little enough to keep memory low.
BATCH_OBJECTS, BATCH_BYTES = 64, 8 * MIB
BATCHES_AHEAD = 3  # per process
OPEN_ZIPS = 64  # well under the files a process may have open, which is 256 on some systems
NO_MINUTE = datetime.min.replace(tzinfo=UTC)


class Source(msgspec.Struct, frozen=True, gc=False):  # a folder may hold millions
    """One object: a file, a member of a zip file, or a stretch of a tar file. `unusable` says why it is not read.

    For what was unfolded `path` lies in the scratch folder, whatever the name says.
    """

    name: str
    path: str
    member: int | None = None  # the place in the zip file's directory: names may repeat
    start: int | None = None  # where its `size` bytes begin in the file
    size: int = 0
    unusable: str | None = None


class Result(msgspec.Struct, Generic[T], frozen=True):
    """What one object held: `value` is what `extract` made of its payload, None where it could not be read at all."""

    name: str
    minute: datetime | None
    records: int
    rejected: list[Rejection]
    oddities: list[Oddity]
    value: T | None


def find_objects(paths: Iterable[str | Path], scratch: Path) -> list[Source]:
    """List what lies under the paths, by delivery minute (objects without one first), then name.

    A file that is named is read whatever its suffix; in folders and archives the suffix decides. What lies under two of
    the paths is listed once. Archives that cannot be read in place are unfolded into the folder `scratch`, which the
    caller removes after reading. Raises UnusableInput for a path that cannot be opened.
    """
    unfolding = Scratch(scratch)
    paths = list(paths)
    if "" in map(str, paths):
        raise UnusableInput("an empty path: name a file, folder, zip or tar file")
    found = {
        (os.path.realpath(each.path), each.member, each.start, each.unusable): each
        for path in paths
        for each in _find(Path(path), unfolding)
    }
    return sorted(
        found.values(),
        key=lambda source: (delivery_minute(source.name) or NO_MINUTE, source.name, source.member or source.start or 0),
    )


def _find(path: Path, scratch: Scratch) -> Iterator[Source]:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            os.scandir(path).close()
            yield from _find_in_folder(path, scratch)
            return
        if not stat.S_ISREG(status.st_mode):
            raise UnusableInput(f"{path} is neither a file nor a folder: name one")
        path.open("rb").close()
    except OSError as error:
        raise UnusableInput(f"{path} cannot be read ({words(error)}): name a file, folder, zip or tar file") from error
    kind = archive_kind(path.name)
    if kind is not None:
        yield from _find_in_archive(path, kind, _name(path), scratch)
    else:
        yield _file(path, status.st_size)


def _find_in_folder(folder: Path, scratch: Scratch) -> Iterator[Source]:
    unlistable: list[OSError] = []
    for place, folders, names in os.walk(folder, onerror=unlistable.append):
        for name in names:
            yield from _find_in_place(Path(place, name), scratch)
        for name in folders:
            if Path(place, name).is_symlink():  # a link may lead back here
                yield _unusable(Path(place, name), "a link to a folder is not followed: name the folder")
    for error in unlistable:
        yield _unusable(Path(str(error.filename)), f"folder cannot be read ({words(error)})")


def _find_in_place(path: Path, scratch: Scratch) -> Iterator[Source]:
    try:
        status = path.stat()
    except OSError as error:
        yield _unusable(path, f"cannot be read ({words(error)})")
        return
    kind = archive_kind(path.name)
    if not stat.S_ISREG(status.st_mode):
        yield _unusable(path, NO_TRAIL_FILE)
    elif kind is not None:
        yield from _find_in_archive(path, kind, _name(path), scratch)
    else:
        yield _file(path, status.st_size, why_not(path.name))


def _find_in_archive(path: Path, kind: Kind, name: str, scratch: Scratch, depth: int = 1) -> Iterator[Source]:
    """What lies in an archive called `name`, whose bytes stand at `path`."""
    if kind == "packed tar":
        try:
            path, broken = scratch.unfolded(path, None, kind)
        except Refused as error:
            yield Source(name, str(path), unusable=str(error))
            return
        if broken is not None:
            yield Source(name, str(path), unusable=broken)
        kind = "tar"
    for member in members(path, kind):
        within = f"{name}/{member.name}" if member.name else name
        inner = archive_kind(member.name)
        unusable = member.unusable or (why_not(member.name) if inner is None else None)
        if unusable is None and inner is not None:
            yield from _find_in_member(path, kind, member, inner, within, scratch, depth)
        elif kind == "zip":
            yield Source(within, str(path), member=member.place, size=member.size, unusable=unusable)
        else:
            yield Source(within, str(path), start=member.place, size=member.size, unusable=unusable)


def _find_in_member(
    path: Path, kind: Kind, member: Member, inner: Kind, name: str, scratch: Scratch, depth: int
) -> Iterator[Source]:
    """What lies in an archive that is itself a member of one."""
    try:
        if depth == DEEPEST:
            raise Refused(f"archives nested more than {DEEPEST} deep: unpack the outer ones")
        unfolded, broken = scratch.unfolded(path, member, kind)
    except Refused as error:
        yield Source(name, str(path), member=member.place, unusable=str(error))
        return
    if broken is not None:
        yield Source(name, str(path), member=member.place, unusable=broken)
    yield from _find_in_archive(unfolded, inner, name, scratch, depth + 1)


def why_not(name: str) -> str | None:
    """Why a file is not read, by its name."""
    return foreign_name(name) or (None if name.lower().endswith(TRAIL_SUFFIXES) else NO_TRAIL_FILE)


def _file(path: Path, size: int, why_not: str | None = None) -> Source:
    name, place = _name(path), str(path)
    # The two are nearly always one text, held once.
    return Source(name, name if name == place else place, size=size, unusable=why_not)


def _unusable(path: Path, reason: str) -> Source:
    return Source(_name(path), str(path), unusable=reason)


def _name(path: Path) -> str:
    """The path as text that every encoding can hold: a file's name may be any bytes."""
    return os.fsencode(path.as_posix()).decode("utf-8", "replace")


def read_objects(
    sources: Iterable[Source], jobs: int, extract: Callable[[Payload, str], T], regions: frozenset[str] | None = None
) -> Generator[Result[T], None, None]:
    """Read the objects in their order and give what `extract` makes of each.

    With `jobs` above 1 that many processes read and extract; `extract` must then be a function at the top of a module.
    Of the sources no more are asked for than can be read soon.
    """
    batches = _batches(sources)
    first = list(islice(batches, 2))
    if jobs <= 1 or len(first) < 2:
        try:
            for batch in chain(first, batches):
                yield from read_batch(batch, extract, regions)
        finally:
            _open_zip.cache_clear()
        return
    # Spawned, not forked: the progress bar's thread may hold a lock at the moment of a fork. Only as many as have work.
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
    waiting: deque[Future[list[Result[T]]]] = deque()
    try:
        for batch in chain(first, batches):
            waiting.append(pool.submit(read_batch, batch, extract, regions))
            if len(waiting) > jobs * BATCHES_AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    except BrokenProcessPool as error:
        raise UnusableInput("a reading process ended early, perhaps for want of memory: try --jobs 1") from error
    finally:
        if waiting:  # broken off, as by Ctrl-C: left alone they would first read the batches that were handed over
            for process in active_children():
                process.terminate()
        pool.shutdown(cancel_futures=True)


def _batches(sources: Iterable[Source]) -> Iterator[list[Source]]:
    batch, weight = list[Source](), 0
    for source in sources:
        if batch and (weight >= BATCH_BYTES or len(batch) >= BATCH_OBJECTS):
            yield batch
            batch, weight = [], 0
        batch.append(source)
        weight += source.size
    if batch:
        yield batch


def read_batch(
    batch: Sequence[Source], extract: Callable[[Payload, str], T], regions: frozenset[str] | None
) -> list[Result[T]]:
    """Read some objects in this process."""
    return [_read(source, extract, regions) for source in batch]


def _read(source: Source, extract: Callable[[Payload, str], T], regions: frozenset[str] | None) -> Result[T]:
    try:
        packed = _bytes_of(source)
    except _Unreadable as error:
        rejected = [Rejection(str(error), None, 1)]
        return Result(source.name, delivery_minute(source.name), 0, rejected, [], None)
    payload = read_payload(packed, source.name, regions)
    value = extract(payload, source.name)
    return Result(source.name, payload.minute, len(payload.records), payload.rejected, payload.oddities, value)


class _Unreadable(Exception):
    """Why the bytes of one object cannot be had."""


def _bytes_of(source: Source) -> bytes:
    if source.unusable is not None:
        raise _Unreadable(source.unusable)
    try:
        if source.member is not None:
            return _member_bytes(source.path, source.member)
        if source.size > LARGEST_FILE:
            raise _Unreadable(f"larger than {LARGEST_FILE // MIB:,} MiB: split it")
        if source.start is None:
            return file_bytes(source.path, source.size)
        with Path(source.path).open("rb") as file:
            file.seek(source.start)
            return file.read(source.size)
    except OSError as error:
        raise _Unreadable(f"cannot be read ({words(error)})") from error


def file_bytes(path: str | Path, size: int) -> bytes:
    """A file's bytes in one system call, half the cost of `Path.read_bytes` for a small one; its size is known."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        content = os.read(descriptor, size + 1)
    finally:
        os.close(descriptor)
    return content if len(content) == size else Path(path).read_bytes()  # it changed since it was listed


def _member_bytes(path: str, index: int) -> bytes:
    status = Path(path).stat()
    try:
        archive = _open_zip(path, status.st_mtime_ns, status.st_size)
        member = archive.infolist()[index]
        # The directory may lie about the size: read no further than it says.
        with archive.open(member) as file:
            return file.read(member.file_size + 1)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        IndexError,
    ) as error:
        raise _Unreadable(f"broken zip member ({words(error)})") from error


# A zip file's directory may list 100,000 members: it is read once by each process, not once a batch. Objects come in the
# order of their delivery, so they may lie in each of a folder's zip files by turns.
@lru_cache(maxsize=OPEN_ZIPS)
def _open_zip(path: str, changed: int, size: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)
