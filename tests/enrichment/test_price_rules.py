"""Does every price rule give what AWS charges for one unit, or say that it does not know?"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_anomaly.catalog import PriceRule
from usage_anomaly.enrichment import prices as price_room
from usage_anomaly.enrichment.prices import HOURS_PER_MONTH, Price
from usage_anomaly.rates import Unit, price_of

TABLE = price_room.load()
RULES: tuple[PriceRule, ...] = get_args(PriceRule)
UNPRICED: tuple[PriceRule, ...] = ("none", "emr")
OPTED_IN, GOV, UNLISTED = "af-south-1", "us-gov-west-1", "ca-west-1"


def unit(region: str = "us-east-1", group: str | None = None, **given: str | float) -> Unit:
    """Numbers are measures, texts are attributes."""
    return Unit(
        region=region,
        group=group,
        attributes={name: value for name, value in given.items() if isinstance(value, str)},
        measures={name: value for name, value in given.items() if isinstance(value, float)},
    )


def task(region: str = "us-east-1", **attributes: str) -> Unit:
    """One vCPU and 2 GiB on Fargate."""
    measures = {"vcpus": 1.0, "gib": 2.0}
    return Unit(region=region, group=None, attributes={"launch_type": "FARGATE", **attributes}, measures=measures)


# One unit per rule that the table prices in every region.
SOME: dict[PriceRule, Unit] = {
    "ec2": unit(group="m5.large"),
    "ebs": unit(group="gp3", gib=100.0),
    "snapshot": unit(gib=100.0),
    "rds": unit(group="db.m5.large", engine="mysql"),
    "fargate": task(),
    "eks": unit(),
    "elasticache": unit(group="cache.m5.large", engine="redis"),
    "redshift": unit(group="ra3.4xlarge"),
    "opensearch": unit(group="m5.large.search"),
    "sagemaker": unit(group="ml.m5.xlarge"),
    "nat_gateway": unit(),
    "elastic_ip": unit(),
    "commitment": unit(group="c5.large"),
}

# Typed by hand; the comment names the page or the line of the list.
PUBLISHED: list[tuple[PriceRule, Unit, float]] = [
    # aws.amazon.com/ec2/pricing/on-demand
    ("ec2", unit(group="m5.large"), 0.096),
    ("ec2", unit("eu-central-1", "m5.large"), 0.115),
    ("ec2", unit(GOV, "m5.large"), 0.121),
    # aws.amazon.com/ebs/pricing
    ("ebs", unit(group="gp3", gib=100.0), 8 / 730),
    ("ebs", unit("eu-central-1", "gp2", gib=50.0), 5.95 / 730),
    ("ebs", unit(group="gp3", gib=100.0, iops=4_000.0, throughput=125.0), 13 / 730),
    # aws.amazon.com/rds/mysql/pricing, postgresql
    ("rds", unit(group="db.m5.large", engine="mysql"), 0.171),
    ("rds", unit(group="db.m5.large", engine="mysql", multi_az="true"), 0.342),
    ("rds", unit(group="db.t3.micro", engine="postgres"), 0.018),
    # infracost_us_east_1.csv: aws_ebs_snapshot,EBS snapshot storage,0.05,GB
    ("snapshot", unit(gib=1.0), 0.05 / 730),
    ("snapshot", unit(gib=100.0), 5 / 730),
    ("snapshot", unit(gib=16_384.0), 819.2 / 730),
    # services_by_region.csv: us-east-1,fargate,x86 Linux vCPU-hour,0.04048 and GB-hour,0.004445
    ("fargate", task(), 0.04937),
    ("fargate", unit(launch_type="FARGATE", vcpus=0.25, gib=0.5), 0.0123425),
    ("fargate", unit(launch_type="FARGATE", vcpus=16.0, gib=120.0), 1.18108),
    # services_by_region.csv: eu-central-1,fargate,x86 Linux vCPU-hour,0.04656 and GB-hour,0.00511
    ("fargate", task("eu-central-1"), 0.05678),
    # services_by_region.csv: us-east-1,eks,cluster-hour,0.1; aws.amazon.com/eks/pricing: the same in all regions
    ("eks", unit(), 0.10),
    ("eks", unit("eu-central-1"), 0.10),
    ("eks", unit(OPTED_IN), 0.10),
    # elasticache_ondemand.csv: us-east-1,redis,cache.m5.large,0.156 and so on
    ("elasticache", unit(group="cache.m5.large", engine="redis"), 0.156),
    ("elasticache", unit(group="cache.t3.micro", engine="memcached"), 0.017),
    ("elasticache", unit(group="cache.r6g.large", engine="redis"), 0.206),
    ("elasticache", unit("eu-central-1", "cache.m5.large", engine="redis"), 0.186),
    ("elasticache", unit(OPTED_IN, "cache.t3.small", engine="memcached"), 0.043),
    ("elasticache", unit(GOV, "cache.r6g.large", engine="redis"), 0.246),
    # infracost_us_east_1.csv: aws_redshift_cluster,"Cluster usage (on-demand, dc2.large)",0.25 and so on
    ("redshift", unit(group="dc2.large"), 0.25),
    ("redshift", unit(group="ra3.4xlarge"), 3.26),
    ("redshift", unit(group="ra3.16xlarge"), 13.04),
    # aws.amazon.com/redshift/pricing
    ("redshift", unit(group="ra3.xlplus"), 1.086),
    # infracost_us_east_1.csv: aws_opensearch_domain,"Instance (on-demand, c4.2xlarge.search)",0.587 and so on
    ("opensearch", unit(group="c4.2xlarge.search"), 0.587),
    ("opensearch", unit(group="c4.8xlarge.elasticsearch"), 2.347),
    ("opensearch", unit(group="ultrawarm1.medium.search"), 0.238),
    # sagemaker_us_east_1.csv: us-east-1,ml.c5.xlarge,0.204,1.2 and so on
    ("sagemaker", unit(group="ml.c5.xlarge"), 0.204),
    ("sagemaker", unit(group="ml.g4dn.xlarge"), 0.7364),
    ("sagemaker", unit(group="ml.p3.2xlarge"), 3.825),
    # services_by_region.csv: us-east-1,nat_gateway,hour,0.045 and so on
    ("nat_gateway", unit(), 0.045),
    ("nat_gateway", unit("eu-west-1"), 0.048),
    ("nat_gateway", unit("eu-central-1"), 0.052),
    # aws.amazon.com/vpc/pricing
    ("elastic_ip", unit(), 0.005),
    ("elastic_ip", unit("eu-central-1"), 0.005),
    ("elastic_ip", unit(GOV), 0.005),
    # infracost_us_east_1.csv: aws_ec2_host,"EC2 Dedicated Host (on-demand, c5)",3.366 and (on-demand, mac1),1.083
    ("commitment", unit(group="c5"), 3.366),
    ("commitment", unit(group="c5.large"), 3.366),
    ("commitment", unit(group="mac1.metal"), 1.083),
    # what CreateSavingsPlan commits to, whatever else it says
    ("commitment", unit(group="ml.c5.xlarge", usd_per_hour_asked=250.5), 250.5),
]
# Published prices that no list of ours holds, from the pages named above: how far off are the estimates?
NEARLY: list[tuple[PriceRule, Unit, float, float]] = [
    ("opensearch", unit(group="m5.large.search"), 0.142, 0.01),
    ("opensearch", unit(group="r5.large.search"), 0.186, 0.01),
    ("opensearch", unit(group="r6g.large.search"), 0.167, 0.12),
    ("opensearch", unit(group="t3.small.search"), 0.036, 0.16),
    ("sagemaker", unit(group="ml.t3.medium"), 0.05, 0.01),
    ("sagemaker", unit(group="ml.c5.9xlarge"), 1.836, 0.01),
    ("sagemaker", unit("eu-west-1", "ml.p3.2xlarge"), 4.131, 0.01),
    ("sagemaker", unit("eu-central-1", "ml.m5.xlarge"), 0.276, 0.01),
    ("redshift", unit("eu-central-1", "ra3.4xlarge"), 3.894, 0.02),
    ("snapshot", unit("eu-central-1", gib=100.0), 5.4 / 730, 0.12),
]


@pytest.mark.parametrize(("rule", "one", "usd"), PUBLISHED)
def test_a_rule_gives_the_published_price_of_one_unit(rule: PriceRule, one: Unit, usd: float) -> None:
    """The figures of every alert come through here."""
    price = priced(rule, one)
    assert price.usd == pytest.approx(usd, rel=1e-6)
    assert not price.basis.startswith("estimate")


def test_every_rule_that_prices_is_compared_with_three_figures() -> None:
    """A rule added without figures would be trusted unseen."""
    compared = [rule for rule, _, _ in PUBLISHED]
    assert {rule for rule in RULES if compared.count(rule) >= 3} == set(RULES) - set(UNPRICED) - {"free"}
    assert SOME.keys() == set(RULES) - set(UNPRICED) - {"free"}


@pytest.mark.parametrize(("rule", "one", "usd", "off"), NEARLY)
def test_an_estimate_is_near_the_published_price_and_says_what_it_is(
    rule: PriceRule, one: Unit, usd: float, off: float
) -> None:
    """Its confidence is at most 0.6, and the basis tells the reader how it came about."""
    price = priced(rule, one)
    assert price.usd == pytest.approx(usd, rel=off)
    assert price.basis.startswith("estimate: ")
    assert price.confidence <= 0.6


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", OPTED_IN, GOV, UNLISTED])
@pytest.mark.parametrize("rule", SOME)
def test_every_rule_prices_every_region_and_dates_it(rule: PriceRule, region: str) -> None:
    """An attacker takes the region nobody uses: there the answer is a figure with its doubt."""
    price = priced(rule, msgspec.structs.replace(SOME[rule], region=region))
    assert price.usd > 0
    assert 0 < price.confidence <= 1
    assert price.date
    assert price.date in price.basis
    if region == UNLISTED:
        assert price.basis.startswith("estimate: ") or "general knowledge" in price.basis
        assert price.confidence <= 0.7


@pytest.mark.parametrize("region", ["us-east-1a", "ca-northsouth-2r", "unknown", "", "*"])
@pytest.mark.parametrize("rule", SOME)
def test_no_rule_prices_a_region_that_does_not_exist(rule: PriceRule, region: str) -> None:
    """A price for an invented region would be invented too."""
    assert price_of(rule, msgspec.structs.replace(SOME[rule], region=region), TABLE) is None


@pytest.mark.parametrize("group", [None, "", "p99.metal", "*", "ml.", ".search", "cache.", "storage"])
@pytest.mark.parametrize(
    "rule", ["ec2", "ebs", "rds", "elasticache", "redshift", "opensearch", "sagemaker", "commitment"]
)
def test_an_unknown_type_has_no_price(rule: PriceRule, group: str | None) -> None:
    """Unknown is None: 0 would read as free."""
    assert price_of(rule, unit(group=group, engine="redis", gib=8.0), TABLE) is None


@pytest.mark.parametrize("rule", UNPRICED)
def test_what_no_record_or_list_tells_has_no_price(rule: PriceRule) -> None:
    """Tokens and durations are in no record; EMR's surcharge is in no list."""
    assert price_of(rule, unit(group="m5.xlarge", gib=8.0, vcpus=2.0, usd_per_hour_asked=1.0), TABLE) is None


