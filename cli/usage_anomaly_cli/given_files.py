"""What do the files say that people write: whose the accounts are, and which limits they set?"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from usage_anomaly.alerts.plain import inert
from usage_anomaly.anomalies.overrides import NONE, Overrides, read_overrides
from usage_anomaly.enrichment.accounts import Account, read_accounts
from usage_anomaly.errors import UnusableInput
from usage_anomaly_cli.bundled import loaded

_PATH = 1_000

accounts_option = click.option(
    "--accounts", type=click.Path(path_type=Path), help="JSON list of {id, name, status, tags{}}."
)
limits_option = click.option(
    "--limits", type=click.Path(path_type=Path), help="JSON of limits in place of the catalog's: {kind: {type: units}}."
)


def accounts_in(file: Path | None) -> Mapping[str, Account]:
    """The accounts by id; none without a file. Raises UnusableInput."""
    return {} if file is None else read_accounts(_content(file, "a JSON list of accounts", "--accounts"), str(file))


def limits_in(file: Path | None) -> Overrides:
    """The limits; none without a file. Raises UnusableInput."""
    if file is None:
        return NONE
    return read_overrides(_content(file, "a JSON object of limits", "--limits"), str(file), loaded()[0])


def again(paths: Sequence[str], accounts: Path | None, limits: Path | None) -> str:
    """The same paths and files, as the command line of another command: quoted, and inert."""
    given = [
        *paths,
        *(("--accounts", str(accounts)) if accounts else ()),
        *(("--limits", str(limits)) if limits else ()),
    ]
    return " ".join(inert(shlex.quote(each), _PATH) for each in given)


def _content(file: Path, wanted: str, option: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UnusableInput(f"{file}: {error.strerror}; give {wanted}, or leave {option} out") from error
