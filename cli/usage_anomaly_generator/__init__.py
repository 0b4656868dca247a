"""What would the trail of a small organization look like?

From a seed: accounts with habits, incidents in them, and log objects as CloudTrail delivers them, with lag, duplicates
and late days. The same seed gives the same bytes. Nothing here knows what judges the trail.
"""

from usage_anomaly_generator.delivery import MEASURED, ON_TIME, Delivery, Late, LogObject, encode
from usage_anomaly_generator.habits import HABITS
from usage_anomaly_generator.incidents import INCIDENTS
from usage_anomaly_generator.organization import Account, Organization, accounts_json
from usage_anomaly_generator.trail import (
    Expectation,
    Habit,
    Incident,
    Written,
    expectations,
    generate,
    records,
    usage,
    write,
)

__all__ = [
    "HABITS",
    "INCIDENTS",
    "MEASURED",
    "ON_TIME",
    "Account",
    "Delivery",
    "Expectation",
    "Habit",
    "Incident",
    "Late",
    "LogObject",
    "Organization",
    "Written",
    "accounts_json",
    "encode",
    "expectations",
    "generate",
    "records",
    "usage",
    "write",
]
