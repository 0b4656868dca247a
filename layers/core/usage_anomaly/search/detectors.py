"""What is each learned detector told to do, in the words of the cluster's version?

The body of a detector for OpenSearch's anomaly-detection plugin, versions 2.15 to 3.7 and older ones as far as they go. The
plugin gives a body back with defaults of its version, ids and another form of every query, so a body carries a digest of
itself in its description: a detector is unchanged while that is the same, whatever the server makes of the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

from usage_anomaly.detection.learned import FIGURES, Detector
from usage_anomaly.search.indexes import ALL_EVENTS, Body, digest

Version = tuple[int, int]

# An index of our own: with fine-grained access control nobody may search the default one. The plugin asks for the prefix.
RESULTS = "opensearch-ad-plugin-result-usage"
# The name alone is an alias, and after a roll-over only of the newest index.
ALL_RESULTS = f"{RESULTS}*"
ROLL_OVER_DAYS = 1

# The version from which the plugin knows a field; what is not named here it always knew. An older one passes over the field
# in silence, and refuses a kind of rule that it does not know.
# We use neither `frequency` (3.3) nor `auto_created` (3.4): their defaults, the interval and false, are what we want.
SINCE: dict[str, Version] = {
    "result_index_min_age": (2, 15),
    "result_index_ttl": (2, 15),
    "imputation_option": (2, 17),
    "rules": (2, 18),
}
SPIKES_ONLY_SINCE: Version = (2, 19)


# The fields whose values have a series each.
BY_REGION = ("account_id", "region")
BY_ACCOUNT = ("account_id",)


def category_of(accounts: int, most: int) -> Sequence[str]:
    """By account and region up to `most` accounts; more would not fit the heap (about 400 kB for each series)."""
    return BY_REGION if accounts <= most else BY_ACCOUNT


def version_of(number: str) -> Version:
    """3.4 of "3.4.0". Old compatibility modes call themselves 7.10: nothing is known of them, so the least is asked."""
    major, minor = (int(part) for part in number.split(".")[:2])
    return (major, minor) if major < 7 else (1, 0)


def bodies(version: Version, category: Sequence[str], result_days: int) -> list[Body]:
    """The detectors' bodies; each result is kept for `result_days` at least."""
    return [_body(each, version, category, result_days) for each in FIGURES.detectors]


def _body(detector: Detector, version: Version, category: Sequence[str], result_days: int) -> Body:
    window = FIGURES.window
    whole: Body = {
        "name": detector.name,
        "time_field": "event_time",
        "indices": [ALL_EVENTS],
        "filter_query": _filter(detector),
        "feature_attributes": [
            {
                "feature_name": detector.feature,
                "feature_enabled": True,
                "aggregation_query": {detector.feature: {"sum": {"field": detector.field}}},
            }
        ],
        "detection_interval": _minutes(window.minutes),
        "window_delay": _minutes(window.delay_minutes),
        "shingle_size": window.shingle,
        "category_field": list(category),
        "result_index": RESULTS,
        "result_index_min_age": ROLL_OVER_DAYS,
        "result_index_ttl": result_days + ROLL_OVER_DAYS,  # counted from the index's beginning
        "imputation_option": {"method": "ZERO"},  # nothing used is a count of 0, not a gap
        "rules": _rules(detector, version),
    }
    taken = {name: value for name, value in whole.items() if version >= SINCE.get(name, version)}
    over = "everything" if detector.kind is None else detector.kind
    return {**taken, "description": f"{detector.unit} of {over} by {' and '.join(category)}; digest {digest(taken)}"}


def _filter(detector: Detector) -> Body:
    """What counts: uses, of one kind or of all that have a price. Releases and dry runs add nothing.

    Of a trail with Lambda's single and its aggregated events each call counts twice here, on quiet days as on loud ones.
    """
    of: Body = {"exists": {"field": detector.field}} if detector.kind is None else {"term": {"kind": detector.kind}}
    return {"bool": {"filter": [of, {"term": {"direction": "use"}}], "must_not": [{"term": {"dry_run": True}}]}}


def _rules(detector: Detector, version: Version) -> list[Body]:
    """What is ignored. Any rule suffices; giving one takes away the plugin's own (20 % up or down)."""
    name = {"feature_name": detector.feature}
    spikes_only = {**name, "threshold_type": "ACTUAL_IS_BELOW_EXPECTED"}
    little = {**name, "threshold_type": "ACTUAL_OVER_EXPECTED_MARGIN", "operator": "LTE", "value": detector.margin}
    hardly = {**name, "threshold_type": "ACTUAL_OVER_EXPECTED_RATIO", "operator": "LTE", "value": FIGURES.window.ratio}
    conditions = [*([spikes_only] if version >= SPIKES_ONLY_SINCE else []), little, hardly]
    return [{"action": "IGNORE_ANOMALY", "conditions": [each]} for each in conditions]


def _minutes(interval: int) -> Body:
    return {"period": {"interval": interval, "unit": "Minutes"}}
