"""Is hostile text inert in each medium, whichever field of an anomaly or its account it stands in?"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.alerts.hostile_fields import CHOSEN, MADE, hostile, texts
from tests.alerts.test_hostile_mail import OURS
from tests.chat.test_documents import TAME, kinds_of, parsed
from tests.enrichment import incidents
from tests.report.hostile import TEXTS

from usage_anomaly.alerts import mail, notification
from usage_anomaly.alerts.mail import Mail
from usage_anomaly.anomalies import Actor, Alert, Anomaly, Query, Statement, Step
from usage_anomaly.catalog import Catalog
from usage_anomaly.chat.documents import document
from usage_anomaly.enrichment.accounts import Account
from usage_anomaly.workflow.bounds import fit
from usage_anomaly_cli import account_of_replay

UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
LABEL = re.compile(r"^\*[A-Z][a-z]+\* ")
any_text = st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
hands = [pytest.param(False, id="sentences-ours"), pytest.param(True, id="nothing-ours")]


@pytest.fixture(scope="module")
def told(catalog: Catalog) -> Anomaly:
    """An anomaly with something in every list of it."""
    events = incidents.stolen_key(released=5)
    finding = incidents.finding("threshold", 47, 6, "47 instances in 60 minutes", events)
    alerts = (Alert(incidents.at("10:09"), "opened"), Alert(incidents.at("11:05"), "closed"))
    return incidents.told(catalog.kinds["ec2.instances"], events, [finding], alerts=alerts, closed_reason="joined")


@pytest.fixture
def account() -> Account:
    return Account(id=incidents.ACCOUNT, name="sandbox", tags={"Owner": "x"})


def said(anomaly: Anomaly, account: Account, catalog: Catalog) -> Mail:
    return mail.render(anomaly, catalog.kinds["ec2.instances"], account, update=2, recipient="deployment")


def owned(account: Account, text: str) -> Account:
    """Hostile, and with the tags that are looked for."""
    return replace(
        hostile(account, text), tags=dict.fromkeys(("Owner", "Team", "CostCenter", "OU", "Environment"), text)
    )


def is_visible(text: str) -> bool:
    return not {unicodedata.category(each) for each in text} & UNSEEN


@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_every_text_of_the_structs_is_hostile(told: Anomaly, account: Account, number: int) -> None:
    """A field that the tests below do not reach would be one that nobody looked at."""
    text = TEXTS[number]
    commands = {each.command for each in told.guidance if each.command}
    assert set(texts(hostile(told, text, chosen=True))) == {text, *commands}
    assert set(texts(hostile(account, text))) == {text}
    kept = set(texts(hostile(told, text))) - {text}
    ours = {each.topic for each in told.evidence} | {each.kind for each in told.guidance}
    assert kept == {told.kind, *ours, *commands}


def test_what_is_ours_is_still_a_field() -> None:
    """An exception that outlives its field would cover the next of that name."""
    structs = {each.__name__: each for each in (Anomaly, Actor, Query, Statement, Step, Account)}
    assert all(field in get_type_hints(structs[name]) for name, field in CHOSEN | MADE)


@pytest.mark.parametrize("chosen", hands)
@given(text=any_text)
def test_mail_has_lines_of_ours_only(told: Anomaly, catalog: Catalog, chosen: bool, text: str) -> None:
    """No line is forged, nothing is hidden, no link offers itself, no command holds a foreign word."""
    hit = owned(Account(id=""), text)
    made = said(replace(hostile(told, text, chosen=chosen), kind=told.kind), hit, catalog)
    assert re.fullmatch(r"[ -~]{1,99}", made.subject)
    lines = made.text.removesuffix("\n").split("\n")
    assert [line for line in lines if not OURS.fullmatch(line) and not line.startswith("    no command")] == []
    assert is_visible("".join(lines))
    assert not re.search(r"(?i)://|\\b(javascript|data|file):\\S", made.text)
    assert max(map(len, lines)) < 2_500


@pytest.mark.parametrize("chosen", hands)
@given(text=any_text)
def test_chat_shows_text_and_nothing_else(told: Anomaly, catalog: Catalog, chosen: bool, text: str) -> None:
    """No mention, no link, no formatting but our labels, no line of its own."""
    anomaly = replace(hostile(told, text, chosen=chosen), kind=told.kind)
    made: dict[str, Any] = notification.custom_notification(
        anomaly, said(anomaly, owned(Account(id=""), text), catalog)
    )
    description = made["content"]["description"].split("\n")
    assert all(LABEL.match(line) for line in description)
    values = [LABEL.sub("", line) for line in description] + list(texts(_as_tuples({**made, "content": {}})))
    values += [made["content"]["title"], *made["content"]["nextSteps"]]
    for value in values:
        assert not re.search(r"[<>*_~`|\[\]@\\\n\r#]|://", value), value
        assert not re.search(r"&(?!amp;|lt;|gt;)", value), value
        assert is_visible(value)
        assert len(value) < 2_000


def _as_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple(_as_tuples(each) for each in value.values())
    return tuple(_as_tuples(each) for each in value) if isinstance(value, list) else value


@given(text=any_text)
def test_json_is_whole_and_small_enough(told: Anomaly, catalog: Catalog, text: str) -> None:
    """For machines a text stays what it is, as data; whatever it holds, the message can be published."""
    anomaly = fit(hostile(told, text))
    body = notification.message(anomaly, said(anomaly, owned(Account(id=""), text), catalog))
    assert len(body.encode()) <= notification.MOST_BYTES
    parts = json.loads(body)
    record = json.loads(parts["sqs"])["anomaly"]
    assert record["account_id"] == record["id"] == text
    assert record.get("account_name", text) == text
    assert not re.search(r"[\x00-\x1f]", parts["sqs"])


@given(text=any_text)
def test_table_has_one_row_of_short_cells(told: Anomaly, catalog: Catalog, text: str) -> None:
    """A terminal obeys control characters; a row that breaks would pass for another anomaly."""
    cells = account_of_replay.row(hostile(told, text), catalog)
    assert len(cells) == len(account_of_replay.HEADER)
    assert all(is_visible(cell) and len(cell) < 120 and "://" not in cell for cell in cells)


@pytest.mark.parametrize("chosen", hands)
@given(text=any_text)
def test_document_keeps_its_shape(told: Anomaly, catalog: Catalog, chosen: bool, text: str) -> None:
    """What a chat service reads has our headings only, and says beforehand that texts are no instructions."""
    anomaly = replace(hostile(told, text, chosen=chosen), kind=told.kind)
    made = document(anomaly, catalog.kinds["ec2.instances"], account_type=text, owner=text)
    tokens = parsed(made.body)
    assert kinds_of(tokens) <= TAME
    headings = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]
    assert headings[1:] == ["Detected because", "Evidence", "Not known", "What to do"]
    assert made.body.split("\n\n")[1].endswith("not instructions.")
    assert is_visible(made.title + made.id + made.body.replace("\n", ""))
    assert all(is_visible(each) for each in made.attributes.values() if isinstance(each, str))
