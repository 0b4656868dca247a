"""How are dashboards written, so that an import of saved objects takes them?

One JSON object a line (NDJSON): index patterns, visualizations, searches, dashboards. Only types that every Dashboards has
built in. The versions are those that Dashboards 2.x and 3.x write themselves: an object of an older one is changed at the
import, one of a newer one is refused. Ids are ours, so that a second import replaces the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, count, repeat
from typing import Any

import msgspec

from usage_anomaly.dashboards.contents import DASHBOARDS
from usage_anomaly.dashboards.panels import Dashboard, Figure, Panel, Split
from usage_anomaly.dashboards.patterns import PATTERNS, Pattern, fields

Body = dict[str, Any]

VERSIONS = {"index-pattern": "7.6.0", "visualization": "7.10.0", "search": "7.9.3", "dashboard": "7.9.3"}
PANEL_VERSION = "2.19.0"  # of the oldest Dashboards that these are for
INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"
PERCENTS = (50, 95, 99)
STACKED = ("histogram", "area")


def ndjson() -> bytes:
    """All objects, one a line; the same bytes each time."""
    return b"".join(msgspec.json.encode(each, order="sorted") + b"\n" for each in objects())


def objects() -> Iterator[Body]:
    """Index patterns, then what is shown of them, then the dashboards: each after what it names."""
    yield from map(_index_pattern, PATTERNS)
    panels = {placed.panel.id: placed.panel for each in DASHBOARDS for row in each.rows for placed in row}
    yield from (_search(each) if each.form == "search" else _visualization(each) for each in panels.values())
    yield from map(_dashboard, DASHBOARDS)


def query(panel: Panel) -> str:
    """What `where` says in Dashboards' query language."""
    return " and ".join(f"{field}: ({' or '.join(map(_value, values))})" for field, values in panel.where.items())


def _value(text: str) -> str:
    return text if "*" in text else f'"{text}"'


def _index_pattern(pattern: Pattern) -> Body:
    attributes = {"title": pattern.title, "fields": _text(fields(pattern))}
    time = {"timeFieldName": pattern.time_field} if pattern.time_field else {}
    return _object("index-pattern", pattern.id, attributes | time, [])


def _search(panel: Panel) -> Body:
    attributes = {
        "title": panel.title,
        "description": "",
        "hits": 0,
        "columns": list(panel.columns),
        "sort": [[panel.sort, "desc"]],
        "version": 1,
        "kibanaSavedObjectMeta": {"searchSourceJSON": _source(panel)},
    }
    return _object("search", panel.id, attributes, [_of(panel.pattern)])


def _visualization(panel: Panel) -> Body:
    state = {"title": panel.title, "type": panel.form, "params": _params(panel), "aggs": list(_aggregations(panel))}
    attributes = {
        "title": panel.title,
        "description": "",
        "visState": _text(state),
        "uiStateJSON": "{}",
        "version": 1,
        "kibanaSavedObjectMeta": {"searchSourceJSON": _source(panel)},
    }
    return _object("visualization", panel.id, attributes, [_of(panel.pattern)])


def _dashboard(dashboard: Dashboard) -> Body:
    panels: list[Body] = []
    references: list[Body] = []
    top = 0
    for row in dashboard.rows:
        left = 0
        for placed in row:
            number = str(len(panels))
            kind = "search" if placed.panel.form == "search" else "visualization"
            references.append({"name": f"panel_{number}", "type": kind, "id": placed.panel.id})
            panels.append(
                {
                    "version": PANEL_VERSION,
                    "gridData": {"x": left, "y": top, "w": placed.width, "h": placed.height, "i": number},
                    "panelIndex": number,
                    "embeddableConfig": {},
                    "panelRefName": f"panel_{number}",
                }
            )
            left += placed.width
        top += max(placed.height for placed in row)
    attributes = {
        "title": dashboard.title,
        "description": dashboard.description,
        "hits": 0,
        "panelsJSON": _text(panels),
        "optionsJSON": _text({"hidePanelTitles": False, "useMargins": True}),
        "timeRestore": True,
        "timeFrom": dashboard.since,
        "timeTo": "now",
        "version": 1,
        "kibanaSavedObjectMeta": {"searchSourceJSON": _text({"query": _query(""), "filter": []})},
    }
    return _object("dashboard", dashboard.id, attributes, references)


def _object(kind: str, name: str, attributes: Body, references: Sequence[Body]) -> Body:
    return {
        "type": kind,
        "id": name,
        "attributes": attributes,
        "references": list(references),
        "migrationVersion": {kind: VERSIONS[kind]},
    }


def _of(pattern: Pattern) -> Body:
    return {"name": INDEX, "type": "index-pattern", "id": pattern.id}


