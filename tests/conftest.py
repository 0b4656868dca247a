"""What do all tests share? The real data, the catalog, the prices, an OpenSearch, and how many examples hypothesis draws."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from usage_anomaly.catalog import Catalog
from usage_anomaly.catalog import load as load_catalog
from usage_anomaly.enrichment.prices import PriceTable
from usage_anomaly.enrichment.prices import load as load_prices

if TYPE_CHECKING:  # most tests need no search client, and need not wait for its import
    from opensearchpy import OpenSearch

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI") == "true"

# On a desk each run draws new examples, so that the tests keep searching; in CI a run must not depend on luck.
hypothesis.settings.register_profile("desk", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
# For the promises: `pytest tests/replay --hypothesis-profile=deep`.
hypothesis.settings.register_profile("deep", deadline=None, max_examples=5_000)
hypothesis.settings.load_profile("ci" if IN_CI else "desk")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real trail files and price lists, which is no part of the repository.

    A desk without it skips; CI without it fails, because there a skipped test would pass for a kept promise.
    """
    folder = Path(os.environ.get("USAGE_ANOMALY_DATA") or ROOT.parent / "shared" / "data")
    if folder.is_dir():
        return folder
    missing = f"no folder of real data at {folder}; set USAGE_ANOMALY_DATA"
    if IN_CI:
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """The bundled catalog."""
    return load_catalog()


@pytest.fixture(scope="session")
def prices() -> PriceTable:
    """The bundled price table."""
    return load_prices()


@pytest.fixture(scope="session")
def node() -> Iterator[OpenSearch]:
    """A real OpenSearch, one for all tests; those that ask for it are marked `node`."""
    from local import node as nodes

    from usage_anomaly.search.client import connect

    with nodes.running() as address, connect(address, "none", "") as client:
        yield client
