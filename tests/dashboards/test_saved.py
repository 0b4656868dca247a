"""Are the saved objects whole, the same each time, and about fields that there are?

No Dashboards runs here: the import itself is not tested. What can be asked without one is asked: names, versions,
references, fields with their types, and (in test_asking.py) what each panel asks the cluster.
"""

from __future__ import annotations

import json
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tests.dashboards.asking import aggregations, clauses, loaded, source

from usage_anomaly.dashboards import patterns, saved
from usage_anomaly.dashboards.patterns import PATTERNS, Pattern
from usage_anomaly.search import indexes

Body = dict[str, Any]
BY_ID = {each.id: each for each in PATTERNS}
NUMBERS = {"long", "double"}


def pattern_of(each: Body) -> Pattern:
    """The index pattern that a panel is about."""
    (reference,) = each["references"]
    assert reference["type"] == "index-pattern"
    assert source(each)["indexRefName"] == reference["name"]
    return BY_ID[reference["id"]]


def panels(objects: list[Body]) -> list[Body]:
    """Visualizations and searches."""
    return [each for each in objects if each["type"] in ("visualization", "search")]


def test_the_file_is_what_the_code_makes(root: Path) -> None:
    """The file is what people review and import by hand; the deployment imports what the code makes."""
    kept = (root / "dashboards" / "usage-anomaly.ndjson").read_bytes()
    assert kept == saved.ndjson(), "run: usage-anomaly dashboards -o dashboards/usage-anomaly.ndjson"


def test_a_second_import_replaces_the_first(objects: list[Body]) -> None:
    """With ids of chance each upgrade would leave another set of dashboards."""
    names = [(each["type"], each["id"]) for each in objects]
    assert len(set(names)) == len(names)
    assert all(name.startswith("usage-anomaly-") for _, name in names)
    assert saved.ndjson() == saved.ndjson()


def test_each_object_says_a_version_that_dashboards_knows(objects: list[Body]) -> None:
    """One without is taken for as old as can be; one newer than the server's is refused."""
    for each in objects:
        assert set(each) == {"type", "id", "attributes", "references", "migrationVersion"}
        assert each["migrationVersion"] == {each["type"]: saved.VERSIONS[each["type"]]}


def test_every_reference_is_in_the_file_before_it_is_named(objects: list[Body]) -> None:
    """An import with a missing reference fails as a whole."""
    seen: set[tuple[str, str]] = set()
    for each in objects:
        named = {(reference["type"], reference["id"]) for reference in each["references"]}
        assert named <= seen, each["id"]
        seen.add((each["type"], each["id"]))


def test_every_panel_stands_on_a_dashboard_and_none_on_another_panel(objects: list[Body]) -> None:
    """Panels that overlap cannot be read; one that stands nowhere is dead."""
    placed = set()
    for dashboard in (each for each in objects if each["type"] == "dashboard"):
        references = {each["name"]: (each["type"], each["id"]) for each in dashboard["references"]}
        cells: set[tuple[int, int]] = set()
        shown: Any = loaded(dashboard["attributes"]["panelsJSON"])
        assert [each["panelRefName"] for each in shown] == list(references)
        for grid in (each["gridData"] for each in shown):
            taken = {(grid["x"] + dx, grid["y"] + dy) for dx in range(grid["w"]) for dy in range(grid["h"])}
            assert not cells & taken
            assert max(x for x, _ in taken) < 48
            cells |= taken
        placed |= set(references.values())
    assert placed == {(each["type"], each["id"]) for each in panels(objects)}


def test_index_patterns_name_our_indexes_and_all_their_fields(objects: list[Body]) -> None:
    """A field that is not listed cannot be chosen, and one of another type breaks the panel."""
    found = {each["id"]: each["attributes"] for each in objects if each["type"] == "index-pattern"}
    assert set(found) == set(BY_ID)
    for name, attributes in found.items():
        pattern, listed = BY_ID[name], {each["name"]: each for each in json.loads(attributes["fields"])}
        assert attributes.get("timeFieldName") == pattern.time_field
        kept = {field: each["esTypes"] for field, each in listed.items() if not each["scripted"]}
        assert kept == {field: [kind] for field, kind in patterns.types(pattern).items()}
        assert all(each["aggregatable"] and each["searchable"] for each in listed.values())
    assert found["usage-anomaly-events"]["title"] == "usage-events-*"
    assert {each["title"] for each in found.values()} == {
        "usage-events-*", "usage-anomalies", "usage-anomalies*", "usage-hourly-*",
    }  # fmt: skip


