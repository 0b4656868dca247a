"""Do pseudonyms keep their shape and tell nothing, and does a redacted replay find the same?"""

from __future__ import annotations

import ipaddress
import json
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from usage_anomaly.catalog import BUNDLED
from usage_anomaly.enrichment.accounts import TYPE_WORDS, Account, account_type
from usage_anomaly.enrichment.automation import MACHINE_ROLES, MARKS, recognise
from usage_anomaly.errors import UnusableInput
from usage_anomaly.usage import UsageEvent
from usage_anomaly_cli.deeds import Deed
from usage_anomaly_cli.redact_options import redaction_of
from usage_anomaly_cli.redaction import Redaction

ONE, OTHER = Redaction(b"a key of the first test"), Redaction(b"a key of the other test")
ACCOUNTS = st.from_regex(r"[0-9]{12}", fullmatch=True)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
MARK_TEXTS = sorted({*MACHINE_ROLES, *(mark.text for mark in MARKS)})
# Names and user agents as somebody would build them around what the rules look for.
MARKED = st.lists(
    st.one_of(
        st.sampled_from(MARK_TEXTS),
        st.sampled_from(MARK_TEXTS).map(lambda text: text.title().replace(" ", "")),
        st.from_regex(r"[A-Za-z0-9]{1,8}", fullmatch=True),
        st.sampled_from([" ", "-", "_", "/", "@", "(", "]", "."]),
    ),
    min_size=1,
    max_size=6,
).map("".join)

EXCHANGED_NOWHERE = {"event_time", "kind", "direction", "unit", "price_basis", "origin", "catalog_version"}
NO_TEXT = {"quantity", "vcpus", "gpus", "gib", "usd_per_hour", "usd", "price_confidence", "long_lived_key", "dry_run"}
NO_TEXT |= {"truncated", "units_each", "aggregated"}


@given(st.sets(ACCOUNTS, min_size=2, max_size=50))
def test_accounts_become_other_accounts_one_to_one(accounts: set[str]) -> None:
    """Two accounts under one pseudonym would add up what belongs apart."""
    pseudonyms = {ONE.account(each) for each in accounts}
    assert len(pseudonyms) == len(accounts)
    assert all(re.fullmatch("[0-9]{12}", each) for each in pseudonyms)


@given(st.sets(st.ip_addresses(), min_size=2, max_size=50))
def test_addresses_become_addresses_of_nobody_one_to_one(addresses: set[ipaddress.IPv4Address]) -> None:
    """An invented address that exists would accuse whoever has it."""
    pseudonyms = {ONE.address(str(each)) for each in addresses}
    assert len(pseudonyms) == len(addresses)
    assert all(ipaddress.ip_address(each) in ipaddress.ip_network("2001:db8::/32") for each in pseudonyms)
    assert all(str(ipaddress.ip_address(each)) == each for each in pseudonyms)


@given(NAMES, NAMES)
def test_a_value_has_one_pseudonym_and_another_value_another(one: str, other: str) -> None:
    """Otherwise nobody could follow one doer through a report, or two would be taken for one."""
    assume(one != other)
    for pseudonym in (ONE.text, ONE.name, ONE.agent, ONE.file, ONE.address, ONE.typed, ONE.event_id, ONE.location):
        assert pseudonym(one) == pseudonym(one)
        assert pseudonym(one) != pseudonym(other)


