"""Does the price table say what AWS charges, and does it say when it does not know?"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_anomaly.enrichment import prices as price_room
from usage_anomaly.enrichment.price_scale import BASES
from usage_anomaly.enrichment.prices import HOURS_PER_MONTH, PriceTable, read_table, write_table
from usage_anomaly_cli import prices_build

BUNDLED = Path(price_room.__file__).with_name("prices.json")
TABLE = price_room.load()
REGIONS = st.sampled_from(sorted(TABLE.regions))
TYPES = st.sampled_from(sorted(TABLE.ec2_usd))
VOLUMES = st.sampled_from(sorted(TABLE.ebs_usd))

# Typed by hand from AWS's public price pages (aws.amazon.com/ec2/pricing/on-demand and their like), not from the lists
# the table is built of. Old, stable prices were chosen: they have stood unchanged for years.
EC2_USD_PER_HOUR = [
    ("us-east-1", "t2.micro", 0.0116),
    ("us-east-1", "t3.micro", 0.0104),
    ("us-east-1", "t4g.micro", 0.0084),
    ("us-east-1", "m5.large", 0.096),
    ("us-east-1", "m5.24xlarge", 4.608),
    ("us-east-1", "m6g.large", 0.077),
    ("us-east-1", "c5.xlarge", 0.17),
    ("us-east-1", "c7g.large", 0.0725),
    ("us-east-1", "r5.large", 0.126),
    ("us-east-1", "i3.16xlarge", 4.992),
    ("us-east-1", "x1e.32xlarge", 26.688),
    ("us-east-1", "p2.xlarge", 0.90),
    ("us-east-1", "p3.2xlarge", 3.06),
    ("us-east-1", "p3.16xlarge", 24.48),
    ("us-east-1", "g4dn.xlarge", 0.526),
    ("us-east-1", "g5.xlarge", 1.006),
    ("us-east-1", "u-12tb1.112xlarge", 109.20),
    ("us-east-2", "p3.16xlarge", 24.48),
    ("us-west-2", "p3.16xlarge", 24.48),
    ("us-west-2", "g4dn.xlarge", 0.526),
    ("us-west-1", "c5.large", 0.106),
    ("eu-west-1", "t3.micro", 0.0114),
    ("eu-west-1", "m5.large", 0.107),
    ("eu-west-1", "p3.2xlarge", 3.305),
    ("eu-central-1", "t3.micro", 0.012),
    ("eu-central-1", "m5.large", 0.115),
    ("ap-northeast-1", "t3.micro", 0.0136),
    ("ap-southeast-2", "m5.large", 0.12),
    ("ap-south-1", "m5.large", 0.101),
    ("ap-south-1", "c6g.large", 0.0426),
    ("sa-east-1", "m5.large", 0.153),
    ("us-gov-west-1", "m5.large", 0.121),
]
EBS_USD_PER_GIB_MONTH = [  # aws.amazon.com/ebs/pricing
    ("us-east-1", "gp2", 0.10),
    ("us-east-1", "gp3", 0.08),
    ("us-east-1", "io1", 0.125),
    ("us-east-1", "st1", 0.045),
    ("us-east-1", "sc1", 0.015),
    ("us-east-1", "standard", 0.05),
    ("eu-west-1", "gp2", 0.11),
    ("eu-central-1", "gp2", 0.119),
    ("eu-central-1", "gp3", 0.0952),
    ("us-west-1", "gp2", 0.12),
]
RDS_USD_PER_HOUR = [  # aws.amazon.com/rds/*/pricing; class, engine, multi-AZ
    ("db.t3.micro", "mysql", False, 0.017),
    ("db.t3.micro", "mysql", True, 0.034),
    ("db.t3.micro", "postgres", False, 0.018),
    ("db.t4g.micro", "mysql", False, 0.016),
    ("db.m5.large", "mysql", False, 0.171),
    ("db.m5.large", "postgres", False, 0.178),
    ("db.m5.large", "mysql", True, 0.342),
    ("db.r5.large", "aurora-mysql", True, 0.29),
]


@pytest.mark.parametrize(("region", "instance_type", "usd"), EC2_USD_PER_HOUR)
def test_an_ec2_price_is_the_one_aws_publishes(region: str, instance_type: str, usd: float) -> None:
    """A wrong figure makes every alert of that type wrong, and nobody would notice."""
    price = TABLE.ec2(region, instance_type)
    assert price is not None
    assert price.usd == pytest.approx(usd, rel=1e-3)
    assert not price.basis.startswith("estimate")


@pytest.mark.parametrize(("region", "volume_type", "usd"), EBS_USD_PER_GIB_MONTH)
def test_a_volume_price_is_the_one_aws_publishes(region: str, volume_type: str, usd: float) -> None:
    """Volumes are priced by the month; an hour is its 730th part."""
    price = TABLE.ebs(region, volume_type, 100, iops=0)
    assert price is not None
    assert price.usd * HOURS_PER_MONTH / 100 == pytest.approx(usd)
    assert price.date == "2022-02-10"


@pytest.mark.parametrize(("db_class", "engine", "multi_az", "usd"), RDS_USD_PER_HOUR)
def test_a_database_price_is_the_one_aws_publishes(db_class: str, engine: str, multi_az: bool, usd: float) -> None:
    """A standby doubles the price, except in Aurora, where each instance is its own record."""
    price = TABLE.rds("us-east-1", db_class, engine, multi_az)
    assert price is not None
    assert price.usd == pytest.approx(usd)


def test_gateways_and_addresses_have_a_price_in_every_region() -> None:
    """0.045 and 0.005 USD in us-east-1 (aws.amazon.com/vpc/pricing); elsewhere marked as what it is."""
    gateway, address = TABLE.hourly("nat_gateway", "us-east-1"), TABLE.hourly("elastic_ip", "us-east-1")
    assert gateway is not None
    assert address is not None
    assert (gateway.usd, gateway.confidence, address.usd, address.confidence) == (0.045, 1.0, 0.005, 1.0)
    for region in TABLE.regions - {"us-east-1"}:
        gateway, address = TABLE.hourly("nat_gateway", region), TABLE.hourly("elastic_ip", region)
        assert gateway is not None
        assert address is not None
        assert "general knowledge" in gateway.basis or gateway.basis.startswith("estimate: us-east-1 NAT gateway")
        assert "general knowledge" in address.basis
        assert max(gateway.confidence, address.confidence) <= 0.7


def test_provisioned_iops_and_throughput_cost_what_exceeds_the_free_part() -> None:
    """gp3: 3,000 IOPS and 125 MiB/s free, then 0.005 and 0.04 USD a month; io2: 0.065, 0.0455 above 32,000, 0.03185."""
    included = TABLE.ebs("us-east-1", "gp3", 100, iops=3_000, throughput=125)
    more = TABLE.ebs("us-east-1", "gp3", 100, iops=16_000, throughput=1_000)
    tiers = TABLE.ebs("us-east-1", "io2", 100, iops=100_000)
    assert included is not None
    assert more is not None
    assert tiers is not None
    assert included.usd * HOURS_PER_MONTH == pytest.approx(8)
    assert more.usd * HOURS_PER_MONTH == pytest.approx(8 + 13_000 * 0.005 + 875 * 0.04)
    assert tiers.usd * HOURS_PER_MONTH == pytest.approx(12.5 + 32_000 * (0.065 + 0.0455) + 36_000 * 0.03185)


def test_a_volume_without_its_iops_is_marked() -> None:
    """io1's main cost is its IOPS: without them the figure is a lower bound."""
    price = TABLE.ebs("us-east-1", "io1", 100)
    assert price is not None
    assert price.basis == "EBS list price of 2022-02-10; the provisioned IOPS are not known and cost more"
    assert price.confidence == 0.5


