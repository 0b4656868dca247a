"""Is each detector told what the cluster's version takes, and no more?"""

from __future__ import annotations

from typing import Any

import pytest
from tests.search.recorded import exchange

from usage_anomaly.detection.learned import FIGURES
from usage_anomaly.search import detectors
from usage_anomaly.search.detectors import BY_ACCOUNT, BY_REGION, Version

MANAGED: tuple[Version, ...] = ((2, 19), (3, 1), (3, 3), (3, 5), (3, 7))
# Since when the plugin knows a field, from its source.
KNOWN_SINCE = {
    "result_index_min_age": (2, 15),
    "result_index_ttl": (2, 15),
    "imputation_option": (2, 17),
    "rules": (2, 18),
    "frequency": (3, 3),
    "auto_created": (3, 4),
}
ALWAYS = {
    "name", "description", "time_field", "indices", "filter_query", "feature_attributes", "detection_interval",
    "window_delay", "shingle_size", "category_field", "result_index",
}  # fmt: skip


def thresholds(body: dict[str, Any]) -> list[str]:
    return [each["threshold_type"] for rule in body.get("rules", ()) for each in rule["conditions"]]


@pytest.mark.parametrize("version", [(2, 13), (2, 15), (2, 17), (2, 18), *MANAGED])
def test_a_version_is_told_only_what_it_knows(version: Version) -> None:
    """It passes over an unknown field, so that a detector is not what its body says; an unknown rule it refuses."""
    for body in detectors.bodies(version, BY_REGION, 3):
        known = ALWAYS | {field for field, since in KNOWN_SINCE.items() if version >= since}
        assert set(body) <= known
        assert known - set(body) <= {"frequency", "auto_created"}, "what it knows is used"
        assert ("ACTUAL_IS_BELOW_EXPECTED" in thresholds(body)) is (version >= (2, 19))


def test_the_recorded_body_is_todays() -> None:
    """What a live plugin took is what is sent; a change of the bodies asks for a new recording, or for a good reason."""
    recorded = exchange("create-of-ours").request.body
    assert recorded == detectors.bodies((3, 4), BY_REGION, 3)[0]


@pytest.mark.parametrize("version", MANAGED)
def test_one_unit_each_in_windows_of_ten_minutes(version: Version) -> None:
    """Two units in one forest: a spike of one hides in the calm of the other."""
    found = detectors.bodies(version, BY_REGION, 3)
    assert [body["name"] for body in found] == [each.name for each in FIGURES.detectors]
    for body in found:
        (feature,) = body["feature_attributes"]
        assert list(feature["aggregation_query"]) == [feature["feature_name"]]
        assert body["detection_interval"] == body["window_delay"] == {"period": {"interval": 10, "unit": "Minutes"}}
        assert body["imputation_option"] == {"method": "ZERO"}
        assert body["result_index_ttl"] - body["result_index_min_age"] == 3, "each result stays three days at least"


def test_only_use_of_its_kind_counts() -> None:
    """Releases and dry runs are documents of the same kind with the same vCPUs."""
    for body, detector in zip(detectors.bodies((3, 7), BY_REGION, 3), FIGURES.detectors, strict=True):
        of = {"term": {"kind": detector.kind}} if detector.kind else {"exists": {"field": "usd_per_hour"}}
        assert body["filter_query"] == {
            "bool": {"filter": [of, {"term": {"direction": "use"}}], "must_not": [{"term": {"dry_run": True}}]}
        }


def test_many_accounts_are_learned_without_their_regions() -> None:
    """A thousand accounts in seventeen regions need more heap than there is, and the plugin then leaves out what comes last."""
    assert detectors.category_of(50, 50) == BY_REGION
    assert detectors.category_of(51, 50) == BY_ACCOUNT


def test_the_description_changes_with_the_body_and_with_nothing_else() -> None:
    """It alone says whether a detector is touched."""
    one = [body["description"] for body in detectors.bodies((3, 5), BY_REGION, 3)]
    assert one == [body["description"] for body in detectors.bodies((3, 7), BY_REGION, 3)]
    for other in (
        detectors.bodies((2, 18), BY_REGION, 3),
        detectors.bodies((3, 5), BY_ACCOUNT, 3),
        detectors.bodies((3, 5), BY_REGION, 4),
    ):
        assert set(one).isdisjoint(body["description"] for body in other)
    assert len(set(one)) == 4


@pytest.mark.parametrize(
    ("number", "version"), [("2.19.1", (2, 19)), ("3.7.0-SNAPSHOT", (3, 7)), ("3.10.0", (3, 10)), ("7.10.2", (1, 0))]
)
def test_versions_are_read(number: str, version: Version) -> None:
    """A domain in compatibility mode calls itself 7.10.2 and is none of that."""
    assert detectors.version_of(number) == version
