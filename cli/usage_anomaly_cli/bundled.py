"""Which catalog and which prices come with the command?"""

from __future__ import annotations

from functools import lru_cache

from usage_anomaly import catalog as catalogs
from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment import prices as price_lists
from usage_anomaly.enrichment.prices import PriceTable


@lru_cache(maxsize=1)
def loaded() -> tuple[Catalog, PriceTable]:
    """The bundled catalog and price table, read once a process."""
    return catalogs.load(), price_lists.load()
