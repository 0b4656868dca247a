"""Is the page complete, closed in itself, and deaf to what records say?"""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.command.conftest import Command
from tests.enrichment import incidents
from tests.report import hostile
from tests.report.reading import Page

from usage_anomaly.anomalies import Alert
from usage_anomaly.catalog import Catalog
from usage_anomaly_cli.main import cli
from usage_anomaly_cli.report import page

ALONE = page.Heading(title="Usage anomalies")
OUTSIDE = re.compile(r"(?i)https?:|//|url\(|javascript:|@import|data:")
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
INCIDENT = "ec2-instances-111122223333-20261125T1000Z"


def rendered(catalog: Catalog, text: str) -> str:
    return page.render(
        page.Heading(title=text, facts=[("Gaps", text)], summing_up=[text]), [hostile.kept(catalog, text)], catalog
    )


@pytest.fixture(scope="module")
def harmless(catalog: Catalog) -> Page:
    """The page of the same anomaly, with a harmless word in place of every text."""
    return Page(rendered(catalog, "word"))


@pytest.mark.parametrize("number", range(len(hostile.TEXTS)))
def test_no_text_makes_an_element_or_an_attribute(catalog: Catalog, harmless: Page, number: int) -> None:
    """A name that becomes markup runs in the browser of whoever investigates it: the elements are those of a harmless word."""
    found = Page(rendered(catalog, hostile.TEXTS[number]))
    assert found.elements == harmless.elements
    assert found.others == ["doctype html"]


@given(st.text(min_size=1, max_size=60))
def test_no_drawn_text_makes_an_element_either(catalog: Catalog, text: str) -> None:
    """What we did not think of."""
    found, plain = (
        page.render(ALONE, [replace(hostile.kept(catalog, each), timeline=None)], catalog) for each in (text, "word")
    )
    assert Page(found).elements == Page(plain).elements
    assert not {unicodedata.category(each) for each in found.replace("\n", "")} & UNSEEN


@pytest.mark.parametrize("number", range(len(hostile.TEXTS)))
def test_nothing_is_fetched_hidden_or_endless(catalog: Catalog, number: int) -> None:
    """The page is opened on machines that hold evidence: it must call nobody, reorder nothing and stay readable."""
    text = rendered(catalog, hostile.TEXTS[number])
    found = Page(text)
    assert [
        each
        for each in found.attributes("src", "href", "style", "srcset", "action", "xlink:href")
        if OUTSIDE.search(each)
    ] == []
    assert {each[0] for each in found.attributes("href")} == {"#"}
    assert found.of("style") == [page.STYLE.strip()]
    assert not OUTSIDE.search(page.STYLE)
    assert not {unicodedata.category(each) for each in text.replace("\n", "")} & UNSEEN
    assert len(text) < 250_000


def test_hostile_text_is_shown_not_lost(catalog: Catalog) -> None:
    """Who investigates has to see what was tried."""
    found = Page(rendered(catalog, "<script>window.ran = 1</script>"))
    assert any("<script>window.ran = 1</script>" in text for text in found.of("td"))
    assert "<script>window.ran = 1</script>" in found.of("h1")


def test_the_policy_forbids_all_but_our_style(catalog: Catalog) -> None:
    """Should a text ever become markup, the browser still runs and fetches nothing."""
    found = Page(rendered(catalog, "word"))
    policies = [
        dict(each)["content"]
        for tag, each in found.elements
        if dict(each).get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == [page.POLICY]
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; base-uri 'none'; form-action 'none'", page.POLICY
    )
    tags = [tag for tag, _ in found.elements]
    assert tags.index("meta") < tags.index("style")
    assert {"script", "link", "img", "iframe", "object", "form", "base"}.isdisjoint(tags)
    assert [name for _, each in found.elements for name, _ in each if name.startswith("on") or name == "style"] == []


