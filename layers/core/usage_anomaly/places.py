"""Where, on which accelerators, and by whom is something used?"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from usage_anomaly.callers import principal
from usage_anomaly.usage import UsageEvent

# EC2's accelerated families, alone or behind SageMaker's "ml.".
_ACCELERATED = re.compile(r"(?:ml\.)?((?:p|g|gr|trn|inf|dl|vt|f)\d[a-z0-9-]*)\.")


class Place(msgspec.Struct, frozen=True, order=True):
    """Something that can be met for the first time: a region, a family of accelerators, a user or role."""

    what: Literal["region", "family", "actor"]
    name: str


def places(event: UsageEvent) -> list[Place]:
    """The places of one use. Sessions of a role are one actor; what a service does by itself has none."""
    found = [Place("region", event.region)]
    family = _ACCELERATED.match(event.group or "")
    if family:
        found.append(Place("family", family[1]))
    actor = None if event.invoked_by else principal(event.actor_arn, None)
    if actor:
        found.append(Place("actor", actor))
    return found
