"""Which format is this that nothing here reads, and what can be read in its place?

Security Lake writes Parquet, with the records mapped to OCSF: what a call asked for and answered is there in part only.
Reading it would take a library many times the size of this application.
"""

from __future__ import annotations

_EXPORT = "read the trail's S3 objects, or export the rows as JSON or CSV in CloudTrail's own fields"
_UNPACK = "unpack it, or pack it anew with gzip or zip"
_SIGNS: tuple[tuple[bytes, str], ...] = (
    (b"PAR1", f"a Parquet file: {_EXPORT}"),
    (b"ORC", f"an ORC file: {_EXPORT}"),
    (b"Obj\x01", f"an Avro file: {_EXPORT}"),
    (b"PK\x03\x04", "a zip file: give its name the suffix .zip"),
    (b"BZh", f"a bzip2 file: {_UNPACK}"),
    (b"\xfd7zXZ\0", f"an xz file: {_UNPACK}"),
    (b"\x28\xb5\x2f\xfd", f"a zstd file: {_UNPACK}"),
    (b"7z\xbc\xaf\x27\x1c", f"a 7z file: {_UNPACK}"),
)
# Where it is not UTF-8, a beginning has been replaced like any other text.
_BEGINNINGS = tuple((sign.decode("utf-8", "replace").encode(), words) for sign, words in _SIGNS)
_TAR_MARK, _TAR_PLACE = b"ustar", 257
_SUFFIXES = {".parquet": f"a Parquet file: {_EXPORT}", ".orc": f"an ORC file: {_EXPORT}"}


def foreign_content(text: bytes | bytearray) -> str | None:
    """What these bytes are, as `unpack` gives them, and the remedy; None where they may be text."""
    # Anyone may call a session "ustar", and hit the place in a record; no JSON holds the zeros of a header.
    if text.startswith(_TAR_MARK, _TAR_PLACE) and b"\0" in text[:_TAR_PLACE]:
        return "a tar file: give its name the suffix .tar, .tar.gz or .tgz"
    return next((words for beginning, words in _BEGINNINGS if text.startswith(beginning)), None)


def foreign_name(name: str) -> str | None:
    """The same by the name of a file that need not be opened."""
    lower = name.lower()
    return next((words for suffix, words in _SUFFIXES.items() if lower.endswith((suffix, f"{suffix}.gz"))), None)