@pytest.mark.parametrize(
    "value", ["jane.doe", "111122223333", "AKIAIOSFODNN7EXAMPLE", "203.0.113.77", "i-0123456789abcdef0", "acme-tool/7"]
)
def test_another_key_gives_other_pseudonyms(value: str) -> None:
    """Reports under two keys cannot be joined."""
    assert ONE.text(value) != OTHER.text(value)
    assert value not in (ONE.text(value), OTHER.text(value))


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("AKIAIOSFODNN7EXAMPLE", r"AKIA[A-Z2-7]{16}"),
        ("ASIAIOSFODNN7EXAMPLE", r"ASIA[A-Z2-7]{16}"),
        ("AROAIOSFODNN7EXAMPLE:jane@example.com", r"AROA[A-Z2-7]{16}:name-[0-9a-f]{12}"),
        ("i-0123456789abcdef0", r"i-[0-9a-f]{17}"),
        ("i-1a2b3c4d:/dev/sda1", r"i-[0-9a-f]{17}:/dev/sda1"),
        ("j-3ABCDEFGHIJKL", r"j-[A-Z2-7]{13}"),
        ("f58e6f2cd736ba23f5cdcbc528fdf1fa", r"[0-9a-f]{32}"),
        ("h-0123456789abcdef0", r"h-[0-9a-f]{17}"),
        ("fleet-12a34b55-67cd-8ef9-ba9b-9208dEXAMPLE", r"name-[0-9a-f]{12}"),
        ("fleet-12a34b55-67cd-8ef9-ba9b-920800000000", r"fleet-[0-9a-f-]{36}"),
        ("jane.doe@example.com", r"name-[0-9a-f]{12}"),
        ("arn:aws:iam::111122223333:user/people/jane", r"arn:aws:iam::[0-9]{12}:user/name-[0-9a-f]+/name-[0-9a-f]+"),
        ("arn:aws:iam::111122223333:root", r"arn:aws:iam::[0-9]{12}:root"),
        ("arn:aws:sts::111122223333:assumed-role/a/b", r"arn:aws:sts::[0-9]{12}:assumed-role/name-\w+/name-\w+"),
        ("arn:aws-us-gov:s3:::acme-secrets/x", r"arn:aws-us-gov:s3:::name-[0-9a-f]{12}/name-[0-9a-f]{12}"),
        (
            "arn:aws:lambda:eu-west-1:111122223333:function:pay:7",
            r"arn:aws:lambda:eu-west-1:\d{12}:function:name-\w+:7",
        ),
        (
            "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling_acme",
            r"arn:aws:iam::[0-9]{12}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling_name-\w{12}",
        ),
        ("arn:aws:iam::111122223333:role/OrganizationAccountAccessRole", r"arn:.*:role/OrganizationAccountAccessRole"),
        ("arn:aws:iam::aws:policy/AdministratorAccess", r"arn:aws:iam::aws:policy/AdministratorAccess"),
    ],
)
def test_shapes_stay_so_that_commands_can_be_read(value: str, shape: str) -> None:
    """A reader has to see what is a key, a machine or a role."""
    assert re.fullmatch(shape, ONE.text(value)), ONE.text(value)


@pytest.mark.parametrize(
    "value",
    ["acme.s3.amazonaws.com", "ec2-203-0-113-7.compute-1.amazonaws.com", "acme.example.com", "vpce-1.acme.internal"],
)
def test_hosts_of_customers_are_no_services(value: str) -> None:
    """A bucket's or machine's host name holds its owner's words; a service's name holds none."""
    assert ONE.address(value).startswith("host-")
    assert "acme" not in ONE.address(value) + ONE.text(value) + ONE.agent(value)
    assert ONE.address("autoscaling.amazonaws.com") == "autoscaling.amazonaws.com"


@pytest.mark.parametrize(
    "group",
    [
        *(
            "p4d.24xlarge",
            "db.r6g.large",
            "cache.t4g.micro",
            "ml.p4d.24xlarge",
            "ra3.xlplus",
            "r6g.large.search",
            "gp3",
        ),
        *("FARGATE", "failed", "root", "eu.anthropic.claude-sonnet-4-20250514-v1:0", "amazon.nova-pro-v1:0"),
    ],
)
def test_groups_that_are_no_names_stay(group: str) -> None:
    """What was used is what the report is about."""
    assert ONE.group(group) == group


@pytest.mark.parametrize(
    "group", ["miner:1", "acme-gpu-pool", "abcdefghij12", "acme.imported-model", "Savings Planner"]
)
def test_groups_that_a_customer_named_do_not_stay(group: str) -> None:
    """Task definitions, capacity providers and profiles are called after products and people."""
    assert re.fullmatch(r"name-[0-9a-f]{12}(:1)?", ONE.group(group))


def test_every_group_that_is_a_word_of_the_catalog_stays() -> None:
    """A kind that is added later names its groups in its own file."""
    samples = [json.loads(line) for file in BUNDLED.glob("*/samples.jsonl") for line in file.read_bytes().splitlines()]
    groups = {each.get("group") for sample in samples for each in sample["expect"]} - {None}
    said = {group for group in groups if " " in group}
    assert {"Savings Plan", "failed root"} <= said
    assert {ONE.group(group) for group in said} == said


