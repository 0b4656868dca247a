"""Is each result of the detectors read, once, whatever happened since the last look?"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from opensearchpy import OpenSearch
from tests.search.clusters import REACHING, Cluster
from tests.search.making import ACCOUNT, NOBODY, at_once, event, plenty
from tests.search.recorded import Exchange, exchange

from usage_anomaly.detection.learned import OVERLAP, Learned
from usage_anomaly.search import detectors, plugin, setup
from usage_anomaly.search.client import connect
from usage_anomaly.search.detectors import RESULTS
from usage_anomaly.search.events import write
from usage_anomaly.search.indexes import milliseconds, moment
from usage_anomaly.search.learned import lacks, new_results
from usage_anomaly.usage import UsageEvent

pytestmark = REACHING

REAL_TIME = exchange("results-of-ours").hits[0]["_source"]
EXECUTED = moment(REAL_TIME["execution_end_time"])
HOUR = timedelta(hours=1)
PLACE: dict[str, Any] = {"account_id": "111122220002", "region": "eu-west-1"}
STEP = 10  # seconds between two launches of the live test
# As the plugin maps them, as far as they are asked for.
MAPPING = {
    "dynamic": False,
    "properties": {
        **{name: {"type": "date", "format": "epoch_millis"} for name in ("data_end_time", "execution_end_time")},
        **{name: {"type": "keyword"} for name in ("model_id", "detector_id", "task_id")},
        **{name: {"type": "double"} for name in ("anomaly_grade", "confidence")},
        "entity": {"type": "nested", "properties": {name: {"type": "keyword"} for name in ("name", "value")}},
    },
}


def put(client: OpenSearch, *documents: dict[str, Any], day: str = "2026.11.25") -> None:
    """Results as the plugin leaves them: in an index of history that the alias may or may not name."""
    index = f"{RESULTS}-history-{day}-1"
    if not client.indices.exists(index=index):
        client.indices.create(index=index, body={"mappings": MAPPING})
    for each in documents:
        client.index(index=index, body=each)
    client.indices.refresh(index=index)


def result(minutes: float = 0, **fields: Any) -> dict[str, Any]:
    """The recorded result, of a window and a computation so much later."""
    moved = {name: REAL_TIME[name] + round(minutes * 60_000) for name in REAL_TIME if name.endswith("_time")}
    return {**REAL_TIME, **moved, **fields}


def keys(client: OpenSearch, since: datetime, until: datetime, page: int = 1_000) -> list[str]:
    return [each.key for each in new_results(client, since, until, page=page).results]


def test_a_recorded_result_is_read_as_one_finding(client: OpenSearch) -> None:
    """From the index that a live plugin filled to the account, the region and the amount."""
    put(client, REAL_TIME)
    (found,) = new_results(client, EXECUTED - HOUR, EXECUTED).results
    assert (found.account_id, found.kind, found.finding.region) == ("111122220002", "ec2.instances", "eu-west-1")
    assert (found.finding.actual, found.finding.expected) == (88.0, 4.2899)
    assert found.executed_at == EXECUTED


def test_quiet_windows_and_analyses_of_the_past_are_no_news(client: OpenSearch) -> None:
    """Most results are of grade 0, and whoever tries a detector out on last month must not wake anybody."""
    put(client, result(anomaly_grade=0.0), result(task_id="an-analysis"), {"detector_id": "x", "error": "no memory"})
    put(
        client,
        *(hit["_source"] for name in ("results-realtime-normal", "results-seen-late") for hit in exchange(name).hits),
    )
    news = new_results(client, EXECUTED - HOUR, EXECUTED + HOUR)
    assert (news.results, news.unread) == ((), ())


def test_without_an_index_there_is_no_news(bare: OpenSearch) -> None:
    """A cluster without the plugin, or before its first result."""
    assert new_results(bare, EXECUTED - HOUR, EXECUTED).results == ()


def ticks(client: OpenSearch, *moments: datetime) -> Iterator[list[str]]:
    """What ticks at these moments find new, each knowing the time of the one before and the keys it had."""
    seen: set[str] = set()
    for since, until in pairwise(moments):
        found = [each.key for each in new_results(client, since, until, seen).results]
        yield found
        seen.update(found)


def test_two_looks_see_it_once(client: OpenSearch) -> None:
    """A tick a minute, and ten minutes that each of them looks back."""
    put(client, REAL_TIME)
    minutes = [EXECUTED + timedelta(minutes=each) for each in range(-2, 15)]
    assert [len(found) for found in ticks(client, *minutes)] == [0, 1] + [0] * 14


def test_the_plugin_may_write_it_twice(client: OpenSearch) -> None:
    """Its node died between writing and noting so, and the window was computed again."""
    put(client, REAL_TIME, REAL_TIME, result(execution_end_time=REAL_TIME["execution_end_time"] + 60_000))
    assert len(keys(client, EXECUTED - HOUR, EXECUTED + HOUR)) == 1


def test_after_an_outage_of_ours_it_is_seen_once(client: OpenSearch) -> None:
    """The cursor stands where the last tick that ended well left it."""
    put(client, REAL_TIME, result(30))
    found = list(ticks(client, EXECUTED - HOUR, EXECUTED - HOUR / 2, EXECUTED + 30 * HOUR, EXECUTED + 31 * HOUR))
    assert [len(each) for each in found] == [0, 2, 0]


def test_a_window_that_the_plugin_caught_up_on_is_seen(client: OpenSearch) -> None:
    """After an outage of the cluster it computes old windows: a cursor on the time of windows stands beyond them."""
    put(client, result())
    looks = ticks(client, EXECUTED - HOUR, EXECUTED, EXECUTED + 5 * HOUR, EXECUTED + 6 * HOUR)
    assert len(next(looks)) == 1
    five = EXECUTED + 5 * HOUR
    put(client, result(-60, execution_end_time=milliseconds(five) - 1_000, model_id="another"))
    assert [len(each) for each in looks] == [1, 0]


def test_a_result_that_becomes_searchable_late_is_seen(client: OpenSearch) -> None:
    """Results are written in the background; the tick after their computation may not find them yet."""
    looks = ticks(client, *(EXECUTED + timedelta(minutes=each) for each in range(-1, 12)))
    assert next(looks) == []
    assert next(looks) == []
    put(client, REAL_TIME)
    assert [len(each) for each in looks] == [1] + [0] * 9
    assert timedelta(minutes=5) <= OVERLAP


def test_a_roll_over_hides_nothing(client: OpenSearch) -> None:
    """The alias then names the new index only; what was found a minute before lies in the old one."""
    put(client, result(), day="2026.11.24")
    put(client, result(1, model_id="another"), day="2026.11.25")
    client.indices.put_alias(index=f"{RESULTS}-history-2026.11.25-1", name=RESULTS)
    assert len(keys(client, EXECUTED - HOUR, EXECUTED + HOUR)) == 2


@pytest.mark.parametrize("page", [1, 2, 7, 1_000])
def test_every_page_is_read(client: OpenSearch, page: int) -> None:
    """An organization-wide incident has more results than a page; many are computed in one millisecond."""
    put(client, *(result(number // 5, model_id=f"model-{number % 5}") for number in range(15)))
    assert len(set(keys(client, EXECUTED - HOUR, EXECUTED + HOUR, page))) == 15


@pytest.mark.parametrize("most", [1, 4, 15, 16])
def test_more_than_a_look_takes_is_seen_by_the_next_ones(client: OpenSearch, most: int) -> None:
    """After an outage of ours the results of days wait, and a tick has a minute."""
    put(client, *(result(number // 5, model_id=f"model-{number % 5}") for number in range(15)))
    since, until, seen = EXECUTED - HOUR, EXECUTED + HOUR, list[str]()
    looks = 0
    while since < until:
        news = new_results(client, since, until, seen, page=3, most=most)
        seen += [each.key for each in news.results]
        since, looks = news.until, looks + 1
    assert len(seen) == len(set(seen)) == 15
    assert looks == max(-(-15 // most), 1)


def test_a_look_never_goes_back(client: OpenSearch) -> None:
    """More late results than it takes: behind where it stood before lies what it has seen and knows no key of any more."""
    put(client, *(result(number / 10, model_id=f"model-{number}") for number in range(15)))
    since, seen = EXECUTED + timedelta(minutes=5), list[str]()
    for more in (4, 4, 4, 3):
        news = new_results(client, since, EXECUTED + HOUR, seen, most=4)
        seen += [each.key for each in news.results]
        assert len(news.results) == more
        assert news.until == (since if more == 4 else EXECUTED + HOUR)
    assert len(set(seen)) == 15


@pytest.mark.parametrize("answers", [0, 1, 7])
def test_a_look_ends_when_its_time_is_up(client: OpenSearch, answers: int) -> None:
    """What it took is told, and the next look goes on behind it."""
    put(client, *(result(number, model_id=f"model-{number}") for number in range(15)))
    left = iter([*[True] * answers, False])
    since = EXECUTED - HOUR
    news = new_results(client, since, EXECUTED + HOUR, (), lambda: next(left))
    assert len(news.results) == answers
    assert news.until == (EXECUTED + timedelta(minutes=answers - 1) if answers else since)


def test_time_is_up_for_what_is_no_result_too(client: OpenSearch) -> None:
    """Somebody's own detector may write more into the index than a tick can read."""
    put(client, *(result(number, feature_data=[]) for number in range(15)))
    left = iter([*[True] * 7, False])
    news = new_results(client, EXECUTED - HOUR, EXECUTED + HOUR, (), lambda: next(left))
    assert (len(news.unread), news.until) == (7, EXECUTED + timedelta(minutes=6))


