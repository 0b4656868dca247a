"""Which harmless habits can an account have, and what does one alone look like?

`ROWS` has every harmless row of the scenarios and what ordinary accounts do besides. To judge one alone:

    row = ROWS["nightly_batch"]
    account = row.account(seed)
    arrived = row.events(seed, days=28, tripled_on=date(2026, 3, 16))   # [(delivery minute, usage event), ...]

The seed decides on the account, on the variant (size, hour, jitter, service) and on the calendar; the day that is
tripled differs, all others stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from random import Random

import msgspec

from benchmarks.detection.accounts import Account, draw_accounts
from benchmarks.detection.calendars import first_day
from benchmarks.detection.delivery import Delivered, Schedule, deliver
from benchmarks.detection.habits import background, compute, storage, teams
from benchmarks.detection.setting import Setting
from usage_anomaly.usage import UsageEvent

Make = Callable[[Setting], Iterator[UsageEvent]]

ALL = ("production", "staging", "development", "sandbox", "unknown")
SERVING = ("production", "staging", "unknown")
WORKING = ("production", "staging", "development", "unknown")


class HabitRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row: what it is called there, what makes its events, in which accounts it is usual, how they arrive."""

    name: str
    row: str
    make: Make
    stages: tuple[str, ...] = WORKING
    twice: float = 0.0
    late: bool = False

    def account(self, seed: int) -> Account:
        """The account that has this habit alone."""
        dice = Random(f"{seed}/{self.name}/alone")
        stage = dice.choice(self.stages)
        (account,) = draw_accounts(dice, 1)
        name = "alone" if stage == "unknown" else f"alone-{stage}"
        return msgspec.structs.replace(account, stage=stage, name=name)

    def events(self, seed: int, days: int, tripled_on: date | None = None) -> Delivered:
        """Its events in order of delivery; on `tripled_on` it does three times as much as it would have."""
        setting = Setting(self.account(seed), first_day(seed), days, self.name, seed, tripled_on)
        return sorted(deliver(inside(self.make(setting), setting), seed, self.schedule(setting)), key=arrival)

    def schedule(self, setting: Setting) -> Schedule:
        """How the account's records arrive while it has this habit."""
        dates = [day.date for day in setting.days()]
        return Schedule(self.twice, dates[len(dates) * 2 // 3] if self.late else None)


def arrival(delivered: tuple[object, UsageEvent]) -> tuple[object, ...]:
    """The order in which what was delivered is read."""
    minute, event = delivered
    return minute, event.event_time, event.account_id, event.event_id


def inside(events: Iterator[UsageEvent], setting: Setting) -> list[UsageEvent]:
    """Those of the span, in order of time."""
    low, high = setting.bounds()
    return sorted((each for each in events if low <= each.event_time < high), key=lambda each: each.event_time)


_ROWS = (
    HabitRow(name="nightly_batch", row="nightly EMR or Batch of 20-60 instances", make=compute.nightly_batch),
    HabitRow(
        name="auto_scaling_mornings",
        row="Auto Scaling every weekday morning, smaller at weekends",
        make=compute.auto_scaling_mornings,
        stages=SERVING,
    ),
    HabitRow(
        name="month_end_batch",
        row="month-end batch that was there last month",
        make=compute.month_end_batch,
        stages=SERVING,
    ),
    HabitRow(name="karpenter_spot", row="Karpenter and Spot replacing nodes", make=compute.karpenter_spot),
    HabitRow(name="node_group_rotation", row="node-group image rotation", make=compute.node_group_rotation),
    HabitRow(name="ci_runs", row="CI starting 1-4 instances per commit", make=compute.ci_runs),
    HabitRow(name="nightly_velero", row="nightly Velero snapshots", make=storage.nightly_velero),
    HabitRow(name="csi_churn", row="CSI volume churn", make=storage.csi_churn),
    HabitRow(
        name="lambda_day_and_night", row="Lambda by day and night", make=background.lambda_day_and_night, stages=ALL
    ),
    HabitRow(
        name="refused_log_delivery",
        row="log delivery that fails all day with AccessDenied",
        make=background.refused_log_delivery,
        stages=ALL,
    ),
    HabitRow(name="eks_dry_runs", row="DryRun probes by EKS node groups", make=background.eks_dry_runs),
    HabitRow(
        name="mornings_delivered_twice",
        row="the same records delivered twice",
        make=compute.auto_scaling_mornings,
        twice=0.5,
    ),
    HabitRow(
        name="nightly_batch_delivered_late",
        row="a day's records delivered six hours late",
        make=compute.nightly_batch,
        late=True,
    ),
    HabitRow(
        name="developer_instances",
        row="(also) a developer starts 1-3 instances now and then",
        make=teams.developer_instances,
        stages=("development", "sandbox", "staging", "unknown"),
    ),
    HabitRow(name="service_rollout", row="(also) a new service is rolled out over weeks", make=teams.service_rollout),
    HabitRow(name="rds_restores", row="(also) databases are restored", make=storage.rds_restores),
    HabitRow(name="ecs_deployments", row="(also) ECS deployments each working day", make=teams.ecs_deployments),
    HabitRow(name="bedrock_assistants", row="(also) assistants in office hours", make=background.bedrock_assistants),
    HabitRow(name="failed_logins", row="(also) failed logins", make=background.failed_logins, stages=ALL),
)
ROWS: dict[str, HabitRow] = {row.name: row for row in _ROWS}
