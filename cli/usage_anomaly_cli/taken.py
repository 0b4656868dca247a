"""Which objects did an earlier run take in already?

The progress file: a line that says for which cluster and catalog it holds, then a JSON line for each finished object. A line
cut off by a crash is as good as none: its object is read again, and that changes nothing.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType
from typing import IO

import msgspec

from usage_anomaly.alerts.plain import inert
from usage_anomaly.errors import UnusableInput
from usage_anomaly_cli.reading import Source

_LINE = msgspec.json.Encoder()


class Item(msgspec.Struct, frozen=True, gc=False):
    """An object that may be taken in. `mark` changes with its content: an ETag, or when and where the file was written.

    `fetched`: its bytes lie in a file of ours, which goes when they were read.
    """

    source: Source
    mark: str
    fetched: bool = False


class Header(msgspec.Struct, frozen=True):
    """What a progress file holds for: another cluster, or a catalog that counts more, has to be given everything."""

    endpoint: str
    catalog_version: str


class Finished(msgspec.Struct, frozen=True, tag_field="what", tag="finished"):
    """An object whose usage events all stand in the cluster."""

    name: str
    size: int
    mark: str


class Taken:
    """The progress file, or with None what stands in its place: nothing was taken, and nothing is noted."""

    def __init__(self, file: Path | None, header: Header) -> None:
        """Read the file, which need not exist. Raises UnusableInput where it is none, or holds for something else."""
        self._known: set[bytes] = set()
        self._file, self._header = file, header
        self._stream: IO[bytes] | None = None
        self._last = b""
        if file is not None and file.exists():
            with file.open("rb") as stream:
                self._read(stream, file)

    def __enter__(self) -> Taken:
        if self._file is not None:
            self._stream = self._file.open("ab")
            if not self._last:
                self._write(self._header)
            elif not self._last.endswith(b"\n"):
                self._stream.write(b"\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()

    def _read(self, stream: IO[bytes], file: Path) -> None:
        self._last = stream.readline()
        if not self._last:
            return
        try:
            found = msgspec.json.decode(self._last, type=Header)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UnusableInput(f"{file} is no progress file: name another one with --progress-file") from error
        if found != self._header:
            what = found.endpoint if found.endpoint != self._header.endpoint else f"catalog {found.catalog_version}"
            raise UnusableInput(f"{file} tells what {inert(what)} was given: name another one with --progress-file")
        for self._last in stream:
            self._recall(self._last)

    def _recall(self, line: bytes) -> None:
        try:
            found = msgspec.json.decode(line, type=Finished)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        self._known.add(_digest(found.name, found.size, found.mark))

    def holds(self, item: Item) -> bool:
        """Whether all of it was taken in, and it has not changed since."""
        return _digest(item.source.name, item.source.size, item.mark) in self._known

    def add(self, item: Item) -> None:
        """Note an object of which everything is kept."""
        self._write(Finished(item.source.name, item.source.size, item.mark))

    def _write(self, line: msgspec.Struct) -> None:
        if self._stream is not None:
            self._stream.write(_LINE.encode(line) + b"\n")
            self._stream.flush()


def _digest(name: str, size: int, mark: str) -> bytes:
    """What is remembered of an object: a bucket may hold millions."""
    return hashlib.blake2b(msgspec.json.encode((name, size, mark)), digest_size=16).digest()
