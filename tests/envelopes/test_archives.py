"""Are archives read whole, however they are nested, and bombs refused before they fill memory or disk?"""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.envelopes.building import log, made
from tests.envelopes.test_reading import key, read, write

from usage_anomaly.envelopes import read_payload
from usage_anomaly_cli import archives, reading
from usage_anomaly_cli.archives import Scratch, members
from usage_anomaly_cli.reading import Result, find_objects

MIB = 1 << 20
Files = dict[str, bytes]
Found = list[Result[tuple[str, list[bytes]]]]


def zip_of(files: Files) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def tar_of(files: Files, form: int = tarfile.PAX_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as archive:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return packed.getvalue()


def packed_tar_of(files: Files) -> bytes:
    return gzip.compress(tar_of(files), 6, mtime=0)


ARCHIVES: dict[str, Callable[[Files], bytes]] = {
    ".zip": zip_of,
    ".tar": tar_of,
    ".tar.gz": packed_tar_of,
    ".tgz": packed_tar_of,
}
TRAIL = {key(minute): gzip.compress(log([made(minute), made(minute + 1000)])) for minute in range(12)}
KEYS = [read_payload(content, name).keys for name, content in TRAIL.items()]


def keys_of(found: Found) -> list[list[bytes]]:
    return [result.value[1] for result in found if result.value is not None]


def reasons(found: Found) -> dict[str, list[str]]:
    """What is said of each object, by its name from the archive's on."""
    said: dict[str, list[str]] = {}
    for result in found:
        name = result.name.partition("case.")[2] if "case." in result.name else result.name
        said.setdefault(name, []).extend(each.reason for each in result.rejected)
    return {name: words for name, words in said.items() if words}


@contextmanager
def memory_below(most: int) -> Iterator[None]:
    """The most that Python held at once. Decompressed bytes are Python's; a process's own peak would forget nothing."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", ARCHIVES)
@pytest.mark.parametrize("jobs", [1, 2])
def test_any_archive_gives_what_its_folder_gives(
    tmp_path: Path, suffix: str, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evidence travels packed, in whatever the sender had at hand."""
    monkeypatch.setattr(reading, "BATCH_OBJECTS", 5)
    found = read(write(tmp_path, f"case{suffix}", ARCHIVES[suffix](TRAIL)), jobs=jobs)
    assert keys_of(found) == KEYS
    assert reasons(found) == {}
    assert [result.minute for result in found] == [read_payload(b"", name).minute for name in TRAIL]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_tell_the_delivery_minute_in_every_form_of_tar(tmp_path: Path, form: int) -> None:
    """Names of log objects are longer than the 100 bytes of a tar header; without them there is no order."""
    assert max(map(len, TRAIL)) > 100
    found = read(write(tmp_path, "case.tar", tar_of(TRAIL, form)))
    assert [result.name for result in found] == [f"{tmp_path.as_posix()}/case.tar/{name}" for name in TRAIL]


@given(
    wrapping=st.lists(st.sampled_from(sorted(ARCHIVES)), min_size=1, max_size=5),
    parts=st.integers(1, 3),
)
def test_nesting_changes_nothing_down_to_the_third_and_is_said_below(
    tmp_path_factory: pytest.TempPathFactory, wrapping: list[str], parts: int
) -> None:
    """A zip of each account's tar file of each day's zip is how a case arrives; without end it is a trap."""
    names = list(TRAIL)
    inner = [{name: TRAIL[name] for name in names[part::parts]} for part in range(parts)]
    files = {f"part{n}{wrapping[0]}": ARCHIVES[wrapping[0]](each) for n, each in enumerate(inner)}
    for suffix in wrapping[1:]:
        files = {f"layer{suffix}": ARCHIVES[suffix](files)}
    folder = tmp_path_factory.mktemp("nested")
    found = read(*(write(folder, name, content) for name, content in files.items()))
    if len(wrapping) <= reading.DEEPEST:
        assert sorted(keys_of(found)) == sorted(KEYS)
        assert reasons(found) == {}
    else:
        assert keys_of(found) == []
        assert {word for words in reasons(found).values() for word in words} == {
            "archives nested more than 3 deep: unpack the outer ones"
        }


def test_an_archive_under_two_paths_is_read_once(tmp_path: Path) -> None:
    """A shell's glob beside the folder would report every record as a duplicate."""
    inner = packed_tar_of({**TRAIL, "notes.txt": b"x"})
    path = write(tmp_path, "case.zip", zip_of({"a.tar.gz": inner[:-4], "notes.txt": b"x"}))
    (tmp_path / "other").mkdir()
    found = read(tmp_path, path, tmp_path / "other" / ".." / "case.zip")
    assert keys_of(found) == KEYS
    assert sum(len(result.rejected) for result in found) == 3


def test_links_devices_and_strange_names_of_a_tar_are_said_and_touch_nothing(tmp_path: Path) -> None:
    """A tar file can name any path and link to any file: nothing of that may be opened or written."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, kind in (
            ("link.json", tarfile.SYMTYPE),
            ("hard.json", tarfile.LNKTYPE),
            ("pipe.json", tarfile.FIFOTYPE),
        ):
            header = tarfile.TarInfo(name)
            header.type, header.linkname = kind, "../../secret.json"
            archive.addfile(header)
        for name in ("../../up.json", "/abs.json", "notes.txt", "table.parquet"):
            header = tarfile.TarInfo(name)
            header.size = len(log([made(1)]))
            archive.addfile(header, io.BytesIO(log([made(1)])))
    write(tmp_path, "secret.json", log([made(2)]))
    before = sorted(tmp_path.rglob("*"))
    found = read(write(tmp_path / "in", "case.tar", packed.getvalue()))
    assert len(keys_of(found)) == 2
    assert reasons(found) == {
        "tar/link.json": ["a link in a tar file is not followed"],
        "tar/hard.json": ["a link in a tar file is not followed"],
        "tar/pipe.json": ["not a trail file"],
        "tar/notes.txt": ["not a trail file"],
        "tar/table.parquet": [
            "a Parquet file: read the trail's S3 objects, or export the rows as JSON or CSV in CloudTrail's own fields"
        ],
    }
    assert sorted(each for each in tmp_path.rglob("*") if "in" not in each.parts) == before


def test_a_broken_header_hides_its_own_member_only(tmp_path: Path) -> None:
    """Other readers stop at the first broken header and say nothing of what lies behind it."""
    whole = bytearray(tar_of({f"{n}.json": log([made(n)]) for n in range(4)}, tarfile.USTAR_FORMAT))
    place = whole.index(b"1.json")
    whole[place : place + 3] = b"???"
    found = read(write(tmp_path, "case.tar", bytes(whole)))
    assert [result.name[-6:] for result in found if result.value] == ["0.json", "2.json", "3.json"]
    assert reasons(found) == {"tar": [f"no tar header at byte {place:,}: what it told of is missing"]}


def test_tar_files_end_to_end_are_read_to_the_end(tmp_path: Path) -> None:
    """`cat a.tar b.tar` is common, and most readers stop after a."""
    joined = tar_of({"a.json": log([made(1)])}) + tar_of({"b.json": log([made(2)])})
    found = read(write(tmp_path, "case.tar", joined))
    assert (len(keys_of(found)), reasons(found)) == (2, {})


@pytest.mark.parametrize("cut", [200, 600, 5000])
def test_a_tar_cut_anywhere_gives_what_came_before_and_says_so(tmp_path: Path, cut: int) -> None:
    """An interrupted copy looks like a small case."""
    whole = tar_of({f"{n}.json": log([made(n)]) for n in range(9)}, tarfile.USTAR_FORMAT)
    found = read(write(tmp_path, "case.tar", whole[:cut]))
    assert (
        any("tar file ends early: members may be missing" in words for words in reasons(found).values()) or cut == 200
    )
    assert len(keys_of(found)) == sum(place + 512 < cut for place in range(0, 9 * 1536, 1536))
    assert reasons(found)


def test_a_packed_tar_cut_anywhere_gives_what_came_before_and_says_so(tmp_path: Path) -> None:
    """The same for the form in which it travels."""
    packed = packed_tar_of(TRAIL)
    found = read(write(tmp_path, "case.tgz", packed[: len(packed) // 2]))
    whole = [keys for keys in keys_of(found) if len(keys) == 2]
    assert 2 <= len(whole) < len(KEYS)
    assert whole == KEYS[: len(whole)]
    assert any("archive is broken" in each for each in reasons(found)["tgz"])


@given(noise=st.binary(max_size=2000), suffix=st.sampled_from(sorted(ARCHIVES)), place=st.integers(0, 4000))
def test_damaged_archives_are_read_or_said(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, suffix: str, place: int
) -> None:
    """A folder of evidence holds anything; one archive must not end the reading of the others."""
    sound = ARCHIVES[suffix]({f"{n}.json": log([made(n)]) for n in range(3)})
    place = min(place, len(sound))
    folder = tmp_path_factory.mktemp("damaged")
    write(folder, f"case{suffix}", sound[:place] + noise + sound[place + len(noise) :])
    write(folder, f"noise{suffix}", noise)
    write(folder, "other.json", log([made(7)]))
    found = read(folder)
    assert read_payload(log([made(7)]), "x").keys in keys_of(found)
    for name in (f"case{suffix}", f"noise{suffix}"):
        assert any(name in result.name and (result.records or result.rejected) for result in found)


def bomb(blocks: int, head: bytes = b"", member: int = 10 * MIB) -> bytes:
    """Gzip of `head` and so many times 10 MiB of zeros: the second and all later blocks are the same bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(member)) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08" + bytes(6) + b"\xff" + first + block * blocks