@pytest.mark.parametrize("region", ["ca-northsouth-2r", "us-east-1a", "", "US-EAST-1", "*"])
def test_a_region_that_does_not_exist_has_no_price(region: str) -> None:
    """Captures hold invented region names; a price for one would be invented too."""
    assert TABLE.ec2(region, "m5.large") is None
    assert TABLE.ebs(region, "gp3", 8) is None
    assert TABLE.rds(region, "db.t3.micro", "mysql", False) is None
    assert TABLE.hourly("nat_gateway", region) is None
    assert TABLE.hourly("elastic_ip", region) is None
    assert TABLE.per_call("lambda_request", region) is None


def test_what_the_table_does_not_know_is_none_and_never_0() -> None:
    """Zero would read as free, and hide the most expensive unknown."""
    assert TABLE.ec2("us-east-1", "p99.metal") is None
    assert TABLE.facts("p99.metal") is None
    assert TABLE.facts("mac1.metal") is not None
    assert TABLE.ec2("us-east-1", "mac1.metal") is None
    assert TABLE.rds("us-east-1", "db.t3.micro", "oracle-ee", False) is None
    assert TABLE.rds("us-east-1", "db.t3.micro", "sqlserver-ex", False) is None
    assert TABLE.rds("us-east-1", "db.t3.micro", None, False) is None
    assert TABLE.rds("us-east-1", "db.serverless", "aurora-mysql", False) is None
    assert TABLE.ebs("us-east-1", "gp9", 8) is None
    assert TABLE.hourly("transit_gateway", "us-east-1") is None
    for gib in (0, -1, float("nan"), float("inf")):
        assert TABLE.ebs("us-east-1", "gp3", gib) is None


