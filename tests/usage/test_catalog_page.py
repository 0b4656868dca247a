"""Does the page on the kinds say what the files and the code say?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from usage_anomaly.catalog import BUNDLED, Catalog, Needs, PriceRule
from usage_anomaly.enrichment import prices as price_room
from usage_anomaly.enrichment.prices import PriceTable
from usage_anomaly_cli import catalog_page
from usage_anomaly_cli.catalog_command import catalog as command

KINDS = sorted(path.parent.name for path in BUNDLED.glob("*/kind.json"))
ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "docs" / "catalog.md"
SOME_EFFECT = re.compile(r"(?<!\\)[*_\[\]<>|#~{}]")  # a mark that markdown would act on


@pytest.fixture(scope="module")
def table() -> PriceTable:
    """The bundled prices, which the page is computed with."""
    return price_room.load()


def test_the_committed_page_is_the_command_s() -> None:
    """Renew it with `usage-anomaly catalog docs > docs/catalog.md`: an old page would explain calls that count no more."""
    result = CliRunner().invoke(command, ["docs"])
    assert result.exit_code == 0
    assert result.stdout == COMMITTED.read_text("utf-8")


@pytest.mark.parametrize("name", KINDS)
def test_a_record_cut_down_gives_the_same_event(catalog: Catalog, table: PriceTable, name: str) -> None:
    """What is left out of an example must not have mattered, or the reader learns the wrong fields."""
    kind = catalog.kinds[name]
    sample, record, events = catalog_page.worked(kind, catalog, table, BUNDLED)
    whole = catalog_page.read(kind, sample.record, catalog, table)
    assert events
    for cut, full in zip(events, whole, strict=True):
        for field in ("direction", "quantity", "group", "resource_ids", "usd_per_hour", "truncated", "actor_arn"):
            assert getattr(cut, field) == getattr(full, field), field
    assert len(str(record)) < len(str(sample.record))


def test_every_rule_and_need_has_words() -> None:
    """A rule without words would end the command for every kind."""
    assert set(get_args(PriceRule)) <= catalog_page.RULES.keys()
    assert set(get_args(Needs)) == catalog_page.NEEDS.keys()


@given(st.text(max_size=40))
def test_no_text_of_a_file_acts_as_markdown(text: str) -> None:
    """Kinds are written by many: a name in a reason must not open a link, a table cell or a heading."""
    shown = catalog_page.plain(text)
    assert not SOME_EFFECT.search(shown.replace("\\\\", ""))
    assert "\n" not in shown
    assert re.sub(r"\\(.)", r"\1", shown) == " ".join(text.split())


@given(st.text(alphabet="ab`\n {}|", max_size=20).filter(str.strip))
def test_code_ends_where_it_should(text: str) -> None:
    """A command with a backtick must not spill into the text behind it."""
    shown = catalog_page.code(text)
    fence = re.match("`+", shown)
    assert fence
    assert shown.endswith(fence[0])
    assert fence[0] not in shown[len(fence[0]) : -len(fence[0])].strip("`") or len(fence[0]) == 1
    assert " ".join(text.split()) in shown
