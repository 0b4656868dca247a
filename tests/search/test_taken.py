"""Does a progress file name what is finished, and nothing else?"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.envelopes.building import log, made

from usage_anomaly.errors import UnusableInput
from usage_anomaly_cli.reading import Source
from usage_anomaly_cli.taken import Header, Item, Taken

HERE = Header("https://here", "1")


def item(name: str, size: int = 1, mark: str = "m") -> Item:
    return Item(Source(name, name, size=size), mark)


def test_a_line_cut_off_by_a_crash_is_as_good_as_none(tmp_path: Path) -> None:
    """Its object is read again; the lines after it hold."""
    file = tmp_path / "progress"
    with Taken(file, HERE) as taken:
        taken.add(item("a"))
        taken.add(item("b\n\ufffd"))
    file.write_bytes(file.read_bytes()[:-5])
    with Taken(file, HERE) as taken:
        assert (taken.holds(item("a")), taken.holds(item("b\n\ufffd"))) == (True, False)
        taken.add(item("c"))
    with Taken(file, HERE) as taken:
        assert (taken.holds(item("a")), taken.holds(item("c"))) == (True, True)
        assert not taken.holds(item("a", size=2))
        assert not taken.holds(item("a", mark="n"))


@given(lines=st.lists(st.binary() | st.sampled_from([b'{"what":"finished","name":1}', b"[]", b'{"what":"x"}'])))
def test_no_line_ends_a_run(lines: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    """The file lies on somebody's disk for weeks; what is unreadable in it only costs reading an object again."""
    file = tmp_path_factory.mktemp("taken") / "progress"
    with Taken(file, HERE) as taken:
        taken.add(item("a"))
    with file.open("ab") as stream:
        stream.write(b"\n".join(lines))
    with Taken(file, HERE) as taken:
        assert taken.holds(item("a"))
        taken.add(item("b"))
    assert Taken(file, HERE).holds(item("b"))


@pytest.mark.parametrize("header", [Header("https://there", "1"), Header("https://here", "2")])
def test_a_progress_file_of_something_else_is_refused(tmp_path: Path, header: Header) -> None:
    """Another cluster has nothing of it; another catalog counts what was passed over."""
    with Taken(tmp_path / "progress", header):
        pass
    with pytest.raises(UnusableInput, match="name another one"):
        Taken(tmp_path / "progress", HERE)


def test_a_file_that_is_no_progress_file_is_left_alone(tmp_path: Path) -> None:
    """A slip of the hand must not write into somebody's records."""
    file = tmp_path / "trail.json"
    file.write_bytes(log([made(1)]))
    with pytest.raises(UnusableInput, match="is no progress file"):
        Taken(file, HERE)
    assert file.read_bytes() == log([made(1)])
