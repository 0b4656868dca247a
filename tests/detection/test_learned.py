"""Does a document of the plugin's result index become the right finding, and is a weak one kept quiet?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.search.recorded import exchange

from usage_anomaly import catalog
from usage_anomaly.detection import Finding
from usage_anomaly.detection.learned import (
    FIGURES,
    MOST_REMEMBERED,
    REMEMBERED,
    Learned,
    Unread,
    agree,
    buckets,
    read_result,
    remembered,
    sure,
)
from usage_anomaly.search import indexes
from usage_anomaly.series import bucket_start
from usage_anomaly.ticking import MOST_ROW_BYTES

REAL_TIME = exchange("results-of-ours").hits[0]["_source"]
SEEN_LATE = exchange("results-seen-late").hits[0]["_source"]


def learned(source: Any) -> Learned:
    found = read_result(source)
    assert isinstance(found, Learned), found
    return found


def without(source: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in source.items() if name not in names}


def test_a_recorded_result_is_one_finding_with_all_that_it_says() -> None:
    """Twenty instances of 4 vCPUs where one or two an hour are usual, found by a live plugin within a minute."""
    found = learned(REAL_TIME)
    assert (found.account_id, found.kind) == ("111122220002", "ec2.instances")
    assert found.finding == Finding(
        detector="learned",
        scope="region",
        region="eu-west-1",
        window_start=datetime(2026, 11, 25, 19, 41, 31, 638_000, UTC),
        window_end=datetime(2026, 11, 25, 19, 42, 31, 638_000, UTC),
        window_minutes=1,
        actual=88.0,
        expected=4.2899,
        score=1.0,
        confidence=0.3589,
        reason="88 vCPUs in eu-west-1 in 1 minute, about 4.3 expected; learned, grade 1.00, confidence 0.36",
    )
    assert found.executed_at == datetime(2026, 11, 25, 19, 42, 31, 674_000, UTC)


def test_what_was_seen_late_is_said_of_its_own_window() -> None:
    """The forest names an earlier window: taken for the current one, time and amount would be those of another."""
    found = learned(SEEN_LATE).finding
    late = (SEEN_LATE["data_start_time"] - SEEN_LATE["approx_anomaly_start_time"]) / 60_000
    assert late >= 1
    assert indexes.milliseconds(found.window_start) == SEEN_LATE["approx_anomaly_start_time"]
    assert found.window_end - found.window_start == timedelta(minutes=1)
    assert found.actual == SEEN_LATE["past_values"][0]["data"]


def test_a_late_result_without_its_amount_is_said_of_the_window_it_has() -> None:
    """The plugin leaves an amount out that it had to make up; a time without its amount would be paired with another's."""
    found = learned(without(SEEN_LATE, "past_values")).finding
    assert indexes.milliseconds(found.window_start) == SEEN_LATE["data_start_time"]
    assert found.actual == SEEN_LATE["feature_data"][0]["data"]


def test_windows_are_told_apart_by_their_end_and_their_model() -> None:
    """The plugin's windows begin when its job did, not at full minutes: rounded, two of them become one."""
    later = {**REAL_TIME, "data_end_time": REAL_TIME["data_end_time"] + 1}
    another = {**REAL_TIME, "model_id": "another"}
    again = {**REAL_TIME, "execution_end_time": REAL_TIME["execution_end_time"] + 60_000}
    assert len({learned(each).key for each in (REAL_TIME, later, another)}) == 3
    assert learned(again).key == learned(REAL_TIME).key


def test_by_account_alone_the_scope_is_the_account() -> None:
    """Above the limit of accounts the detectors know no region."""
    found = learned({**REAL_TIME, "entity": REAL_TIME["entity"][:1]}).finding
    assert (found.scope, found.region) == ("account", None)


def test_a_result_over_everything_has_no_kind_yet() -> None:
    """Which kind it was stands in the usage events, not in the result."""
    feature = {**REAL_TIME["feature_data"][0], "feature_name": "all_usd_per_hour"}
    found = learned({**REAL_TIME, "feature_data": [feature]})
    assert (found.kind, found.of_money) == (None, True)
    assert found.finding.reason.startswith("88 USD/h of all kinds together in eu-west-1 in 1 minute")


def test_a_negative_expectation_is_said_as_none() -> None:
    """A forest extrapolates below zero; nobody expects -3 instances."""
    expected = [{"likelihood": 1.0, "value_list": [{**REAL_TIME["expected_values"][0]["value_list"][0], "data": -3.2}]}]
    found = learned({**REAL_TIME, "expected_values": expected}).finding
    assert found.expected == 0.0
    assert "about 0 expected" in found.reason


