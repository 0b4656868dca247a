"""Are the limits that people set read strictly, and do they hold where they should and nowhere else?"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.anomalies.test_series import event
from tests.replay.driving import Delivered, run, told
from tests.replay.test_promises import ACCOUNTS, schedules

from usage_anomaly.anomalies.overrides import BURN_RATE, NONE, TYPES, Overrides, kinds_with_limits, read_overrides
from usage_anomaly.anomalies.rules import ORGANIZATION, cap_of, limit_of, rules_of
from usage_anomaly.catalog import Catalog
from usage_anomaly.catalog import load as load_catalog
from usage_anomaly.enrichment.accounts import Account, AccountType
from usage_anomaly.errors import UnusableInput

KINDS = sorted(kinds_with_limits(load_catalog()))
ACCOUNT = "111122223333"
KIND = "ec2.instances"
WHO = st.sampled_from([*TYPES, ACCOUNT, "111122224444"])
LIMITS = st.one_of(
    st.dictionaries(
        st.sampled_from(KINDS), st.dictionaries(WHO, st.integers(0, 1_000_000), min_size=1, max_size=3), max_size=4
    ),
    st.dictionaries(st.just(BURN_RATE), st.dictionaries(WHO, st.floats(0, 1e9), max_size=3), max_size=1),
)


def read(text: str | bytes, catalog: Catalog) -> Overrides:
    return read_overrides(text.encode() if isinstance(text, str) else text, "limits.json", catalog)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "not JSON", id="empty"),
        pytest.param(b"\xff\xfe\x00", "not JSON", id="no-text"),
        pytest.param("[" * 100_000, "not JSON", id="nested-without-end"),
        pytest.param("[1]", "no JSON object", id="a-list"),
        pytest.param('{"ec2.instances": 40}', "'ec2.instances' holds no limits", id="no-object"),
        pytest.param('{"ec2.instance": {"production": 40}}', "'ec2.instance' is no kind", id="unknown-kind"),
        pytest.param('{"identity.changes": {"production": 4}}', "evidence only", id="evidence"),
        pytest.param('{"console.logins.attempts": {"production": 4}}', "is no kind", id="no-attempts"),
        pytest.param('{"ec2.instances": {"prod": 40}}', "ec2.instances: 'prod' is no account type", id="unknown-type"),
        pytest.param('{"ec2.instances": {"unknown": 40}}', "'unknown' is no account type", id="type-of-nobody"),
        pytest.param('{"ec2.instances": {"1111": 40}}', "no account id of 12 digits", id="short-account"),
        pytest.param('{"ec2.instances": {"١١١١٢٢٢٢٣٣٣٣": 4}}', "12 digits", id="other-digits"),
        pytest.param('{"ec2.instances": {"production": 2.5}}', "production: no quantity", id="half"),
        pytest.param('{"ec2.instances": {"production": true}}', "production: no quantity", id="true"),
        pytest.param('{"ec2.instances": {"production": "40"}}', "production: no quantity", id="text"),
        pytest.param('{"ec2.instances": {"production": -1}}', "production: no quantity", id="negative"),
        pytest.param('{"ec2.instances": {"production": 1000001}}', "production: no quantity", id="absurd"),
        pytest.param('{"burn_rate_usd_per_hour": {"staging": NaN}}', "staging: not USD", id="not-a-number"),
        pytest.param('{"burn_rate_usd_per_hour": {"staging": 1e999}}', "staging: not USD", id="infinite"),
        pytest.param(
            '{"ec2.instances": {"production": 40}, "ec2.instances": {"staging": 1}}', "stands there twice", id="twice"
        ),
    ],
)
def test_a_mistake_is_named_with_the_file_and_the_key(catalog: Catalog, text: str | bytes, words: str) -> None:
    """A limit that is silently left out is one that nobody misses until the incident."""
    with pytest.raises(UnusableInput, match=r"^limits\.json: ") as caught:
        read(text, catalog)
    assert words in str(caught.value)


@given(data=st.one_of(st.binary(), st.recursive(st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda each: st.lists(each) | st.dictionaries(st.text() | st.sampled_from([*KINDS, *TYPES]), each)).map(
        lambda value: json.dumps(value).encode())))  # fmt: skip
def test_whatever_stands_there_is_taken_whole_or_refused(catalog: Catalog, data: bytes) -> None:
    """People write it, and a tick reads it."""
    try:
        found = read(data, catalog)
    except UnusableInput:
        return
    assert read(found.text(), catalog) == found


@given(LIMITS)
def test_limits_are_read_as_they_are_written(catalog: Catalog, limits: dict[str, dict[str, float]]) -> None:
    """What tune prints is what replay and a deployment take."""
    found = read(json.dumps(limits), catalog)
    assert found.limits == limits
    assert read(found.text(), catalog) == found
    assert found.count() == sum(map(len, limits.values()))


def test_the_example_of_the_operations_page_can_be_taken(catalog: Catalog, root: Path) -> None:
    """It is what people start from."""
    page = (root / "docs" / "operations.md").read_text("utf-8")
    (example,) = re.findall(r"^```json\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    assert read(example, catalog).count() == 4


def test_an_account_stands_before_its_type_and_unknown_types_have_those_of_staging(catalog: Catalog) -> None:
    """One odd account needs no limit for all of its type."""
    given = read('{"ec2.instances": {"production": 40, "staging": 7, "111122223333": 60}}', catalog)
    limits = {
        (account, which): limit_of(catalog, (account, KIND), which, given)
        for account in (ACCOUNT, "111122224444")
        for which in get_args(AccountType)
    }
    assert {limit for (account, _), limit in limits.items() if account == ACCOUNT} == {60}
    assert [limits["111122224444", which] for which in ("production", "staging", "unknown", "development")] == [
        40, 7, 7, catalog.limit(KIND, "development"),
    ]  # fmt: skip


def test_refused_calls_and_burn_rates_have_limits_of_their_own(catalog: Catalog) -> None:
    """Forty instances allow no forty refused calls."""
    given = read(
        '{"ec2.instances.attempts": {"production": 9}, "burn_rate_usd_per_hour": {"production": 0.5}}', catalog
    )
    launches = rules_of(catalog, (ACCOUNT, KIND), "production", given)
    refused = rules_of(catalog, (ACCOUNT, f"{KIND}.attempts"), "production", given)
    assert (launches.limit, launches.burn_limit, launches.by_person) == (catalog.limit(KIND, "production"), 0.5, False)
    assert (refused.limit, refused.burn_limit, refused.by_person) == (9, None, True)


@pytest.mark.parametrize("amount", [0, 10, 40])
def test_a_limit_that_somebody_set_is_known_as_such(catalog: Catalog, amount: int) -> None:
    """It tells whatever the baseline says, also where it is the catalog's own figure, or nothing at all."""
    given = Overrides({KIND: {"production": amount}})
    assert rules_of(catalog, (ACCOUNT, KIND), "production", given).by_person
    assert not rules_of(catalog, (ACCOUNT, KIND), "staging", given).by_person
    assert not rules_of(catalog, (ACCOUNT, "ebs.volumes"), "production", given).by_person