def test_a_bomb_of_ten_gigabytes_is_refused_in_little_memory(tmp_path: Path) -> None:
    """Ten megabytes that unfold to more than the machine has."""
    packed = bomb(1024)
    assert 9 * MIB < len(packed) < 12 * MIB
    write(tmp_path, "case.json.gz", packed)
    with memory_below(200 * MIB):
        found = read(tmp_path)
    assert reasons(found) == {"json.gz": ["gzip unfolds to more than 64 MiB: split it, member at byte 0"]}


def test_a_packed_tar_bomb_is_refused_with_little_on_disk(tmp_path: Path) -> None:
    """The same as an archive, where the scratch folder would be filled instead."""
    header = tarfile.TarInfo("a.json")
    header.size = 10 << 30
    write(tmp_path, "case.tar.gz", bomb(1024, header.tobuf(tarfile.GNU_FORMAT)))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with memory_below(20 * MIB):
        (found,) = find_objects([tmp_path / "case.tar.gz"], scratch)
    assert found.unusable == "archive unfolds to more than 64 MiB: unpack it first"
    assert list(scratch.iterdir()) == []


def test_a_bomb_inside_archives_is_refused_and_its_neighbours_are_read(tmp_path: Path) -> None:
    """Nesting multiplies: each layer has its own limit, and a bomb must not take the case with it."""
    inner = zip_of({"bomb.json.gz": bomb(40), "bomb.json": bytes(100 * MIB), "bomb.tar": bytes(100 * MIB)})
    write(tmp_path, "case.zip", zip_of({"inner.zip": inner, "sound.json": log([made(1)])}))
    with memory_below(200 * MIB):
        found = read(tmp_path)
    assert len([keys for keys in keys_of(found) if keys]) == 1
    assert reasons(found) == {
        "zip/inner.zip/bomb.json": ["unfolds to more than 64 MiB: split it"],
        "zip/inner.zip/bomb.tar": ["unfolds to more than 64 MiB: split it"],
        "zip/inner.zip/bomb.json.gz": ["gzip unfolds to more than 64 MiB: split it, member at byte 0"],
    }


