"""Does the command tell many accounts at once as one thing, and lose none of them?"""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from tests.command.conftest import Command
from tests.report.reading import Page

from usage_anomaly.errors import UnusableInput
from usage_anomaly_generator import accounts_json, demo, generate, write
from usage_anomaly_generator.organization import Account, Organization
from usage_anomaly_generator.trail import Incident

STORM = "storm-ec2-instances-20261125T0305Z"
ACCOUNTS = 31
CRITICAL = ("team-00", "team-01")


@pytest.fixture(scope="module")
def stormy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One key starts machines in 31 accounts within half an hour, in two of them large ones."""
    folder = tmp_path_factory.mktemp("stormy")
    start = demo.START.replace(day=24)
    accounts = Organization(
        tuple(
            Account(f"3333{place:08d}", f"team-{place:02d}", {"AccountType": "development"})
            for place in range(ACCOUNTS)
        )
    )
    incidents = []
    for place, account in enumerate(accounts.accounts):
        large = account.name in CRITICAL
        options = {
            "instance_type": "p3.16xlarge" if large else "c5.4xlarge",
            "launches": {"us-east-1": (20 if large else 10, 2)},
            "minutes": 4,
        }
        incidents.append(Incident("leaked_key", account.name, start + timedelta(hours=15, minutes=place), options))
    write(folder, generate(accounts, (), incidents, start, 1, 5))
    (folder / "accounts.json").write_bytes(accounts_json(accounts))
    return folder


@pytest.fixture
def replayed(command: Command, stormy: Path) -> Command:
    """Runs `replay` on it with these options."""
    return partial(command, "replay", stormy / "AWSLogs", "--accounts", stormy / "accounts.json")


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_table_has_one_row_for_the_storm_and_one_for_each_critical_account(replayed: Command) -> None:
    """29 rows of one cause hide the two that matter."""
    lines = replayed().stdout.splitlines()
    header = next(place for place, line in enumerate(lines) if line.startswith("SEV"))
    storm, first, second, summary, _, following, doer = lines[header + 1 :]
    assert "organization  31 accounts: 330 instances (290 c5.4xlarge, 40 p3.16xlarge), us-east-1" in storm
    assert storm.endswith("key AKIAIOSFODNN7EXAMPLE")
    assert [line.split()[1] for line in (first, second)] == list(CRITICAL)
    assert summary.startswith("31 told (31 of them in one storm), 0 recorded.")
    assert following == f"Next     usage-anomaly show {STORM}"
    assert doer.strip().startswith("usage-anomaly actor AKIAIOSFODNN7EXAMPLE ")


def test_with_all_every_account_has_its_row_too(replayed: Command) -> None:
    """Nothing is out of reach."""
    text = replayed("--all").stdout
    assert text.count("\n6.5  team-") == ACCOUNTS - len(CRITICAL)
    assert "31 accounts: 330 instances" in text


def test_a_storm_below_the_severity_asked_for_is_not_shown_nor_its_accounts(replayed: Command) -> None:
    """A storm is as severe as its worst account at least, so what is asked for is never folded away."""
    text = replayed("--min-severity", "9.9").stdout
    assert "31 accounts" not in text.split("Prices")[1]
    assert "31 told, 0 recorded" in text
    assert "31 told anomalies below severity 9.9 not shown" in text
    some = replayed("--min-severity", "7").stdout
    assert "31 accounts: 330 instances" in some
    assert "not shown" not in some


def test_machines_get_every_account_and_no_storm(replayed: Command) -> None:
    """A storm is found in its members; a line of another shape would break who reads them."""
    found = [json.loads(line) for line in replayed("--format", "jsonl").stdout.splitlines()]
    assert len(found) == ACCOUNTS
    assert {each["account_name"] for each in found} == {f"team-{place:02d}" for place in range(ACCOUNTS)}


def test_show_prints_the_storms_mail_and_every_account(replayed: Command, command: Command, tmp_path: Path) -> None:
    """From the last replay, or from a file of its lines."""
    file = tmp_path / "anomalies.jsonl"
    replayed("--format", "jsonl", "--output", file)
    mail = command("show", STORM, "--format", "mail").stdout
    assert mail.startswith(
        "Subject: [9.7 CRITICAL] organization: 31 accounts, 330 instances, 1,176 USD/h, one access key\n"
    )
    assert "changes of users, keys or permissions by the same doer: 93 in 31 of 31 accounts" in mail
    assert f"and 6 more: usage-anomaly show {STORM}" in mail
    full = command("show", STORM).stdout
    assert full.startswith(mail)
    for place in range(ACCOUNTS):
        assert f"    ec2-instances-3333{place:08d}-2026" in full
        assert f"team-{place:02d}  3333{place:08d} " in full.split("Their own anomalies")[0]
    assert command("show", STORM, "--from", file).stdout == full


def test_show_gives_the_storm_to_machines_and_sheets(replayed: Command, command: Command) -> None:
    """A sum over the sheet leaves out the row that sums up."""
    replayed()
    storm = json.loads(command("show", STORM, "--format", "json").stdout)
    assert (storm["id"], storm["together"]["total"], len(storm["accounts"])) == (STORM, 330, ACCOUNTS)
    assert storm["shared"][0] == {"what": "key", "value": "AKIAIOSFODNN7EXAMPLE", "accounts": 31}
    found = rows(command("show", STORM, "--format", "csv").stdout)
    assert [row["told"] for row in found] == ["storm"] + ["told"] * ACCOUNTS
    assert int(found[0]["quantity"]) == sum(int(row["quantity"]) for row in found[1:])
    assert (found[0]["account_id"], found[0]["id"]) == ("organization", STORM)


def test_an_unknown_storm_is_refused_like_an_unknown_anomaly(replayed: Command, command: Command) -> None:
    """With what there is to choose from."""
    replayed()
    result = command("show", "storm-ec2-instances-20261125T0000Z")
    assert isinstance(result.exception, UnusableInput)
    assert "31 in it" in str(result.exception)


def test_the_sheet_folds_what_the_table_folds(replayed: Command) -> None:
    """The same rows, in a form that sorts."""
    found = rows(replayed("--format", "csv").stdout)
    assert [(row["told"], row["account_name"]) for row in found] == [
        ("storm", "organization"),
        *(("told", name) for name in CRITICAL),
    ]
    assert found[0]["what"].startswith("31 accounts: 330 instances")


@pytest.mark.parametrize("whole", [True, False])
def test_the_page_has_one_entry_whose_table_leads_to_the_accounts(
    replayed: Command, command: Command, whole: bool
) -> None:
    """The accounts' own sections stand below, shut, each one link away."""
    text = replayed("--format", "html").stdout
    found = Page(text if whole else command("show", STORM, "--format", "html").stdout)
    articles = [dict(each).get("id") for tag, each in found.elements if tag == "article"]
    assert len(articles) == ACCOUNTS + 1
    links = found.attributes("href")
    assert {f"#{name}" for name in articles} == set(links)
    assert len(links) == ACCOUNTS + (1 + len(CRITICAL) if whole else 1)
    shown = [
        ("open", None) in each for tag, each in found.elements if tag == "details" and ("class", "anomaly") in each
    ]
    assert sum(shown) == (1 + len(CRITICAL) if whole else 1)
    assert shown[0]
    assert "No chart: each account has its own." in found.of("p")


def test_jobs_change_no_byte_of_it(replayed: Command) -> None:
    """As of everything that a replay prints."""
    once, twice = (replayed("--format", "html", "--jobs", jobs).stdout for jobs in (1, 2))
    assert once == twice
