"""Does one mail say of many accounts what the reader needs, within what SNS takes?

The expected mail and chat text stand beside this file as `mails/storm.txt` and `mails/storm.md`.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.alerts.storming import CATALOG, KIND, everywhere, one, opening, organization
from tests.alerts.test_hostile_mail import OURS, text
from tests.alerts.test_mail import MAILS
from tests.enrichment import incidents

from usage_anomaly.alerts import storm_message
from usage_anomaly.alerts.notification import MOST_BYTES
from usage_anomaly.alerts.storm import Storm, storms
from usage_anomaly.anomalies import Anomaly, Step

NOT_CHAT = re.compile(r"[<>_~`|\[\]@\\\r#]")


def said(storm: Storm) -> str:
    mail = storm_message.render(storm, KIND)
    return f"Subject: {mail.subject}\n\n{mail.text}"


def chat(storm: Storm) -> str:
    made: Any = storm_message.notification(storm, storm_message.render(storm, KIND))
    content = made["content"]
    steps = "".join(f"\n- {each}" for each in content["nextSteps"])
    return f"# {content['title']}\n\n{content['description']}\n{steps}\n"


FORMS = {"storm.txt": said, "storm.md": chat}


@pytest.mark.parametrize("name", sorted(FORMS))
def test_storm_reads_as_agreed(name: str) -> None:
    """Wording is the product: a change of it is a change that somebody reads and agrees to."""
    assert FORMS[name](one(*everywhere(), organization())) == (MAILS / name).read_text(encoding="utf-8")


def test_sums_are_those_of_the_accounts() -> None:
    """A figure that nobody can check against the table is not believed twice."""
    members = everywhere()
    storm = one(*members, organization())
    assert storm.together.total == sum(each.total for each in members) == 67
    assert storm.together.cost.usd_per_hour == pytest.approx(sum(each.cost.usd_per_hour or 0 for each in members))
    assert storm.together.resource_count == 67
    assert [row.quantity for row in storm.accounts] == [10] * 4 + [1] * 27
    assert storm.anomaly_ids() == {each.id for each in (*members, organization())}
    assert storm.id == storm.together.id == "storm-ec2-instances-20261125T0305Z"


def test_critical_accounts_are_told_singly_and_the_others_not() -> None:
    """What burns most is worth a mail of its own; the organization's own anomaly says nothing new beside the storm."""
    members = everywhere()
    critical = {each.id for each in members if each.severity >= 8}
    assert 0 < len(critical) < len(members)
    storm = one(*members, organization())
    assert storm.folded() == storm.anomaly_ids() - critical
    assert {name for row in storm.accounts if row.told_singly for name in row.anomaly_ids} == critical
    assert f"{len(critical)} critical, told singly too" in said(storm)


def test_it_is_at_least_as_severe_as_its_worst_account() -> None:
    """Thirty accounts are no milder than one of them; many small ones together weigh more than each."""
    small = [each for each in everywhere() if each.total == 1]
    storm = one(*small)
    worst = max(each.severity for each in small)
    assert worst + 1 < storm.together.severity < 8
    assert one(*everywhere()).together.severity >= max(each.severity for each in everywhere())
    loud = replace(organization(), severity=9.9)
    assert one(*small, loud).together.severity == 9.9


def test_refused_calls_stay_below_high_and_cost_nothing() -> None:
    """There is no spend, however many accounts they come from."""
    refused = [replace(each, kind="ec2.instances.attempts", severity=4.5) for each in everywhere()]
    storm = one(*refused)
    assert storm.together.severity <= 4.9
    assert "COST    none: refused calls cost nothing" in said(storm)
    assert "unpriced" not in said(storm)


def test_a_price_that_is_not_known_is_counted_and_not_0() -> None:
    """ "92 USD/h" for 31 accounts of which one has no price reads as all of it."""
    first, second, *others = everywhere()
    unknown = replace(first, cost=replace(first.cost, usd_per_hour=None, usd_so_far=None, usd_month_end=None))
    partly = replace(second, total=5, notes=("price unknown for 4 of 5 instances (p9 4)",))
    storm = one(unknown, partly, *others)
    assert " + 14 unpriced" in said(storm)
    assert [row.unpriced for row in storm.accounts if row.unpriced] == [4, 10]
    nothing = [replace(each, cost=unknown.cost) for each in everywhere()]
    assert one(*nothing).together.cost.usd_per_hour is None
    assert "0 USD/h" not in said(one(*nothing))