def test_a_type_without_a_price_in_the_region_is_estimated_and_says_so() -> None:
    """An attacker picks the region nobody uses: the answer there must be a figure with its doubt, not silence."""
    price = TABLE.ec2("eu-central-1", "p5.48xlarge")
    newer = TABLE.ec2("ca-west-1", "m5.large")
    assert price is not None
    assert newer is not None
    ratio = "x 1.20, the usual ratio of eu-central-1"
    assert price.basis == f"estimate: us-east-1 Linux on-demand price of 2026-07-20 {ratio}"
    assert price.confidence == 0.6
    assert newer.basis.endswith("the median of all regions, as none is known for ca-west-1")
    assert newer.confidence == 0.5
    assert 0.096 < newer.usd < 0.153


def test_windows_and_dedicated_tenancy_are_marked_approximate() -> None:
    """The table holds Linux prices only; the reader must see that the true one is higher."""
    windows = TABLE.ec2("us-east-1", "m5.large", platform="windows")
    dedicated = TABLE.ec2("us-east-1", "m5.large", platform="Linux/UNIX", tenancy="dedicated")
    plain = TABLE.ec2("us-east-1", "m5.large", platform="", tenancy="default")
    assert windows is not None
    assert dedicated is not None
    assert plain is not None
    assert windows.basis == "Linux on-demand list price of 2026-07-20; Windows costs more, not known"
    assert dedicated.basis == "Linux on-demand list price of 2026-07-20; dedicated tenancy costs more, not known"
    assert (windows.confidence, dedicated.confidence, plain.confidence) == (0.5, 0.5, 1.0)


def test_mariadb_takes_the_mysql_price_and_says_so() -> None:
    """There is no list of MariaDB; AWS has priced it like MySQL."""
    price = TABLE.rds("us-east-1", "db.t3.micro", "mariadb", False)
    assert price is not None
    assert price.usd == 0.017
    assert price.basis == "RDS on-demand list price of 2024-08-09, without storage; the MySQL price"
    assert price.confidence == 0.7


def test_a_lambda_request_has_a_price_per_call_and_none_per_hour() -> None:
    """0.20 USD per million (aws.amazon.com/lambda/pricing); duration, the larger part, stands in no record."""
    price = TABLE.per_call("lambda_request", "us-east-1")
    assert price is not None
    assert price.usd == pytest.approx(0.20 / 1e6)
    assert TABLE.hourly("lambda_request", "us-east-1") is None
    assert TABLE.per_call("nat_gateway", "us-east-1") is None


@pytest.mark.parametrize(
    ("instance_type", "vcpus", "gib", "gpus", "accelerator", "accelerators"),
    [
        ("t3.micro", 2, 1, 0, None, 0),
        ("p3.16xlarge", 64, 488, 8, "V100", 8),
        ("p5.48xlarge", 192, 2048, 8, "H100", 8),
        ("trn1.32xlarge", 128, 512, 0, "Trainium", 16),
        ("trn2u.48xlarge", 192, 2048, 0, "Trainium2", 16),
        ("inf2.48xlarge", 192, 768, 0, "Inferentia2", 12),
        ("dl1.24xlarge", 96, 768, 8, "Gaudi HL-205", 8),
        ("u-12tb1.112xlarge", 448, 12288, 0, None, 0),
    ],
)
def test_the_facts_of_a_type_are_those_aws_publishes(
    instance_type: str, vcpus: int, gib: float, gpus: int, accelerator: str | None, accelerators: int
) -> None:
    """vCPU and GPU sums carry the alert when a price is unknown (aws.amazon.com/ec2/instance-types)."""
    facts = TABLE.facts(instance_type)
    assert facts is not None
    assert (facts.vcpus, facts.gib, facts.gpus) == (vcpus, gib, gpus)
    assert (facts.accelerator, facts.accelerators) == (accelerator, accelerators)


