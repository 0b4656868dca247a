"""Where, and on which accelerators, does use happen?"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

# EC2's accelerated families, alone or behind SageMaker's "ml.".
_ACCELERATED = re.compile(r"(?:ml\.)?((?:p|g|gr|trn|inf|dl|vt|f)\d[a-z0-9-]*)\.")


class Place(msgspec.Struct, frozen=True, order=True):
    """Something that can be used for the first time: a region, or a family of accelerators."""

    what: Literal["region", "family"]
    name: str


def places(region: str, group: str | None) -> list[Place]:
    """Where something of a group runs."""
    family = _ACCELERATED.match(group or "")
    return [Place("region", region), *([Place("family", family[1])] if family else [])]
