"""Does the operations page name what the code publishes, and nothing else?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from usage_anomaly import health, monitoring

_LATER = {"DetectorsNotRunning", "CanaryLatencySeconds"}  # of the design; what they measure is not built yet


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "operations.md").read_text("utf-8")


def test_each_metric_stands_there_with_its_unit(page: str) -> None:
    """A metric that nobody explains is one that nobody acts on; one that is explained and not published never alarms."""
    rows = dict(re.findall(r"^\| ([A-Z][A-Za-z]+) \| (Percent|Count|Seconds) \|", page, re.MULTILINE))
    assert rows == monitoring.UNITS
    assert not any(name in page for name in _LATER)


def test_each_row_says_what_to_do(page: str) -> None:
    """Meaning, target and first step: none is left empty."""
    rows = [line for line in page.splitlines() if re.match(r"\| [A-Z][A-Za-z]+ \| (Percent|Count|Seconds) \|", line)]
    assert len(rows) == len(monitoring.UNITS)
    assert all(len(cell.strip()) > 10 for row in rows for cell in row.strip("|").split("|")[2:])


def test_targets_are_those_of_the_code(page: str) -> None:
    """The alarm and the score must not disagree about what is too much."""
    targets = {
        "OverallHealthScore": health.SCORE_TARGET,
        "ProcessingSuccessRate": health.SUCCESS_TARGET,
        "LambdaErrorRate": health.ERRORS_TARGET,
        "IngestLagSeconds": health.LAG_TARGET,
        "AlertLatencySeconds": health.LATENCY_TARGET,
        "HistoryAgeSeconds": health.HISTORY_TARGET,
    }
    for name, figure in targets.items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| {name} |")]
        assert re.search(rf"\b{figure:g}\b", row.split("|")[4]), name


def test_each_area_has_its_first_step(page: str) -> None:
    """The same words as in the mail, so that a search for them finds the page."""
    assert [area for area, remedy in health.REMEDY.items() if f"| {area} | {remedy} |" not in page] == []


def test_every_metric_is_published_somewhere(root: Path) -> None:
    """A name that only the page and the alarm know stays silent for ever."""
    sources = {
        path: path.read_text("utf-8") for name in ("layers/core", "functions") for path in (root / name).rglob("*.py")
    }
    ours = next(text for path, text in sources.items() if path.name == "monitoring.py")
    here = set(re.findall(r'yield "([A-Za-z]+)"', ours))
    elsewhere = "".join(text for text in sources.values() if text is not ours)
    assert {name for name in monitoring.UNITS if f'"{name}"' in elsewhere} | here == set(monitoring.UNITS)
    assert not [name for name in here if f'"{name}"' in elsewhere], "published twice"