@given(region=REGIONS, instance_type=TYPES)
def test_every_priced_type_has_a_plausible_price_in_every_region(region: str, instance_type: str) -> None:
    """The largest machine costs under 500 USD/h, the smallest over a tenth of a cent; the basis names its date."""
    price = TABLE.ec2(region, instance_type)
    assert price is not None
    assert 0.001 < price.usd < 500
    assert 0.5 <= price.confidence <= 1
    assert price.date in price.basis
    assert price.basis.startswith(("Linux on-demand list price of ", "estimate: "))


@given(region=REGIONS, volume_type=VOLUMES, gib=st.integers(1, 65_536), more=st.integers(1, 65_536))
def test_a_larger_volume_never_costs_less(region: str, volume_type: str, gib: int, more: int) -> None:
    """Tiers must join without a step down, in size and in IOPS."""
    small = TABLE.ebs(region, volume_type, gib, iops=gib)
    large = TABLE.ebs(region, volume_type, gib + more, iops=gib + more)
    assert small is not None
    assert large is not None
    assert 0 < small.usd < large.usd


@given(region=st.text(max_size=30), name=st.text(max_size=30), engine=st.text(max_size=30))
def test_hostile_names_have_no_price_and_break_nothing(region: str, name: str, engine: str) -> None:
    """Names come from records, where anything can stand."""
    if region not in TABLE.regions:
        assert TABLE.ec2(region, "m5.large") is None
    assert TABLE.ec2("us-east-1", name, platform=engine, tenancy=region) is None or name in TABLE.ec2_usd
    assert TABLE.rds("us-east-1", name, engine, True) is None


def test_every_row_of_the_ec2_lists_is_reproduced(shared_data: Path) -> None:
    """What is left out of the file because it can be computed must come back as it was, within rounding."""
    lines = _rows(shared_data, "ec2_ondemand_linux_all_regions.csv")
    for line in lines:
        price = TABLE.ec2(line["region"], line["instance_type"])
        assert price is not None, line
        assert price.usd == pytest.approx(float(line["usd_per_hour"]), abs=1e-6), line
        assert price.basis.startswith("estimate") is line["basis"].startswith("estimate"), line
        assert (price.confidence == 1.0) is (line["basis"] == "karpenter"), line
    assert len(lines) > 20_000


def test_every_row_of_the_database_list_is_reproduced(shared_data: Path) -> None:
    """And nothing of it is called an estimate."""
    lines = _rows(shared_data, "rds_ondemand.csv")
    for line in lines:
        price = TABLE.rds(line["region"], line["class"], line["engine"], line["deployment"] == "multi_az")
        assert price is not None, line
        assert price.usd == float(line["usd_per_hour"]), line
        assert price.basis.startswith(("RDS on-demand list price", "Aurora list price")), line
    assert len(lines) > 16_000


def test_the_bundled_table_is_what_the_lists_give(shared_data: Path) -> None:
    """Twice the same bytes, and those committed: nobody edits a price by hand."""
    folder = shared_data / "prices"
    first, second = write_table(prices_build.build(folder)), write_table(prices_build.build(folder))
    assert first == second
    assert first == BUNDLED.read_bytes(), "run: usage-anomaly prices build"


def test_writing_what_was_read_changes_no_byte() -> None:
    """The format holds everything the struct holds, in one order."""
    content = BUNDLED.read_bytes()
    assert write_table(read_table(content)) == content
    assert len(content) < 600_000


def test_the_scale_of_confidence_gives_its_reasons(prices: PriceTable) -> None:
    """Each letter used in a row stands in the scale, each list has a date, and only a published price is certain."""
    lists = (prices.ec2_usd, prices.rds_usd, prices.elasticache_usd)
    used = {code for rows in lists for codes, _ in rows.values() for code in codes}
    used |= {code for table in (prices.hourly_usd, prices.home_usd) for by in table.values() for code, _ in by.values()}
    assert used | {"v"} == BASES.keys() | {"."}
    for basis in BASES.values():
        assert basis.source in prices.dates
        assert basis.reason
        assert 0.5 <= basis.confidence <= 1
    assert prices.date == "2026-07-20"
    assert {BASES[code].source for code in used - {"."}} | {"instances", "ebs"} == prices.dates.keys()
    assert all(any(source in line.partition(":")[0] for line in prices.sources) for source in prices.dates)


def _rows(shared_data: Path, name: str) -> list[dict[str, str]]:
    with (shared_data / "prices" / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
