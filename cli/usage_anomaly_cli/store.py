"""Where does `show` find the anomalies of the last replay?"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from usage_anomaly.alerts.plain import inert
from usage_anomaly.anomalies import Anomaly
from usage_anomaly.enrichment.accounts import Account
from usage_anomaly.errors import UnusableInput
from usage_anomaly_cli.report.timeline import Timeline

_LINES = msgspec.json.Encoder()


class Kept(msgspec.Struct, frozen=True):
    """One anomaly with its account and its use over time, as `replay` keeps it."""

    anomaly: Anomaly
    account: Account | None = None
    timeline: Timeline | None = None
    redacted: bool = False  # whether it was made of pseudonyms


def place(environment: Mapping[str, str] = os.environ) -> Path:
    """The file of the last replay: $XDG_STATE_HOME/usage-anomaly/last-replay.jsonl, by default below ~/.local/state."""
    base = environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "usage-anomaly" / "last-replay.jsonl"


def keep(anomalies: Sequence[Kept], file: Path) -> None:
    """Write the anomalies of a replay, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_bytes(b"".join(_LINES.encode(each) + b"\n" for each in anomalies))
    draft.replace(file)


def read(file: Path) -> list[Kept]:
    """All anomalies of a file, as `find` takes it. Raises UnusableInput."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise UnusableInput(f"{file}: {error.strerror}; replay first, or name a replay's output with --from") from error
    return [_read(line, f"{file}: line {number}") for number, line in enumerate(lines, start=1) if line.strip()]


def find(identity: str | None, file: Path) -> Kept:
    """The anomaly of an id, or the most severe one; `file` is `keep`'s, or the output of `replay --format jsonl`.

    Raises UnusableInput.
    """
    known = read(file)
    if identity is None:
        found = max(known, key=lambda each: each.anomaly.severity, default=None)
    else:
        found = next((each for each in known if each.anomaly.id == identity), None)
    if found is None:
        ids = ", ".join(inert(each.anomaly.id, 200) for each in known[:5]) or "none"
        wanted = f" {inert(identity, 200)}" if identity else ""
        raise UnusableInput(f"{file} holds no anomaly{wanted}; {len(known):,} in it: {ids}")
    return found


def _read(line: bytes, where: str) -> Kept:
    try:
        wrapped = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        if "anomaly" in wrapped:
            return msgspec.json.decode(line, type=Kept)
        return Kept(msgspec.json.decode(line, type=Anomaly))
    except msgspec.DecodeError as error:
        raise UnusableInput(f"{where} is no anomaly ({error}); give the output of replay --format jsonl") from error
