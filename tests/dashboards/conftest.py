"""What do the tests of the dashboards share? The saved objects as an import reads them, and a server to ask."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.search.serving import bare, client, emulator, url

from usage_anomaly.dashboards import saved

__all__ = ["bare", "client", "emulator", "url"]


@pytest.fixture(scope="session")
def objects() -> list[dict[str, Any]]:
    """One for each line."""
    return [msgspec.json.decode(line) for line in saved.ndjson().splitlines()]
