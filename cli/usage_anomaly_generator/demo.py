"""Which organization, week and incident does the demo show?

Three accounts with their habits from Wednesday noon to Wednesday noon; on the last morning the sandbox's old key is
used by somebody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from usage_anomaly_generator.calls import Span
from usage_anomaly_generator.organization import Account, Organization
from usage_anomaly_generator.trail import Habit, Incident

START = datetime(2026, 11, 18, 12, tzinfo=UTC)
DAYS = 7
SEED = 1
FRIDAY, SATURDAY = 4, 5

SANDBOX = Account(
    "111122223333",
    "sandbox-ml",
    {
        "AccountType": "development",
        "Environment": "development",
        "Owner": "ml-platform",
        "Team": "ml-platform",
        "CostCenter": "4711",
        "OU": "Sandbox",
    },
    ("us-east-1",),
)
PRODUCTION = Account(
    "111122224444",
    "data-prod",
    {
        "AccountType": "production",
        "Environment": "production",
        "Owner": "data-platform",
        "Team": "data-platform",
        "CostCenter": "4200",
        "OU": "Workloads",
    },
    ("eu-west-1", "us-east-1"),
)
STAGING = Account(
    "111122225555",
    "web-staging",
    {
        "AccountType": "staging",
        "Environment": "staging",
        "Owner": "web",
        "Team": "web",
        "CostCenter": "4300",
        "OU": "Workloads",
    },
    ("eu-west-1",),
)
ORGANIZATION = Organization((SANDBOX, PRODUCTION, STAGING))

HABITS_OF_THE_DEMO = (
    Habit("workbench", SANDBOX.name),
    Habit("legacy_key", SANDBOX.name),
    Habit("config_sweeps", SANDBOX.name, {"reads": 30}),
    Habit("nightly_batch", PRODUCTION.name, {"size": 24}),
    Habit("auto_scaling_mornings", PRODUCTION.name, {"size": 8, "ramp_minutes": 30}),
    Habit("node_group_rotation", PRODUCTION.name),
    Habit("eks_probes", PRODUCTION.name),
    Habit("spot_replacement", PRODUCTION.name),
    Habit("volume_churn", PRODUCTION.name),
    Habit("nightly_snapshots", PRODUCTION.name),
    Habit("config_sweeps", PRODUCTION.name),
    Habit("ci_runs", STAGING.name),
    Habit("lambda_day_and_night", STAGING.name),
    Habit("preview_environment", STAGING.name),
    Habit("refused_log_delivery", STAGING.name),
    Habit("config_sweeps", STAGING.name, {"reads": 40}),
)

# Where each incident strikes, and at what time of day; those that need a night before a weekend name the weekday.
PLACES: dict[str, tuple[Account, float, int | None]] = {
    "leaked_key": (SANDBOX, 10 + 4 / 60, None),
    "lambda_loop": (STAGING, 22, FRIDAY),
    "giant_node": (PRODUCTION, 9 + 20 / 60, None),
    "provisioner_loop": (STAGING, 21, 0),
    "thin_spread": (SANDBOX, 8 + 15 / 60, None),
    "refused_launches": (STAGING, 7 + 10 / 60, None),
    "stolen_administrator": (SANDBOX, 3 + 12 / 60, None),
    "task_miners": (SANDBOX, 2 + 40 / 60, None),
    "model_theft": (SANDBOX, 4 + 5 / 60, None),
    "driver_leak": (PRODUCTION, 1, SATURDAY),
}
HOURS_TO_THE_END = 1.5  # an incident of an hour is over before the trail ends


def place(incident: str, span: Span) -> Incident:
    """The incident in its account, at its hour of the last day of the span that still leaves time for it."""
    account, hour, weekday = PLACES[incident]
    latest = span.end - timedelta(hours=HOURS_TO_THE_END)
    times = [day + timedelta(minutes=round(hour * 60)) for day in span.days() if weekday in (None, day.weekday())]
    fitting = [at for at in times if span.start <= at <= latest]
    return Incident(incident, account.name, fitting[-1] if fitting else span.start + timedelta(minutes=20))


def chosen_habits(names: Sequence[str]) -> tuple[Habit, ...]:
    """The demo's habits of these names; all of them when none is named."""
    return tuple(habit for habit in HABITS_OF_THE_DEMO if not names or habit.name in names)