def test_only_what_stands_in_two_accounts_is_common() -> None:
    """The same key everywhere is one intruder; a role of one name in each account is said as a name."""
    by_hand = []
    for place, each in enumerate(everywhere(12)):
        arn = f"arn:aws:iam::{each.account_id}:role/rollout"
        actor = replace(
            each.actors[0],
            arn=arn,
            access_key_id=f"ASIA{place:016d}",
            long_lived_key=False,
            source_address=f"192.0.2.{place}",
        )
        by_hand.append(replace(each, actors=(actor,), evidence=()))
    storm = one(*by_hand)
    assert [(each.what, each.value, each.accounts) for each in storm.shared] == [("name", "role rollout", 12)]
    text = said(storm)
    assert "same name role rollout in 12 of 12 accounts" in text
    assert "same key, address in other accounts: none found" in text
    assert "role rollout: 30 of 30 (100%), from aws-cli, in 12 of 12 accounts" in text


def test_a_command_that_serves_all_stands_once() -> None:
    """One key is switched off once, in the account of its user; what differs is said with its account, the largest first."""
    steps = [each for each in one(*everywhere()).together.guidance if each.kind == "contain"]
    assert steps[0].text == "the key: deactivate it, account 999900001111, for 31 of 31 accounts"
    assert [each.text for each in steps if "update-access-key" in (each.command or "")] == [steps[0].text]
    assert steps[1].text.startswith("team-00 222200000000: the spend")
    assert steps[2].text.startswith("team-10 222200000010: the spend")
    assert re.fullmatch(r"\d+ more steps stand in the accounts' own alerts", steps[-1].text)


def test_a_command_of_each_account_says_in_how_many_it_runs() -> None:
    """A role of one name lives in every account: one command, many places to run it."""
    step = Step(kind="contain", text="the role", command="aws iam delete-role --role-name rollout")
    storm = one(*(replace(each, guidance=(step,)) for each in everywhere(12)))
    assert [each.text for each in storm.together.guidance] == ["the role, to be run in each: 12 of 12 accounts"]


def test_what_is_released_is_summed_up() -> None:
    """Whoever was told of the storm wants to know how much of it still runs."""
    first, *others = everywhere()
    storm = one(replace(first, released=10), *others)
    assert "10 of 67 released; 57 not seen released" in {each.text for each in storm.together.evidence}
    gone = one(*(replace(each, released=each.total, state="closed") for each in everywhere()))
    assert gone.together.state == "closed"
    assert one(first, *(replace(each, state="quiet") for each in others)).together.state == "open"


def test_an_account_of_two_anomalies_is_one_line() -> None:
    """Late records can tell an account twice; the reader counts accounts."""
    first, *others = everywhere()
    again = replace(first, id=f"{first.id}-2", alerts=opening(6), total=3)
    storm = one(first, again, *others)
    assert len(storm.accounts) == 31
    assert storm.accounts[0].anomaly_ids == (first.id, again.id)
    assert storm.accounts[0].quantity == 13


def many(accounts: int, name: str = "") -> Storm:
    """As many accounts with resources, commands and names as long as they get."""
    model = everywhere()[0]
    step = Step(
        kind="contain", text="the spend: stop them", command="aws ec2 stop-instances " + "i-0123456789abcdef0 " * 50
    )
    rows = [
        replace(
            model,
            id=f"ec2-instances-{place:012d}-20261125T0300Z",
            account_id=f"{place:012d}",
            account_name=name or f"a-rather-long-account-name-of-fifty-characters-{place:03d}",
            alerts=opening(place / accounts * 15),
            resource_ids=tuple(f"i-{place:05d}{item:012d}" for item in range(50)),
            guidance=(replace(step, command=f"{step.command}# {place}"),),
        )
        for place in range(accounts)
    ]
    return one(*rows)


