"""Does the anomaly fit where it has to go?

A state of the workflow takes 256 KiB, a message of SNS or EventBridge the same. A complete anomaly is held to half of it:
the rest is for the mail, and for being quoted as text. What has to go is said; the usage events have it all.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from usage_anomaly.anomalies import Anomaly

STATE_BYTES = 256 * 1_024
INPUT_BYTES = 210_000  # what an execution may start with
MOST_BYTES = 120_000
_FEW = 8


def size(value: Any) -> int:
    """Bytes as JSON, every character beyond ASCII escaped: the longest form in which a service may count it."""
    return len(json.dumps(msgspec.to_builtins(value)))


def fit(anomaly: Anomaly, most: int = MOST_BYTES) -> Anomaly:
    """Leave out what matters least, step by step, until it fits."""
    for name, shed in _STEPS:
        if size(anomaly) <= most:
            break
        smaller = shed(anomaly)
        if smaller != anomaly:
            anomaly = replace(smaller, notes=(*anomaly.notes, f"size: {name} left out here"))
    return anomaly


def _commands(anomaly: Anomaly) -> Anomaly:
    """Commands beyond the first; a mail shows as many as it has room for."""
    contain = [step for step in anomaly.guidance if step.kind == "contain"]
    others = tuple(step for step in anomaly.guidance if step not in contain[_FEW:])
    return replace(anomaly, guidance=others)


def _half_the_ids(anomaly: Anomaly) -> Anomaly:
    return replace(anomaly, resource_ids=anomaly.resource_ids[:500])


def _statements(anomaly: Anomaly) -> Anomaly:
    return replace(anomaly, evidence=anomaly.evidence[:_FEW])


def _most_ids(anomaly: Anomaly) -> Anomaly:
    return replace(anomaly, resource_ids=anomaly.resource_ids[:50])


def _long_commands(anomaly: Anomaly) -> Anomaly:
    return replace(anomaly, guidance=tuple(replace(step, command=None) for step in anomaly.guidance))


def _all_but_few(anomaly: Anomaly) -> Anomaly:
    return replace(
        anomaly,
        evidence=anomaly.evidence[:2],
        actors=anomaly.actors[:1],
        findings=anomaly.findings[:_FEW],
        regions=dict(list(anomaly.regions.items())[:_FEW]),
        accounts=dict(list(anomaly.accounts.items())[:_FEW]),
        groups=dict(list(anomaly.groups.items())[:_FEW]),
    )


_STEPS: tuple[tuple[str, Callable[[Anomaly], Anomaly]], ...] = (
    ("commands beyond eight", _commands),
    ("resource ids beyond 500", _half_the_ids),
    ("statements beyond eight", _statements),
    ("resource ids beyond 50", _most_ids),
    ("commands", _long_commands),
    ("all but the first actors, findings, regions and types", _all_but_few),
)
