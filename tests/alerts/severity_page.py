"""What does `docs/severity.md` say: the table of the code, and how it judges the incidents and the habits of these tests?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.alerts.look_alikes import LOOK_ALIKES, judged
from tests.alerts.scenarios import SCENARIOS, sent

from usage_anomaly.anomalies import Anomaly
from usage_anomaly.enrichment import severity

PAGE = Path(__file__).resolve().parents[2] / "docs" / "severity.md"
INTRODUCTION = """\
# Severity

A number from 0 to 10, of one function without state (`usage_anomaly/enrichment/severity.py`). Each alert prints its reasons with
their points. This page is written by `python -m tests.alerts.rewrite_mails`; a test compares.
"""
CALIBRATION = """\
## How the incidents are judged

Each incident strikes a generated organization of three accounts in the midst of its habits; the figures are those of its last
growth, or of its opening where it did not grow. `tests/alerts/scenarios/` holds the whole alerts.
"""
HABITS = """\
## How their look-alikes are judged

The worst of the ninth and tenth day of the habit. Recorded: kept and shown by `replay --all`, nobody is told.
"""


def page() -> str:
    labels = ", ".join(f"{name} from {least:g}" for least, name in severity.LABELS)
    figures = (severity.__doc__ or "").partition("The figures:")[2].strip()
    incidents = [(_incident(name), sent(name)[-1].anomaly) for name in SCENARIOS]
    habits = [(name, judged(habit)) for name, habit in LOOK_ALIKES.items()]
    reasons = f"## Reasons and points\n\n{figures}\n\nLabels: {labels}.\n"
    return "\n".join(
        [INTRODUCTION, reasons, CALIBRATION, _table("incident", incidents), HABITS, _table("habit", habits)]
    )


def _incident(name: str) -> str:
    return re.sub(r"^0?", "", name).replace("_", " ")


def _table(first: str, rows: Sequence[tuple[str, Anomaly]]) -> str:
    lines = [f"| {first} | used | severity | | reasons |", "|---|---|---|---|---|"]
    for name, each in rows:
        label = severity.label(each.severity)
        told = f"{label}, told" if each.alerts else "recorded"
        used = f"{each.total:,} {each.unit}"
        lines.append(f"| {name} | {used} | {each.severity:.1f} | {told} | {'; '.join(each.severity_reasons)} |")
    return "\n".join(lines) + "\n"
