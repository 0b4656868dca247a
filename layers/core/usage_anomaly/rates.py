"""What does one unit cost per hour, and what does it have?

One named rule per price list; a kind's file names its rule. Unknown is None, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from usage_anomaly.catalog import PriceRule
from usage_anomaly.enrichment.prices import InstanceFacts, Price

# Bought as a block beforehand: the launch itself costs nothing more, and the purchase is another kind's event.
PREPAID_MARKETS = frozenset({"capacity-block"})
FREE = Price(usd=0.0, basis="costs nothing itself", confidence=1.0, date="")
SPOT_CONFIDENCE = 0.5  # Spot is cheaper by an unknown part: right machine, upper bound of the price


class Prices(Protocol):
    """What this room asks of a price table; `enrichment.prices.PriceTable` is the real one."""

    def facts(self, instance_type: str) -> InstanceFacts | None: ...

    def ec2(
        self, region: str, instance_type: str, platform: str | None = None, tenancy: str | None = None
    ) -> Price | None: ...

    def ebs(
        self, region: str, volume_type: str, gib: float, iops: int | None = None, throughput: int | None = None
    ) -> Price | None: ...

    def rds(self, region: str, db_class: str, engine: str | None, multi_az: bool | None = False) -> Price | None: ...

    def hourly(self, service: str, region: str) -> Price | None: ...


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """One unit as far as the record tells: what it is priced by."""

    region: str
    group: str | None
    attributes: Mapping[str, str]
    measures: Mapping[str, float]


def price_of(rule: PriceRule, unit: Unit, prices: Prices) -> Price | None:
    """USD per hour of one unit at list price; None where the rule, the type or the region has no price."""
    if rule in ("none", "snapshot", "fargate", "eks", "elasticache", "redshift", "opensearch", "sagemaker", "emr"):
        return None
    if rule == "free":
        return FREE
    if rule in ("nat_gateway", "elastic_ip"):
        return prices.hourly(rule, unit.region)
    if unit.group is None:
        return None
    if rule == "ec2":
        return _instance(unit, unit.group, prices)
    if rule == "ebs":
        return _volume(unit, unit.group, prices)
    multi_az = unit.attributes.get("multi_az")
    standby = None if multi_az is None else multi_az.lower() == "true"
    return prices.rds(unit.region, unit.group, unit.attributes.get("engine"), standby)


def _instance(unit: Unit, instance_type: str, prices: Prices) -> Price | None:
    market = unit.attributes.get("market")
    if market in PREPAID_MARKETS:
        return None
    price = prices.ec2(unit.region, instance_type, unit.attributes.get("platform"), unit.attributes.get("tenancy"))
    if price is None or market != "spot":
        return price
    basis = f"{price.basis}; approximate: Spot costs less, not known"
    return msgspec.structs.replace(price, basis=basis, confidence=min(price.confidence, SPOT_CONFIDENCE))


def _volume(unit: Unit, volume_type: str, prices: Prices) -> Price | None:
    gib = unit.measures.get("gib")
    if gib is None:
        return None
    iops, throughput = unit.measures.get("iops"), unit.measures.get("throughput")
    return prices.ebs(
        unit.region,
        volume_type,
        gib,
        None if iops is None else int(iops),
        None if throughput is None else int(throughput),
    )
