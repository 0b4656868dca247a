"""What does one unit cost per hour, and what does it have?

One named rule per price list; a kind's file names its rule. Unknown is None, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

from usage_anomaly.catalog import PriceRule
from usage_anomaly.enrichment.prices import InstanceFacts, Price

TypeRule = Literal["ec2", "ebs", "rds", "elasticache", "redshift", "opensearch", "sagemaker"]  # by the unit's group
# Bought as a block beforehand: the launch itself costs nothing more, and the purchase is another kind's event.
PREPAID_MARKETS = frozenset({"capacity-block"})
FREE = Price(usd=0.0, basis="costs nothing itself", confidence=1.0, date="")
SPOT_MARKETS = frozenset({"spot", "managed-spot", "FARGATE_SPOT"})
FARGATE = frozenset({"FARGATE", "FARGATE_SPOT"})  # launch type, or capacity provider where the record has only that
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

    def elasticache(self, region: str, node_type: str, engine: str | None) -> Price | None: ...

    def snapshot(self, region: str, gib: float) -> Price | None: ...

    def fargate(self, region: str, vcpus: float, gib: float, platform: str | None = None) -> Price | None: ...

    def redshift(self, region: str, node_type: str) -> Price | None: ...

    def dedicated_host(self, region: str, family: str) -> Price | None: ...

    def opensearch(self, region: str, instance_type: str) -> Price | None: ...

    def sagemaker(self, region: str, instance_type: str) -> Price | None: ...

    def hourly(self, service: str, region: str) -> Price | None: ...


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """One unit as far as the record tells: what it is priced by."""

    region: str
    group: str | None
    attributes: Mapping[str, str]
    measures: Mapping[str, float]


def price_of(rule: PriceRule, unit: Unit, prices: Prices) -> Price | None:
    """USD per hour of one unit at list price; None where the rule, the type or the region has no price.

    Some rules never have one. `none`: what the price depends on is in no record (of a Lambda call, its duration and
    memory; the request itself, `per_call` of the table, is the lesser part and would pass for the whole; of a model's
    call, its tokens). `emr`: its surcharge is in no list that we have; the cluster's instances count as EC2's.
    """
    match rule:
        case "none" | "emr":
            return None
        case "free":
            return FREE
        case "nat_gateway" | "elastic_ip" | "eks":
            return prices.hourly(rule, unit.region)
        case "snapshot":
            gib = unit.measures.get("gib")
            return None if gib is None else prices.snapshot(unit.region, gib)
        case "fargate":
            return _task(unit, prices)
        case "commitment":
            return _commitment(unit, prices)
    return None if unit.group is None else _of_type(rule, unit, unit.group, prices)


def _of_type(rule: TypeRule, unit: Unit, name: str, prices: Prices) -> Price | None:
    match rule:
        case "ec2":
            return _instance(unit, name, prices)
        case "ebs":
            return _volume(unit, name, prices)
        case "rds":
            return _database(unit, name, prices)
        case "elasticache":
            return prices.elasticache(unit.region, name, unit.attributes.get("engine"))
        case "redshift":
            return prices.redshift(unit.region, name)
        case "opensearch":
            return prices.opensearch(unit.region, name)
        case "sagemaker":
            return _as_market(prices.sagemaker(unit.region, name), unit)


def _instance(unit: Unit, instance_type: str, prices: Prices) -> Price | None:
    if unit.attributes.get("market") in PREPAID_MARKETS:
        return None
    platform, tenancy = unit.attributes.get("platform"), unit.attributes.get("tenancy")
    return _as_market(prices.ec2(unit.region, instance_type, platform, tenancy), unit)


def _as_market(price: Price | None, unit: Unit) -> Price | None:
    if price is None or unit.attributes.get("market") not in SPOT_MARKETS:
        return price
    basis = f"{price.basis}; approximate: Spot costs less, not known"
    return msgspec.structs.replace(price, basis=basis, confidence=min(price.confidence, SPOT_CONFIDENCE))


def _database(unit: Unit, db_class: str, prices: Prices) -> Price | None:
    multi_az = unit.attributes.get("multi_az")
    standby = None if multi_az is None else multi_az.lower() == "true"
    return prices.rds(unit.region, db_class, unit.attributes.get("engine"), standby)


def _task(unit: Unit, prices: Prices) -> Price | None:
    """A task on Fargate. One on EC2 runs on instances that are counted as such: None, for 0 would say it is free."""
    launch_type = unit.attributes.get("launch_type") or unit.attributes.get("market")
    vcpus, gib = unit.measures.get("vcpus"), unit.measures.get("gib")
    if launch_type not in FARGATE or vcpus is None or gib is None:
        return None
    return _as_market(prices.fargate(unit.region, vcpus, gib, unit.attributes.get("platform")), unit)


def _commitment(unit: Unit, prices: Prices) -> Price | None:
    """What the call commits to per hour, as a Savings Plan does; else a Dedicated Host by its family or type.

    Other purchases name an offering only, whose price is in no record, and no list has capacity blocks. Of Bedrock's
    provisioned throughput the lists know only models that are no longer sold.
    """
    asked = unit.measures.get("usd_per_hour_asked")
    if asked is not None:
        return Price(usd=asked, basis="commitment named in the call", confidence=1.0, date="") if asked > 0 else None
    return prices.dedicated_host(unit.region, unit.group.partition(".")[0]) if unit.group else None


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
