"""Is an anomaly told once, kept up to date, and ended truthfully?"""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace
from tests.anomalies.test_series import FIRST, START

from usage_anomaly.anomalies.life_cycle import Due, Tick, Told, View, due, match, mint, step, update

KIND, ACCOUNT = "ec2.instances", "111122223333"


def view(
    total: int,
    *,
    start: int = 0,
    last_seen: int = 0,
    micro: int = 0,
    peak: int = 0,
    released: int = 0,
    resources: int | None = None,
) -> View:
    return View(
        start=FIRST + start,
        last_seen=FIRST + last_seen,
        total=total,
        micro=micro,
        peak=peak,
        resources=total if resources is None else resources,
        released=released,
        releasable=True,
    )


def at(minutes: int) -> Tick:
    minute = START + timedelta(minutes=minutes)
    return Tick(minute=minute, watermark=minute - timedelta(minutes=15))


def opened(total: int = 5, minutes: int = 5) -> Told:
    (told,), _ = update(KIND, ACCOUNT, [], [(FIRST, FIRST)], lambda _: view(total), at(minutes))
    return told


def reasons(told: Told) -> list[str]:
    return [alert.reason for alert in told.alerts]


def test_the_id_carries_the_start_that_was_first_told() -> None:
    """A late record that moves the start must not rename what people already talk about."""
    told = opened()
    assert told.id == "ec2-instances-111122223333-20261102T0000Z"
    (later,), _ = update(KIND, ACCOUNT, [told], [(FIRST - 3, FIRST)], lambda _: view(6, start=-3), at(10))
    assert later.id == told.id


def test_twice_the_same_step_is_once() -> None:
    """Two ticks that run at once must not say anything twice."""
    told = opened()
    assert step(told, view(5), at(5)) == told
    grown = step(told, view(50), at(6))
    assert step(grown, view(50), at(6)) == grown


def test_growth_that_comes_just_after_the_end_waits_for_its_half_hour_and_is_told() -> None:
    """Ten minutes after "closed" and half an hour later the same late records must lead to the same."""
    closed = step(step(opened(5), view(5, resources=0), at(140)), view(5, resources=0), at(1_460))
    assert reasons(closed) == ["opened", "quiet", "closed"]
    more = view(20, resources=0)
    late = step(closed, more, at(1_470))
    assert reasons(late) == reasons(closed)
    assert due(late, more) == [Due(START + timedelta(minutes=1_490))]
    grown = step(late, more, at(1_490))
    assert reasons(grown) == [*reasons(closed), "grown"]
    assert due(step(grown, None, at(1_500)), more) == []  # withdrawn: nothing is left to grow


def test_growth_is_told_at_twice_after_half_an_hour_and_tenfold_at_once() -> None:
    """One incident, few mails; none late for a flood."""
    told = opened(5)
    assert reasons(step(told, view(11, last_seen=3), at(20))) == ["opened"]
    assert reasons(step(told, view(11, last_seen=5), at(35))) == ["opened", "grown"]
    assert reasons(step(told, view(50, last_seen=1), at(7))) == ["opened", "grown"]


def test_growth_in_dollars_counts_too() -> None:
    """Two more machines, but the large ones."""
    told = step(opened(), view(5, micro=1_000_000), at(5))
    priced = replace(told, told_micro=1_000_000)
    assert reasons(step(priced, view(6, micro=12_000_000), at(8))) == ["opened", "grown"]


def test_quiet_comes_with_the_watermark_not_with_the_clock() -> None:
    """An outage of the pipeline quiets nothing."""
    told = opened()
    assert reasons(step(told, view(5), at(134))) == ["opened"]
    quiet = step(told, view(5), at(135))
    assert reasons(quiet) == ["opened", "quiet"]
    assert quiet.state == "quiet"
    assert due(told, view(5)) == [Due(START + timedelta(minutes=135), START + timedelta(minutes=120))]


def test_released_resources_close_it_and_running_ones_are_reminded_of() -> None:
    """Nothing says "closed" while the money burns."""
    quiet = step(opened(), view(5), at(135))
    assert reasons(step(quiet, view(5, released=4), at(200))) == ["opened", "quiet"]
    reminded = step(quiet, view(5, released=4), at(135 + 360))
    assert reasons(reminded) == ["opened", "quiet", "reminder"]
    assert reasons(step(reminded, view(5, released=4), at(135 + 361))) == ["opened", "quiet", "reminder"]
    again = step(reminded, view(5, released=4), at(135 + 360 + 1440))
    assert reasons(again) == ["opened", "quiet", "reminder", "reminder"]
    closed = step(reminded, view(5, released=5), at(600))
    assert reasons(closed) == ["opened", "quiet", "reminder", "closed"]
    assert closed.closed_reason == "released"


def test_what_nothing_releases_is_closed_after_a_day() -> None:
    """Invocations are over when they are over."""
    quiet = step(opened(), view(5, resources=0), at(135))
    closed = step(quiet, view(5, resources=0), at(1440 + 15))
    assert (closed.state, closed.closed_reason) == ("closed", "expired")