@pytest.mark.parametrize("accounts", [300, 1_000])
def test_the_mail_and_the_message_stay_within_their_sizes(accounts: int) -> None:
    """SNS refuses more than 256 KB, and with it the alert of the worst hour; a mail of 300 rows is not read."""
    storm = many(accounts)
    mail = storm_message.render(storm, KIND)
    assert f"and {accounts - 25:,} more: usage-anomaly show {storm.id}" in mail.text
    assert len(mail.text.encode()) < 16_000
    assert len(mail.subject) < 100
    body = storm_message.message(storm, mail)
    assert len(body.encode()) <= MOST_BYTES
    parts = json.loads(body)
    queue = json.loads(parts["sqs"])["storm"]
    assert len(queue["accounts"]) + queue["accounts_left_out"] == accounts
    assert json.loads(parts["https"])["content"]["description"].count("\n") < 20


def test_a_storm_of_endless_texts_is_still_told() -> None:
    """Names and ids of megabytes must cost the queue's part, never the alert."""
    storm = many(12, "x" * 100_000)
    endless = replace(storm, accounts=tuple(replace(each, anomaly_ids=("y" * 300_000,)) for each in storm.accounts))
    body = storm_message.message(endless, storm_message.render(endless, KIND))
    assert len(body.encode()) <= MOST_BYTES
    assert json.loads(json.loads(body)["sqs"])["storm"]["accounts_left_out"] == 12


def test_json_comes_back_as_it_was() -> None:
    """Machines read it by its schema."""
    storm = one(*everywhere(), organization())
    assert msgspec.json.decode(msgspec.json.encode(storm), type=Storm) == storm


hostile_member = st.fixed_dictionaries(
    {
        "name": text, "arn": text, "key": st.none() | text, "address": st.none() | text, "agent": st.none() | text,
        "id": text, "note": text, "region": text, "group": text, "step": text, "command": st.none() | text,
    }
)  # fmt: skip


def spoiled(anomaly: Anomaly, place: int, texts: dict[str, Any]) -> Anomaly:
    actor = replace(
        anomaly.actors[0],
        arn=texts["arn"],
        access_key_id=texts["key"],
        source_address=texts["address"],
        user_agent=texts["agent"],
    )
    evidence = tuple(
        replace(each, text=texts["note"], query=replace(each.query, image_id=texts["key"])) for each in anomaly.evidence
    )
    return replace(
        anomaly,
        account_name=texts["name"],
        account_id=f"{place}{texts['id']}",
        actors=(actor,),
        evidence=evidence,
        guidance=(Step(kind="contain", text=texts["step"], command=texts["command"]),),
        notes=(texts["note"],),
        regions={texts["region"]: 1},
        groups={texts["group"]: 1},
        cost=replace(anomaly.cost, basis=texts["note"]),
        automation=texts["name"],
        severity_reasons=(texts["note"],),
    )


@given(st.lists(hostile_member, min_size=1, max_size=3))
def test_no_text_forges_a_line_of_the_mail_or_the_chat(drawn: list[dict[str, Any]]) -> None:
    """Every line is one of ours, in the table too; no command holds what is not plain ASCII; chat shows plain text."""
    members = [spoiled(each, place, drawn[place % len(drawn)]) for place, each in enumerate(everywhere(12))]
    found = storms(members, CATALOG)
    assert len(found) == 1
    mail = storm_message.render(found[0], KIND)
    assert re.fullmatch(r"[ -~]{1,99}", mail.subject)
    lines = mail.text.removesuffix("\n").split("\n")
    ours = re.compile(OURS.pattern.removesuffix(")") + r"|    [ -~]+)")
    assert [line for line in lines if not ours.fullmatch(line)] == []
    assert not any(line.startswith("ACT") for line in lines)
    assert not {unicodedata.category(each) for line in lines for each in line} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl"}
    made: Any = storm_message.notification(found[0], mail)
    for line in (made["content"]["title"], *made["content"]["description"].split("\n"), *made["content"]["nextSteps"]):
        shown = re.sub(r"^\*\w+\* ", "", line)
        assert NOT_CHAT.search(shown) is None
        assert "*" not in shown
        assert not re.search(r"&(?!amp;|lt;|gt;)", shown)


def test_hostile_names_stand_in_the_table_as_text() -> None:
    """A name that tries to look like another row is one cell of its own row."""
    evil = "innocent\n        9.9  root  000000000000\u202e<!channel>"
    members = [replace(each, account_name=evil) for each in everywhere(12)]
    text = said(one(*members))
    assert "  innocent\\n 9.9 root 000…  " in text
    assert not any(line.startswith("        9.9  root") for line in text.splitlines())
    assert incidents.KEY in text
