"""Are files, folders and zip files read whole, in order, and is nothing passed over in silence?"""

from __future__ import annotations

import gzip
import os
import time
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.envelopes.building import encode, log, made, table

from usage_anomaly.envelopes import Payload
from usage_anomaly.errors import UnusableInput
from usage_anomaly_cli import reading
from usage_anomaly_cli.reading import Result, find_objects, read_objects

DAY = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/20"


def key(minute: int, unique: str = "a") -> str:
    return f"{DAY}/111122223333_CloudTrail_us-east-1_20260120T{minute // 60:02}{minute % 60:02}Z_{unique}.json.gz"


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names_and_keys(payload: Payload, name: str) -> tuple[str, list[bytes]]:
    return Path(name).name, payload.keys


def died(_payload: Payload, _name: str) -> None:
    os._exit(1)


def slow_after_the_first_batch(_payload: Payload, name: str) -> None:
    if "T0104Z" in name:
        time.sleep(60)


def read(*paths: Path, jobs: int = 1) -> list[Result[tuple[str, list[bytes]]]]:
    with TemporaryDirectory() as scratch:
        return list(read_objects(find_objects(paths, Path(scratch)), jobs, names_and_keys))


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    """200 objects, written in another order than they were delivered."""
    folder = tmp_path / "trail"
    for minute in reversed(range(200)):
        write(folder, key(minute), gzip.compress(log([made(minute), made(minute + 1000)])))
    return folder


def test_objects_come_in_the_order_of_their_delivery(trail: Path) -> None:
    """A replay visits the minutes in order; objects whose name tells none are history and come first."""
    write(trail, "notes.json", log([made(5)]))
    names = [result.name.removeprefix(f"{trail.as_posix()}/") for result in read(trail)]
    assert names == ["notes.json", *(key(minute) for minute in range(200))]


@pytest.mark.parametrize("jobs", [2, 5])
def test_the_number_of_processes_changes_nothing(trail: Path, jobs: int) -> None:
    """Otherwise a figure could not be reproduced on another machine."""
    assert read(trail, jobs=jobs) == read(trail)


