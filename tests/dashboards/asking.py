"""What does Dashboards ask the cluster for a panel? Read from the saved object, as Dashboards reads it.

Aggregations are nested in their order, figures inside the innermost; terms are ordered by the figure they name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Body = dict[str, Any]

CLAUSE = re.compile(r"([a-z_.]+): \(([^()]*)\)")


def loaded(text: str) -> Body:
    """An attribute that holds JSON as text."""
    found: Body = json.loads(text)
    return found


def clauses(query: str) -> dict[str, list[str]]:
    """The fields and values of a query; it must be nothing but such clauses."""
    assert query == "" or " and ".join(match[0] for match in CLAUSE.finditer(query)) == query
    return {match[1]: match[2].split(" or ") for match in CLAUSE.finditer(query)}


def source(saved: Body) -> Body:
    """The part of a visualization or search that says what it is about."""
    return loaded(saved["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])


def aggregations(saved: Body) -> list[Body]:
    """The aggregations of a visualization; none of a search."""
    state = loaded(saved["attributes"].get("visState", "{}"))
    found: list[Body] = state.get("aggs", [])
    return found


def body(saved: Body, scripts: Mapping[str, str]) -> Body:
    """The request of one panel."""
    filters = [_one_of(field, values) for field, values in clauses(source(saved)["query"]["query"]).items()]
    asked: Body = {"query": {"bool": {"filter": filters}}}
    if saved["type"] == "search":
        return {**asked, "size": 50, "sort": [{field: order} for field, order in saved["attributes"]["sort"]]}
    parts = aggregations(saved)
    figures = [each for each in parts if each["schema"] == "metric"]
    splits = [each for each in parts if each["schema"] != "metric"]
    return {**asked, "size": 0, "aggs": _nested(splits, figures, scripts)}


def _one_of(field: str, values: list[str]) -> Body:
    asked = [
        {"wildcard": {field: {"value": value}}} if "*" in value else {"term": {field: value.strip('"')}}
        for value in values
    ]
    return {"bool": {"should": asked, "minimum_should_match": 1}}


def _nested(splits: list[Body], figures: list[Body], scripts: Mapping[str, str]) -> Body:
    inner = dict(_measured(figures, scripts))
    if not splits:
        return inner
    split, *rest = splits
    within = _nested(rest, figures, scripts)
    params = split["params"]
    if split["type"] == "date_histogram":
        asked: Body = {"field": params["field"], "calendar_interval": {"auto": "1h", "d": "1d"}[params["interval"]]}
        return {split["id"]: {"date_histogram": {**asked, "min_doc_count": params["min_doc_count"]}, "aggs": within}}
    order = params["orderBy"]
    ordered = {"_count" if order not in inner else order: params["order"]}
    asked = {"field": params["field"], "size": params["size"], "order": ordered}
    if params["missingBucket"]:
        asked["missing"] = "__missing__"
    return {split["id"]: {"terms": asked, "aggs": inner | within}}


def _measured(figures: list[Body], scripts: Mapping[str, str]) -> Iterator[tuple[str, Body]]:
    for figure in figures:
        if figure["type"] == "count":  # every bucket has it
            continue
        params = {name: value for name, value in figure["params"].items() if name != "customLabel"}
        script = scripts.get(params["field"])
        if script is not None:
            del params["field"]
            params["script"] = {"source": script, "lang": "painless"}
        yield figure["id"], {figure["type"]: params}
