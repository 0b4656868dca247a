"""Does one message serve every subscriber, and is hostile text inert in chat?"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.enrichment import incidents

from usage_anomaly.alerts import notification
from usage_anomaly.alerts.mail import Mail, render
from usage_anomaly.anomalies import Anomaly
from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment.accounts import Account

HOSTILE = "<!channel> <@U1> [pay](https://evil.example) *bold* _i_ `code` @here &amp; | ~x~ # head\nnext \u202e"


@pytest.fixture
def anomaly(catalog: Catalog) -> Anomaly:
    events = incidents.stolen_key()
    return incidents.told(
        catalog.kinds["ec2.instances"], events, [incidents.finding("threshold", 47, 6, "47 of 6", events)]
    )


@pytest.fixture
def said(anomaly: Anomaly, catalog: Catalog) -> Mail:
    return render(anomaly, catalog.kinds["ec2.instances"], incidents.SANDBOX, update=1, recipient="replay")


def test_each_kind_of_subscriber_has_its_part(anomaly: Anomaly, said: Mail) -> None:
    """Mail takes the text, chat its notification, a queue what a program can read."""
    parts = json.loads(notification.message(anomaly, said))
    assert parts["default"] == said.text
    assert json.loads(parts["sqs"])["mail"] == {"subject": said.subject, "text": said.text}
    assert json.loads(parts["sqs"])["anomaly"]["id"] == anomaly.id
    assert parts["https"] == parts["http"]


def test_chat_gets_what_amazon_q_developer_renders(anomaly: Anomaly, said: Mail) -> None:
    """Another version, source or type is dropped without a word; the thread keeps an anomaly's messages together."""
    made: dict[str, Any] = json.loads(json.loads(notification.message(anomaly, said))["https"])
    assert (made["version"], made["source"]) == ("1.0", "custom")
    assert made["content"]["textType"] == "client-markdown"
    assert made["metadata"]["threadId"] == anomaly.id
    lines = made["content"]["description"].splitlines()
    assert lines[0] == "*Account* sandbox-ml 111122223333"
    assert lines[1].startswith("*What* 47 p3.16xlarge (376 GPUs, 3,008 vCPUs), 25 Nov 10:04-10:57 UTC by 3 calls")
    assert made["content"]["nextSteps"][0] == "the key: deactivate it"
    assert any(line.startswith("*Cost* 1,151 USD/h") for line in lines)
    assert all(isinstance(value, str) for value in made["metadata"]["additionalContext"].values())


def test_hostile_text_is_inert_in_chat(anomaly: Anomaly) -> None:
    """A user agent must not wake a whole channel, nor stand there as a link."""
    actor = replace(anomaly.evidence[2], text=HOSTILE)
    changed = replace(anomaly, evidence=(actor,), account_name=HOSTILE, notes=(HOSTILE,), resource_ids=(HOSTILE,))
    text = json.dumps(notification.custom_notification(changed, Mail(subject=HOSTILE, text="")), ensure_ascii=False)
    for sign in ("<", "@", "://", "`", "[pay]", "~x", "_i_", "\u202e"):
        assert sign not in text


@given(st.text(max_size=200))
def test_no_text_becomes_markdown(text: str) -> None:
    """Whatever a record holds, a chat channel shows it as one plain line."""
    shown = notification.markdown(text)
    assert re.search(r"[<>*_~`|\[\]@\\\n\r#]", shown) is None
    assert re.search(r"&(?!amp;|lt;|gt;)", shown) is None


def test_attributes_are_never_empty(anomaly: Anomaly) -> None:
    """SNS refuses an empty value, and with it the whole alert."""
    account = Account(id=anomaly.account_id, name="", tags={"Owner": "\x00\n", "Environment": " "})
    for each in (account, None, incidents.SANDBOX):
        values = notification.attributes(replace(anomaly, kind=""), each)
        assert set(values) == {"severity", "account_id", "account_type", "environment", "owner", "kind", "state"}
        assert all(values.values())
        assert all(value.isprintable() for value in values.values())


def test_attributes_name_owner_and_environment(anomaly: Anomaly) -> None:
    """People subscribe to their own accounts by these."""
    account = Account(id=anomaly.account_id, tags={"Owner": "ml", "Environment": "Prod"})
    values = notification.attributes(anomaly, account)
    assert (values["owner"], values["environment"], values["account_type"]) == ("ml", "Prod", "production")


def test_bare_facts_can_always_be_said(anomaly: Anomaly) -> None:
    """They are what is left when everything else failed: no value may make them fail too."""
    hostile = replace(
        anomaly,
        account_id=HOSTILE,
        unit=HOSTILE,
        regions={},
        findings=(),
        evidence=(),
        cost=replace(anomaly.cost, basis=""),
    )
    for each, gaps in ((anomaly, ()), (hostile, (HOSTILE,))):
        made = notification.bare_mail(each, gaps)
        assert len(made.subject) < 100
        assert made.subject.isascii()
        assert made.subject.isprintable()
        assert "\u202e" not in made.text
        assert len(made.text.splitlines()) == 4 + len(each.findings)
