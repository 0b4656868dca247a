"""Is the output to hold pseudonyms, and under which key?"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from usage_anomaly.errors import UnusableInput
from usage_anomaly_cli import store
from usage_anomaly_cli.redaction import Redaction

Command = TypeVar("Command", bound=Callable[..., Any])

KEY_BYTES = 32
LEAST_BYTES = 16  # 128 bits; with fewer, accounts and addresses could be found by trying keys


def redact_options(command: Command) -> Command:
    """`--redact` and `--redact-key`, as parameters `redact` and `redact_key`."""
    key = click.option(
        "--redact-key",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Redact under the key in this file; without it under one that is made once and kept with the last replay.",
    )
    flag = click.option(
        "--redact", is_flag=True, help="Print pseudonyms for accounts, names, ids, keys, addresses and files."
    )
    return flag(key(command))


def redaction_of(redact: bool, key_file: Path | None) -> Redaction | None:
    """The pseudonyms that were asked for. Raises UnusableInput where there is no key."""
    if key_file is not None:
        return Redaction(_key_in(key_file))
    return Redaction(_own_key(store.place().with_name("redact-key"))) if redact else None


def _own_key(file: Path) -> bytes:
    """The key of this installation, made at the first need; two runs at a time get the same one."""
    try:
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            draft = file.with_name(f"{file.name}.{os.getpid()}")
            draft.unlink(missing_ok=True)  # of a run that was ended while it wrote
            draft.touch(mode=0o600, exist_ok=False)
            draft.write_text(secrets.token_hex(KEY_BYTES) + "\n", encoding="ascii")
            try:
                os.link(draft, file)
            except FileExistsError:  # another run was faster
                pass
            finally:
                draft.unlink()
    except OSError as error:
        raise UnusableInput(f"{file}: {error.strerror}; name a file with a key: --redact-key FILE") from error
    return _key_in(file)


def _key_in(file: Path) -> bytes:
    try:
        key = file.read_bytes().strip()
    except OSError as error:
        raise UnusableInput(f"{file}: {error.strerror}; write one: openssl rand -hex {KEY_BYTES} > FILE") from error
    if len(key) < LEAST_BYTES:
        raise UnusableInput(
            f"{file}: a key of {len(key)} bytes can be guessed; write one: openssl rand -hex {KEY_BYTES} > FILE"
        )
    return key