@pytest.fixture(scope="module")
def replayed(trail: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the generated trail, by the command."""
    folder = tmp_path_factory.mktemp("page")
    arguments = ["replay", trail / "AWSLogs", "--accounts", trail / "accounts.json", "--all", "--format", "html"]
    arguments += ["--output", folder / "report.html"]
    result = CliRunner().invoke(cli, [str(each) for each in arguments], env={"XDG_STATE_HOME": str(folder)})
    assert result.exit_code == 0, result.output
    return (folder / "report.html").read_text("utf-8")


def test_the_page_answers_what_the_mail_answers(replayed: str) -> None:
    """Who, what, where, cost, what to do and why, of the generated incident."""
    found = Page(replayed)
    texts = [text for _, text in found.texts]
    for part in (
        "47 p3.16xlarge (376 GPUs, 3,008 vCPUs)", "us-east-2 20, us-west-2 15, us-east-1 12", "1,151 USD/h",
        "long-lived key AKIAIOSFODNN7EXAMPLE", "ml-platform, cost centre 4711", "limit 2 for development accounts",
        "6 dry RunInstances", "T1496", "limits and burn rate", "list of 2026-", "at list price (+5.0)",
    ):  # fmt: skip
        assert any(part in text for text in texts), part
    assert any(text.startswith("aws iam update-access-key --user-name ci-legacy") for text in found.of("pre"))
    policies = [json.loads(text) for text in found.of("pre") if text.startswith("{")]
    assert policies[0]["Statement"][0]["Sid"] == "OnlyRegionsInUse"
    assert INCIDENT in found.of("code")


def test_headings_come_in_order_and_severity_in_words(replayed: str) -> None:
    """A screen reader walks by headings, and a colour says nothing to it."""
    found = Page(replayed)
    levels = [int(tag[1]) for tag, _ in found.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    badges = [text for text in found.of("span") if re.fullmatch(r"[0-9.]+ (CRITICAL|HIGH|MEDIUM|LOW)", text)]
    assert len(badges) == 2 * sum(tag == "article" for tag, _ in found.elements)
    assert re.search("CRITICAL$", badges[0])


def test_links_lead_to_the_anomaly_they_name(replayed: str) -> None:
    """One broken anchor and the table leads nowhere."""
    found = Page(replayed)
    names = found.attributes("id")
    assert len(names) == len(set(names)) > 1
    assert found.attributes("href") == [f"#{name}" for name in names]


def test_each_chart_has_a_name_and_a_mark_for_each_alert(replayed: str, trail: Path, command: Command) -> None:
    """The chart says the same to those who cannot see it, and shows when somebody was told."""
    found = Page(replayed)
    result = command("replay", trail / "AWSLogs", "--accounts", trail / "accounts.json", "--all", "--format", "jsonl")
    anomalies = [json.loads(line) for line in result.stdout.splitlines()]
    charts = [dict(each) for tag, each in found.elements if tag == "svg"]
    assert len(charts) == len(anomalies)
    assert {each["role"] for each in charts} == {"img"}
    names = [text for text in found.of("title") if text.startswith("Instances per 10 minutes")]
    assert len(names) == len(charts)
    assert "limit 2" in names[0]
    marks = sum(("class", "mark") in each for _, each in found.elements)
    assert marks == sum(len(each["alerts"]) for each in anomalies)


def test_an_alert_beyond_the_chart_is_said_to_be(catalog: Catalog) -> None:
    """A number of the list without a mark looks like a mistake otherwise."""
    one = hostile.kept(catalog, "word")
    alerts = (*one.anomaly.alerts, Alert(incidents.at("11:05") + timedelta(days=9), "reminder"))
    found = Page(page.render(ALONE, [replace(one, anomaly=replace(one.anomaly, alerts=alerts))], catalog))
    assert "told, numbered as below; the last 1 came after what is drawn" in found.of("li")
    assert sum(("class", "mark") in each for _, each in found.elements) == 2
    assert "reminder 4 Dec 11:05 UTC" in found.of("li")


def contrast(one: str, other: str) -> float:
    """WCAG 2's contrast of two colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_read_in_light_and_dark() -> None:
    """AA: 4.5 for text, 3 for the shapes of a chart."""
    schemes = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", page.STYLE)
    ]
    assert len(schemes) == 3  # light, dark, print
    for colours in schemes:
        for name in ("ink", "faint", "link", "mark"):
            assert contrast(colours[name], colours["paper"]) >= 4.5, name
        assert contrast(colours["ink"], colours["block"]) >= 4.5
        for name in ("use", "around", "limit", "usual"):
            assert contrast(colours[name], colours["paper"]) >= 3, name
    badges = re.findall(r"\.[A-Z]+ \{ background: (#\w{6}); color: (#\w{6}); \}", page.STYLE)
    assert len(badges) == 4
    assert all(contrast(*each) >= 4.5 for each in badges)


def test_only_the_most_severe_are_drawn_and_the_rest_say_so(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand charts would take a minute; a page that leaves some out has to say which."""
    monkeypatch.setattr(page, "CHARTS", 1)
    one = hostile.kept(catalog, "word")
    milder = replace(one, anomaly=replace(one.anomaly, severity=1.0))
    found = Page(page.render(ALONE, [milder, one], catalog))
    assert sum(tag == "svg" for tag, _ in found.elements) == 1
    assert "No chart: drawn for the 1 most severe only." in found.of("p")
    assert found.of("span")[0].startswith(f"{one.anomaly.severity}")


def test_no_anomaly_makes_a_page_too(catalog: Catalog) -> None:
    """That nothing was found is a result that somebody files."""
    assert "None to show." in Page(page.render(ALONE, [], catalog)).of("p")
