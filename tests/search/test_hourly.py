"""Is an hour's roll-up what its events add up to, whenever they came?"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from opensearchpy import OpenSearch
from tests.search.making import ACCOUNT, NOW, event
from tests.search.serving import LOOPBACK
from tests.search.test_history import OTHERS, put

from usage_anomaly.search import hourly
from usage_anomaly.search.bulk import write
from usage_anomaly.search.client import SearchUnavailable
from usage_anomaly.search.hourly import hours, roll_up, rows
from usage_anomaly.series import Series, bucket_of
from usage_anomaly.usage import UsageEvent

pytestmark = LOOPBACK
HOUR = datetime(2026, 11, 25, 10, tzinfo=UTC)
BEFORE = NOW - timedelta(days=1)


def mixed() -> list[UsageEvent]:
    """Two hours of launches, releases, dry runs, definitions and calls told singly and aggregated."""
    random = Random(11)
    return [
        event(
            number,
            random.randrange(120) - 60,
            account_id=random.choice([ACCOUNT, *OTHERS]),
            region=random.choice(["us-east-1", "eu-west-1"]),
            kind=(kind := random.choice(["ec2.instances", "lambda.invocations"])),
            direction=random.choice(["use", "use", "release", "definition"]),
            quantity=random.randrange(5),
            usd_per_hour=random.choice([None, 0.25, 2.0]),
            usd=random.choice([None, 0.5]),
            dry_run=random.random() < 0.1,
            aggregated=kind == "lambda.invocations" and random.random() < 0.5,
        )
        for number in range(400)
    ]


def documents(client: OpenSearch) -> dict[str, dict[str, object]]:
    client.indices.refresh(index="usage-hourly-*")
    found = client.search(index="usage-hourly-*", body={"size": 1_000})["hits"]["hits"]
    return {hit["_id"]: {"_index": hit["_index"], **hit["_source"]} for hit in found}


@pytest.mark.parametrize("page", [7, 1_000])
def test_an_hour_is_what_its_events_add_up_to(client: OpenSearch, page: int) -> None:
    """The roll-up is what remains after the events are deleted."""
    batch = mixed()
    put(client, batch)
    found = {(row.account_id, row.kind, row.region): row for row in rows(client, HOUR, page)}
    inside = [each for each in batch if HOUR <= each.event_time < HOUR + timedelta(hours=1)]
    calls = Counter((each.account_id, each.kind, each.region) for each in inside)
    assert {place: row.calls for place, row in found.items()} == calls
    for place, row in found.items():
        of_place = [each for each in inside if (each.account_id, each.kind, each.region) == place]
        assert row.released == sum(each.quantity for each in of_place if each.direction == "release")
        uses = [each for each in of_place if each.direction == "use" and not each.dry_run]
        series = Series(tally=place[1] == "lambda.invocations")
        for each in uses:
            series.add(each)
        assert row.quantity == series.quantity(bucket_of(HOUR), bucket_of(HOUR) + 11)
        if place[1] == "ec2.instances":
            for name in ("usd_per_hour", "usd"):
                known = [getattr(each, name) for each in uses if getattr(each, name) is not None]
                assert getattr(row, name) == (sum(known) if known else None)


def test_of_calls_told_twice_the_price_of_the_standing_count_is_said(client: OpenSearch) -> None:
    """Two counts of the same calls cost once."""
    calls = [event(n, n, kind="lambda.invocations", quantity=1, usd=0.25) for n in range(4)]
    put(client, [*calls, event(9, 0, kind="lambda.invocations", quantity=3, usd=0.75, aggregated=True)])
    (row,) = rows(client, HOUR)
    assert (row.quantity, row.usd, row.usd_per_hour, row.calls) == (4, 1.0, None, 5)


def test_rolled_up_twice_or_late_is_the_same_as_once(client: OpenSearch) -> None:
    """Everything that computes it computes it whole."""
    batch = mixed()
    put(client, batch[:200])
    for hour in hours(client, BEFORE, NOW):
        roll_up(client, hour, 1)
    first = documents(client)
    put(client, batch[200:], NOW + timedelta(minutes=1))
    late = hours(client, NOW, NOW + timedelta(minutes=1))
    assert late == [HOUR - timedelta(hours=1), HOUR]
    for hour in [*late, *late]:
        roll_up(client, hour, 2)
    again = documents(client)
    assert first.keys() <= again.keys()
    assert first != again
    expected = [row for hour in late for row in rows(client, hour)]
    assert len(again) == len(expected)
    for row in expected:
        stored = again[f"{row.account_id}#{row.kind}#{row.region}#{row.hour:%Y%m%dT%H}"]
        assert stored["_index"] == "usage-hourly-2026.11"
        assert (stored["quantity"], stored["released"], stored["calls"]) == (row.quantity, row.released, row.calls)


def test_a_slow_run_does_not_set_back_what_a_later_one_wrote(client: OpenSearch) -> None:
    """It read before the last events came in."""
    put(client, [event(1)])
    roll_up(client, HOUR, 7)
    put(client, [event(2, 1)])
    roll_up(client, HOUR, 8)
    newest = documents(client)
    stale = [msgspec_replaced(row) for row in rows(client, HOUR)]
    assert write(client, map(hourly._document, stale), 7) == 1
    assert documents(client) == newest


def msgspec_replaced(row: hourly.Row) -> hourly.Row:
    return hourly.Row(**{**{name: getattr(row, name) for name in row.__struct_fields__}, "quantity": 99})


def test_the_roll_up_is_mapped_and_nothing_else_becomes_a_field(client: OpenSearch) -> None:
    """Dashboards sum by these fields for more than a year."""
    put(client, [event(1, usd_per_hour=0.5)])
    roll_up(client, HOUR, 1)
    fields = client.indices.get_mapping(index="usage-hourly-2026.11")["usage-hourly-2026.11"]["mappings"]["properties"]
    assert set(fields) == set(hourly.Row.__struct_fields__)
    assert fields["hour"] == {"type": "date"}
    assert (fields["quantity"]["type"], fields["usd"]["type"]) == ("long", "double")


def test_a_document_that_is_not_taken_is_no_roll_up(client: OpenSearch) -> None:
    """Half a roll-up must not pass for a whole one: the hour is done again."""
    put(client, [event(1)])
    row = next(iter(rows(client, HOUR)))
    wrong = hourly.Row(**{**{name: getattr(row, name) for name in row.__struct_fields__}, "quantity": "many"})
    with pytest.raises(SearchUnavailable, match=r"1 documents not taken: 400 .*"):
        write(client, [hourly._document(wrong)], 1, lambda _: None)