def test_what_is_seen_is_not_asked_about_again(client: OpenSearch) -> None:
    """Which kind added most is a search of its own for each result; ten looks see the same one."""
    put(client, of_everything())
    keep(client, [event(1, event_time=moment(REAL_TIME["data_start_time"]), usd_per_hour=5.0, **PLACE)])
    (found,) = new_results(client, EXECUTED - HOUR, EXECUTED).results
    client.indices.delete(index="usage-events-*")
    assert new_results(client, EXECUTED - HOUR, EXECUTED, {found.key}).unread == ()
    assert len(new_results(client, EXECUTED - HOUR, EXECUTED).unread) == 1


def test_an_account_with_a_result_in_the_last_hour_is_judged(plugin_cluster: Cluster) -> None:
    """A detector that runs gives a result for each window, most of them of grade 0."""
    client = plugin_cluster.asking.client
    put(client, result(anomaly_grade=0.0), result(task_id="an-analysis", entity=[{"name": "a", "value": ACCOUNT}]))
    assert lacks(client, "111122220002", EXECUTED + HOUR / 2) is None
    assert lacks(client, "111122220002", EXECUTED + 2 * HOUR) == "no result for this account in the last hour"
    assert lacks(client, ACCOUNT, EXECUTED + HOUR / 2) == "no result for this account in the last hour"