def test_every_index_has_the_template_that_its_fields_are_read_from() -> None:
    """Else a panel is about fields that nobody maps."""
    templates = indexes.templates()
    for pattern in PATTERNS:
        (made,) = templates[pattern.index]["index_patterns"]
        assert fnmatch(made, pattern.title)
        if pattern.time_field:
            assert patterns.types(pattern)[pattern.time_field] == "date"


def test_every_field_that_a_panel_names_is_mapped_with_a_type_that_fits(objects: list[Body]) -> None:
    """An aggregation on a field that is not mapped shows nothing; a sum over text fails."""
    for each in panels(objects):
        pattern = pattern_of(each)
        kept = patterns.types(pattern)
        numbers = {name for name, kind in kept.items() if kind in NUMBERS} | {it.name for it in pattern.scripted}
        texts = {name for name, kind in kept.items() if kind == "keyword"}
        dates = {name for name, kind in kept.items() if kind == "date"}
        fits = {"sum": numbers, "max": numbers, "percentiles": numbers, "terms": texts, "date_histogram": dates}
        for part in aggregations(each):
            if part["type"] != "count":
                assert part["params"]["field"] in fits[part["type"]], (each["id"], part)
        assert set(clauses(source(each)["query"]["query"])) <= texts, each["id"]
        assert set(each["attributes"].get("columns", ())) <= set(kept), each["id"]
        assert {field for field, _ in each["attributes"].get("sort", ())} <= numbers, each["id"]


def test_scripted_fields_read_fields_that_are_mapped() -> None:
    """A script on a field that is missing fails the whole panel."""
    for pattern in PATTERNS:
        for each in pattern.scripted:
            named = set(each.reads)
            assert named <= set(patterns.types(pattern))
            assert all(f"doc['{field}']" in each.script for field in named)


def test_every_kind_that_a_panel_names_is_in_the_catalog(objects: list[Body]) -> None:
    """A kind that was renamed leaves an empty panel behind, which looks like quiet."""
    from usage_anomaly import catalog

    known = catalog.load()
    named = {
        value.strip('"')
        for each in panels(objects)
        for value in clauses(source(each)["query"]["query"]).get("kind", ())
    }
    assert len(named) >= 4
    assert {name for name in named if known.kind_of(name) is None} == set()


def test_only_types_are_used_that_every_dashboards_has(objects: list[Body]) -> None:
    """A visualization of a plugin that is not installed makes the import succeed and the panel fail."""
    built_in = {"metric", "table", "pie", "histogram", "horizontal_bar", "line", "area"}
    states = [loaded(each["attributes"]["visState"]) for each in objects if each["type"] == "visualization"]
    assert {each["type"] for each in states} == built_in
    for each in states:
        metrics = [part["id"] for part in each["aggs"] if part["schema"] == "metric"]
        assert metrics[0] == "1"  # what splits are ordered by
        assert [line["data"]["id"] for line in each["params"].get("seriesParams", ())] in ([], metrics)
        assert sum(part["schema"] == "segment" for part in each["aggs"]) <= 1


def test_the_page_names_every_panel_and_no_other(root: Path, objects: list[Body]) -> None:
    """Who looks for a figure reads the page first."""
    page = (root / "docs" / "dashboards.md").read_text("utf-8")
    rows = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("| ")]
    named = {cells[0].strip() for cells in rows if len(cells) == 3} - {"panel"}
    assert named == {each["attributes"]["title"] for each in panels(objects)}
    for dashboard in (each["attributes"]["title"] for each in objects if each["type"] == "dashboard"):
        assert f"\n## {dashboard}\n" in page