def test_a_snapshot_is_an_upper_bound_and_unknown_without_its_size() -> None:
    """Only blocks in use and changed since the last one are paid."""
    price = priced("snapshot", unit(gib=100.0))
    assert price.basis == "EBS snapshot list price of 2024-05 or later; upper bound: whole volume"
    assert price.confidence == 0.4
    assert priced("snapshot", unit("eu-central-1", gib=100.0)).confidence == 0.4
    for one in (unit(), unit(gib=0.0), unit(gib=float("inf"))):
        assert price_of("snapshot", one, TABLE) is None


@pytest.mark.parametrize("launch_type", ["EC2", "EXTERNAL", "MANAGED_INSTANCES"])
def test_a_task_that_runs_on_instances_has_no_price_of_its_own(launch_type: str) -> None:
    """They are counted as instances; twice would be wrong, and 0 would pass for free."""
    assert price_of("fargate", unit(launch_type=launch_type, vcpus=1.0, gib=2.0), TABLE) is None
    assert price_of("fargate", unit(launch_type=launch_type, market="FARGATE", vcpus=1.0, gib=2.0), TABLE) is None


def test_a_task_without_launch_type_or_size_has_no_price() -> None:
    """Its task definition is not in the record."""
    assert price_of("fargate", unit(vcpus=1.0, gib=2.0), TABLE) is None
    assert price_of("fargate", unit(launch_type="FARGATE", vcpus=1.0), TABLE) is None
    assert price_of("fargate", unit(launch_type="FARGATE", gib=2.0), TABLE) is None
    assert price_of("fargate", unit(launch_type="FARGATE", vcpus=0.0, gib=2.0), TABLE) is None