def test_without_the_plugin_that_is_what_lacks(client: OpenSearch) -> None:
    """The set-up said so once, to whoever deployed; an alert says it to whoever reads it."""
    assert lacks(client, ACCOUNT, EXECUTED) == "no anomaly-detection plugin in the cluster"


def test_a_cluster_that_does_not_answer_holds_up_no_alert() -> None:
    """What stands beside an alert is worth less than the alert."""
    with connect(NOBODY, "none", "") as nobody:
        assert lacks(nobody, ACCOUNT, EXECUTED, at_once) == "nobody could say whether it runs"


def test_what_is_no_finding_is_handed_back(client: OpenSearch) -> None:
    """Somebody's own detector may write to the same index; that nothing of it is told has to be seen somewhere."""
    foreign = exchange("results-realtime").hits[0]["_source"]
    put(client, {**foreign, "execution_end_time": REAL_TIME["execution_end_time"]})
    news = new_results(client, EXECUTED - HOUR, EXECUTED)
    assert news.results == ()
    assert ["none of ours" in each.reason for each in news.unread] == [True]


def of_everything(**fields: Any) -> dict[str, Any]:
    feature = {**REAL_TIME["feature_data"][0], "feature_name": "all_usd_per_hour"}
    return result(feature_data=[feature], **fields)


