"""What instances does an account start and end as a matter of habit?"""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from benchmarks.detection import doers
from benchmarks.detection.accounts import image
from benchmarks.detection.calls import end, launch
from benchmarks.detection.setting import Day, Setting, after, around, new_ids, portions
from usage_anomaly.usage import UsageEvent

UTC = ZoneInfo("UTC")
NODES = ("m6i.xlarge", "m6a.2xlarge", "c6i.2xlarge", "r6i.xlarge")


def nightly_batch(setting: Setting) -> Iterator[UsageEvent]:
    """EMR or Batch starts 20-60 instances at one hour of the night, every night or before working days, for 1-4 hours.

    The clock is UTC's or the account's; the start jitters by up to three quarters of an hour.
    """
    traits, account = setting.traits, setting.account
    emr = traits.random() < 0.6
    doer = doers.elastic_map_reduce(account) if emr else doers.batch(account)
    size, spread, jitter = traits.randint(20, 60), traits.uniform(0.02, 0.2), traits.choice((2, 15, 45))
    hour, lasts, clock = traits.uniform(0, 5), traits.uniform(1, 4), traits.choice((UTC, None))
    machine = traits.choice(("m5.xlarge", "r5.2xlarge", "c5.4xlarge", "m6g.xlarge"))
    gib, daily = traits.choice((0, 64)), traits.random() < 0.7
    for day in setting.days():
        if day.weekend and not daily:
            continue
        dice, begin = day.dice, after(setting.at(day.date, hour, clock), minutes=day.dice.uniform(0, jitter))
        ids = new_ids(dice, "i", around(dice, size * day.times, spread))
        if emr:
            started = after(begin, minutes=-4)
            job = new_ids(dice, "j", 1)
            who = doers.emr_studio(account)
            yield setting.event(started, who, "RunJobFlow", "emr.clusters", "use", 1, ids=job)
            ended = after(begin, hours=lasts, minutes=15)
            yield setting.event(ended, who, "TerminateJobFlows", "emr.clusters", "release", 1, ids=job)
        for index, some in enumerate(portions(ids, 10)):
            at = after(begin, seconds=40 * index)
            yield from launch(setting, at, doer, machine, some, of="batch", launcher="nightly", gib=gib)
        for index, some in enumerate(portions(ids, 20)):
            at = after(begin, hours=lasts, minutes=dice.uniform(0, 10), seconds=5 * index)
            yield from end(setting, at, doer, some, gib=gib)


def auto_scaling_mornings(setting: Setting) -> Iterator[UsageEvent]:
    """A group grows by 8-40 instances each working morning, less at weekends, and shrinks in the evening.

    Around noon a few more come and go.
    """
    traits, doer = setting.traits, doers.auto_scaling(setting.account)
    size, weekend = max(6.0, traits.uniform(8, 25) * min(1.6, setting.account.size)), traits.uniform(0.15, 0.5)
    hour, ramp, spread = traits.uniform(6, 9), traits.uniform(10, 75), traits.uniform(0.03, 0.2)
    machine, gib = traits.choice(("m6i.large", "c6i.xlarge", "t3.large")), traits.choice((0, 30))
    for day in setting.days():
        dice = day.dice
        ids = new_ids(dice, "i", around(dice, size * day.times * (weekend if day.weekend else 1), spread))
        calls = list(portions(ids, dice.choice((1, 2, 4))))
        for index, some in enumerate(calls):
            at = after(setting.at(day.date, hour), minutes=ramp * index / len(calls) + dice.uniform(0, 4))
            yield from launch(setting, at, doer, machine, some, launcher="web", gib=gib)
        for some in calls:
            yield from end(setting, after(setting.at(day.date, 18.5), minutes=dice.uniform(0, 90)), doer, some, gib=gib)
        for _ in range(dice.randint(0, 2)):
            more, at = new_ids(dice, "i", dice.randint(1, 2)), setting.at(day.date, dice.uniform(11, 15))
            yield from launch(setting, at, doer, machine, more, launcher="web", gib=gib)
            yield from end(setting, after(at, hours=dice.uniform(0.5, 2)), doer, more, gib=gib)


def month_end_batch(setting: Setting) -> Iterator[UsageEvent]:
    """On the last day of a month 30-80 instances run the closing, from the evening on, for some hours."""
    traits, doer = setting.traits, doers.batch(setting.account)
    size, hour, lasts = traits.randint(30, 80), traits.uniform(17, 23), traits.uniform(2, 6)
    machine = traits.choice(("m5.2xlarge", "r5.xlarge", "c5.2xlarge"))
    for day in setting.days():
        if not day.last_of_month:
            continue
        begin = after(setting.at(day.date, hour), minutes=day.dice.uniform(0, 20))
        ids = new_ids(day.dice, "i", around(day.dice, size * day.times, 0.08))
        for index, some in enumerate(portions(ids, 10)):
            at = after(begin, seconds=50 * index)
            yield from launch(setting, at, doer, machine, some, of="batch", launcher="closing")
        for index, some in enumerate(portions(ids, 20)):
            yield from end(setting, after(begin, hours=lasts, seconds=5 * index), doer, some)