def test_a_zip_whose_members_share_their_bytes_is_refused(tmp_path: Path) -> None:
    """A thousand entries for the same packed bytes: small, quick to write, and a thousand times as large to read."""
    packed = zip_of({"a.json": log([made(n) for n in range(300)])})
    start = packed.index(b"PK\x01\x02")
    end = packed.index(b"PK\x05\x06")
    entry, count = packed[start:end], 1000
    tail = bytearray(packed[end:])
    tail[8:10] = tail[10:12] = count.to_bytes(2, "little")
    tail[12:16] = (len(entry) * count).to_bytes(4, "little")
    found = read(write(tmp_path, "case.zip", packed[:start] + entry * count + bytes(tail)))
    assert reasons(found) == {"zip": ["members of the zip file share their bytes: a zip bomb, nothing of it is read"]}


def test_all_archives_together_have_one_limit(tmp_path: Path) -> None:
    """A thousand small archives fill a disk as well as one large one."""
    scratch = Scratch(tmp_path, 4 * MIB)
    content = packed_tar_of({"a.json": log([made(1)]), "b.txt": bytes(2 * MIB)})
    first, second = (write(tmp_path, f"{n}.tgz", content) for n in range(2))
    path, broken = scratch.unfolded(first, None, "packed tar")
    assert broken is None
    assert [member.name for member in members(path, "tar")] == ["a.json", "b.txt"]
    assert scratch.unfolded(first, None, "packed tar") == (path, None)
    with pytest.raises(archives.Refused, match="all archives unfold to more than 4 MiB: unpack it first"):
        scratch.unfolded(second, None, "packed tar")


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    """The reader must free room, not doubt the file."""
    (tmp_path / "scratch").write_bytes(b"")  # no folder: nothing can be written into it
    path = write(tmp_path, "case.tgz", packed_tar_of({"a.json": log([made(1)])}))
    (found,) = find_objects([path], tmp_path / "scratch")
    assert found.unusable == "archive cannot be unfolded (not a directory)"