@given(LIMITS, st.sampled_from(KINDS), st.sampled_from(get_args(AccountType)))
def test_no_account_alone_passes_the_organizations_limit(
    catalog: Catalog, limits: dict[str, dict[str, float]], kind: str, which: AccountType
) -> None:
    """What one account may use by its own limit is that account's business, however high it is set."""
    given = Overrides(limits)
    everyone = rules_of(catalog, (ORGANIZATION, kind), "unknown", given)
    cap = cap_of(catalog, (ACCOUNT, kind), which, given)
    assert all(cap * window.buckets <= everyone.limit * window.factor for window in everyone.windows)
    assert cap <= limit_of(catalog, (ACCOUNT, kind), which, given)
    assert not everyone.by_person


def test_the_strictest_limit_of_production_silences_no_spread_over_other_accounts(catalog: Catalog) -> None:
    """One machine in each of 150 development accounts is below the limit of each; five times 0 must not hide it."""
    accounts = {f"{n:012}": Account(id=f"{n:012}", tags={"AccountType": "development"}) for n in range(1, 151)}
    calls = [(5, replace(event(n, 2, ids=[f"i-{n}"]), account_id=each)) for n, each in enumerate(accounts)]
    for limits in (NONE, Overrides({KIND: {"production": 0}})):
        replay = run(catalog, calls, accounts, limits)
        assert [pair for pair, rows in replay.told.items() if rows] == [(ORGANIZATION, KIND)]


@given(LIMITS, st.sampled_from(KINDS), st.sampled_from(get_args(AccountType)))
def test_a_limit_holds_for_its_kind_and_account_only(
    catalog: Catalog, limits: dict[str, dict[str, float]], kind: str, which: AccountType
) -> None:
    """What nobody set is as without any."""
    given = Overrides(limits)
    pair, of_type = ("999988887777", kind), "staging" if which == "unknown" else which
    plain, rules = rules_of(catalog, pair, which), rules_of(catalog, pair, which, given)
    if of_type not in limits.get(kind, {}) and of_type not in limits.get(BURN_RATE, {}):
        assert rules == plain
    elif of_type in limits.get(kind, {}):
        assert rules.limit == limits[kind][of_type]


@given(schedules(), st.sampled_from(["production", "staging", "111122224444"]), st.integers(0, 50))
def test_limits_of_others_change_no_byte_of_what_is_told(
    catalog: Catalog, schedule: list[Delivered], who: str, amount: int
) -> None:
    """Without limits, and with limits of other accounts and kinds, nothing is told otherwise."""
    plain = told(run(catalog, schedule, ACCOUNTS))
    assert told(run(catalog, schedule, ACCOUNTS, NONE)) == plain
    theirs = Overrides({"ebs.volumes": {ACCOUNT: amount}, BURN_RATE: {who: amount}})
    assert told(run(catalog, schedule, ACCOUNTS, theirs)) == plain


def test_a_raised_limit_silences_and_a_lowered_one_tells(catalog: Catalog) -> None:
    """The whole way through a replay: five launches of a development account, whose limit is two."""
    launches = [(9, event(1, 5, quantity=5)), (600, event(2, 590, quantity=1))]
    opened = {
        amount: [each.told_total for rows in run(catalog, launches, ACCOUNTS, limits).told.values() for each in rows]
        for amount, limits in ((2, NONE), (5, Overrides({KIND: {ACCOUNT: 5}})), (0, Overrides({KIND: {ACCOUNT: 0}})))
    }
    assert opened == {2: [5], 5: [], 0: [5, 1]}
