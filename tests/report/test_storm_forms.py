"""Are the page and the sheet of a storm as deaf to what records say as those of an anomaly?"""

from __future__ import annotations

import csv
import io
import unicodedata

import pytest
from msgspec.structs import replace
from tests.alerts.storming import CATALOG, KIND, one, opening
from tests.report import hostile
from tests.report.reading import Page
from tests.report.test_page import ALONE, OUTSIDE, UNSEEN
from tests.report.test_sheet import begins_formula

from usage_anomaly.alerts.storm import Storm
from usage_anomaly_cli import sheet, storms
from usage_anomaly_cli.report import page
from usage_anomaly_cli.store import Kept

ACCOUNTS = 12


def spoiled(text: str) -> tuple[Storm, list[Kept]]:
    """A storm of accounts in which every text was written by somebody hostile."""
    model = hostile.kept(CATALOG, text).anomaly
    members = [
        replace(model, id=f"{place:02d}{text}", account_id=f"{place:02d}{text}", alerts=opening(place))
        for place in range(ACCOUNTS)
    ]
    return one(*(replace(each, closed_reason=None) for each in members)), [Kept(each) for each in members]


def rendered(text: str) -> str:
    storm, members = spoiled(text)
    return page.render(ALONE, members, CATALOG, [storm], storm.anomaly_ids())


@pytest.mark.parametrize("number", range(len(hostile.TEXTS)))
def test_no_text_makes_an_element_of_the_page(number: int) -> None:
    """The table of accounts holds names that anybody can choose."""
    text = rendered(hostile.TEXTS[number])
    found = Page(text)
    assert found.elements == Page(rendered("word")).elements
    assert [each for each in found.attributes("src", "href", "style") if OUTSIDE.search(each)] == []
    assert not {unicodedata.category(each) for each in text.replace("\n", "")} & UNSEEN


@pytest.mark.parametrize("number", range(len(hostile.TEXTS)))
def test_no_cell_of_the_sheet_begins_a_formula(number: int) -> None:
    """The storm's row is made of the same names."""
    storm, members = spoiled(hostile.TEXTS[number])
    text = sheet.text([each.anomaly for each in members], CATALOG, [storm])
    for delimiter in ",;\t":
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        assert [cell for line in lines for cell in line if begins_formula(cell)] == []


@pytest.mark.parametrize("number", range(len(hostile.TEXTS)))
def test_no_control_character_reaches_the_terminal(number: int) -> None:
    """Mail, record and table of `show`."""
    storm, members = spoiled(hostile.TEXTS[number])
    text = storms.said(storm, members, "full", CATALOG).decode()
    assert KIND.many in text
    assert not {unicodedata.category(each) for each in text.replace("\n", "")} & UNSEEN
