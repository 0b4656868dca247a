"""Does a seed always give the same organization, with every habit and incident of the scenarios in it?"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random

import msgspec
import pytest
from benchmarks.detection.accounts import draw_accounts
from benchmarks.detection.calendars import first_day
from benchmarks.detection.delivery import Delivered
from benchmarks.detection.habits import ROWS
from benchmarks.detection.incidents import INCIDENTS, TRIPLED
from benchmarks.detection.incidents.cast import Cast
from benchmarks.detection.labels import make_label
from benchmarks.detection.organization import WARM_UP, Organization, generate
from benchmarks.detection.setting import Setting, tag_of

from usage_anomaly.catalog import Catalog

SEED, ACCOUNTS, DAYS = 1, 7, 21
# What the scenarios call harmless, by a word of it; sweeps of reads are no usage and make no events.
HARMLESS = (
    *(
        "EMR or Batch",
        "weekday morning",
        "month-end",
        "Spot replacing",
        "image rotation",
        "per commit",
        "Velero",
        "CSI",
    ),
    *("Lambda by day", "AccessDenied", "DryRun", "delivered twice", "six hours late"),
)
TOLD = (
    *("1 leaked key", "2 stolen administrator", "3 fargate miners", "4 lambda loop", "5 model theft", "6 giant node"),
    *("7 provisioner loop", "8 thin spread", "9 volume leak", "10 refused launches"),
)
WITH_CARE = ("truncated launch", "unknown price", "brand-new account", "change window")


@pytest.fixture(scope="module")
def organization() -> Organization:
    return generate(SEED, ACCOUNTS, DAYS)


def digest(organization: Organization) -> str:
    return hashlib.sha256(msgspec.json.encode(organization)).hexdigest()


def test_same_seed_gives_the_same_bytes_in_another_process(organization: Organization, root: Path) -> None:
    """Figures can only be compared while everybody judges the same events, whatever their interpreter's hash seed."""
    code = (
        "import hashlib, msgspec; from benchmarks.detection.organization import generate; "
        f"print(hashlib.sha256(msgspec.json.encode(generate({SEED}, {ACCOUNTS}, {DAYS}))).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == digest(organization)


def test_another_seed_gives_another_organization(organization: Organization) -> None:
    """Seeds that are all alike would be one sample, told as many."""
    assert digest(generate(SEED + 1, ACCOUNTS, DAYS)) != digest(organization)


@pytest.mark.parametrize("words", HARMLESS)
def test_every_harmless_row_has_a_habit(words: str) -> None:
    """A row that nobody generates is promised and never measured."""
    assert [row.name for row in ROWS.values() if words in row.row] != []


@pytest.mark.parametrize("name", [*TOLD, *WITH_CARE])
def test_every_incident_row_is_planted_visibly(name: str) -> None:
    """An incident that no person could see would count as a miss of ours."""
    row, dice = INCIDENTS[name], Random(name)
    account = next(each for each in draw_accounts(dice, 12) if each.stage in row.stages)
    setting = Setting(account, first_day(SEED), DAYS, name, SEED)
    made = sorted(
        row.make(Cast((setting,), setting.at(first_day(SEED), 240), dice)), key=lambda event: event.event_time
    )
    label = make_label(
        "1", name, row.kinds, {account.id: account.type}, [(e.event_time, e) for e in made], tripled=False
    )
    assert label is not None
    assert label.start <= label.visible_at <= label.end


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_habit_alone_does_three_times_as_much_on_one_day_only(name: str) -> None:
    """Tests of silence rest on it: the tripled day is the only difference, so it alone can be what is told."""
    row = ROWS[name]
    plain = row.events(SEED, DAYS)
    used = by_day(name, plain)
    on = max(used, key=lambda day: (day.weekday() < 5 and day > first_day(SEED) + timedelta(days=3), used[day], day))
    tripled = by_day(name, row.events(SEED, DAYS, tripled_on=on))
    differing = {day for day in {*used, *tripled} if used[day] != tripled[day]}
    # Near midnight of another time zone a local day reaches into the next day of UTC.
    assert on in differing
    assert differing <= {on - timedelta(days=1), on, on + timedelta(days=1)}
    more = sum(tripled[day] for day in differing) / sum(used[day] for day in differing)
    assert 1.5 <= more <= 8  # a day at random may have had much or little of its own


def by_day(name: str, arrived: Delivered) -> Counter[date]:
    """Use by day of the account's own clock, each event once."""
    account = ROWS[name].account(SEED)
    zone = Setting(account, first_day(SEED), DAYS, "", SEED).zone
    events = {event.event_id: event for _, event in arrived}
    used: Counter[date] = Counter()
    for event in events.values():
        if event.direction != "release":
            used[event.event_time.astimezone(zone).date()] += event.quantity
    return used


def test_labels_lie_inside_the_data_and_apart(organization: Organization) -> None:
    """An incident at the edge would be cut, two of a kind in one account would be found as one."""
    assert organization.labels
    begins = organization.first + timedelta(days=WARM_UP)
    for label in organization.labels:
        assert begins <= label.start <= label.visible_at <= organization.end
        assert label.end < organization.end
        for other in organization.labels:
            if other is not label and {*other.accounts} & {*label.accounts} and {*other.kinds} & {*label.kinds}:
                assert abs(other.start - label.start) > timedelta(days=1)


def test_labels_say_what_their_events_add_up_to(organization: Organization) -> None:
    """Errors of quantity are measured against the label."""
    events = {event.event_id: event for _, event in organization.arrived}.values()
    for label in organization.labels:
        if label.row == TRIPLED:
            continue
        tag = f"incident {label.row}/{label.id}"
        own = [event for event in events if tag_of(event.event_id).partition("@")[0] == tag]
        used = [event for event in own if event.kind == label.kinds[0] and event.direction != "release"]
        assert sum(event.quantity for event in used) == label.quantity


def test_releases_name_what_was_launched_before(organization: Organization) -> None:
    """Burn rates are net: a release of what never ran would take money off that nobody added."""
    launched: dict[str, datetime] = {}
    released: dict[str, datetime] = {}
    for _, event in organization.arrived:
        if event.kind == "ec2.instances" and event.quantity:
            times = released if event.direction == "release" else launched
            times.update(
                {each: min(event.event_time, times.get(each, event.event_time)) for each in event.resource_ids}
            )
    assert [each for each, at in released.items() if each in launched and launched[each] > at] == []
    unread = [each for each in released if each not in launched]  # launched before the data begins, in the days before
    assert all(released[each] < organization.first + timedelta(days=1, hours=6) for each in unread), unread


def test_events_have_the_catalogs_kinds_and_units(organization: Organization, catalog: Catalog) -> None:
    """The judge would ignore a kind that it does not know, and the benchmark would praise the silence."""
    for _, event in organization.arrived:
        assert catalog.judges(event.kind)
        assert event.unit in (catalog.kind_of(event.kind).many, "calls")
