"""Which indexes and fields are there to be shown?

The fields are those that `search.indexes` maps. Dashboards would ask the cluster for them, but before the first event there
is no index to ask.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from usage_anomaly.search import indexes
from usage_anomaly.search.indexes import Body

# What Dashboards calls a type of OpenSearch.
_SHOWN_AS = {
    "keyword": "string",
    "long": "number",
    "double": "number",
    "date": "date",
    "boolean": "boolean",
    "ip": "ip",
}


class Scripted(msgspec.Struct, frozen=True):
    """A number that is computed from a document's fields when it is asked for (painless)."""

    name: str
    script: str
    reads: tuple[str, ...]  # the fields it needs


class Pattern(msgspec.Struct, frozen=True):
    """Indexes that are shown together. Without `time_field` the dashboard's time span does not narrow what is shown."""

    id: str
    title: str  # the pattern itself
    index: str  # the index template
    time_field: str | None
    scripted: tuple[Scripted, ...] = ()


LAG = Scripted(
    "ingest_lag_seconds",
    "(doc['ingest_time'].value.toInstant().toEpochMilli() - doc['event_time'].value.toInstant().toEpochMilli()) / 1000.0",
    ("ingest_time", "event_time"),
)
EVENTS = Pattern("usage-anomaly-events", indexes.ALL_EVENTS, indexes.EVENTS, "event_time", (LAG,))
ANOMALIES = Pattern("usage-anomaly-anomalies", indexes.ANOMALIES, indexes.ANOMALIES, "start")
# What is open is shown whenever it began. The star only keeps the two apart in Dashboards' lists.
STANDING = Pattern("usage-anomaly-standing", f"{indexes.ANOMALIES}*", indexes.ANOMALIES, None)
HOURS = Pattern("usage-anomaly-hours", indexes.ALL_HOURLY, indexes.HOURLY, "hour")
PATTERNS = (EVENTS, ANOMALIES, STANDING, HOURS)


def types(pattern: Pattern) -> dict[str, str]:
    """The type that OpenSearch keeps each field as, by name; parts of objects with dots, scripted fields left out."""
    return dict(_flat(indexes.templates()[pattern.index]["template"]["mappings"]["properties"]))


def _flat(fields: Body, within: str = "") -> Iterator[tuple[str, str]]:
    for name, field in fields.items():
        if "properties" in field:
            yield from _flat(field["properties"], f"{within}{name}.")
        else:
            yield within + name, field["type"]


def fields(pattern: Pattern) -> list[Body]:
    """The fields as Dashboards lists them."""
    kept = [
        {**_field(name, _SHOWN_AS[kind]), "esTypes": [kind], "readFromDocValues": True}
        for name, kind in sorted(types(pattern).items())
    ]
    computed = [
        {**_field(each.name, "number"), "scripted": True, "script": each.script, "lang": "painless"}
        for each in pattern.scripted
    ]
    return kept + computed


def _field(name: str, shown_as: str) -> Body:
    return {
        "name": name,
        "type": shown_as,
        "count": 0,
        "scripted": False,
        "searchable": True,
        "aggregatable": True,
        "readFromDocValues": False,
    }
