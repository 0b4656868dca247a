"""What does the environment say a function should use?

Read once at the top of an `app.py` into a typed struct; a missing or malformed variable stops the cold start with its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from usage_anomaly.errors import UsageAnomalyError

T = TypeVar("T", bound=msgspec.Struct)


class MissingSetting(UsageAnomalyError):
    """An environment variable is missing or malformed; the template sets it."""


def read(settings: type[T], environment: Mapping[str, str]) -> T:
    """The settings from variables named like the fields in capitals; fields with a default may be missing."""
    values = {
        field.name: environment[field.name.upper()]
        for field in msgspec.structs.fields(settings)
        if field.name.upper() in environment
    }
    try:
        return msgspec.convert(values, settings, strict=False)
    except msgspec.ValidationError as error:
        raise MissingSetting(
            f"environment: {error}; variables are named in capitals and set by template.yaml"
        ) from error