def test_of_several_expectations_the_likeliest_stands() -> None:
    """A series with two habits has two."""
    (one,) = REAL_TIME["expected_values"]
    rare = {"likelihood": 0.2, "value_list": [{**one["value_list"][0], "data": 60.0}]}
    assert learned({**REAL_TIME, "expected_values": [rare, {**one, "likelihood": 0.8}]}).finding.expected == 4.2899


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (exchange("results-realtime").hits[0]["_source"], "none of ours"),
        ({**REAL_TIME, "entity": []}, "names no account"),
        ({**REAL_TIME, "entity": [{"name": "account_id", "value": "organization"}]}, "names no account"),
        ({**REAL_TIME, "entity": [REAL_TIME["entity"][0], {"name": "region", "value": "r" * 21}]}, "names no region"),
        ({**REAL_TIME, "entity": [REAL_TIME["entity"][0], {"name": "region", "value": "a\nb"}]}, "names no region"),
        ({**REAL_TIME, "execution_end_time": REAL_TIME["data_end_time"] - 1}, "a window that was not over"),
        ({**REAL_TIME, "data_start_time": REAL_TIME["data_end_time"] - 3_600_001}, "about a window of 1:00:00.001"),
        ({**REAL_TIME, "data_start_time": REAL_TIME["data_end_time"]}, "about a window of 0:00:00"),
        (
            {**without(REAL_TIME, "expected_values"), "feature_data": [{**REAL_TIME["feature_data"][0], "data": 0.0}]},
            "without a number",
        ),
        (
            {**without(REAL_TIME, "expected_values"), "feature_data": [{**REAL_TIME["feature_data"][0], "data": 4e-5}]},
            "without a number",
        ),
        ({**REAL_TIME, "feature_data": [{**REAL_TIME["feature_data"][0], "data": 1e300}]}, "without a number"),
        ({**REAL_TIME, "feature_data": [{**REAL_TIME["feature_data"][0], "data": 4.0}]}, "a dip"),
        (without(REAL_TIME, "model_id"), "model_id"),
        ({"error": "memory circuit is broken", "detector_id": "x"}, "not a result"),
        ({**REAL_TIME, "data_end_time": 10**18}, "not a result"),
        ({**REAL_TIME, "confidence": float("nan")}, "without a number"),
        ([], "not a result"),
    ],
)
def test_what_is_no_finding_has_a_reason(source: Any, reason: str) -> None:
    """An index that anybody's detector may write to; nothing of it may stop the tick, or vanish."""
    found = read_result(source)
    assert isinstance(found, Unread)
    assert reason in found.reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(SEEN_LATE)), JSON | st.integers(min_value=-(2**63), max_value=2**63)))
def test_no_document_raises(changed: dict[str, Any]) -> None:
    """A tick that stops at one document tells nothing of any account."""
    found = read_result({**SEEN_LATE, **changed})
    assert isinstance(found, Learned | Unread)
    msgspec.json.encode(found)


def finding(**fields: Any) -> Finding:
    return msgspec.structs.replace(learned(REAL_TIME).finding, **fields)


SURE = {"score": FIGURES.alone.grade, "confidence": FIGURES.alone.confidence}


def test_strong_and_certain_is_sure() -> None:
    """The forest is there for what no limit and no habit sees."""
    assert sure(finding(**SURE))


@pytest.mark.parametrize("weak", [{"score": 0.69}, {"confidence": 0.69}])
def test_a_weak_or_uncertain_one_is_not_sure(weak: dict[str, float]) -> None:
    """A young forest grades a busy window 1.0, with a confidence of 0.09: seen live, eight vCPUs above the expected eight."""
    assert not sure(finding(**SURE | weak))


def test_another_detector_agrees_where_its_window_shares_time_and_place() -> None:
    """Two that see the same by different ways are worth more than one that is sure."""
    weak = finding(score=0.1, confidence=0.1)
    start = weak.window_start
    other = finding(
        detector="threshold",
        region=None,
        window_start=start - timedelta(minutes=9),
        window_end=start + timedelta(minutes=1),
    )
    assert agree(weak, other)
    assert not agree(weak, msgspec.structs.replace(other, window_end=start)), "it ended where the other began"
    assert not agree(weak, msgspec.structs.replace(other, region="us-east-1")), "another region"
    assert not agree(weak, msgspec.structs.replace(other, detector="learned")), "a second forest over the same calls"


