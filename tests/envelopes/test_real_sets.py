"""Is every record of the captured trails read, and everything odd about them said?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from usage_anomaly.envelopes import Payload, event_time
from usage_anomaly_cli.reading import NO_TRAIL_FILE, Result, find_objects, read_objects

pytestmark = pytest.mark.real_data

# records, distinct, and how often each oddity was found
SETS: dict[str, tuple[int, int, dict[str, int]]] = {
    "invictus": (2900, 2900, {}),
    "grycap": (142, 142, {}),
    "opensearch_catalog": (840, 840, {}),
    "zmallen": (15, 15, {}),
    "otrf": (103, 103, {"@timestamp stands in for eventTime": 103}),
    "stratus": (310, 310, {"region does not exist": 310}),
    "cloud_custodian": (
        24,
        23,
        {
            "account id is not 12 digits": 2,
            "account missing: userIdentity.accountId stands in": 4,
            "eventID missing": 1,
            "no time: stands in no bucket": 1,
        },
    ),
    "panther": (
        464,
        396,
        {
            "account id is not 12 digits": 29,
            "account missing": 11,
            "account missing: userIdentity.accountId stands in": 4,
            "awsRegion missing": 11,
            "eventID is no UUID": 220,
            "eventID missing": 54,
            "eventSource missing": 5,
            "eventTime is no time": 2,
            "eventTime is not RFC 3339": 125,
            "no time: stands in no bucket": 19,
            "region does not exist": 2,
        },
    ),
}


def keys_of(payload: Payload, _: str) -> tuple[list[bytes], int]:
    return payload.keys, sum(event_time(record) is None for record in payload.records)


@pytest.mark.parametrize("name", SETS)
def test_every_record_is_read_and_every_oddity_said(shared_data: Path, name: str, tmp_path: Path) -> None:
    """Real trails are the only judge of what a reader must bear."""
    results: list[Result[tuple[list[bytes], int]]] = list(
        read_objects(find_objects([shared_data / "cloudtrail" / name], tmp_path), 1, keys_of)
    )
    records, distinct, oddities = SETS[name]
    read = [result.value for result in results if result.value is not None]
    assert sum(result.records for result in results) == records
    assert len({key for keys, _ in read for key in keys}) == distinct
    found: Counter[str] = Counter()
    for result in results:
        found.update({oddity.reason: oddity.count for oddity in result.oddities})
    assert found == oddities
    assert sum(timeless for _, timeless in read) == oddities.get("no time: stands in no bucket", 0)
    refused = {each.reason for result in results for each in result.rejected}
    assert refused == {NO_TRAIL_FILE}, "only the licence beside the records"
