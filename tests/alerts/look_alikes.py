"""What looks like an incident and is a habit, and how is it judged?

Each habit is replayed for ten days; what is shown is the worst that was made of its last two.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.alerts.scenarios import PLAN, SEED, ticks

from usage_anomaly.anomalies import Anomaly
from usage_anomaly_cli.running import anomalies
from usage_anomaly_generator import Habit, demo, generate

START, DAYS = datetime(2026, 11, 2, tzinfo=UTC), 10
LAST = START + timedelta(days=DAYS - 2)

LOOK_ALIKES = {
    "EMR starts 55 instances every night": Habit("nightly_batch", demo.PRODUCTION.name, {"size": 55}),
    "Auto Scaling starts 14 instances every morning": Habit("auto_scaling_mornings", demo.PRODUCTION.name),
    "1,200 invocations at the full hour of every day": Habit(
        "lambda_day_and_night", demo.STAGING.name, {"per_hour": 1200, "every_minutes": 60}
    ),
    "the driver makes 400 volumes a day and deletes them": Habit(
        "volume_churn", demo.PRODUCTION.name, {"per_day": 400}
    ),
    "Velero snapshots 60 volumes every night": Habit("nightly_snapshots", demo.PRODUCTION.name, {"volumes": 60}),
}


def judged(habit: Habit) -> Anomaly:
    """The worst of the last two days, told or recorded."""
    *_, last = ticks(generate(demo.ORGANIZATION, [habit], [], START, DAYS, SEED))
    return max((each for each in anomalies(last, PLAN) if each.first_use >= LAST), key=lambda each: each.severity)
