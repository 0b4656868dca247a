"""Which storms are in a replay, and how does the command show one?

A storm is no line of its own in any file: it is found anew among the anomalies, so a file of them is all that is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from usage_anomaly.alerts import storm_message
from usage_anomaly.alerts.plain import inert
from usage_anomaly.alerts.storm import PREFIX, Storm, storms
from usage_anomaly.alerts.words import several
from usage_anomaly.catalog import Catalog, Kind
from usage_anomaly_cli import media, record_text, store
from usage_anomaly_cli.account_of_replay import Story
from usage_anomaly_cli.store import Kept


def with_storms(story: Story, everything: bool) -> Story:
    """The story with its storms; their members are listed beside them only if everything is."""
    found = [each for each in storms(story.every, story.catalog) if each.together.severity >= story.min_severity]
    folded = frozenset(name for each in found for name in each.folded())
    return replace(story, storms=found, folded=frozenset() if everything else folded)


def find(identity: str | None, file: Path, catalog: Catalog) -> tuple[Storm, list[Kept]] | None:
    """The storm of this id and its members, of a file as `store.find` reads it; None where no storm has the id."""
    if identity is None or not identity.startswith(PREFIX):
        return None
    kept = store.read(file)
    found = next((each for each in storms([each.anomaly for each in kept], catalog) if each.id == identity), None)
    if found is None:
        return None
    ids = found.anomaly_ids()
    return found, [each for each in kept if each.anomaly.id in ids]


def said(storm: Storm, members: Sequence[Kept], form: str, catalog: Catalog) -> bytes:
    """The storm in a form of `show`."""
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(storm), indent=2) + b"\n"
    if form in ("csv", "html"):
        return media.of_storm(form, storm, members, catalog)
    kind = catalog.kind_of(storm.together.kind)
    mail = storm_message.render(storm, kind)
    record = "\n".join(_record(storm, kind)) + "\n" if form == "full" else ""
    return f"Subject: {mail.subject}\n\n{mail.text}\n{record}".encode()


def _record(storm: Storm, kind: Kind) -> Iterator[str]:
    """What the mail has no room for: every account, and the ids of their own anomalies."""
    yield from record_text.lines(storm.together)
    yield f"\n{several(len(storm.accounts), 'account', 'accounts')}"
    yield from (f"    {line}" for line in storm_message.table(storm.accounts, kind, storm))
    yield "\nTheir own anomalies (usage-anomaly show ID)"
    yield from (f"    {inert(each, 200)}" for row in storm.accounts for each in row.anomaly_ids)
    yield from (f"    {inert(each, 200)}" for each in storm.organization)