def test_a_zip_file_gives_the_same_as_its_folder(trail: Path, tmp_path: Path) -> None:
    """Evidence travels as a zip file."""
    with zipfile.ZipFile(tmp_path / "case.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in trail.rglob("*.gz"):
            archive.write(path, path.relative_to(trail))
    zipped = read(tmp_path / "case.zip")
    assert [result.value for result in zipped] == [result.value for result in read(trail)]
    assert [result.minute for result in zipped] == [result.minute for result in read(trail)]
    assert read(tmp_path / "case.zip", jobs=2) == zipped


def test_the_directory_of_each_of_many_zip_files_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One zip file for each account: their objects come by turns, and a directory is as long as its archive."""
    for archive in range(10):
        with zipfile.ZipFile(tmp_path / f"{archive}.zip", "w") as packed:
            for minute in range(20):
                packed.writestr(key(minute, str(archive)), gzip.compress(log([made(minute)])))
    sources = find_objects([tmp_path], tmp_path)
    opened = list[str]()

    class Counted(zipfile.ZipFile):
        def __init__(self, path: str) -> None:
            opened.append(path)
            super().__init__(path)

    monkeypatch.setattr(zipfile, "ZipFile", Counted)
    assert sum(result.records for result in read_objects(sources, 1, names_and_keys)) == 200
    assert len(opened) == len(set(opened)) == 10


def test_what_is_no_trail_file_is_counted(tmp_path: Path) -> None:
    """A folder of which half was passed over looks the same as a quiet one."""
    write(tmp_path, "LICENSE", b"MIT")
    write(tmp_path, "a/.hidden", b"x")
    write(tmp_path, "a/b.json", b"no")
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere.json")
    (tmp_path / "again").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe.json")
    reasons = {Path(result.name).name: [each.reason for each in result.rejected] for result in read(tmp_path)}
    assert reasons == {
        "LICENSE": ["not a trail file"],
        ".hidden": ["not a trail file"],
        "b.json": ["broken JSON at byte 0"],
        "gone.json": ["cannot be read (no such file or directory)"],
        "again": ["a link to a folder is not followed: name the folder"],
        "pipe.json": ["not a trail file"],
    }


FOREIGN: dict[bytes, str] = {
    b"PAR1": "a Parquet file",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"PK\x03\x04": "a zip file",
    b"BZh9": "a bzip2 file",
    b"\xfd7zXZ\x00": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"7z\xbc\xaf\x27\x1c": "a 7z file",
    bytes(257) + b"ustar\x0000": "a tar file",
}


@pytest.mark.parametrize("beginning", FOREIGN)
@pytest.mark.parametrize("packed", [False, True])
def test_a_format_that_is_not_read_is_named_with_the_remedy(tmp_path: Path, beginning: bytes, packed: bool) -> None:
    """ "broken JSON" would send the analyst to look for damage where there is none."""
    content = beginning + b"\0{}" * 300
    found = read(write(tmp_path, "a.gz", gzip.compress(content) if packed else content))
    (reason,) = [each.reason for each in found[0].rejected]
    assert reason.startswith(f"{FOREIGN[beginning]}: ")
    assert len(found[0].rejected) == 1


def test_security_lakes_files_are_named_without_being_read(tmp_path: Path) -> None:
    """They may be many and large."""
    for name in ("a.parquet", "b.gz.parquet", "c.parquet.gz", "D.PARQUET", "e.orc"):
        write(tmp_path, name, b"x")
    assert all("export the rows as JSON or CSV" in result.rejected[0].reason for result in read(tmp_path))


def test_exports_in_folders_are_read(tmp_path: Path) -> None:
    """What Athena leaves in its bucket."""
    write(tmp_path, "a.csv", table([made(1)]))
    write(tmp_path, "b.csv.gz", gzip.compress(table([made(2)])))
    write(tmp_path, "c.csv", b"a,b\n1,2\n")
    assert [result.records for result in read(tmp_path)] == [1, 1, 0]


def test_a_named_file_is_read_whatever_its_suffix(tmp_path: Path) -> None:
    """Whoever names a file means it."""
    assert read(write(tmp_path, "export.txt", encode(made(1))))[0].records == 1


def test_a_file_under_two_paths_is_read_once(trail: Path) -> None:
    """A shell's glob beside the folder would report every record as a duplicate."""
    assert read(trail, trail / key(3), trail / "AWSLogs") == read(trail)


def test_broken_zip_files_and_members_are_named(tmp_path: Path) -> None:
    """One bad member must not take the rest of the case with it."""
    good = log([made(1)])
    with zipfile.ZipFile(tmp_path / "case.zip", "w") as archive:
        for name in ("good.json", "broken.json", "locked.json", "inner.zip", "readme.txt"):
            archive.writestr(name, good if name == "good.json" else b'{"Records":["%s"]}' % name.encode())
    content = (tmp_path / "case.zip").read_bytes().replace(b'["broken.json"]', b'["br\0ken.json"]')
    place = content.rindex(b"locked.json") - 46  # its entry in the directory; the flags stand 8 bytes on
    write(tmp_path, "case.zip", content[: place + 8] + b"\x01" + content[place + 9 :])
    write(tmp_path, "half.zip", content[:200])
    reasons = {Path(result.name).name: [each.reason for each in result.rejected] for result in read(tmp_path)}
    assert reasons == {
        "good.json": [],
        "broken.json": ["broken zip member (bad crc-32 for file 'broken.json')"],
        "locked.json": ["encrypted zip member: unpack it with its password"],
        "inner.zip": ["zip file cannot be read (file is not a zip file)"],
        "readme.txt": ["not a trail file"],
        "half.zip": ["zip file cannot be read (file is not a zip file)"],
    }


def test_a_path_that_is_not_there_ends_with_the_remedy(tmp_path: Path) -> None:
    """A mistyped path must not read as "no anomalies"."""
    with pytest.raises(UnusableInput, match=r"missing cannot be read .* name a file, folder, zip or tar file"):
        find_objects([tmp_path / "missing"], tmp_path)


def test_a_file_too_large_for_memory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine would be out of memory before it was out of patience."""
    monkeypatch.setattr(reading, "LARGEST_FILE", 10)
    assert read(write(tmp_path, "a.json", log([made(1)])))[0].rejected[0].reason == "larger than 0 MiB: split it"


def test_a_file_name_of_any_bytes_can_be_told(tmp_path: Path) -> None:
    """The name goes into the account; half a character in it must not end the run."""
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.json")).write_bytes(log([made(1)]))
    result = read(tmp_path)[0]
    assert result.name == f"{tmp_path.as_posix()}/\ufffd.json"
    assert result.records == 1


def test_processes_end_with_the_reading(trail: Path, tmp_path: Path) -> None:
    """After Ctrl-C nobody waits for what was handed over to them."""
    results = read_objects(find_objects([trail], tmp_path), 2, slow_after_the_first_batch)
    next(results)
    began = time.monotonic()
    del results  # closes the generator
    assert time.monotonic() - began < 30


def test_a_process_that_dies_ends_with_the_remedy(trail: Path, tmp_path: Path) -> None:
    """The system ends processes for want of memory; a bare traceback would not say what to do."""
    with pytest.raises(UnusableInput, match="try --jobs 1"):
        list(read_objects(find_objects([trail], tmp_path), 2, died))