def test_a_window_touches_the_buckets_that_it_shares_time_with() -> None:
    """The plugin's windows begin when its job did; one that ends with a bucket does not touch the next one."""
    start = datetime(2026, 11, 25, 10, 3, tzinfo=UTC)
    ten = timedelta(minutes=10)
    low, high = buckets(finding(window_start=start, window_end=start + ten))
    assert (bucket_start(low), bucket_start(high)) == (start - timedelta(minutes=3), start + timedelta(minutes=7))
    even = start - timedelta(minutes=3)
    low, high = buckets(finding(window_start=even, window_end=even + ten))
    assert (bucket_start(low), bucket_start(high)) == (even, even + ten / 2)


NOW = datetime(2026, 11, 26, tzinfo=UTC)


def kept(number: int, **fields: Any) -> Learned:
    start = NOW - timedelta(minutes=10 * (number + 1))
    moved = {"window_start": start, "window_end": start + timedelta(minutes=10), **fields}
    return msgspec.structs.replace(learned(REAL_TIME), key=f"{number:024}", finding=finding(**moved))


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=500), st.randoms())
def test_what_is_remembered_is_bounded_and_depends_on_no_order(drawn: list[tuple[int, bool]], random: Random) -> None:
    """Whoever makes noise in an account must not fill its row, nor drive out what opened an anomaly there."""
    results = [kept(number, **(SURE if strong else {"score": 0.1})) for number, strong in dict(drawn).items()]
    shuffled = random.sample(results, len(results))
    half = len(results) // 2
    together = remembered(results, NOW)
    assert remembered([*remembered(shuffled[:half], NOW), *shuffled[half:]], NOW) == together
    assert len(together) == min(len(results), MOST_REMEMBERED)
    strong = [each for each in results if sure(each.finding)]
    assert len(strong) > MOST_REMEMBERED or {each.key for each in strong} <= {each.key for each in together}


def test_of_what_told_anomalies_begin_with_half_a_row_is_kept() -> None:
    """So many anomalies of one kind must leave room for what is found next."""
    results = [kept(number, **SURE) for number in range(400)]
    old = results[200:]
    starts = {buckets(each.finding)[0] for each in old[::2]}
    found = remembered(results, NOW, starts)
    assert len(found) == MOST_REMEMBERED
    assert sum(each in old for each in found) == MOST_REMEMBERED // 2
    assert set(results[: MOST_REMEMBERED // 2]) <= set(found)
    assert remembered(found, NOW, starts) == found


def test_what_is_remembered_fits_its_part_of_a_row() -> None:
    """An item of DynamoDB takes 400 kB, 300 of them are what was told."""
    place = [REAL_TIME["entity"][0], {"name": "region", "value": "r" * 20}]
    feature = {**REAL_TIME["feature_data"][0], "feature_name": "all_usd_per_hour", "data": 999_999_999_999.1234}
    (one,) = REAL_TIME["expected_values"]
    expected = [{**one, "value_list": [{**one["value_list"][0], "data": 999_999_999_999.0123}]}]
    ten = {"data_start_time": REAL_TIME["data_end_time"] - 600_000, "anomaly_grade": 0.12345, "confidence": 0.12345}
    longest = learned({**REAL_TIME, **ten, "entity": place, "feature_data": [feature], "expected_values": expected})
    many = [
        msgspec.structs.replace(longest, key=f"{number:024}", kind=max(catalog.load().kinds, key=len))
        for number in range(300)
    ]
    assert len(msgspec.json.encode(remembered(many, longest.executed_at))) < 400_000 - MOST_ROW_BYTES - 5_000


def test_what_ended_long_ago_is_forgotten() -> None:
    """Closed anomalies are forgotten at the same age."""
    assert remembered([kept(0), kept(0, window_end=NOW - REMEMBERED)], NOW) == (kept(0),)
    assert remembered([kept(0, window_end=NOW - REMEMBERED)], NOW) == ()


def test_detectors_sum_fields_and_kinds_that_exist() -> None:
    """A misspelt field sums to nothing for ever, and nothing says so."""
    kinds = catalog.load().kinds
    fields = indexes.event_fields()
    for each in FIGURES.detectors:
        assert each.kind is None or each.kind in kinds, each.name
        assert fields[each.field]["type"] in ("long", "double"), each.name
        assert each.reason
    assert len({each.feature for each in FIGURES.detectors}) == len({each.name for each in FIGURES.detectors}) == 4
