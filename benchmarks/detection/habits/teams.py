"""What do the teams themselves start, deploy and roll out?"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.detection import doers
from benchmarks.detection.calls import end, invocations, launch, tasks
from benchmarks.detection.setting import Day, Setting, after, around, new_ids
from usage_anomaly.usage import UsageEvent


def developer_instances(setting: Setting) -> Iterator[UsageEvent]:
    """A developer starts 1-3 instances now and then, stops some in the evening and starts them again the next day."""
    traits, account = setting.traits, setting.account
    often, machines = traits.uniform(0.2, 0.8), traits.choice((("t3.large", "m5.xlarge"), ("g4dn.xlarge", "t3.xlarge")))
    stopped: tuple[str, ...] = ()
    for day in setting.days():
        dice = day.dice
        if day.weekend or (dice.random() > often and day.times == 1):
            continue
        doer = doers.developer(account, dice.choice(doers.PEOPLE))
        at, evening = setting.at(day.date, dice.uniform(8.5, 16.5)), setting.at(day.date, dice.uniform(17, 19))
        if stopped and dice.random() < 0.5:  # the record of a start names no type
            yield setting.event(at, doer, "StartInstances", "ec2.instances", "use", len(stopped), ids=stopped)
            ids = stopped
        else:
            ids = new_ids(dice, "i", round(dice.randint(1, 3) * day.times))
            yield from launch(setting, at, doer, dice.choice(machines), ids)
        keeps = dice.random() < 0.5
        yield from end(setting, evening, doer, ids, call="StopInstances" if keeps else "TerminateInstances")
        stopped = ids if keeps else ()


def service_rollout(setting: Setting) -> Iterator[UsageEvent]:
    """A new service takes over more and more work, over three or four weeks: instances, tasks or invocations."""
    traits, account = setting.traits, setting.account
    form, first, weeks = traits.choice(("instances", "tasks", "calls")), traits.randint(8, 16), traits.uniform(3, 4)
    doer = doers.terraform(account)
    for number, day in enumerate(setting.days()):
        share, dice = min(1.0, (number - first + 1) / (7 * weeks)), day.dice
        if share <= 0:
            continue
        if form == "instances" and not day.weekend:
            ids = new_ids(dice, "i", round(dice.randint(0, 2) * day.times))
            if ids:
                yield from launch(setting, setting.at(day.date, dice.uniform(9, 16)), doer, "m6i.large", ids)
        if form == "tasks":
            for _ in range(around(dice, 40 * share * account.size * day.times, 0.2)):
                at, who = setting.at(day.date, dice.uniform(7, 21)), doers.application(account, "queue-consumer")
                yield tasks(setting, at, who, 1, dice, group="consumer:3")
        if form == "calls":
            yield from _growing_calls(setting, day, share * day.times)


def _growing_calls(setting: Setting, day: Day, share: float) -> Iterator[UsageEvent]:
    peak = {"production": 2500.0, "staging": 90.0}.get(setting.account.stage, 12.0)
    doer = doers.service("apigateway.amazonaws.com")
    for slot in range(288):
        count = round(peak * share * day.dice.lognormvariate(0, 0.2) * (1 if 84 <= slot < 240 else 0.3))
        if count:
            at = after(setting.at(day.date, slot / 12), seconds=day.dice.randrange(300))
            yield invocations(setting, at, doer, count, "new-service")


def ecs_deployments(setting: Setting) -> Iterator[UsageEvent]:
    """Each working day 1-6 deployments: a task for the migration, a service that grows by up to three."""
    traits, account = setting.traits, setting.account
    doer, often = doers.deployer(account), traits.randint(1, 6)
    hourly = traits.random() < 0.4
    for day in setting.days():
        dice = day.dice
        if hourly:
            scheduler = doers.service("events.amazonaws.com")
            for hour in range(24):
                count = round(2 * day.times)
                yield tasks(
                    setting, after(setting.at(day.date, hour), minutes=5), scheduler, count, dice, group="report:2"
                )
        if day.weekend:
            continue
        for _ in range(around(dice, often * day.times, 0.4)):
            at = setting.at(day.date, dice.uniform(9, 18))
            yield tasks(setting, at, doer, 1, dice, group="migrate:9")
            more = dice.choice((0, 0, 1, 2, 3))
            if more:
                yield tasks(setting, after(at, minutes=4), doer, more, dice, call="UpdateService")
