"""Is each change told, and told once?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.health.building import NOW, WELL, probes

from usage_anomaly.health import (
    REMEDY,
    Change,
    Cluster,
    Health,
    Lag,
    Letters,
    Probes,
    Standing,
    Trouble,
    Unknown,
    assess,
    changes,
    write_alert,
)

RED = probes(cluster=Cluster(status="red", unassigned_shards=3))
YELLOW = probes(cluster=Cluster(status="yellow", unassigned_shards=1))
BLIND = probes(cluster=Unknown("ReadTimeoutError"))


def told(*runs: Probes, minutes: int = 5) -> list[list[str]]:
    """What each run tells, five minutes apart."""
    standing: tuple[Standing, ...] = ()
    said = []
    for number, run in enumerate(runs):
        standing, news = changes(standing, assess(run), NOW + timedelta(minutes=minutes * number))
        said.append([f"{change.what} {change.area}" for change in news])
    return said


def test_trouble_is_told_when_it_begins_and_not_again() -> None:
    """The same message every five minutes is switched off by the second night."""
    assert told(WELL, RED, RED, RED) == [[], ["began cluster"], [], []]


def test_trouble_is_over_after_two_runs_without_it() -> None:
    """What flaps would otherwise be told each time it comes back."""
    assert told(RED, WELL, WELL, WELL) == [["began cluster"], [], ["over cluster"], []]
    assert told(RED, WELL, RED, WELL, RED) == [["began cluster"], [], [], [], []]


def test_worse_is_told_and_better_is_not() -> None:
    """Yellow that turns red is news; red that turns yellow is not over."""
    assert told(YELLOW, RED, YELLOW, RED) == [["began cluster"], ["worse cluster"], [], []]


def test_a_probe_that_fails_once_is_no_news() -> None:
    """One timeout means nothing; two runs in a row do. The score falls at once."""
    assert told(BLIND, WELL, BLIND, WELL) == [[], [], [], []]
    assert told(BLIND, BLIND, BLIND) == [[], ["began cluster"], []]


def test_several_changes_stand_in_one_message() -> None:
    """A cluster that is gone fails many probes; that is one incident."""
    both = probes(
        cluster=Cluster(status="red", unassigned_shards=3), dead_letters=Letters(waiting=5, oldest_seconds=4_000)
    )
    _, news = changes((), assess(both), NOW)
    alert = write_alert(35, news)
    assert alert.subject == "[health 35 of 100] began: the cluster is red, 3 shards without a node and 1 more"
    assert alert.text.count("BEGAN") == 2
    assert all(REMEDY[change.area] in alert.text for change in news)


def test_standing_trouble_is_reminded_of_after_6_hours_and_then_every_24() -> None:
    """Told once and forgotten is the other way to lose it."""
    hours = told(*[RED] * 56, minutes=60)
    assert {hour: said for hour, said in enumerate(hours) if said} == {
        0: ["began cluster"],
        6: ["still cluster"],
        30: ["still cluster"],
        54: ["still cluster"],
    }


@given(st.lists(st.sampled_from([WELL, RED, YELLOW, BLIND, probes(lag=Lag(2_000.0))]), max_size=30))
def test_every_run_of_trouble_begins_once_and_ends_once(runs: list[Probes]) -> None:
    """For any course: began and over take turns for each area, and what is well for two runs has no open message."""
    said = [each for run in told(*runs, WELL, WELL) for each in run]
    for area in ("cluster", "lag"):
        turns = [each.split()[0] for each in said if each.endswith(area) and not each.startswith(("worse", "still"))]
        assert turns == ["began", "over"] * (len(turns) // 2)


@pytest.mark.parametrize("text", ["x" * 500, "line\nbreak", "Zürich \u202e"])
def test_subject_is_what_sns_takes(text: str) -> None:
    """SNS refuses a subject of 100 characters or with a line break, and then nothing at all is told."""
    news = [Change(what="began", area="cluster", since=NOW, text=text)] * 3
    subject = write_alert(5, news).subject
    assert len(subject) < 100
    assert subject.isascii()
    assert subject.isprintable()
    assert subject.endswith(" and 2 more")


def test_memory_holds_what_is_watched_only() -> None:
    """The row must not grow with the years."""
    trouble = Trouble(area="lag", points=20, text="late")
    standing, _ = changes((), Health(80, (trouble,)), NOW)
    for _ in range(2):
        standing, _news = changes(standing, Health(100, ()), NOW)
    assert standing == ()