@pytest.mark.parametrize(
    "value", ["Jenkins-10.20.30.40", "terraform/444455556666", "aws-cli/10.20.30.40 boto3/444455556666"]
)
def test_a_version_hides_no_address_and_no_account(value: str) -> None:
    """What stands where a version stands can be any number."""
    assert not re.search(r"10\.20|444455556666", ONE.agent(value))


def test_user_agents_keep_products_only() -> None:
    """Tools are known to all; what a company puts beside them is not."""
    agent = ONE.agent("aws-cli/2.31.20 md/awscrt#0.28.2 acme-deploy/3 (jane@laptop) Terraform/1.13.4 exec-env/AcmeBox")
    assert re.fullmatch(r"aws-cli/2\.31\.20 Terraform/1\.13\.4 exec-env agent-[0-9a-f]{12}", agent)
    assert ONE.agent("signin.amazonaws.com") == "signin.amazonaws.com"


@given(MARKED, MARKED, MARKED)
def test_automations_are_recognised_by_the_same_field(role: str, session: str, user_agent: str) -> None:
    """Severity and guidance rest on who launched: a pseudonym must not turn Karpenter into a stranger."""
    for arn in (f"arn:aws:iam::111122223333:role/{role}", f"arn:aws:iam::111122223333:user/{role}"):
        plain = recognise(None, user_agent, arn, session, "AssumedRole")
        again = recognise(None, ONE.agent(user_agent), ONE.text(arn), ONE.text(session), "AssumedRole")
        assert plain == again


@given(st.lists(st.one_of(st.sampled_from(sorted(TYPE_WORDS)), st.from_regex(r"[a-z]{1,6}", fullmatch=True))))
def test_account_types_are_told_by_pseudonyms_too(words: list[str]) -> None:
    """The type sets the limits."""
    name = "-".join(words)
    account = Account(id="111122223333", name=name, tags={"Environment": name, "Owner": "jane"})
    (redacted,) = ONE.accounts({account.id: account}).values()
    assert account_type(redacted) == account_type(account)
    assert redacted.tags["Owner"] != "jane"


def test_every_text_of_an_event_or_deed_is_exchanged_or_known_to_hold_no_name() -> None:
    """A field that is added later must not be forgotten here."""
    name = "jane_doe"
    texts = {field: name for field in UsageEvent.__struct_fields__ if field not in NO_TEXT}
    times = {"event_time": "2026-11-25T10:04:00Z", "direction": "use", "origin": "live"}
    event = msgspec.convert({**texts, **times, "quantity": 1, "resource_ids": [name]}, UsageEvent)
    left = {field for field in texts if name in str(getattr(ONE.event(event), field))}
    assert left == EXCHANGED_NOWHERE - times.keys()
    deed = msgspec.convert(
        {
            **dict.fromkeys(Deed.__struct_fields__, name),
            "time": "2026-11-25T10:04:00Z",
            "mark": "write",
            "outcome": "done",
            "about": [name],
            "ids": [name],
            "used": [{"quantity": 1, "unit": "instances", "group": name}],
            "counted": 5,
            "created": {"what": "user", "identity": name, "whose": name},
        },
        Deed,
    )
    assert name.encode() not in msgspec.json.encode(ONE.deed(deed))


def test_the_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads the key can try all accounts and addresses against a report."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    first, second = redaction_of(True, None), redaction_of(True, None)
    assert first is not None
    assert second is not None
    assert first.text("jane") == second.text("jane")
    file = tmp_path / "usage-anomaly" / "redact-key"
    assert file.stat().st_mode & 0o777 == 0o600
    named = redaction_of(False, file)
    assert named is not None
    assert named.text("jane") == first.text("jane")
    assert redaction_of(False, None) is None


def test_a_key_that_can_be_guessed_or_is_not_there_is_refused(tmp_path: Path) -> None:
    """A mistyped file must not lead to pseudonyms that nobody can get again."""
    with pytest.raises(UnusableInput, match="openssl rand"):
        redaction_of(True, tmp_path / "missing")
    short = tmp_path / "short"
    short.write_text("secret\n")
    with pytest.raises(UnusableInput, match="can be guessed"):
        redaction_of(True, short)
