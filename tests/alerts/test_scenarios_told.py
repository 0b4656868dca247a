"""Does an outsider, woken at night, find in each alert what there is to know?

The expected alerts stand in `scenarios/`, one folder each: `python -m tests.alerts.rewrite_mails` writes them.
"""

from __future__ import annotations

import json
import re

import pytest
from tests.alerts.scenarios import FOLDER, SCENARIOS, Sent, files, sent
from tests.alerts.severity_page import PAGE, page

from usage_anomaly.enrichment.cost import UNPRICED

ALERTS = [pytest.param(name, number, id=f"{name}-{number}") for name in SCENARIOS for number in (0, -1)]
NO_LIST_PRICE = {"04_lambda_loop", "05_model_theft"}
FREE = {"10_refused_launches"}
ROWS = 10  # incidents that must be told


@pytest.fixture
def alert(name: str, number: int) -> Sent:
    return sent(name)[number]


@pytest.mark.parametrize("name", SCENARIOS)
def test_alert_reads_as_agreed(name: str) -> None:
    """Mail, chat and JSON of the whole chain, from the record to the word."""
    assert {each.name: each.read_text("utf-8") for each in (FOLDER / name).iterdir()} == files(name)


def test_every_row_that_must_be_told_is_here() -> None:
    """And no folder is left of one that is not."""
    assert {each.row for each in SCENARIOS.values()} == set(range(1, ROWS + 1))
    assert {each.name for each in FOLDER.iterdir()} == SCENARIOS.keys()


@pytest.mark.parametrize(("name", "number"), ALERTS)
def test_mail_answers_every_question(alert: Sent, name: str) -> None:
    """Who, where, since when, how much against usual, USD per hour, what to check, what to do."""
    text, anomaly = alert.mail.text, alert.anomaly
    labels = re.findall(r"^([A-Z]{2,7}) +\S", text, re.MULTILINE)
    wanted = ["WHAT", "WHERE", "COST", "WHO", "OWNER", "CHECK", "PREVENT", "WHY", "RECORD"]
    assert [label for label in labels if label in wanted] == wanted
    assert f"{anomaly.first_use:%H:%M}" in text
    assert re.search(r"^WHERE .*Usual: \d", text, re.MULTILINE)
    assert text.count("?\n") >= 2
    assert (" USD/h" in text) == (name not in NO_LIST_PRICE | FREE)
    assert re.search(r"^1 ", text, re.MULTILINE)
    assert re.search(r"^    (aws|kubectl|for) ", text, re.MULTILINE) or name in FREE
    assert anomaly.account_name in alert.mail.subject


@pytest.mark.parametrize(("name", "number"), ALERTS)
def test_nothing_is_empty_unknown_or_said_twice(alert: Sent, name: str) -> None:
    """An empty phrase costs the reader's trust, and a repeated one his time."""
    text = alert.mail.text
    assert not re.search(
        r"\bNone\b|\(empty\)|\[:\]|\.{4}| 1 (instances|tasks|volumes|snapshots|invocations|calls)\b", text
    )
    unknown = [line for line in text.splitlines() if re.search(r"\bunknown\b", line)]
    told = (UNPRICED,) if name in NO_LIST_PRICE else ()
    assert all(any(why in line for why in (*told, "type not in the record", "price unknown")) for line in unknown)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize(("name", "number"), ALERTS)
def test_chat_has_the_essential_lines_and_the_next_steps(alert: Sent, name: str) -> None:
    """A channel shows no command; what to do stands there in words, and where the commands are."""
    content = json.loads(alert.notification())["content"]
    labels = re.findall(r"^\*([A-Za-z]+)\*", content["description"], re.MULTILINE)
    assert {"Account", "What", "Where", "Cost", "Who", "Owner", "Why"} <= set(labels)
    assert len(set(content["nextSteps"])) == len(content["nextSteps"]) >= 2
    assert content["nextSteps"][-1].endswith(alert.anomaly.id)
    assert "unknown" not in content["description"] or name in NO_LIST_PRICE or "price unknown" in content["description"]


def test_the_page_on_severity_is_true() -> None:
    """A calibration that nobody ran is a wish."""
    assert PAGE.read_text("utf-8") == page()


def test_incidents_rank_above_their_look_alikes() -> None:
    """Whoever sets a filter by severity must lose the habits first."""
    told = re.findall(r"^\|.*\| (\d+\.\d) \| [A-Z]+, told \|", PAGE.read_text("utf-8"), re.MULTILINE)
    recorded = re.findall(r"^\|.*\| (\d+\.\d) \| recorded \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert (len(told), len(recorded)) == (len(SCENARIOS), 5)
    assert max(map(float, recorded)) < min(map(float, told))
