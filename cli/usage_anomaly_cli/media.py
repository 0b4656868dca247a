"""In which form does a result leave the command: JSON lines, a sheet, a page?"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import msgspec

from usage_anomaly.alerts.plain import inert
from usage_anomaly.alerts.storm import Storm
from usage_anomaly.alerts.words import day
from usage_anomaly.catalog import Catalog
from usage_anomaly.errors import UnusableInput
from usage_anomaly_cli import account_of_replay, sheet
from usage_anomaly_cli.account_of_replay import Story
from usage_anomaly_cli.store import Kept

_JSON = msgspec.json.Encoder()


def refuse(form: str) -> None:
    """Raise UnusableInput where a form needs a library that is not installed; only the page does."""
    if form == "html":
        try:
            import_module("usage_anomaly_cli.report.page")
        except ModuleNotFoundError as error:
            raise UnusableInput(
                f"--format html needs {error.name}, which is not installed: python -m pip install jinja2 matplotlib, "
                "or in a checkout: make setup"
            ) from error


def of_replay(form: str, story: Story, shown: Sequence[Kept]) -> bytes:
    """The shown anomalies as `jsonl`, `csv` or `html`; the page holds the account of the replay too."""
    if form == "jsonl":
        return b"".join(_JSON.encode(each) + b"\n" for each in story.shown)
    if form == "csv":
        return sheet.text(account_of_replay.listed(story), story.catalog, story.storms).encode()
    from usage_anomaly_cli.report import page

    first, last = story.reckoning.first, story.reckoning.last
    span = "" if first is None or last is None else f", {day(first)} {first:%Y} - {day(last)} {last:%Y}"
    heading = page.Heading(
        title=f"Usage anomalies{span}",
        facts=[*account_of_replay.facts(story), *account_of_replay.faults(story)],
        summing_up=account_of_replay.summing_up(story),
    )
    return page.render(heading, shown, story.catalog, story.storms, story.folded).encode()


def of_storm(form: str, storm: Storm, members: Sequence[Kept], catalog: Catalog) -> bytes:
    """One storm with its members as `csv` or `html`."""
    if form == "csv":
        return sheet.text([each.anomaly for each in members], catalog, [storm]).encode()
    from usage_anomaly_cli.report import page

    heading = page.Heading(title=f"Storm {inert(storm.id)}")
    return page.render(heading, members, catalog, [storm], storm.anomaly_ids()).encode()


def of_one(form: str, kept: Kept, catalog: Catalog) -> bytes:
    """One anomaly as `csv` or `html`."""
    if form == "csv":
        return sheet.text([kept.anomaly], catalog).encode()
    from usage_anomaly_cli.report import page

    return page.render(page.Heading(title=f"Usage anomaly {inert(kept.anomaly.id)}"), [kept], catalog).encode()
