"""What is said of each incident that must be told, and when?

Each incident strikes a small organization in the midst of its habits; its records are replayed minute by minute, and each
alert is taken as a deployment would send it: with what had arrived by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from tests.replay.trails import ACCOUNTS, read, rooms

from usage_anomaly.alerts import mail, notification
from usage_anomaly.alerts.mail import Mail
from usage_anomaly.anomalies import Anomaly
from usage_anomaly.replay import Replay
from usage_anomaly_cli.reading import Result
from usage_anomaly_cli.reckoning import Reckoning
from usage_anomaly_cli.running import Plan, Run, anomalies, minutes
from usage_anomaly_generator import Habit, Incident, LogObject, demo, generate
from usage_anomaly_generator.calls import Span

FOLDER = Path(__file__).parent / "scenarios"
SEED = 11
PLAN = Plan(accounts=ACCOUNTS)


@dataclass(frozen=True)
class Scenario:
    """An incident of the generator, and the kind whose alert is looked at. `row` is its number among those to be told."""

    row: int
    incident: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    habits: tuple[Habit, ...] = ()  # beside the demo's


SCENARIOS = {
    "01_leaked_key": Scenario(1, "leaked_key", "ec2.instances"),
    "02_stolen_administrator_tasks": Scenario(2, "stolen_administrator", "ecs.tasks"),
    "02_stolen_administrator_instances": Scenario(2, "stolen_administrator", "ec2.instances"),
    "03_task_miners": Scenario(3, "task_miners", "ecs.tasks"),
    "04_lambda_loop": Scenario(4, "lambda_loop", "lambda.invocations", {"hours": 0.6}),
    "05_model_theft": Scenario(5, "model_theft", "bedrock.invocations"),
    "06_giant_node": Scenario(6, "giant_node", "ec2.instances"),
    "07_provisioner_loop": Scenario(
        7, "provisioner_loop", "ec2.instances", habits=(Habit("spot_replacement", demo.STAGING.name),)
    ),
    "08_thin_spread": Scenario(8, "thin_spread", "ec2.instances"),
    "09_driver_leak_volumes": Scenario(9, "driver_leak", "ebs.volumes"),
    "09_driver_leak_snapshots": Scenario(9, "driver_leak", "ebs.snapshots"),
    "10_refused_launches": Scenario(10, "refused_launches", "ec2.instances.attempts"),
}


@dataclass(frozen=True)
class Sent:
    """One alert as it goes out."""

    anomaly: Anomaly
    mail: Mail

    def notification(self) -> str:
        return _pretty(notification.custom_notification(self.anomaly, self.mail))

    def record(self) -> str:
        return _pretty(self.anomaly)


def _pretty(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def files(name: str) -> dict[str, str]:
    """What the scenario's folder holds: the first mail, the last one while it grew, and that one's chat and JSON forms."""
    first, *later = sent(name)
    last = later[-1] if later else first
    mails = {"mail.txt": first, **({"mail_grown.txt": last} if later else {})}
    texts = {file: f"Subject: {each.mail.subject}\n\n{each.mail.text}" for file, each in mails.items()}
    return {**texts, "notification.json": last.notification(), "anomaly.json": last.record()}


@cache
def sent(name: str) -> tuple[Sent, ...]:
    """The opening, and each growth of it."""
    scenario = SCENARIOS[name]
    span = Span(demo.START, demo.START + timedelta(days=demo.DAYS))
    placed = demo.place(scenario.incident, span)
    incident = Incident(scenario.incident, placed.account, placed.at, scenario.options)
    account_id = demo.ORGANIZATION.account(placed.account).id
    told: list[Sent] = []
    habits = (*demo.HABITS_OF_THE_DEMO, *scenario.habits)
    objects = generate(demo.ORGANIZATION, habits, [incident], demo.START, demo.DAYS, SEED)
    for anomaly in alerts(objects, account_id, scenario.kind):
        if anomaly.alerts[0].at >= incident.at:
            told.append(_send(anomaly, told))
    return tuple(told)


def _send(anomaly: Anomaly, earlier: Sequence[Sent]) -> Sent:
    kind, first = rooms()[0].kind_of(anomaly.kind), earlier[0].anomaly.total if earlier else None
    account = ACCOUNTS[anomaly.account_id]
    said = mail.render(anomaly, kind, account, update=len(anomaly.alerts) - 1, recipient="replay", first_total=first)
    return Sent(anomaly, said)


def alerts(objects: Iterable[LogObject], account_id: str, kind: str) -> Iterator[Anomaly]:
    """Each "opened" and "grown" alert of the account's kind, composed in the minute in which it goes out."""
    known = 0
    for tick in ticks(objects):
        rows = tick.replay.told.get((account_id, kind), ())
        if (count := sum(len(row.alerts) for row in rows)) > known:
            known = count
            told = [each for each in anomalies(tick, PLAN) if (each.account_id, each.kind) == (account_id, kind)]
            anomaly = max((each for each in told if each.alerts), key=lambda each: each.alerts[-1].at)
            if anomaly.alerts[-1].reason in ("opened", "grown"):
                yield anomaly


def ticks(objects: Iterable[LogObject]) -> Iterator[Run]:
    """The replay as it stands after each minute in which something arrived."""
    replay, reckoning, every = Replay(rooms()[0], ACCOUNTS), Reckoning(), list(read(objects))
    for each in every:  # which accounts log is known before the last object: the organization is not new
        reckoning.add(Result("", None, 0, [], [], each))
    for minute, arrivals in minutes(iter(every)):
        replay.tick(minute, arrivals)
        yield Run(replay, reckoning, minute)
