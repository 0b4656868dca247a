"""Do the objects arrive as a real trail's do?"""

from __future__ import annotations

import gzip
import re
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from random import Random
from statistics import quantiles

import msgspec
import pytest

from usage_anomaly_generator import MEASURED, ON_TIME, Delivery, Incident, Late, LogObject, demo, encode, generate
from usage_anomaly_generator.calls import Record, Span
from usage_anomaly_generator.delivery import LONGEST_LAG_SECONDS, MOST_RECORDS_PER_OBJECT, deliver, delivery_minute

NAME = re.compile(
    r"AWSLogs/(?P<account>\d{12})/CloudTrail/(?P<region>[a-z0-9-]+)/(?P<y>\d{4})/(?P<m>\d{2})/(?P<d>\d{2})/"
    r"(?P=account)_CloudTrail_(?P=region)_(?P<minute>(?P=y)(?P=m)(?P=d)T\d{4})Z_[A-Za-z0-9]{16}\.json\.gz"
)
LATE_DAY = Span(datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))


def minute_of(log_object: LogObject) -> datetime:
    match = NAME.fullmatch(log_object.name)
    assert match, log_object.name
    return datetime.strptime(match["minute"], "%Y%m%dT%H%M").replace(tzinfo=UTC)


def time_of(record: Record) -> datetime:
    return datetime.fromisoformat(record["eventTime"])


def arrivals(objects: list[LogObject]) -> dict[str, list[datetime]]:
    """Event id: minutes at which the record was delivered."""
    found = defaultdict(list)
    for log_object in objects:
        for record in log_object.records:
            found[record["eventID"]].append(minute_of(log_object))
    return found


def test_names_follow_the_layout_of_the_bucket(demo_records: list[Record]) -> None:
    """Readers take account, region and delivery minute from the key."""
    names = set()
    for log_object in deliver(demo_records, MEASURED, 1):
        match = NAME.fullmatch(log_object.name)
        assert match
        owners = {(record["recipientAccountId"], record["awsRegion"]) for record in log_object.records}
        assert owners == {(match["account"], match["region"])}
        names.add(log_object.name)
    assert len(names) > 1000


def test_objects_come_by_rising_minute(demo_records: list[Record]) -> None:
    """A replay reads them in this order, so a consumer of the direct path must see the same."""
    minutes = [minute_of(log_object) for log_object in deliver(demo_records, MEASURED, 1)]
    assert minutes == sorted(minutes)


def test_lag_follows_the_measured_distribution() -> None:
    """Measured live: p50 191 s, p95 455 s, p99 542 s; an alert's delay is judged against this."""
    rng = Random(1)
    times = [demo.START + timedelta(seconds=7 * number) for number in range(20_000)]
    percentiles = quantiles([(delivery_minute(time, rng) - time).total_seconds() for time in times], n=100)
    assert percentiles[49] == pytest.approx(191, abs=25)
    assert percentiles[94] == pytest.approx(455, abs=25)
    assert percentiles[98] == pytest.approx(542, abs=25)


def test_no_object_is_older_than_its_records_or_later_than_the_longest_lag(demo_records: list[Record]) -> None:
    """A record that stood in an object before it happened would be judged before it could be known."""
    objects = list(deliver(demo_records, ON_TIME, 1))
    lags = [(minute_of(o) - time_of(record)).total_seconds() for o in objects for record in o.records]
    assert 0 <= min(lags) <= max(lags) <= LONGEST_LAG_SECONDS


@pytest.mark.parametrize("share", [0.0, 0.27, 1.0])
def test_duplicates_stand_in_a_later_object(demo_records: list[Record], share: float) -> None:
    """27 % of a live bucket's records stood in two objects; counting them twice would double the rate."""
    found = arrivals(list(deliver(demo_records, Delivery(duplicates=share), 1)))
    doubled = [minutes for minutes in found.values() if len(minutes) > 1]
    assert len(doubled) / len(found) == pytest.approx(share, abs=0.02)
    assert {(late - early) // timedelta(minutes=5) for early, late in doubled} <= {1, 2}


@pytest.mark.parametrize(
    "delivery",
    [
        ON_TIME,
        MEASURED,
        Delivery(late=(Late(LATE_DAY, timedelta(hours=6)),)),
        Delivery(order=7),
        Delivery(duplicates=1),
    ],
    ids=["on time", "measured", "late day", "other order", "all twice"],
)
def test_no_delivery_loses_or_changes_a_record(demo_records: list[Record], delivery: Delivery) -> None:
    """The detectors' promises compare schedules of the same records."""
    held = {r["eventID"]: r for log_object in deliver(demo_records, delivery, 1) for r in log_object.records}
    assert held == {record["eventID"]: record for record in demo_records}


def test_a_late_day_arrives_six_hours_later(demo_records: list[Record]) -> None:
    """Late records must be judged when they come; everything else arrives as before."""
    late = Delivery(late=(Late(LATE_DAY, timedelta(hours=6)),))
    before, moved = (arrivals(list(deliver(demo_records, delivery, 1))) for delivery in (MEASURED, late))
    for record in demo_records:
        shift = timedelta(hours=6 if LATE_DAY.holds(time_of(record)) else 0)
        assert sorted(moved[record["eventID"]]) == [minute + shift for minute in sorted(before[record["eventID"]])]


def test_another_order_keeps_each_records_minutes(demo_records: list[Record]) -> None:
    """Permuting within a minute may change no byte of a replay's output; the schedule itself must stay fixed."""
    plain, dealt = (list(deliver(demo_records, Delivery(order=order), 1)) for order in (0, 3))
    assert {k: sorted(v) for k, v in arrivals(plain).items()} == {k: sorted(v) for k, v in arrivals(dealt).items()}
    assert [o.name for o in plain] != [o.name for o in dealt]
    assert len(dealt) > len(plain)


def test_a_flood_is_cut_into_objects_as_large_as_real_ones() -> None:
    """622 records is the largest object seen live."""
    flood = Incident("lambda_loop", demo.STAGING.name, demo.START, {"hours": 0.2})
    objects = list(generate(demo.ORGANIZATION, [], [flood], demo.START, 1, 1, ON_TIME))
    assert max(len(log_object.records) for log_object in objects) == MOST_RECORDS_PER_OBJECT
    assert sum(len(log_object.records) for log_object in objects) == 24_000


def test_objects_are_gzip_files_of_records_without_a_time_of_writing(demo_records: list[Record]) -> None:
    """A time in the header would change the bytes from run to run."""
    log_object = next(deliver(demo_records, MEASURED, 1))
    content = encode(log_object)
    assert content[4:8] == b"\0\0\0\0"
    assert msgspec.json.decode(gzip.decompress(content)) == {"Records": log_object.records}


def test_objects_hold_a_handful_of_records(demo_records: list[Record]) -> None:
    """Live: median 5. A reader's cost per object is felt only with such objects."""
    sizes = Counter(len(log_object.records) for log_object in deliver(demo_records, MEASURED, 1))
    small = sum(count for size, count in sizes.items() if size <= 10)
    assert small / sizes.total() > 0.5
