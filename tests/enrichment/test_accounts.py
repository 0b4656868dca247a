"""Is an account known for what it is, and a wrong accounts file refused with the remedy?"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_anomaly.enrichment.accounts import Account, account_name, account_type, ownership, read_accounts
from usage_anomaly.errors import UnusableInput


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("data-prod", "production"),
        ("Live", "production"),
        ("ProdData", "production"),
        ("prd2", "production"),
        ("shop-staging", "staging"),
        ("pre-prod", "staging"),
        ("preprod", "staging"),
        ("non-production", "staging"),
        ("uat_3", "staging"),
        ("sandbox-ml", "development"),
        ("sb", "development"),
        ("QA", "development"),
        ("demo", "development"),
        ("usb-firmware", "unknown"),
        ("product-catalogue", "unknown"),
        ("delivery", "unknown"),
        ("latest", "unknown"),
        ("prod-to-dev-copy", "unknown"),
        ("", "unknown"),
    ],
)
def test_name_tells_type_by_whole_words(name: str, expected: str) -> None:
    """ "usb" is no sandbox and "product" no production: a wrong type sets wrong limits."""
    assert account_type(Account(id="1" * 12, name=name)) == expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"AccountType": "production", "Environment": "dev"}, "production"),
        ({"account-type": "Sandbox"}, "development"),
        ({"AccountType": "workload", "Environment": "staging"}, "staging"),
        ({"AccountType": "workload"}, "development"),
        ({"AccountType": "  "}, "development"),
    ],
)
def test_tag_beats_name(tags: dict[str, str], expected: str) -> None:
    """Tags are set on purpose; a tag that names no type leaves the question to the next."""
    assert account_type(Account(id="1" * 12, name="dev", tags=tags)) == expected


def test_unknown_account_has_no_type_and_its_id_as_name() -> None:
    """A fallback says that it is one."""
    assert account_type(None) == "unknown"
    assert account_name(None, "111122223333") == "111122223333"


def test_ownership_comes_from_tags_however_they_are_written() -> None:
    """An alert without an owner is nobody's alert."""
    owns = ownership(
        Account(id="1" * 12, tags={"cost-center": "4711", "OWNER": "ann", "Organizational Unit": "Sandbox"})
    )
    assert (owns.cost_centre, owns.owner, owns.ou, owns.team) == ("4711", "ann", "Sandbox", None)


def test_accounts_are_read_by_id() -> None:
    """What `aws organizations list-accounts` gives, in a few fields."""
    data = json.dumps([{"id": "111122223333", "name": "a"}, {"id": "222233334444", "tags": {"Owner": "b"}}]).encode()
    accounts = read_accounts(data, "accounts.json")
    assert accounts["222233334444"].tags == {"Owner": "b"}
    assert accounts["111122223333"].status == "ACTIVE"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "not a JSON list"),
        (b'{"id": "111122223333"}', "not a JSON list"),
        (b"\xff\xfe", "not a JSON list"),
        (b'[{"id": "111122223333"}, {"name": "x"}]', "entry 2"),
        (b'[{"id": "1111"}]', "not 12 digits"),
        (b'[{"id": 111122223333}]', "entry 1"),
        (b'[{"id": "111122223333", "owner": "x"}]', "owner"),
        (b'[{"id": "111122223333", "tags": [{"Key": "Owner", "Value": "x"}]}]', "tags"),
        (b'[{"id": "111122223333"}, {"id": "111122223333"}]', "twice"),
    ],
)
def test_wrong_file_is_refused_with_name_and_remedy(data: bytes, said: str) -> None:
    """People write this file: a slip must not silently make an account unknown."""
    with pytest.raises(UnusableInput, match=said) as error:
        read_accounts(data, "accounts.json")
    assert str(error.value).startswith("accounts.json")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """No input ends in a stack trace."""
    try:
        read_accounts(data, "x")
    except UnusableInput:
        pass
    else:
        assert data.strip()[:1] == b"["
