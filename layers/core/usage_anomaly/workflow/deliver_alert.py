"""Was everybody told, exactly once? (step "Deliver alert")

Claim, publish, mark. A crash after the claim costs nothing: the same execution takes its claim again, another one after
five minutes. Only a crash between the publish and the mark tells twice. A mark that cannot be written is no failure: the
state machine would try again, and publish again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from usage_anomaly.alerts import notification
from usage_anomaly.alerts.mail import Mail
from usage_anomaly.anomalies import AlertReason, Anomaly
from usage_anomaly.state import Table, claims

CHANNEL = "sns"
Outcome = Literal["SENT", "DUPLICATE", "OLDER"]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out for one sequence, and how it is told. `mail` is None when the assessment itself failed.

    `why_not` says why nobody is told ("" when people are); `reason` and `now` are the execution's.
    """

    anomaly: Anomaly
    mail: Mail | None
    attributes: dict[str, str]
    gaps: tuple[str, ...]
    tell: bool
    why_not: str
    reason: AlertReason
    now: datetime


class DeliveryInput(msgspec.Struct, frozen=True, kw_only=True):
    """`execution` owns the claim: the execution's ARN."""

    result: Result
    execution: str


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """`latency_seconds` runs from the minute of the tick to the publish; None when nothing was published.

    `marked` is false where people were told and the claim does not say so: an execution started anew tells them again.
    """

    outcome: Outcome
    latency_seconds: float | None = None
    marked: bool = True


def run(event: Mapping[str, Any], table: Table, sns: Any, topic: str, now: datetime) -> dict[str, Any]:
    """Tell one sequence on the topic. Raises DeliveryBusy while another execution is at it."""
    delivered: dict[str, Any] = msgspec.to_builtins(
        _deliver(msgspec.convert(event, DeliveryInput), table, sns, topic, now)
    )
    return delivered


def _deliver(given: DeliveryInput, table: Table, sns: Any, topic: str, now: datetime) -> Delivered:
    result, anomaly = given.result, given.result.anomaly
    if claims.newest_sent(table, anomaly.id, CHANNEL) > anomaly.sequence:
        return Delivered(outcome="OLDER")
    key = claims.Key(anomaly.id, anomaly.sequence, CHANNEL)
    if claims.take(table, key, given.execution, now) == "sent":
        return Delivered(outcome="DUPLICATE")
    publish(sns, topic, result)
    marked = True
    try:
        claims.mark_sent(table, key, given.execution, now)
    except (BotoCoreError, ClientError):
        marked = False
    return Delivered(outcome="SENT", latency_seconds=max(0.0, (now - result.now).total_seconds()), marked=marked)


def publish(sns: Any, topic: str, result: Result) -> None:
    """One message for every kind of subscriber."""
    said = result.mail or notification.bare_mail(result.anomaly, result.gaps)
    named = result.attributes or notification.attributes(result.anomaly, None)
    sns.publish(
        TopicArn=topic,
        Subject=said.subject,
        Message=notification.message(result.anomaly, said),
        MessageStructure="json",
        MessageAttributes={
            name: {"DataType": "Number" if name == "severity" else "String", "StringValue": value}
            for name, value in named.items()
        },
    )
