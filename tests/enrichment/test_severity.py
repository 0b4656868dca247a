"""Does severity rank as a responder would, and give its reasons?"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.enrichment import incidents

from usage_anomaly.catalog import Catalog
from usage_anomaly.detection import Finding
from usage_anomaly.enrichment.accounts import Account
from usage_anomaly.enrichment.evidence import Signals
from usage_anomaly.enrichment.severity import ATTEMPTS_CEILING, Facts, assess, label, raised


def facts(score: float = 0.9, **given: Any) -> Facts:
    event = incidents.event(1, incidents.at("10:00"))
    found: Finding = incidents.finding("threshold", 1.0, 1.0 - score, "x", [event])
    fields: dict[str, Any] = {
        "findings": [found],
        "usd_per_hour": 10.0,
        "total": 10,
        "released": 0,
        "attempts_only": False,
        "account_type": "staging",
        "signals": Signals(days_read=28.0),
    }
    return Facts(**{**fields, **given})


def test_stolen_key_is_critical(catalog: Catalog) -> None:
    """Scenario 1 wakes people up."""
    events = incidents.stolen_key()
    burn = incidents.finding("burn_rate", 1151, 5, "burn", events)
    anomaly = incidents.told(catalog.kinds["ec2.instances"], events, [burn])
    assert anomaly.severity >= 9
    assert anomaly.severity_reasons[0] == "1,151 USD/h at list price (+5.0)"
    assert "376 GPUs (+0.5)" in anomaly.severity_reasons


@pytest.mark.parametrize(("name", "limit"), [("data-prod", 50), ("shop", 20), ("dev", 5)])
def test_one_huge_machine_is_high(name: str, limit: float, catalog: Catalog) -> None:
    """Scenario 6: one call, one instance, 109 USD/h; Karpenter is known, this machine is not its habit."""
    events = incidents.big_machine()
    burn = incidents.finding("burn_rate", 109.2, limit, "burn", events)
    account = Account(id=incidents.ACCOUNT, name=name)
    anomaly = incidents.told(catalog.kinds["ec2.instances"], events, [burn], account, now=incidents.at("14:25"))
    assert 6 <= anomaly.severity < 8
    assert anomaly.automation == "Karpenter"


def test_refused_launches_are_medium(catalog: Catalog) -> None:
    """Scenario 10: no spend, yet the sign of a stolen key."""
    events = incidents.refusals()
    many = incidents.finding("threshold", 300, 60, "many", events)
    kind = catalog.kinds["ec2.instances"]
    anomaly = incidents.told(kind, events, [many], kind_name="ec2.instances.attempts")
    assert 3.5 <= anomaly.severity <= 4.9


def test_nightly_batch_is_low(catalog: Catalog) -> None:
    """The same group at the same hour, a little larger than last night."""
    money = {"group": "m5.xlarge", "price_basis": "x"}
    past = incidents.habit(10, incidents.BATCH, quantity=36, usd_per_hour=36 * 0.192, **money)
    tonight = [
        incidents.event(1, incidents.at("2:00"), quantity=40, usd_per_hour=40 * 0.192, **money, **incidents.BATCH)
    ]
    account = Account(id=incidents.ACCOUNT, name="data-prod")
    found = [incidents.finding("threshold", 40, 30, "x", tonight)]
    anomaly = incidents.told(
        catalog.kinds["ec2.instances"], [*past, *tonight], found, account, now=incidents.at("2:10")
    )
    assert anomaly.severity <= 3
    assert "usual for Auto Scaling here (-1.5)" in anomaly.severity_reasons


def test_what_was_learned_weighs_one_point_and_nothing_beside_a_limit() -> None:
    """Its grade says how odd it is: read as how far above a limit, every sure forest would be a thousand times above one."""
    (limit,) = facts().findings
    learned = msgspec.structs.replace(limit, detector="learned", score=1.0)
    assert "unusual by what was learned (+1.0)" in assess(facts(findings=[learned]))[1]
    assert assess(facts(findings=[limit, learned])) == assess(facts())


def test_automation_lowers_only_what_it_did_before() -> None:
    """Intruders launch through Auto Scaling: the name alone earns nothing."""
    named = Signals(automation="Auto Scaling", automation_set_by_aws=True)
    usual = Signals(automation="Auto Scaling", automation_set_by_aws=True, automation_usual=True)
    plain = assess(facts(signals=Signals()))[0]
    assert assess(facts(signals=named))[0] == plain
    assert assess(facts(signals=usual))[0] == pytest.approx(plain - 1.5)


@pytest.mark.parametrize(
    ("more", "less"),
    [
        ({"usd_per_hour": 100.0}, {"usd_per_hour": 10.0}),
        ({"score": 0.99}, {"score": 0.5}),
        ({"account_type": "production"}, {}),
        ({"signals": Signals(long_lived_key=True)}, {"signals": Signals()}),
        ({"signals": Signals(new_actor=True, days_read=28.0)}, {"signals": Signals(new_actor=False, days_read=28.0)}),
        ({"signals": Signals(times_own_past=3.0)}, {"signals": Signals(times_own_past=2.0)}),
        ({"signals": Signals(new_address=True, days_read=28.0)}, {"signals": Signals(new_address=True, days_read=1.0)}),
        ({"signals": Signals(new_regions=("us-east-1",), days_read=28.0)}, {"signals": Signals()}),
        ({"signals": Signals(new_groups=("p5",), days_read=28.0)}, {"signals": Signals()}),
        ({"usd_per_hour": 0.01, "unpriced": 40}, {"usd_per_hour": 0.01}),
        ({"signals": Signals(refused_before=1)}, {"signals": Signals()}),
        ({"signals": Signals(dry_before=1)}, {"signals": Signals()}),
        ({"signals": Signals(gpus=8.0)}, {"signals": Signals()}),
        ({"signals": Signals(other_accounts=1)}, {"signals": Signals()}),
        ({"signals": Signals(identity_changes=1)}, {"signals": Signals()}),
        ({}, {"released": 10}),
    ],
)
def test_each_reason_raises_severity(more: dict[str, Any], less: dict[str, Any]) -> None:
    """A reason that changes nothing is no reason."""
    assert assess(facts(**more))[0] > assess(facts(**less))[0]


def test_unknown_price_is_not_free() -> None:
    """A kind without a price in its records still counts."""
    severity, reasons = assess(facts(usd_per_hour=None))
    assert severity > assess(facts(usd_per_hour=0.0))[0]
    assert "price unknown (+2.0)" in reasons


def test_what_is_new_counts_by_the_days_read() -> None:
    """Where half an hour was read before, everything is new."""
    weights = [
        assess(facts(signals=Signals(new_actor=True, days_read=days)))[0] for days in (0.02, 1.0, 3.5, 7.0, 28.0)
    ]
    assert weights == sorted(weights)
    assert weights[0] == assess(facts(signals=Signals()))[0]
    assert weights[-1] == weights[-2] == pytest.approx(weights[0] + 1.0)


def test_part_without_a_price_is_not_cheap(catalog: Catalog) -> None:
    """One priced machine beside forty unpriced ones is not 0.01 USD an hour."""
    events = [
        incidents.event(1, incidents.at("10:00"), quantity=40, group="p9.48xlarge", **incidents.THIEF),
        incidents.event(2, incidents.at("10:05"), group="t3.micro", usd_per_hour=0.0104, **incidents.THIEF),
    ]
    many = incidents.finding("threshold", 41, 5, "many", events)
    anomaly = incidents.told(catalog.kinds["ec2.instances"], events, [many])
    assert "0.01 USD/h at list price, price unknown for 40 (+2.0)" in anomaly.severity_reasons


@pytest.mark.parametrize(
    ("severity", "expected"),
    [(0.0, "LOW"), (3.9, "LOW"), (4.0, "MEDIUM"), (6.0, "HIGH"), (7.9, "HIGH"), (8.0, "CRITICAL"), (10.0, "CRITICAL")],
)
def test_label_follows_the_table(severity: float, expected: str) -> None:
    """Routing rules read the label."""
    assert label(severity) == expected


signals = st.builds(
    Signals,
    new_actor=st.none() | st.booleans(),
    new_address=st.none() | st.booleans(),
    times_own_past=st.none() | st.floats(0, 1e6),
    refused_before=st.integers(0, 1000),
    other_accounts=st.integers(0, 1000),
    automation_usual=st.booleans(),
    automation=st.sampled_from([None, "Karpenter"]),
    long_lived_key=st.booleans(),
    gpus=st.floats(0, 1e6),
    days_read=st.floats(0, 400),
)


@given(
    signals,
    st.floats(0, 1),
    st.none() | st.floats(0, 1e9),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.booleans(),
)
def test_severity_stays_in_bounds_with_reasons(
    given_signals: Signals, score: float, rate: float | None, total: int, released: int, attempts: bool
) -> None:
    """0 to 10 whatever comes; refused calls never above their ceiling; every point has a reason."""
    weighed = facts(
        score, usd_per_hour=rate, total=total, released=released, attempts_only=attempts, signals=given_signals
    )
    severity, reasons = assess(weighed)
    assert 0 <= severity <= (ATTEMPTS_CEILING if attempts else 10)
    assert severity == 0 or reasons


@pytest.mark.parametrize("rate", [0.0, 3.06, 92.0])
@pytest.mark.parametrize("score", [0.0, 0.5, 0.999])
def test_raising_is_the_same_as_weighing_anew(rate: float, score: float) -> None:
    """A storm is raised by what its accounts weigh together: where the sum is above 8 the compression is the same."""
    given_signals = Signals(new_actor=True, days_read=28.0, other_accounts=3, long_lived_key=True, gpus=8.0)
    alone, _ = assess(facts(score, usd_per_hour=rate, signals=given_signals))
    together, _ = assess(facts(score, usd_per_hour=299.0, signals=given_signals))
    amounts = [assess(Facts(**{**_nothing(), "usd_per_hour": each}))[0] for each in (rate, 299.0)]
    assert raised(alone, amounts[1] - amounts[0]) == pytest.approx(together, abs=0.15)  # each is rounded to a tenth


def _nothing() -> dict[str, Any]:
    return {
        "findings": (), "total": 0, "released": 0, "attempts_only": False, "account_type": "unknown", "signals": Signals(),
    }  # fmt: skip


@given(st.floats(0, 10), st.floats(0, 100))
def test_raising_never_lowers_nor_passes_10(level: float, points: float) -> None:
    """The worst cases stay apart, and nothing is milder for being many."""
    assert round(level, 1) <= raised(level, points) <= 10