def test_use_that_goes_on_within_two_hours_of_late_records_wakes_a_quiet_anomaly() -> None:
    """Late records may show that it never stopped."""
    quiet = step(opened(), view(5), at(135))
    awake = step(quiet, view(8, last_seen=20), at(136))
    assert (awake.state, reasons(awake)) == ("open", ["opened", "quiet"])


def test_growth_after_closing_is_told_and_closed_is_said_once() -> None:
    """No alert is lost because a release came before the late launches."""
    closed = step(opened(), view(5, released=5), at(135))
    assert closed.closed_reason == "released"
    grown = step(closed, view(60, last_seen=20, released=5), at(200))
    assert (grown.state, reasons(grown)) == ("grown", ["opened", "closed", "grown"])
    ended = step(grown, view(60, last_seen=20, released=60), at(400))
    assert (ended.state, reasons(ended)) == ("closed", ["opened", "closed", "grown"])


def test_a_finding_undone_by_later_records_ends_as_withdrawn() -> None:
    """The truth about a false alarm is told as well."""
    (gone,), owners = update(KIND, ACCOUNT, [opened()], [], lambda _: view(0), at(60))
    assert (gone.state, gone.closed_reason, reasons(gone)) == ("closed", "withdrawn", ["opened", "closed"])
    assert owners == []
    (same,), _ = update(KIND, ACCOUNT, [gone], [], lambda _: view(0), at(61))
    assert same == gone


def test_two_anomalies_joined_by_late_records_keep_their_ids() -> None:
    """Both ids were told to people; the later one points to the earlier."""
    first, second = opened(), opened()
    second = Told(
        **{
            **{n: getattr(second, n) for n in second.__struct_fields__},
            "id": "second",
            "seen": (FIRST + 30, FIRST + 31),
        }
    )
    after, owners = update(
        KIND, ACCOUNT, [first, second], [(FIRST, FIRST + 31)], lambda _: view(9, last_seen=31), at(300)
    )
    assert owners == [0]
    assert [each.id for each in after] == [first.id, "second"]
    assert (after[1].state, after[1].joined_to) == ("closed", first.id)
    assert reasons(after[1]) == ["opened"]


def test_a_start_told_before_gets_a_number() -> None:
    """After a withdrawal the same start may open again; an id is never used twice."""
    name = mint(KIND, ACCOUNT, FIRST, ())
    assert mint(KIND, ACCOUNT, FIRST, {name}) == f"{name}-2"
    assert mint(KIND, ACCOUNT, FIRST, {name, f"{name}-2"}) == f"{name}-3"


def test_equal_starts_match_before_larger_overlaps() -> None:
    """A day's leak around a burst must not take the burst's name."""
    owners, places = match([opened()], [(FIRST - 100, FIRST + 50), (FIRST, FIRST + 2)])
    assert (owners, places) == ([None, 0], [1])


def test_growth_above_the_limit_is_told_though_the_total_hides_it() -> None:
    """After thirteen steady days a fivefold rate doubles no total, but it is fivefold."""
    told = replace(opened(1000), told_peak=1600)
    assert reasons(step(told, view(1100, last_seen=10, peak=8000), at(60))) == ["opened", "grown"]


def test_unpriced_launches_at_the_opening_do_not_silence_dollars() -> None:
    """Eleven of unknown type, then 1,199 USD/h: the finding's ratio says it."""
    told = replace(opened(11), told_peak=1100)
    assert reasons(step(told, view(21, last_seen=7, micro=1_199_000_000, peak=24_000), at(20))) == ["opened", "grown"]


def test_closed_as_released_runs_after_all_when_late_launches_arrive() -> None:
    """Nothing tells a pager that it is over while the money burns."""
    closed = step(opened(8), view(8, released=8), at(135))
    late = step(closed, view(14, released=8), at(150))
    assert (late.state, late.closed_reason, reasons(late)[-1]) == ("quiet", None, "quiet")
    reminded = step(late, view(14, released=8), at(150 + 360))
    assert reasons(reminded) == ["opened", "closed", "quiet", "reminder"]


def test_what_has_no_id_does_not_keep_an_anomaly_for_ever() -> None:
    """All that a record names is released: after a day it is over."""
    quiet = step(opened(8), view(8, resources=6, released=6), at(135))
    assert quiet.state == "quiet"
    closed = step(quiet, view(8, resources=6, released=6), at(1440 + 15))
    assert (closed.state, closed.closed_reason) == ("closed", "expired")


def test_the_later_anomaly_joins_the_earlier_even_if_it_is_longer() -> None:
    """People know the first id longest."""
    first = opened()
    second = replace(first, id="second", seen=(FIRST + 26, FIRST + 200))
    owners, places = match([first, second], [(FIRST - 1, FIRST + 200)])
    assert (owners, places) == ([0], [0, 0])
