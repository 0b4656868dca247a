"""Which log events does the trail's log group hand to ingest?

The subscription filter's pattern, made from the catalog: what changes something in a service of the catalog, the calls
that only read and are usage all the same, and refusals of any call. The names of all calls that count do not fit: a log
group has room for two filters and a pattern for 1,024 characters and two regular expressions, without parentheses inside
one (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/regex-expressions.html). Calls that only read, which are
most of a trail, stay behind; ingest leaves out the other calls that change something.
"""

from __future__ import annotations

from usage_anomaly.catalog import Catalog
from usage_anomaly.errors import CatalogError

LONGEST = 1_024
_HOST = ".amazonaws.com"


def sources(catalog: Catalog) -> list[str]:
    """The event sources whose changes some kind wants, sorted."""
    return sorted({
        source
        for (source, _), readings in catalog.wanted.items()
        if any(each.kind.needs != "read events" for each in readings)
    })  # fmt: skip


def reads(catalog: Catalog) -> list[str]:
    """The names of the calls that only read and are wanted, sorted."""
    return sorted({
        name
        for (_, name), readings in catalog.wanted.items()
        if any(each.kind.needs == "read events" for each in readings)
    })  # fmt: skip


def aggregated(catalog: Catalog) -> list[str]:
    """The event sources whose calls some kind also counts by CloudTrail's five-minute sums, sorted."""
    wanted = catalog.wanted.items()
    return sorted({source for (source, _), readings in wanted if any(each.call.aggregated for each in readings)})


def errors(catalog: Catalog) -> list[str]:
    """The parts of error codes that make a call count whatever its name, sorted."""
    return sorted({part for reading in catalog.denied for part in reading.call.errors})


def subscription_pattern(catalog: Catalog) -> str:
    """The filter pattern that lets through what the catalog wants. Raises CatalogError where it cannot be made to fit."""
    services = "|".join(f"^{source.removesuffix(_HOST)}[.]" for source in sources(catalog))
    refused = "|".join(errors(catalog))
    terms = [
        f"(($.eventSource = %{services}%) && ($.readOnly IS FALSE))",
        *(f'($.eventName = "{name}")' for name in reads(catalog)),
        *(f'(($.eventCategory = "Aggregated") && ($.eventSource = "{source}"))' for source in aggregated(catalog)),
        *([f"($.errorCode = %{refused}%)"] if refused else []),
    ]
    pattern = "{ " + " || ".join(terms) + " }"
    if len(pattern) > LONGEST:
        raise CatalogError(
            f"the log subscription's pattern would have {len(pattern)} characters of {LONGEST}: "
            "leave services out of the catalog"
        )
    return pattern