def _source(panel: Panel) -> str:
    return _text({"query": _query(query(panel)), "filter": [], "indexRefName": INDEX})


def _query(text: str) -> Body:
    return {"query": text, "language": "kuery"}


def _aggregations(panel: Panel) -> Iterator[Body]:
    """Figures first: the splits are ordered by the first of them."""
    numbers = count(1)
    for figure in panel.figures:
        yield _aggregation(next(numbers), figure.of, "metric", _measured(figure))
    if panel.over:
        time = {
            "field": panel.over,
            "interval": panel.every,
            "min_doc_count": 1,
            "useNormalizedOpenSearchInterval": True,
        }
        yield _aggregation(next(numbers), "date_histogram", "segment", time)
    for place, split in zip(_places(panel), panel.splits, strict=False):
        yield _aggregation(next(numbers), "terms", place, _values(split))


def _places(panel: Panel) -> Iterator[str]:
    """Where each split goes: into rows, slices, or onto the axis where no time is and then into colours."""
    if panel.form == "table":
        return repeat("bucket")
    if panel.form == "pie":
        return repeat("segment")
    return chain(() if panel.over else ("segment",), repeat("group"))


def _aggregation(number: int, kind: str, schema: str, params: Body) -> Body:
    return {"id": str(number), "enabled": True, "type": kind, "schema": schema, "params": params}


def _measured(figure: Figure) -> Body:
    named = {"field": figure.field} if figure.field else {}
    percents = {"percents": list(PERCENTS)} if figure.of == "percentiles" else {}
    return {"customLabel": figure.label, **named, **percents}


def _values(split: Split) -> Body:
    return {
        "field": split.field,
        "customLabel": split.label,
        "size": split.most,
        "order": "desc",
        "orderBy": "1",
        "otherBucket": False,
        "otherBucketLabel": "other",
        "missingBucket": split.missing is not None,
        "missingBucketLabel": split.missing or "",
    }


def _params(panel: Panel) -> Body:
    if panel.form == "metric":
        style = {"bgColor": False, "labelColor": False, "subText": "", "fontSize": 36}
        return {
            "type": "metric",
            "addTooltip": True,
            "addLegend": False,
            "metric": {
                "percentageMode": False,
                "useRanges": False,
                "colorSchema": "Green to Red",
                "metricColorMode": "None",
                "colorsRange": [{"from": 0, "to": 10_000}],
                "labels": {"show": True},
                "invertColors": False,
                "style": style,
            },
        }
    if panel.form == "table":
        return {
            "perPage": 10,
            "showPartialRows": False,
            "showMetricsAtAllLevels": False,
            "showTotal": False,
            "totalFunc": "sum",
            "percentageCol": "",
        }
    seen = {"addTooltip": True, "addLegend": True, "legendPosition": "right"}
    if panel.form == "pie":
        labels = {"show": False, "values": True, "last_level": True, "truncate": 100}
        return {"type": "pie", "isDonut": True, "labels": labels, **seen}
    return {**_axes(panel), **seen}


def _axes(panel: Panel) -> Body:
    across = panel.form == "horizontal_bar"
    series = "histogram" if across else panel.form
    labels = {"show": True, "filter": True, "truncate": 100}
    category = {
        **_axis("CategoryAxis-1", "category", "left" if across else "bottom"),
        "scale": {"type": "linear"},
        "labels": labels,
        "title": {},
    }
    value = {
        **_axis("ValueAxis-1", "value", "bottom" if across else "left"),
        "name": "LeftAxis-1",
        "scale": {"type": panel.scale, "mode": "normal"},
        "labels": {**labels, "filter": False, "rotate": 0},
        "title": {"text": panel.figures[0].label},
    }
    mode = "stacked" if panel.form in STACKED else "normal"
    lines = [_line(number, figure, series, mode) for number, figure in enumerate(panel.figures, 1)]
    return {
        "type": series,
        "grid": {"categoryLines": False},
        "categoryAxes": [category],
        "valueAxes": [value],
        "seriesParams": lines,
        "times": [],
        "addTimeMarker": False,
        "labels": {"show": False},
        "thresholdLine": {"show": False, "value": 10, "width": 1, "style": "full", "color": "#E7664C"},
    }


def _axis(name: str, kind: str, position: str) -> Body:
    return {"id": name, "type": kind, "position": position, "show": True, "style": {}}


def _line(number: int, figure: Figure, series: str, mode: str) -> Body:
    return {
        "show": True,
        "type": series,
        "mode": mode,
        "data": {"label": figure.label, "id": str(number)},
        "valueAxis": "ValueAxis-1",
        "drawLinesBetweenPoints": True,
        "lineWidth": 2,
        "interpolate": "linear",
        "showCircles": True,
    }


def _text(value: object) -> str:
    return msgspec.json.encode(value, order="sorted").decode()