@pytest.mark.parametrize(
    ("given", "remark"),
    [
        ({"market": "spot"}, "approximate: Spot costs less, not known"),
        ({"market": "FARGATE_SPOT"}, "approximate: Spot costs less, not known"),
        ({"platform": "ARM64"}, "Arm costs less, not known"),
        ({"platform": "WINDOWS_SERVER_2022_CORE"}, "Windows costs more, not known"),
        ({"platform": "RISCV"}, "the platform may cost more or less, not known"),
    ],
)
def test_a_task_that_is_not_plain_linux_is_marked(given: dict[str, str], remark: str) -> None:
    """The list has x86 Linux on demand; the figure is that, and the reader sees which way it errs."""
    price = priced("fargate", task(**given))
    assert price.basis == f"Fargate list price of 2026-04-13; {remark}"
    assert price.usd == pytest.approx(0.04937)
    assert price.confidence == 0.5


@pytest.mark.parametrize("platform", ["", "LINUX", "X86_64", "LINUX/X86_64"])
def test_a_plain_linux_task_is_not_marked(platform: str) -> None:
    """However the record spells it."""
    assert priced("fargate", task(platform=platform)).confidence == 1.0


def test_a_capacity_provider_tells_of_fargate_where_no_launch_type_is_given() -> None:
    """A service started with a capacity provider strategy has no launch type."""
    spot = priced("fargate", unit(market="FARGATE_SPOT", vcpus=1.0, gib=2.0))
    assert spot.confidence == 0.5
    assert priced("fargate", unit(market="FARGATE", vcpus=1.0, gib=2.0)).confidence == 1.0


