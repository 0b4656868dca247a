"""Are figures said as people say them?"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from usage_anomaly.alerts import words
from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment import wording


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"), (1151.4, "1,151"), (153_600, "153,600"), (99.96, "100"), (24.48, "24.5"), (5.0, "5"), (0.0116, "0.0116"),
        (0.5, "0.5"), (9.999, "10"), (1_000_000.4, "1,000,000"),
    ],
)  # fmt: skip
def test_number(value: float, said: str) -> None:
    """Three digits that count; nobody pays 1,151.3999 USD."""
    assert words.number(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (803, "about 800"), (153_612, "about 150,000"), (9.12, "about 9.1"), (0.052, "about 0.052")],
)
def test_about(value: float, said: str) -> None:
    """What runs on is never known to the dollar."""
    assert words.about(value) == said


@pytest.mark.parametrize(
    ("total", "groups", "said"),
    [
        (47, {"p3.16xlarge": 47}, "47 p3.16xlarge"),
        (1, {"unknown": 1}, "1 instance"),
        (12, {}, "12 instances"),
        (61, {"m5.large": 15, "c5.large": 40, "unknown": 6}, "61 instances (40 c5.large, 15 m5.large, 6 other)"),
        (5, {"db.t3.micro": 5}, "5 instances (db.t3.micro)"),
        (3, {"gp3": 3}, "3 instances (gp3)"),
        (10, {"a.x": 4, "b.x": 3, "c.x": 2, "d.x": 1}, "10 instances (4 a.x, 3 b.x, 2 c.x, 1 other)"),
    ],
)
def test_things(total: int, groups: dict[str, int], said: str) -> None:
    """ "47 p3.16xlarge" tells more than "47 instances"."""
    assert words.things(total, groups, "instance", "instances") == said


def test_times_are_short_and_unambiguous() -> None:
    """One date where one is enough; months by name, so that no reader takes a day for a month."""
    first, last = datetime(2026, 11, 25, 10, 4, tzinfo=UTC), datetime(2026, 11, 25, 10, 57, tzinfo=UTC)
    assert words.span(first, last) == "25 Nov 10:04-10:57"
    assert words.span(first, first) == "25 Nov 10:04"
    assert words.span(first, datetime(2026, 12, 1, 3, 40, tzinfo=UTC)) == "25 Nov 10:04 - 1 Dec 03:40"


def test_lists_end_with_what_they_leave_out() -> None:
    """A cut list that does not say so lies."""
    assert words.listed({"a": 1, "c": 3, "b": 3}, 2) == "b 3, c 3 and 1 more"


def test_unknown_is_said() -> None:
    """A price nobody knows is not 0."""
    assert words.usd_per_hour(None) == "unknown"
    assert words.usd_per_hour(0.0) == "0 USD/h"


def test_one_of_each_kind_is_said_as_one(catalog: Catalog) -> None:
    """ "1 purchases" costs the reader's trust in the figures beside it."""
    assert {wording.counted(1, kind.many) for kind in catalog.kinds.values()} == {
        f"1 {kind.one}" for kind in catalog.kinds.values()
    }
    assert wording.counted(1, "refused calls for instances") == "1 refused call for instances"
    assert wording.counted(2_000, "purchases") == "2,000 purchases"
