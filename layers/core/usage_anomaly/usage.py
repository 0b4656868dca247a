"""What did this record use?

One CloudTrail record becomes no, one or several usage events: one per usage kind and group of items priced alike.
A call that failed, was a dry run or launched nothing used nothing; for watched names it becomes an attempt (direction
`attempt`, one call), never spend. Nothing here raises on a record's content: what has the wrong type is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Literal

import msgspec

from usage_anomaly.callers import Caller, ip_of, read_caller
from usage_anomaly.catalog import ATTEMPTS, Catalog, Reading
from usage_anomaly.catalog import Direction as Direction
from usage_anomaly.enrichment.automation import automation
from usage_anomaly.enrichment.prices import Price
from usage_anomaly.envelopes import AggregatedCalls, Record
from usage_anomaly.paths import ID_CHARACTERS, TEXT_CHARACTERS, Document, first_number, first_text
from usage_anomaly.quantities import Lot, holds, quantity_of
from usage_anomaly.rates import Prices, Unit, price_of

MOST_RESOURCE_IDS = 1_000
DRY_RUN = "DryRunOperation"  # EC2 says Client.DryRunOperation where the call would have succeeded
UNKNOWN = "unknown"
ATTEMPT_UNIT = "calls"

_ACCOUNT = re.compile(r"[0-9]{12}")
_IN_1024THS = {"mib": "gib", "cpu_units": "vcpus"}


class UsageEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """One record read by one kind; the document that OpenSearch keeps.

    `quantity` counts `unit`s (instances, volumes, invocations, calls). `vcpus`, `gpus`, `gib` and `usd_per_hour` are
    sums over the whole event, not per item (of a definition: of one unit); None means unknown, never 0. `event_time` is
    UTC. `usd` is the price of per-call kinds.
    """

    event_id: str  # the record's eventID, or "sha256:..." of its content where that is no UUID
    event_time: datetime
    event_source: str
    event_name: str
    kind: str
    account_id: str
    region: str
    direction: Direction
    quantity: int
    unit: str
    group: str | None = None  # what is priced alike, e.g. the instance type
    shared_event_id: str | None = None
    vcpus: float | None = None
    gpus: float | None = None
    gib: float | None = None
    usd_per_hour: float | None = None
    usd: float | None = None
    price_basis: str | None = None
    price_confidence: float | None = None  # 0-1, of the least sure price in the sum
    actor_arn: str | None = None  # the role or user, the principal's id where there is no ARN; the session stands apart
    actor_session: str | None = None
    actor_type: str | None = None
    long_lived_key: bool = False
    access_key_id: str | None = None
    invoked_by: str | None = None
    automation: str | None = None
    launcher_id: str | None = None
    user_agent: str | None = None
    source_address: str | None = None
    source_ip: str | None = None
    image_id: str | None = None
    key_name: str | None = None
    market: str | None = None
    platform: str | None = None
    tenancy: str | None = None
    resource_ids: tuple[str, ...] = ()
    units_each: int = 1  # how many units one resource stands for: a cluster's id for all its nodes
    function_name: str | None = None
    error_code: str | None = None
    dry_run: bool = False
    truncated: bool = False
    aggregated: bool = False  # counted by CloudTrail; a series counts such calls or the single ones, never both
    origin: Literal["live", "redrive", "backfill", "replay"] = "replay"
    record_location: str | None = None
    catalog_version: str = ""


class Page(msgspec.Struct, frozen=True):
    """A record that some kind wants, opened: its parts decoded, and the fields that all its events share."""

    record: Record
    document: Document
    caller: Caller
    region: str
    shared: dict[str, object]


def read_usage(
    record: Record,
    event_time: datetime,
    event_id: str,
    catalog: Catalog,
    prices: Prices,
    location: str | None = None,
) -> list[UsageEvent]:
    """Read one record with every kind that wants it; [] for most records, at the cost of one look-up."""
    readings = catalog.readings(record.event_source, record.event_name, record.error_code)
    if not readings:
        return []
    page = _open(record)
    page.shared.update(
        event_id=event_id[:ID_CHARACTERS],
        event_time=event_time,
        record_location=location,
        catalog_version=catalog.version,
    )
    return [event for reading in readings for event in _read(reading, page, prices)]


def account_of(account_id: str | None) -> str:
    """The account id to write down; what is not twelve digits is no account of AWS and stands under "unknown"."""
    return account_id if account_id is not None and _ACCOUNT.fullmatch(account_id) else UNKNOWN


def _open(record: Record) -> Page:
    identity = _decoded(record.user_identity)
    caller = read_caller(identity, record.source_address)
    region = (record.region or UNKNOWN)[:ID_CHARACTERS]
    address = _clipped(record.source_address, TEXT_CHARACTERS)
    agent = _clipped(record.user_agent, TEXT_CHARACTERS)
    shared: dict[str, object] = {
        "event_source": record.event_source,
        "event_name": record.event_name,
        "account_id": account_of(record.account_id or caller.account_id),
        "region": region,
        "shared_event_id": _clipped(record.shared_event_id, ID_CHARACTERS),
        "actor_arn": caller.arn,
        "actor_session": caller.session,
        "actor_type": caller.type,
        "long_lived_key": caller.long_lived_key,
        "access_key_id": caller.access_key_id,
        "invoked_by": caller.invoked_by,
        "automation": automation(caller.invoked_by, agent, caller.arn, caller.session, caller.type),
        "user_agent": agent,
        "source_address": address,
        "source_ip": ip_of(address),
        "error_code": _clipped(record.error_code, ID_CHARACTERS),
        "aggregated": isinstance(record, AggregatedCalls),
    }
    document: Document = {
        "request": _decoded(record.request_parameters),
        "response": _decoded(record.response_elements),
        "resources": _decoded(record.resources),
        "identity": identity,
        "item": None,
        "per": None,
    }
    return Page(record, document, caller, region, shared)


def _read(reading: Reading, page: Page, prices: Prices) -> list[UsageEvent]:
    if isinstance(page.record, AggregatedCalls):
        lots = [Lot({}, page.record.calls)] if reading.call.aggregated else []
        return [_event(reading, page, prices, None, lots, truncated=False)] if lots else []
    if reading.call.errors:
        if page.caller.service:
            return []
    elif page.record.error_code:
        return _attempt(reading, page, dry_run=page.record.error_code.endswith(DRY_RUN))
    if reading.dry_run is not None and holds(reading.dry_run, page.document):
        return _attempt(reading, page, dry_run=True)
    lots, truncated = quantity_of(reading, page.document)
    if not lots and reading.items:
        return _attempt(reading, page, dry_run=False)
    groups: dict[str | None, list[Lot]] = {}
    for lot in lots:
        group = _group(reading, _at(page, lot.item))
        groups.setdefault(group, []).append(lot)
    return [_event(reading, page, prices, group, of_group, truncated) for group, of_group in groups.items()]


def _attempt(reading: Reading, page: Page, *, dry_run: bool) -> list[UsageEvent]:
    """One call that used nothing. Releases are not watched, and what a service tries is its own business."""
    if not reading.watches or page.caller.service:
        return []
    here = _at(page, {})
    fields = {
        "kind": reading.kind.kind + ATTEMPTS,
        "direction": "attempt",
        "quantity": 1,
        "unit": ATTEMPT_UNIT,
        "group": _group(reading, here),
        "dry_run": dry_run,
        **_kept(_attributes(reading, here)),
    }
    return [_built(page, fields)]


def _group(reading: Reading, here: Document) -> str | None:
    """What is priced alike; of an ARN its last part (a model's or task definition's name)."""
    group = first_text(reading.group, here, TEXT_CHARACTERS)
    if group is not None and group.startswith("arn:"):
        group = group.rpartition("/")[2] or group
    return _clipped(group, ID_CHARACTERS)


def _event(
    reading: Reading, page: Page, prices: Prices, group: str | None, lots: list[Lot], truncated: bool
) -> UsageEvent:
    nothing = reading.call.holders or reading.call.direction == "definition"
    quantity = 0 if nothing else sum(lot.units for lot in lots)
    attributes = _attributes(reading, _at(page, lots[0].item))
    machine = prices.facts(group) if group and reading.kind.price == "ec2" else None
    resource_ids = _resource_ids(reading, page, lots)
    fields = {
        "kind": reading.kind.kind,
        "direction": reading.call.direction,
        "quantity": quantity,
        "unit": reading.kind.many,
        "group": group,
        "vcpus": float(machine.vcpus * quantity) if machine else None,
        "gpus": float(machine.gpus * quantity) if machine else None,
        "resource_ids": resource_ids,
        "units_each": max(quantity // len(set(resource_ids)), 1) if reading.count and resource_ids else 1,
        "truncated": truncated,
        **_kept(attributes),
        **_sums(reading, page, prices, Unit(region=page.region, group=group, attributes=attributes, measures={}), lots),
    }
    return _built(page, fields)


def _sums(reading: Reading, page: Page, prices: Prices, unit: Unit, lots: list[Lot]) -> dict[str, object]:
    """GiB, vCPUs and USD per hour over all units: per item where items have sizes of their own, else all alike."""
    rule, quantity = reading.kind.price, sum(lot.units for lot in lots)
    if quantity == 0 or reading.call.holders:
        return {}
    if not reading.measures:
        return _usd([(quantity, price_of(rule, unit, prices))])
    measured = [(lot.units, _measures(reading, _at(page, lot.item))) for lot in lots]
    priced = [
        (units, price_of(rule, msgspec.structs.replace(unit, measures=measures), prices))
        for units, measures in measured
    ]
    return {"gib": _sum(measured, "gib"), **_vcpus(measured), **_usd(priced)}


def _measures(reading: Reading, here: Document) -> dict[str, float]:
    read = {name: first_number(paths, here) for name, paths in reading.measures.items()}
    measures: dict[str, float] = {name: value for name, value in read.items() if value is not None}
    for name, whole in _IN_1024THS.items():
        if name in measures:
            measures[whole] = measures.pop(name) / 1024
    return measures


def _vcpus(measured: list[tuple[int, dict[str, float]]]) -> dict[str, object]:
    vcpus = _sum(measured, "vcpus")
    return {} if vcpus is None else {"vcpus": vcpus}


def _sum(measured: list[tuple[int, dict[str, float]]], name: str) -> float | None:
    """Over all units; None as soon as one item does not tell."""
    if any(name not in measures for _, measures in measured):
        return None
    return sum(units * measures[name] for units, measures in measured)


def _usd(priced: list[tuple[int, Price | None]]) -> dict[str, object]:
    """The sum of all prices; unknown as soon as one is, for a part would pass for the whole."""
    usd, least = 0.0, None
    for count, price in priced:
        if price is None:
            return {}
        usd += count * price.usd
        if least is None or price.confidence < least.confidence:
            least = price
    if least is None:
        return {}
    return {"usd_per_hour": usd, "price_basis": least.basis, "price_confidence": least.confidence}


def _attributes(reading: Reading, here: Document) -> dict[str, str]:
    found = {name: first_text(paths, here, _room(name)) for name, paths in reading.attributes.items()}
    if name := found.get("function_name"):
        found["function_name"] = function_of(name)
    return {name: value for name, value in found.items() if value is not None}


def _room(attribute: str) -> int:
    return TEXT_CHARACTERS if attribute == "function_name" else ID_CHARACTERS


def _kept(attributes: Mapping[str, str]) -> dict[str, str]:
    """Those that the event carries; engine, standby and launch type only set the price."""
    return {name: value for name, value in attributes.items() if name not in ("engine", "multi_az", "launch_type")}


def function_of(name: str) -> str:
    """The bare name of a Lambda function given as ARN, as account:function:name, or with a qualifier."""
    parts = name.split(":")
    bare = parts[parts.index("function", 1) + 1] if "function" in parts[1:-1] else parts[0]
    return (bare or name)[:ID_CHARACTERS]


def _resource_ids(reading: Reading, page: Page, lots: list[Lot]) -> tuple[str, ...]:
    ids = []
    places = ((lot.item, per) for lot in lots if lot.units for per in lot.per[: lot.units] or [{}])
    for item, per in islice(places, MOST_RESOURCE_IDS):
        found = first_text(reading.resource_ids, _at(page, item, per))
        if found is not None:
            ids.append(_name_of(found.lower() if reading.call.lower_ids else found))
    return tuple(ids)


def _name_of(resource: str) -> str:
    """A resource's own id; of an ARN its last part, for calls take either and one thing has one id."""
    return re.split("[:/]", resource)[-1] or resource if resource.startswith("arn:") else resource


def _at(page: Page, item: Document, per: Document | None = None) -> Document:
    page.document["item"] = item
    page.document["per"] = per
    return page.document


def _built(page: Page, fields: Mapping[str, object]) -> UsageEvent:
    return UsageEvent(**page.shared, **fields)  # type: ignore[arg-type]  # each value was typed where it was read


def _decoded(raw: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _clipped(value: str | None, limit: int) -> str | None:
    return value[:limit] if value else None