@pytest.mark.parametrize("rule", ["ec2", "sagemaker"])
def test_spot_is_marked_as_an_upper_bound(rule: PriceRule) -> None:
    """The right machine at a price that is too high."""
    one = msgspec.structs.replace(SOME[rule], attributes={"market": "spot"})
    price = priced(rule, one)
    assert price.basis.endswith("; approximate: Spot costs less, not known")
    assert price.confidence == 0.5


def test_an_instance_of_a_capacity_block_was_paid_before() -> None:
    """The purchase is another kind's event."""
    assert price_of("ec2", unit(group="p5.48xlarge", market="capacity-block"), TABLE) is None


@pytest.mark.parametrize("engine", ["oracle-ee", "oracle-se2", "sqlserver-se", "custom-sqlserver-ee", "db2-ae"])
def test_a_database_with_a_commercial_licence_has_no_price(engine: str) -> None:
    """The licence may cost more than the machine, and no list of ours has it."""
    assert price_of("rds", unit(group="db.m5.large", engine=engine), TABLE) is None


def test_valkey_takes_the_redis_price_and_says_so() -> None:
    """The list is older than Valkey; without an engine in the record it may be one."""
    valkey = priced("elasticache", unit(group="cache.m5.large", engine="valkey"))
    unknown = priced("elasticache", unit(group="cache.m5.large"))
    assert valkey.basis.endswith("; the Redis price, Valkey costs less")
    assert (valkey.usd, valkey.confidence) == (0.156, 0.5)
    assert unknown.basis.endswith("; the engine is not known, Valkey costs less")
    assert (unknown.usd, unknown.confidence) == (0.156, 0.8)
    assert price_of("elasticache", unit(group="cache.m5.large", engine="couchbase"), TABLE) is None


