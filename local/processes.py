"""How does a server start on this machine, answer, and end with everything it started?"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"
PATIENCE_SECONDS = 30.0


class NotUp(Exception):
    """A server did not answer, or the machine was not started; the text names the remedy."""


def clean_environment() -> dict[str, str]:
    """A small environment: the emulator hands its own to every function it runs."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}


def start(
    command: Sequence[str], folder: Path, log: Path, environment: Mapping[str, str], **more: Any
) -> subprocess.Popen[bytes]:
    """Start a server in a process group of its own; what it prints goes to `log`."""
    with log.open("wb") as stream:
        return subprocess.Popen(
            command,
            cwd=folder,
            env={**clean_environment(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **more,
        )


def wait(pid: int, address: Callable[[], str | None], log: Path, seconds: float = PATIENCE_SECONDS) -> str:
    """Wait until the server answers at its address, which may be known only later. Raises NotUp with the end of its log."""
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        if found := address():
            try:
                with urllib.request.urlopen(found, timeout=2):
                    return found
            except (urllib.error.URLError, OSError):
                pass  # not yet
        time.sleep(0.1)
    raise NotUp(f"the server {'does not answer' if alive(pid) else 'ended while starting'}; its log ends:\n{tail(log)}")


def end(pid: int) -> None:
    """End the process group: handlers run in workers of the emulator."""
    for sign, seconds in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(pid, sign)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + seconds
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not alive(pid):
            return


def alive(pid: int) -> bool:
    """Whether the process runs; one that ended is reaped."""
    try:
        finished, _ = os.waitpid(pid, os.WNOHANG)
        if finished == pid:
            return False
    except ChildProcessError:  # started by another run of this module
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def free_port(wished: int) -> int:
    """The usual port where it is free, else any."""
    for port in (wished, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise NotUp("no free port on 127.0.0.1")


def tail(log: Path) -> str:
    """The last lines of a log, for whoever has to mend it."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-40:]) + "\n"
