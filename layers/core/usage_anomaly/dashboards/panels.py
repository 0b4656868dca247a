"""What does a panel show? Plain values; `saved` writes them in Dashboards' terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from usage_anomaly.dashboards.patterns import Pattern

# Names of the visualization types; "search" is a list of documents.
Form = Literal["metric", "table", "pie", "histogram", "horizontal_bar", "line", "area", "search"]
Scale = Literal["linear", "square root"]


class Figure(msgspec.Struct, frozen=True):
    """A number over documents; `field` is None where they are counted."""

    of: Literal["count", "sum", "max", "percentiles"]
    field: str | None
    label: str


class Split(msgspec.Struct, frozen=True):
    """One row, slice or colour for each of the `most` values with the largest first figure.

    `missing` is what documents without a value stand under; None leaves them out.
    """

    field: str
    label: str
    most: int = 10
    missing: str | None = None


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """`where` keeps documents whose field has one of these values; a star in a value stands for any text.

    Charts have the time `over` on their axis, in steps of `every`, or else their first split. A "search" has columns
    and is sorted by one of them, the largest first.
    """

    id: str
    title: str
    form: Form
    pattern: Pattern
    where: Mapping[str, tuple[str, ...]] = {}
    figures: tuple[Figure, ...] = (Figure("count", None, "calls"),)
    over: str | None = None
    every: Literal["auto", "d"] = "auto"
    splits: tuple[Split, ...] = ()
    scale: Scale = "linear"
    columns: tuple[str, ...] = ()
    sort: str | None = None


class Placed(msgspec.Struct, frozen=True):
    """A panel's place in a row of 48 columns."""

    panel: Panel
    width: int
    height: int = 14


class Dashboard(msgspec.Struct, frozen=True):
    """Rows of panels from top to bottom; `since` is the span that it opens with, up to now."""

    id: str
    title: str
    description: str
    since: str
    rows: tuple[tuple[Placed, ...], ...]