def test_a_result_over_everything_is_of_the_kind_that_added_most(client: OpenSearch) -> None:
    """Guidance, commands and the anomaly that is open already are those of a kind."""
    account, place = "111122220002", PLACE
    during = (moment(REAL_TIME["data_start_time"]) - datetime(2026, 11, 25, 10, tzinfo=UTC)) / timedelta(
        minutes=1
    ) + 0.1
    usage = [
        event(1, during, kind="ebs.volumes", usd_per_hour=5.0, **place),
        event(2, during, kind="ec2.instances", usd_per_hour=3.0, **place),
        event(3, during, kind="ec2.instances", usd_per_hour=3.0, **place),
        event(4, during, kind="rds.instances", usd_per_hour=90.0, dry_run=True, **place),
        event(5, during, kind="rds.instances", usd_per_hour=90.0, direction="release", **place),
        event(6, during, kind="eks.clusters", usd_per_hour=90.0, account_id=account, region="us-east-1"),
        event(7, during + 60, kind="nat.gateways", usd_per_hour=90.0, **place),
    ]
    keep(client, usage)
    put(client, of_everything())
    (found,) = new_results(client, EXECUTED - HOUR, EXECUTED).results
    assert found.kind == "ec2.instances"


def test_a_result_over_everything_without_usage_is_handed_back(client: OpenSearch) -> None:
    """Deleted meanwhile: there is nothing left to judge."""
    put(client, of_everything())
    news = new_results(client, EXECUTED - HOUR, EXECUTED)
    assert [each.kind for each in news.results] == [None]
    assert "usage events are gone" in news.unread[0].reason
    assert new_results(client, EXECUTED, EXECUTED, {each.key for each in news.results}).unread == (), "asked once"


@pytest.mark.parametrize("name", ["results-realtime", "results-of-ours"])
def test_the_emulator_answers_the_readers_query_as_a_node_did(client: OpenSearch, name: str) -> None:
    """The tests above stand on it."""
    recorded: Exchange = exchange(name)
    put(client, *(hit["_source"] for hit in recorded.hits), result(600, anomaly_grade=0.0), result(task_id="x"))
    body = {**recorded.request.body, "sort": [each for each in recorded.request.body["sort"] if "_id" not in each]}
    hits = client.search(index=f"{RESULTS}*", body=body)["hits"]["hits"]
    assert [hit["_source"] for hit in hits] == [hit["_source"] for hit in recorded.hits]


@pytest.mark.plugin
def test_a_live_detector_finds_a_spike_and_it_is_read_once(live: Cluster) -> None:
    """All of it, with nothing between: six hours of history, a spike, and a finding within a few minutes."""
    client, now = live.asking.client, datetime.now(UTC)
    setup.configure(client)
    keep(client, launches(now, range(0, 6 * 3_600, STEP)), now)
    each_minute = {"period": {"interval": 1, "unit": "Minutes"}}
    at_once = {"period": {"interval": 0, "unit": "Minutes"}}
    body = {
        **detectors.bodies((2, 19), detectors.BY_REGION, 3)[0],
        "detection_interval": each_minute,
        "window_delay": at_once,
    }
    plugin.configure(live.asking, [body], now)
    spiked: list[Learned] = []
    for look in range(24):
        time.sleep(STEP)
        planted = (
            [event(1, region="eu-west-1", event_time=datetime.now(UTC), quantity=40, vcpus=160.0)] if look == 8 else []
        )
        then = datetime.now(UTC)
        keep(client, [*launches(then, [0], number=100_000 + look), *planted], then)
        results = new_results(client, now, datetime.now(UTC)).results
        spiked = [each for each in results if each.finding.actual >= 160]
        if spiked:
            break
    (one,) = spiked
    assert (one.account_id, one.kind, one.finding.region) == (ACCOUNT, "ec2.instances", "eu-west-1")
    assert one.finding.expected is not None
    assert one.finding.expected < 80
    assert one not in new_results(client, now, datetime.now(UTC), {one.key}).results


def launches(now: datetime, ago: Iterable[int], number: int = 10) -> list[UsageEvent]:
    """One instance in each of two regions, so many seconds before now; noisy, for a forest is startled by any change of what
    never changed, and then silent about the spike that follows."""
    draw = Random(number)
    return [
        event(
            10 * (number + seconds) + place,
            event_time=now - timedelta(seconds=seconds),
            region=region,
            vcpus=draw.choice([2.0, 4.0, 4.0, 8.0]),
        )
        for seconds in ago
        for place, region in enumerate(("us-east-1", "eu-west-1"))
    ]


def keep(client: OpenSearch, usage: list[UsageEvent], now: datetime = EXECUTED) -> None:
    assert write(client, usage, now, plenty, 36).created == len(usage)
    client.indices.refresh(index="usage-events-*")