def test_a_sagemaker_price_older_than_a_price_cut_follows_ec2() -> None:
    """The list of April 2025 has ml.p5.48xlarge at 113.068; EC2's price fell by 44 % that June, SageMaker's with it."""
    price = priced("sagemaker", unit(group="ml.p5.48xlarge"))
    assert price.usd == pytest.approx(55.04 * 1.15)
    assert price.basis.startswith("estimate: SageMaker instance at 1.15 x EC2, the type's ratio in us-east-1 (Linux")
    assert price.confidence == 0.6


def test_the_less_is_known_of_a_type_the_less_its_price_is_trusted() -> None:
    """Its own ratio to EC2, its family's, or only the service's."""
    names = ("ml.g5.xlarge", "ml.g5.16xlarge", "ml.r5.large")
    assert [priced("sagemaker", unit("eu-central-1", name)).confidence for name in names] == [0.6, 0.5, 0.4]
    assert priced("opensearch", unit(group="r6g.large.search")).confidence == 0.4


def test_a_commitment_named_in_the_call_is_certain() -> None:
    """A Savings Plan is the most expensive single call there is, and says itself what it costs."""
    price = priced("commitment", unit(usd_per_hour_asked=1_000.0))
    assert price == Price(usd=1_000.0, basis="commitment named in the call", confidence=1.0, date="")
    assert price_of("commitment", unit(usd_per_hour_asked=0.0), TABLE) is None


@given(
    rule=st.sampled_from([rule for rule in RULES if rule != "free"]),
    region=st.sampled_from(sorted(TABLE.regions)) | st.text(max_size=20),
    group=st.none() | st.text(max_size=30) | st.sampled_from(["m5.large", "ml.c5.large", "r5.large.search", "gp3"]),
    attributes=st.dictionaries(
        st.sampled_from(["market", "platform", "tenancy", "engine", "multi_az", "launch_type"]),
        st.text(max_size=20) | st.sampled_from(["FARGATE", "spot", "redis", "true"]),
    ),
    measures=st.dictionaries(
        st.sampled_from(["gib", "iops", "throughput", "vcpus", "usd_per_hour_asked"]),
        st.just(0.0) | st.floats(1e-6, 1e15),
    ),
)
def test_no_unit_breaks_a_rule_or_is_free(
    rule: PriceRule,
    region: str,
    group: str | None,
    attributes: dict[str, str],
    measures: dict[str, float],
) -> None:
    """All of it comes from records, where anything can stand."""
    price = price_of(rule, Unit(region=region, group=group, attributes=attributes, measures=measures), TABLE)
    if price is not None:
        assert price.usd > 0
        assert price.basis
        assert 0 < price.confidence <= 1


def test_every_row_of_the_cache_list_is_reproduced(shared_data: Path) -> None:
    """Redis and Memcached share a row, because they cost the same."""
    lines = _rows(shared_data, "elasticache_ondemand.csv")
    for line in lines:
        price = priced("elasticache", unit(line["region"], line["node_type"], engine=line["engine"]))
        assert price.usd == float(line["usd_per_hour"]), line
        assert price.basis == "ElastiCache on-demand list price of 2024-08-09"
    assert len(lines) > 3_000


def test_every_row_of_the_sagemaker_list_is_reproduced_but_those_cut_since(shared_data: Path) -> None:
    """P4d and P5: see above."""
    differ = []
    for line in _rows(shared_data, "sagemaker_us_east_1.csv"):
        price = priced("sagemaker", unit(group=line["instance_type"]))
        if price.usd != float(line["usd_per_hour"]):
            differ.append(line["instance_type"])
    assert differ == ["ml.p4d.24xlarge", "ml.p5.48xlarge"]


def test_a_month_of_a_snapshot_is_the_price_per_gib_month() -> None:
    """An hour is its 730th part."""
    assert priced("snapshot", unit(gib=1.0)).usd * HOURS_PER_MONTH == pytest.approx(0.05)


def priced(rule: PriceRule, one: Unit) -> Price:
    price = price_of(rule, one, TABLE)
    assert price is not None
    return price


def _rows(shared_data: Path, name: str) -> list[dict[str, str]]:
    with (shared_data / "prices" / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