def karpenter_spot(setting: Setting) -> Iterator[UsageEvent]:
    """Karpenter replaces Spot nodes around the clock, more by day: launches, and as many releases minutes later.

    Once a day or so it moves several nodes at once.
    """
    traits, account = setting.traits, setting.account
    doer, ending = doers.karpenter(account), doers.karpenter_itself(account)
    per_day, burst = traits.uniform(20, 90) * account.size, traits.randint(2, 6)
    nodes = list(new_ids(traits, "i", 12))
    for number, day in enumerate(setting.days()):
        dice = day.dice
        if number == 0:
            first = setting.bounds()[0]
            yield from launch(
                setting, first, doer, NODES[0], nodes, of="node", launcher="default", market="spot", gib=40
            )
        wanted = range(around(dice, per_day * day.times, 0.2))
        for hour in sorted(dice.uniform(8, 20) if dice.random() < 0.6 else dice.uniform(0, 24) for _ in wanted):
            count = burst if dice.random() < 0.01 else 1
            at, fresh, machine = setting.at(day.date, hour), new_ids(dice, "i", count), dice.choice(NODES)
            yield from launch(setting, at, doer, machine, fresh, of="node", launcher="default", market="spot", gib=40)
            old, nodes = tuple(nodes[:count]), [*nodes[count:], *fresh]
            yield from end(setting, after(at, minutes=dice.uniform(2, 8)), ending, old, gib=40)


def node_group_rotation(setting: Setting) -> Iterator[UsageEvent]:
    """A node group runs from the first days on; once or twice it gets a new image: all nodes twice for an hour."""
    traits, doer = setting.traits, doers.auto_scaling(setting.account)
    size, machine, minutes = traits.randint(6, 25), traits.choice(NODES), traits.uniform(8, 45)
    days = list(setting.days())
    working = [day for day in days[5:] if not day.weekend]
    rotated = sorted(traits.sample(range(len(working)), min(traits.randint(1, 2), len(working))))
    old = new_ids(traits, "i", size)
    for index, some in enumerate(portions(old, 2)):
        at = after(setting.at(days[traits.randint(0, 1)].date, 9), minutes=5 * index)
        yield from launch(setting, at, doer, machine, some, of="node", launcher="eks-general", gib=60)
    for version, place in enumerate(rotated, start=1):
        day = working[place]
        yield from _rotate(setting, day, old, machine, minutes, version)
        old = new_ids(day.dice, "i", size)


def _rotate(
    setting: Setting, day: Day, old: tuple[str, ...], machine: str, minutes: float, version: int
) -> Iterator[UsageEvent]:
    dice, doer = day.dice, doers.auto_scaling(setting.account)
    begin = setting.at(day.date, setting.traits.uniform(9, 16))
    fresh = new_ids(dice, "i", round(len(old) * day.times))
    of = image("node", setting.region, version)
    for index, some in enumerate(portions(fresh, 2)):
        at = after(begin, minutes=minutes * 2 * index / len(fresh))
        yield from launch(setting, at, doer, machine, some, of=of, launcher="eks-general", gib=60)
    for index, some in enumerate(portions(old, 2)):
        at = after(begin, minutes=minutes + 50 * 2 * index / len(old))
        yield from end(setting, at, doer, some, gib=60)


def ci_runs(setting: Setting) -> Iterator[UsageEvent]:
    """A commit starts 1-4 runners and ends them 8-25 minutes later; few at weekends."""
    traits, doer = setting.traits, doers.ci_runner(setting.account)
    commits, machine = traits.uniform(6, 25) * setting.account.size, traits.choice(("c6i.xlarge", "m6i.xlarge"))
    gib = traits.choice((0, 50))
    for day in setting.days():
        dice = day.dice
        for _ in range(around(dice, commits * day.times * (0.1 if day.weekend else 1), 0.3)):
            at = setting.at(day.date, min(22.0, max(7.0, dice.gauss(13, 2.8))))
            ids = new_ids(dice, "i", dice.choice((1, 1, 1, 2, 2, 3, 4)))
            yield from launch(setting, at, doer, machine, ids, of="runner", launcher="ci", gib=gib)
            yield from end(setting, after(at, minutes=dice.uniform(8, 25)), doer, ids, gib=gib)
