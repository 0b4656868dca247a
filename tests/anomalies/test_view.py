"""Is what an anomaly is made of what counts, each resource once?"""

from __future__ import annotations

from datetime import timedelta

from tests.anomalies.test_series import FIRST, START, event, of

from usage_anomaly.anomalies.extents import Extent
from usage_anomaly.anomalies.view import gather, nets_unread_launch, view
from usage_anomaly.detection import Finding
from usage_anomaly.resources import runs

HOUR = Extent(start=FIRST, last_seen=FIRST + 12, telling=True, findings=())


def test_a_stop_in_one_region_ends_nothing_in_another() -> None:
    """Eight databases named db1 are eight: seven still run when one is stopped."""
    copies = [event(n, n, ids=["db1"], usd=1.0, region=f"us-east-{n}") for n in range(8)]
    stop = event(9, 30, direction="release", ids=["db1"], region="us-east-3")
    series = of([*copies, stop])
    assert dict(gather([series], HOUR).released) == {runs(copies[3])[0]: stop.event_time}
    seen = view([series], HOUR, releasable=True)
    assert (seen.total, seen.resources, seen.released, seen.micro) == (8, 8, 1, 7_000_000)


def test_each_start_has_its_own_end() -> None:
    """Stopped and started in turns: what ended the first run is not what ended the last."""
    turns = [
        event(1, 0, ids=["i-1"], usd=2.0),
        event(2, 10, direction="release", ids=["i-1"]),
        event(3, 20, ids=["i-1"], name="StartInstances"),
        event(4, 30, direction="release", ids=["i-1"]),
        event(5, 40, ids=["i-1"], name="StartInstances"),
    ]
    gathered = gather([of(turns)], HOUR)
    assert [end - START for end in gathered.released.values()] == [timedelta(minutes=10), timedelta(minutes=30)]
    assert [use.usd_per_hour for use in gathered.uses] == [2.0, 2.0, 2.0]


def test_use_of_nothing_is_no_call_and_cuts_nothing() -> None:
    """A launch without a block device mapping says nothing of its volumes; the anomaly is none the less whole."""
    nothing = event(1, 0, quantity=0)
    assert [use.event_id for use in gather([of([nothing, event(2, 1, ids=["vol-1"])])], HOUR).uses] == ["e0002"]


def test_the_end_of_an_instance_without_volumes_is_no_unread_launch() -> None:
    """Most instances bring volumes that no record names: their end makes no volume's net uncertain."""
    series = of([event(1, 0, ids=["vol-1"], usd=900.0), event(2, 5, direction="release", ids=["i-7"], quantity=0)])
    burning = Finding(
        detector="burn_rate", scope="account", region=None, window_start=START, window_end=START + timedelta(hours=1),
        window_minutes=60, actual=900.0, expected=None, score=0.5, confidence=1.0, reason="",
    )  # fmt: skip
    assert not nets_unread_launch(series, [burning], FIRST + 12)
