"""Can a spreadsheet be trusted with the anomalies?"""

from __future__ import annotations

import csv
import io
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.report import hostile

from usage_anomaly.anomalies import Anomaly
from usage_anomaly.catalog import Catalog
from usage_anomaly_cli import sheet

NUMBERS = ("severity", "quantity", "usd_per_hour", "unpriced")
FORMULA = re.compile("[=+@\uff1d\uff0b\uff20\uff0d-]")


def cells(text: str, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def rows(anomalies: list[Anomaly], catalog: Catalog) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(sheet.text(anomalies, catalog), newline="")))


def begins_formula(cell: str) -> bool:
    return FORMULA.match(cell.strip().lstrip("\"' ") if not cell.strip().startswith("'") else "") is not None


@pytest.mark.parametrize("number", range(len(hostile.TEXTS)))
def test_no_cell_begins_a_formula(catalog: Catalog, number: int) -> None:
    """A cell that computes can send what stands beside it to whoever named an instance."""
    text = sheet.text([hostile.kept(catalog, hostile.TEXTS[number]).anomaly], catalog)
    header, row = cells(text)
    assert tuple(header) == sheet.COLUMNS
    assert len(row) == len(header)
    assert [each for each in row if begins_formula(each)] == []
    # A spreadsheet set to semicolons, or to tabs, divides elsewhere.
    assert [
        each for delimiter in ";\t" for line in cells(text, delimiter) for each in line if begins_formula(each)
    ] == []
    assert not {unicodedata.category(each) for each in text.replace("\r\n", "")} & {
        "Cc",
        "Cf",
        "Cs",
        "Co",
        "Cn",
        "Zl",
        "Zp",
    }
    assert max(len(each) for each in row) < 400


@given(st.text(st.one_of(st.characters(), st.sampled_from("=+-@;,\t\"' \r\n")), max_size=30))
@example('";=1')
@example(";\t ' \"=1")
def test_no_drawn_text_begins_one_either(text: str) -> None:
    """Quotes and delimiters combine in more ways than a list of examples holds."""
    stream = io.StringIO(newline="")
    csv.writer(stream).writerow(["first", sheet.cell(text), "last"])
    for delimiter in ",;\t":
        assert [each for line in cells(stream.getvalue(), delimiter) for each in line if begins_formula(each)] == []


def test_what_is_unknown_is_empty_and_never_0(catalog: Catalog) -> None:
    """A sum over the column must not count unknown money as none."""
    anomaly = hostile.kept(catalog, "word").anomaly
    unknown = replace(anomaly, cost=replace(anomaly.cost, usd_per_hour=None), actors=(), automation=None, id="b")
    priced = replace(
        anomaly, cost=replace(anomaly.cost, usd_per_hour=12.5), notes=("price unknown for 7 of 47 instances",), id="a"
    )
    first, second = rows([unknown, priced], catalog)
    assert (first["usd_per_hour"], first["unpriced"]) == ("12.5", "7")
    assert (second["usd_per_hour"], second["unpriced"]) == ("", "47")
    assert {second[name] for name in ("actor", "access_key_id", "source_address", "automation")} == {""}


def test_refused_calls_cost_nothing(catalog: Catalog) -> None:
    """That is known, so it is 0 and not empty."""
    (row,) = rows([replace(hostile.kept(catalog, "word").anomaly, kind="ec2.instances.attempts")], catalog)
    assert (row["usd_per_hour"], row["unpriced"]) == ("0", "0")


def test_times_are_rfc_3339_and_rows_most_severe_first(catalog: Catalog) -> None:
    """What sorts and filters by itself in any tool."""
    anomaly = hostile.kept(catalog, "word").anomaly
    found = rows([replace(anomaly, severity=2.0, alerts=()), anomaly], catalog)
    assert [row["told"] for row in found] == ["told", "recorded"]
    assert all(
        re.fullmatch(r"2026-11-25T\d\d:\d\d:\d\dZ", row[name]) for row in found for name in ("first_use", "last_use")
    )
    assert all(float(row[name]) >= 0 for row in found for name in NUMBERS)
