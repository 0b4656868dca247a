"""What does a storm of these tests look like? One key, one machine or more in each of many invented accounts."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

from msgspec.structs import replace
from tests.enrichment import incidents

from usage_anomaly.alerts.storm import Storm, storms
from usage_anomaly.anomalies import Alert, Anomaly
from usage_anomaly.anomalies.rules import ORGANIZATION
from usage_anomaly.catalog import load
from usage_anomaly.enrichment.accounts import Account

CATALOG = load()
KIND = CATALOG.kinds["ec2.instances"]


def opening(minute: float) -> tuple[Alert, ...]:
    """The alerts of an anomaly that was told so many minutes after three o'clock."""
    return (Alert(incidents.at("3:00") + timedelta(minutes=minute), "opened"),)


@cache
def everywhere(accounts: int = 31) -> tuple[Anomaly, ...]:
    """The anomalies of `incidents.everywhere`, one each minute; every tenth account uses ten machines of a larger type."""
    events = []
    for place, event in enumerate(incidents.everywhere(accounts)):
        many = {"quantity": 10, "group": "p3.16xlarge", "usd_per_hour": 244.8, "gpus": 80.0}
        large = {**many, "resource_ids": tuple(f"{event.resource_ids[0][:-2]}{item:02x}" for item in range(10))}
        events.append(replace(event, **large) if place % 10 == 0 else event)
    found = []
    for place, event in enumerate(events):
        account = Account(id=event.account_id, name=f"team-{place:02d}", tags={"AccountType": "development"})
        actual = 10 * event.quantity
        finding = incidents.finding("threshold", actual, 6, f"{actual} instances in 60 minutes, limit 6", [event])
        anomaly = incidents.told(KIND, events, [finding], account, account_id=event.account_id)
        found.append(replace(anomaly, alerts=opening(place + 5)))
    return tuple(found)


def organization() -> Anomaly:
    """The organization's own anomaly of that time."""
    events = incidents.everywhere()
    reason = "30 instances in 60 minutes over all accounts, limit 25 for the organization"
    finding = incidents.finding("threshold", 30, 25, reason, events)
    own = incidents.told(KIND, events, [finding], None, account_id=ORGANIZATION)
    return replace(own, alerts=opening(31))


def one(*anomalies: Anomaly) -> Storm:
    """The only storm among them."""
    (storm,) = storms(anomalies, CATALOG)
    return storm
