"""Is OpenSearch fetched once, started as nobody of importance, and always ended?"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from local import machine, node
from local.processes import NotUp, alive
from tests.search.serving import LOOPBACK

NODE = pytest.mark.node


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without mvn and Java; its folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(node, "SYSTEM_JAVAS", tmp_path)
    monkeypatch.setattr(node, "ROOT", tmp_path)
    return tmp_path


def a_java(home: Path, version: str) -> Path:
    """A folder that looks like a Java's."""
    binary = home / "bin" / "java"
    binary.parent.mkdir(parents=True)
    binary.touch(mode=0o755)
    (home / "release").write_text(f'IMPLEMENTOR="X"\nJAVA_VERSION="{version}"\n')
    return binary


@pytest.mark.parametrize(("ask", "remedy"), [(node.assemble, "apt-get install maven"), (node.java, "openjdk-21")])
def test_what_is_missing_is_said_with_its_remedy(nothing_installed: Path, ask: object, remedy: str) -> None:
    """Whoever runs it on a new machine reads what to install, not where a script stopped."""
    assert callable(ask)
    with pytest.raises(NotUp, match=remedy):
        ask()


def test_the_first_java_that_is_new_enough_is_taken(nothing_installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's Java is often too old while a new one lies beside it."""
    a_java(nothing_installed / "java-17", "17.0.15")
    newer = a_java(nothing_installed / "java-21", "21.0.9")
    assert node.java() == newer
    monkeypatch.setenv("JAVA_HOME", str(a_java(nothing_installed / "other" / "java", "25").parents[1]))
    assert node.java() == nothing_installed / "other" / "java" / "bin" / "java"
    monkeypatch.setenv("JAVA_HOME", str(nothing_installed / "java-17"))
    assert node.java() == newer


def test_a_machine_that_is_up_with_the_other_server_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silently going on with it, a demo would claim to have run on what it did not."""
    monkeypatch.setattr(machine, "running", lambda: {"engine": "emulator"})
    with pytest.raises(NotUp, match="make local-down first"):
        machine.up("node")


@NODE
def test_what_was_fetched_is_fetched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run needs neither mvn nor network."""
    fetched = node.assemble()
    assert len(list((fetched / "lib").glob("opensearch-3*.jar"))) == 1
    monkeypatch.setenv("PATH", "")
    assert node.assemble() == fetched


@NODE
@LOOPBACK
def test_a_node_is_no_root_and_leaves_nothing_behind() -> None:
    """OpenSearch refuses to be root; a test's node keeps neither memory nor disk."""
    with node.running() as address:
        pid, home = process_at(address)
        assert Path(f"/proc/{pid}").owner() != "root"
        assert (home / "data" / "nodes").is_dir()
    assert not alive(pid)
    assert not home.exists()


@NODE
def test_a_node_ends_with_tests_that_are_killed() -> None:
    """A run that was killed must not leave a gigabyte of memory in use."""
    code = "from local import node; import time\nwith node.running() as at: print(at, flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        pid, home = process_at(tests.stdout.readline().strip())
        tests.kill()
    deadline = time.monotonic() + 20
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(pid)
    shutil.rmtree(home)


def process_at(address: str) -> tuple[int, Path]:
    """The node that listens there: its process and its folder."""
    command = ["ss", "-Hltnp", f"sport = :{address.rpartition(':')[2]}"]
    line = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    pid = int(line.partition("pid=")[2].partition(",")[0])
    (home,) = [
        argument.partition("=")[2]
        for argument in Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        if argument.startswith("-Dopensearch.path.home=")
    ]
    return pid, Path(home)
