"""Does a deployment that reads a few days of events tell what a replay of all of them tells?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from random import Random
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.anomalies.test_series import START, event
from tests.replay.driving import Delivered, run
from tests.ticking.conftest import Executions, MemoryHistory, reader_of

from usage_anomaly.anomalies.life_cycle import WATERMARK, Told
from usage_anomaly.anomalies.rules import ORGANIZATION, Pair
from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment.accounts import Account
from usage_anomaly.enrichment.expected import usual
from usage_anomaly.renewing import renew
from usage_anomaly.series import bucket_of
from usage_anomaly.state import Table
from usage_anomaly.state import told as rows
from usage_anomaly.ticking import tick
from usage_anomaly.usage import UsageEvent
from usage_anomaly.workflow import Input

ACCOUNT = "111122223333"
OTHERS = [f"22220000000{n}" for n in range(6)]
NIGHTLY = "444400000000"
ACCOUNTS = {ACCOUNT: Account(id=ACCOUNT, name="sandbox", tags={"AccountType": "development"})}
EC2, EBS, ECS, LAMBDA = "ec2.instances", "ebs.volumes", "ecs.tasks", "lambda.invocations"
DAY = 1_440
NOW = 24 * DAY + 600  # ten o'clock on the 25th day: what happens before is history


class Making:
    """Makes events with rising ids, each delivered some minutes after its time."""

    def __init__(self) -> None:
        self.made: list[Delivered] = []

    def __call__(self, minutes: int, ids: Sequence[str] = (), delay: int = 5, **fields: Any) -> UsageEvent:
        known = {
            each: fields.pop(each)
            for each in ("direction", "usd", "quantity", "name", "region", "group")
            if each in fields
        }
        plain = event(len(self.made), minutes, ids=ids, **known)
        made = replace(plain, **fields)
        self.made.append((minutes + delay, made))
        return made


def habits(make: Making, random: Random) -> None:
    """Twenty-four days of what accounts do anyway: some machines a day, a nightly batch, functions that are called."""
    for day in range(24):
        midnight = day * DAY
        for number in range(random.randrange(1, 4)):
            at = random.randrange(480, 1_080)
            make(midnight + at, [f"i-{day}-{number}"], usd=0.1, delay=DAY - at)
        make(midnight + 120, [f"b-{day}-{n}" for n in range(12)], usd=0.2, account_id=NIGHTLY, delay=DAY - 120)
        ended = [f"b-{day}-{n}" for n in range(12)]
        make(midnight + 180, ended, direction="release", account_id=NIGHTLY, delay=DAY - 180)
        for hour in range(8, 18):
            at = 60 * hour
            make(midnight + at, kind=LAMBDA, name="Invoke", quantity=random.randrange(200, 300), delay=DAY - at)
        make(midnight + 601, [f"o-{day}"], usd=0.1, account_id=OTHERS[0], delay=DAY - 601)


def release_of_old_machines(make: Making) -> None:
    """Two machines of 19 USD/h run for twenty days; as many take their place now, which costs nothing more."""
    for number in range(2):
        make(4 * DAY + 120 * number, [f"old-{number}"], usd=19.0, account_id=OTHERS[1])
    for number in range(4):
        make(8 * DAY + 120 * number, [f"small-{number}"], usd=0.1, account_id=OTHERS[1])
    make(NOW, ["old-0", "old-1"], direction="release", account_id=OTHERS[1])
    make(NOW + 10, ["new-0", "new-1"], usd=38.0, account_id=OTHERS[1])


def start_of_an_old_machine(make: Making) -> None:
    """Its record names no type: what it costs is what its launch did, twenty days ago."""
    make(4 * DAY, ["big"], usd=98.3, account_id=OTHERS[2])
    make(5 * DAY, ["big"], direction="release", account_id=OTHERS[2])
    make(NOW, ["big"], name="StartInstances", account_id=OTHERS[2])


def tasks_of_an_old_definition(make: Making) -> None:
    """A service of tasks whose size was said twenty days ago."""
    make(4 * DAY, kind=ECS, direction="definition", quantity=0, usd=3.0, group="web:1", name="RegisterTaskDefinition")
    make(NOW, kind=ECS, quantity=4, group="web:1", name="CreateService")


def rotation_of_an_old_group(make: Making, *, grown: bool = False) -> None:
    """A group replaces its ten machines of two weeks ago, which is no news, or makes more of them, which is."""
    group: dict[str, Any] = {"account_id": OTHERS[3], "launcher_id": "asg", "usd": 0.1}
    for step in range(6):
        make(10 * DAY - 180 * step, [f"g-{2 * step + n}" for n in range(2)], image_id="ami-1", **group)
    make(10 * DAY + 30, [f"g-{n}" for n in range(2)], direction="release", account_id=OTHERS[3])
    for step in range(2):
        make(NOW + 4 * step, [f"h-{step}-{n}" for n in range(6 if grown else 5)], image_id="ami-2", **group)


def volumes_of_old_machines(make: Making) -> None:
    """Volumes end with the machine they were launched with, twenty days ago."""
    for number in range(3):
        make(4 * DAY + 120 * number, [f"v-{number}:/dev/sda1"], kind=EBS, usd=19.0, account_id=OTHERS[4])
    make(NOW, [f"v-{n}" for n in range(3)], kind=EBS, direction="release", quantity=0, account_id=OTHERS[4])
    make(NOW + 5, [f"w-{n}:/dev/sda1" for n in range(3)], kind=EBS, usd=57.0, account_id=OTHERS[4])


def first_use_of_a_region(make: Making, *, known: bool = False) -> None:
    """After three weeks in one region something runs in another, which was not used, or was two weeks ago."""
    if known:
        make(10 * DAY, ["r-old"], usd=0.1, region="eu-west-3", account_id=OTHERS[0])
    make(NOW, [f"r-{n}" for n in range(4)], usd=0.1, region="eu-west-3", account_id=OTHERS[0])


def what_is_done_every_day(make: Making) -> None:
    """Twice the limit of machines each night, and so many calls each hour: tonight and this morning they are no news."""
    make(24 * DAY + 120, [f"b-24-{n}" for n in range(12)], usd=0.2, account_id=NIGHTLY)
    for hour in range(8, 10):
        make(24 * DAY + 60 * hour, kind=LAMBDA, name="Invoke", quantity=250)


def same_image_everywhere(make: Making, *, known: bool = False) -> None:
    """One machine of one image in each of six accounts: a campaign, unless somebody used the image two weeks ago."""
    if known:
        make(10 * DAY, ["i-known"], usd=0.1, image_id="ami-campaign", account_id=OTHERS[5])
    for number, account in enumerate(OTHERS):
        make(NOW + 4 * number, [f"c-{number}"], usd=0.1, image_id="ami-campaign", account_id=account)


def same_actor_everywhere(make: Making, *, known: bool = False) -> None:
    """One session in six accounts: somebody goes through the organization, unless it did so two weeks ago."""
    for base in [10 * DAY, NOW] if known else [NOW]:
        for number, account in enumerate(OTHERS):
            arn = f"arn:aws:iam::{account}:role/Admin"
            make(
                base + 3 * number, [f"a-{base}-{number}"], usd=0.1, actor_arn=arn, actor_session="j", account_id=account
            )


def days_that_come_late(make: Making) -> None:
    """What an account did on seven working days comes only now; that it does the same now, and tomorrow, is no news."""
    for day in (10, 11, 14, 15, 16, 17, 18):
        at, ids = day * DAY + 840, [f"l-{day}-{n}" for n in range(30)]
        make(at, ids, usd=0.1, account_id=OTHERS[0], delay=NOW - at)
        make(at + 60, ids, direction="release", account_id=OTHERS[0], delay=NOW - at - 60)
    make(NOW + 20, ["elsewhere"], usd=0.1, account_id=OTHERS[1])  # a tick after which they are no news any more
    for at in (NOW + 240, NOW + DAY + 240):
        make(at, [f"m-{at}-{n}" for n in range(30)], usd=0.1, account_id=OTHERS[0])


def a_day_of_something_else_comes_late(make: Making) -> None:
    """Thirteen days of an account are known, one too few to call a region new; then a volume of a fourteenth comes late."""
    for day in range(10, 23):
        make(day * DAY + 480, [f"f-{day}-{n}" for n in range(3)], usd=0.1, account_id=OTHERS[1], delay=DAY - 480)
    make(NOW - 120, [f"n-{n}" for n in range(4)], usd=0.1, account_id=OTHERS[1], region="eu-west-3")
    make(NOW - 60, ["elsewhere"], usd=0.1, account_id=OTHERS[2])  # a tick after which they are no news any more
    make(6 * DAY, ["vol-1"], kind=EBS, account_id=OTHERS[1], delay=NOW - 6 * DAY)


def a_wave_through_all_accounts(make: Making, *, known: bool) -> None:
    """Five machines of one image and session in each of 32 accounts: the sum is news, the image and session may be known."""
    for base in [10 * DAY, NOW] if known else [NOW]:
        for number in range(32):
            account = f"33330000{number:04}"
            doer: dict[str, Any] = {
                "actor_arn": f"arn:aws:iam::{account}:role/Admin",
                "actor_session": "j",
                "source_ip": "203.0.113.9",
            }
            ids = [f"w-{base}-{number}-{n}" for n in range(5 if base == NOW else 1)]
            make(base + number % 5, ids, usd=0.1, image_id="ami-wave", account_id=account, **doer)


def a_retry_of_an_old_launch(make: Making) -> None:
    """The answer to a launch of two weeks ago comes again beside a new one: only that is counted."""
    make(10 * DAY, [f"t-{n}" for n in range(4)], usd=0.1, account_id=OTHERS[5])
    make(NOW, [f"t-{n}" for n in range(4)], usd=0.1, account_id=OTHERS[5])
    make(NOW, [f"u-{n}" for n in range(4)], usd=0.1, account_id=OTHERS[5])


def an_incident_that_goes_on(make: Making) -> None:
    """A burst, releases days later, another burst: quiet, growth and closing are told at the same minutes."""
    make(NOW, [f"x-{n}" for n in range(9)], usd=5.0)
    make(NOW + 90, [f"y-{n}" for n in range(20)], usd=5.0)
    make(NOW + 2 * DAY, [f"x-{n}" for n in range(9)], direction="release")
    make(NOW + 2 * DAY + 60, [f"y-{n}" for n in range(20)], direction="release")
    make(NOW + 7 * DAY, [f"z-{n}" for n in range(9)], usd=5.0)


def a_relaunch_after_a_late_containment(make: Making) -> None:
    """Three dear machines are told, end six days later, and three others take their place: no saving pays for those."""
    make(NOW, [f"p-{n}" for n in range(3)], usd=120.0)
    make(NOW + 6 * DAY + 60, [f"p-{n}" for n in range(3)], direction="release")
    make(NOW + 6 * DAY + 70, [f"q-{n}" for n in range(3)], usd=120.0)


def more_calls_than_ever(make: Making) -> None:
    """A function is called in a loop: the baseline of a busy kind."""
    for minute in range(0, 60, 5):
        make(NOW + minute, kind=LAMBDA, name="Invoke", quantity=400)


CASES: dict[str, list[Callable[[Making], None]]] = {
    "old resources": [
        release_of_old_machines,
        start_of_an_old_machine,
        tasks_of_an_old_definition,
        rotation_of_an_old_group,
        volumes_of_old_machines,
        a_retry_of_an_old_launch,
        lambda make: first_use_of_a_region(make, known=True),
        what_is_done_every_day,
    ],
    "news": [
        lambda make: rotation_of_an_old_group(make, grown=True),
        first_use_of_a_region,
        same_image_everywhere,
        more_calls_than_ever,
    ],
    "shared before": [
        lambda make: same_image_everywhere(make, known=True),
        lambda make: same_actor_everywhere(make, known=True),
    ],
    "shared": [same_actor_everywhere],
    "a wave": [lambda make: a_wave_through_all_accounts(make, known=False)],
    "a known wave": [lambda make: a_wave_through_all_accounts(make, known=True)],
    "late": [days_that_come_late],
    "late elsewhere": [a_day_of_something_else_comes_late],
    "an incident": [an_incident_that_goes_on],
    "a relaunch": [a_relaunch_after_a_late_containment],
}
# What a replay opens at the end of each, so that the comparison is one of something.
OPENED: dict[str, set[Pair]] = {
    "old resources": {(OTHERS[2], EC2), (ACCOUNT, ECS)},
    "news": {(OTHERS[3], EC2), (OTHERS[0], EC2), (ORGANIZATION, EC2), (ACCOUNT, LAMBDA)},
    "shared before": set(),
    "shared": {(ORGANIZATION, EC2)},
    "a wave": {(ORGANIZATION, EC2)},
    "a known wave": {(ORGANIZATION, EC2)},
    "late": {(OTHERS[0], EC2)},  # the first of the late days
    "late elsewhere": {(OTHERS[1], EC2)},
    "an incident": {(ACCOUNT, EC2)},
    "a relaunch": {(ACCOUNT, EC2)},
}


class Deployment:
    """Ticks at every minute in which something arrives or is due, and the daily job a quarter past midnight."""

    def __init__(self, catalog: Catalog, table: Table) -> None:
        self.catalog, self.table = catalog, table
        self.history, self.executions = MemoryHistory(), Executions()
        self.minute: int | None = None
        self.pairs: set[Pair] = set()

    def arrive(self, minute: int, events: Iterable[UsageEvent]) -> None:
        """The minutes up to this one in which something is due, then this one."""
        if self.minute is not None:
            for day in range(self.minute // DAY + 1, minute // DAY + 1):
                self._visit_due(day * DAY + 15)
                now = START + timedelta(minutes=day * DAY + 15)
                assert renew(self.history, self.catalog, self.table, now, lambda: 900.0).finished
            self._visit_due(minute)
        events = list(events)
        self.history.ingest(START + timedelta(minutes=minute), events)
        self.pairs |= {pair for each in events for pair in ((each.account_id, each.kind), (ORGANIZATION, each.kind))}
        self._tick(minute)

    def told(self) -> dict[Pair, list[Told]]:
        found = {pair: list(rows.load(self.table, *pair).told) for pair in sorted(self.pairs)}
        return {pair: each for pair, each in found.items() if each}

    def _visit_due(self, before: int) -> None:
        assert self.minute is not None
        newest = self.history.newest_ingest()
        assert newest is not None
        reached = dict.fromkeys(self.pairs, self.minute)
        while True:
            waits = [
                (max(reached[pair] + 1, int((each.at - START) / timedelta(minutes=1))), pair)
                for pair in sorted(self.pairs)
                for each in rows.load(self.table, *pair).dues
                if each.watermark is None or each.watermark <= newest - WATERMARK
            ]
            at, pair = min(waits, default=(before, ("", "")))
            if at >= before:
                return
            said = rows.load(self.table, *pair).told
            self._tick(at)
            reached[pair] = at if rows.load(self.table, *pair).told != said else before
        self.minute = before

    def _tick(self, minute: int) -> None:
        now = START + timedelta(minutes=minute)
        tick(reader_of(self.catalog, self.history, ACCOUNTS), self.table, self.executions.start, now, lambda: 60.0)
        self.minute = minute


def made(case: str) -> list[Delivered]:
    make = Making()
    habits(make, Random(7))
    for happening in CASES[case]:
        happening(make)
    return make.made


def deployed(catalog: Catalog, table: Table, deliveries: Sequence[Delivered]) -> Deployment:
    deployment = Deployment(catalog, table)
    for minute in sorted({minute for minute, _ in deliveries}):
        deployment.arrive(minute, [each for at, each in deliveries if at == minute])
    return deployment


@pytest.mark.parametrize("case", CASES)
def test_a_deployment_tells_what_a_replay_tells(catalog: Catalog, table: Table, case: str) -> None:
    """Same ids, alerts, minutes and figures, though a tick reads five days of events and what they depend on."""
    deliveries = made(case)
    replay = run(catalog, deliveries, ACCOUNTS)
    replayed = {pair: told for pair, told in replay.told.items() if told}
    late = START + timedelta(days=24)
    assert {pair for pair, told in replayed.items() if any(each.alerts[0].at >= late for each in told)} == OPENED[case]
    assert deployed(catalog, table, deliveries).told() == replayed


def test_a_relaunch_after_a_late_containment_is_told(catalog: Catalog) -> None:
    """Else its case above compared one opening with one."""
    late = START + timedelta(minutes=NOW + 6 * DAY)
    told = run(catalog, made("a relaunch"), ACCOUNTS).told[ACCOUNT, EC2]
    assert sum(each.alerts[0].at >= late for each in told) == 1


def test_what_became_a_habit_late_is_told_of_no_later_day(catalog: Catalog) -> None:
    """Else the case above compared nothing."""
    (*_, last) = run(catalog, made("late"), ACCOUNTS).told[OTHERS[0], EC2]
    assert last.seen[1] < bucket_of(START) + 19 * 288
    (told,) = run(catalog, made("late elsewhere"), ACCOUNTS).told[OTHERS[1], EC2]
    assert told.alerts[0].at == START + timedelta(minutes=NOW)


def test_what_is_usual_for_all_accounts_is_said_of_all_their_days(catalog: Catalog, table: Table) -> None:
    """An organization's anomaly is read from its start on; what it is compared with lies before."""
    deliveries = made("a wave")
    replay, deployment = run(catalog, deliveries, ACCOUNTS), deployed(catalog, table, deliveries)
    pair = (ORGANIZATION, EC2)
    (outcome,) = (each for each in replay.outcomes() if each.account_id == ORGANIZATION and each.told)
    inputs = [msgspec.json.decode(each, type=Input) for each in deployment.executions.inputs.values()]
    (snapshot,) = (each.anomaly for each in inputs if each.anomaly.account_id == ORGANIZATION)
    expected = usual(replay.members(pair), outcome.extent, replay.coverage(ORGANIZATION))
    assert snapshot.expected == expected
    assert expected == 1.0
