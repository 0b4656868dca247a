"""What does this cost per hour at list price, and how sure is that?

`prices.json` beside this module holds every figure. `usage-anomaly prices build` writes it, one entry a line, and the
same sources give the same bytes. Its fields are those of `PriceTable`. A row of figures is `[codes, figures]`: `codes`
has one letter per entry of `columns` (a key of `price_scale.BASES`, or "." where there is no figure), `figures` holds the USD per
hour of the lettered columns in their order. What follows from the us-east-1 price and a region's usual ratio, or from
EC2's price and a service's usual ratio to it, is not stored but computed here, and its basis says so.

Unknown is None, never 0. Prices are before discounts, taxes, storage of databases, clusters and domains, and data
processed.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from pathlib import Path
from statistics import median

import msgspec

from usage_anomaly.enrichment.price_scale import (
    APPROXIMATE,
    BASES,
    ESTIMATE_BY_REGION,
    ESTIMATE_WITHOUT_REGION,
    MARIADB_AS_MYSQL,
    MULTI_AZ_AS_TWICE,
    OVER_EC2_OF_FAMILY,
    OVER_EC2_OF_SERVICE,
    OVER_EC2_OF_TYPE,
    REDIS_OR_VALKEY,
    WHOLE_VOLUME,
)

HOURS_PER_MONTH = 730  # AWS's own divisor for monthly EBS prices
REFERENCE_REGION = "us-east-1"
NO_FIGURE = "."


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """A list price. `usd` is per hour of one unit (instance, volume, address, database, task), or per call."""

    usd: float
    basis: str  # e.g. "Linux on-demand list price of 2026-07-20" or "estimate: us-east-1 price of ... x 1.17, ..."
    confidence: float  # 0-1, see `price_scale`
    date: str  # ISO date or month of the list; "" where the call itself named the figure


class InstanceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What one instance of a type has."""

    vcpus: int
    gib: float
    gpus: int
    accelerator: str | None  # e.g. "V100", "Trainium2", "Gaudi HL-205"; None without one
    accelerators: int = 0  # GPUs or other accelerator devices, whoever made them


Row = tuple[str, list[float]]
Facts = tuple[int, float, int, str | None, int]
Tiers = tuple[float, float, float, float, float]  # USD per GiB-month, per IOPS-month (to 32,000, 64,000, above), MiB/s

LINUX = frozenset({"", "linux", "linux/unix"})
X86 = frozenset({"x86_64", "linux/x86_64"})
FREE_IOPS = {"gp3": 3000}
FREE_THROUGHPUT = {"gp3": 125}  # MiB/s
PROVISIONED = frozenset({"io1", "io2"})
ENGINES = {"mariadb": "mysql", "aurora": "aurora-mysql"}  # priced as the other one
CACHES = frozenset({"redis", "memcached"})  # one price in every region of the list
SERVICES = {
    "nat_gateway": "NAT gateway",
    "elastic_ip": "public IPv4 address",
    "lambda_request": "Lambda request",
    "eks": "EKS cluster",
    "fargate_vcpu": "Fargate",
    "fargate_gib": "Fargate",
    "snapshot": "EBS snapshot",
    "redshift": "Redshift node",
    "opensearch": "OpenSearch instance",
    "sagemaker": "SageMaker instance",
    "dedicated_host": "Dedicated Host",
}
HOURLY = frozenset({"nat_gateway", "elastic_ip", "eks"})  # what has one price a region


class PriceTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All prices and instance facts; the fields are the format of `prices.json`."""

    date: str  # of the newest list, the one printed in alerts
    dates: dict[str, str]  # source -> ISO date
    sources: list[str]  # where the figures come from, and under which licence
    regions: frozenset[str]  # every region that exists, priced or not
    columns: dict[str, int]  # region or local zone group -> its place in rows
    factors: dict[str, dict[str, float]]  # list (ec2, ebs, rds, elasticache) -> region -> median ratio to us-east-1
    hourly_usd: dict[str, dict[str, tuple[str, float]]]  # service -> region, or "*" -> code and USD
    home_usd: dict[str, dict[str, tuple[str, float]]]  # service -> type -> code and USD/h in us-east-1, the only region
    over_ec2: dict[str, dict[str, float]]  # service -> type, family or "*" -> usual ratio to EC2's price of the type
    ebs_usd: dict[str, dict[str, Tiers]]  # volume type -> region -> USD
    rds_usd: dict[str, Row]  # "db.t3.micro mysql single_az"
    elasticache_usd: dict[str, Row]
    ec2_usd: dict[str, Row]
    instances: dict[str, Facts]

    def facts(self, instance_type: str) -> InstanceFacts | None:
        """What an EC2 instance type has; None for a type not known."""
        row = self.instances.get(instance_type)
        if row is None:
            return None
        vcpus, gib, gpus, accelerator, accelerators = row
        return InstanceFacts(vcpus=vcpus, gib=gib, gpus=gpus, accelerator=accelerator, accelerators=accelerators)

    def ec2(
        self, region: str, instance_type: str, platform: str | None = None, tenancy: str | None = None
    ) -> Price | None:
        """USD per hour of one on-demand instance; where platform or tenancy cost more, Linux's price, marked."""
        row = self.ec2_usd.get(instance_type)
        price = None if row is None else self._of_row(row, region, "ec2", "Linux on-demand")
        if price is None:
            return None
        for surcharge in (_platform_surcharge(platform), _tenancy_surcharge(tenancy)):
            if surcharge is not None:
                price = _approximate(price, surcharge, APPROXIMATE)
        return price

    def ebs(
        self, region: str, volume_type: str, gib: float, iops: int | None = None, throughput: int | None = None
    ) -> Price | None:
        """USD per hour of one volume of `gib` GiB with `iops` and `throughput` (MiB/s) provisioned."""
        by_region = self.ebs_usd.get(volume_type)
        if by_region is None or not 0 < gib < inf or not self._exists(region):
            return None
        factor, tiers = 1.0, by_region.get(region)
        if tiers is None:
            factor, tiers = self._factor("ebs", region), by_region[REFERENCE_REGION]
        extra_iops = max(0, (iops or 0) - FREE_IOPS.get(volume_type, 0))
        extra_throughput = max(0, (throughput or 0) - FREE_THROUGHPUT.get(volume_type, 0))
        usd_month = gib * tiers[0] + _iops_usd(extra_iops, tiers) + extra_throughput * tiers[4]
        price = self._listed("v", usd_month * factor / HOURS_PER_MONTH)
        if region not in by_region:
            price = self._estimate(price, "EBS", "ebs", region, factor)
        if volume_type in PROVISIONED and iops is None:
            price = _approximate(price, "the provisioned IOPS are not known and cost more", APPROXIMATE)
        return price

    def rds(self, region: str, db_class: str, engine: str | None, multi_az: bool | None = False) -> Price | None:
        """USD per hour of one database instance, without storage; None for engines with a commercial licence.

        Aurora pays per instance, whatever `multi_az` says.
        """
        asked = (engine or "").lower()
        listed = ENGINES.get(asked, asked)
        standby = bool(multi_az) and not listed.startswith("aurora")
        price = self._database(region, f"{db_class} {listed}", standby)
        if price is not None and asked == "mariadb":
            return _approximate(price, "the MySQL price", MARIADB_AS_MYSQL)
        return price

    def elasticache(self, region: str, node_type: str, engine: str | None) -> Price | None:
        """USD per hour of one cache node."""
        asked, row = (engine or "").lower(), self.elasticache_usd.get(node_type)
        price = None if row is None else self._of_row(row, region, "elasticache", "ElastiCache")
        if price is None or asked in CACHES:
            return price
        if asked == "valkey":
            return _approximate(price, "the Redis price, Valkey costs less", APPROXIMATE)
        return None if asked else _approximate(price, "the engine is not known, Valkey costs less", REDIS_OR_VALKEY)

    def snapshot(self, region: str, gib: float) -> Price | None:
        """USD per hour of one EBS snapshot (standard tier) of a volume of `gib` GiB: at most, were every block in it."""
        month = self._at_home("snapshot", "storage", region, "ebs")
        if month is None or not 0 < gib < inf:
            return None
        price = msgspec.structs.replace(month, usd=month.usd * gib / HOURS_PER_MONTH)
        return _approximate(price, "upper bound: whole volume", WHOLE_VOLUME)

    def fargate(self, region: str, vcpus: float, gib: float, platform: str | None = None) -> Price | None:
        """USD per hour of one Fargate task, without storage above the 20 GiB included; x86 Linux, else marked."""
        per_vcpu, per_gib = self._service("fargate_vcpu", region), self._service("fargate_gib", region)
        if per_vcpu is None or per_gib is None or not (0 < vcpus < inf and 0 < gib < inf):
            return None
        price = msgspec.structs.replace(per_vcpu, usd=per_vcpu.usd * vcpus + per_gib.usd * gib)
        remark = _task_platform(platform)
        return price if remark is None else _approximate(price, remark, APPROXIMATE)

    def redshift(self, region: str, node_type: str) -> Price | None:
        """USD per hour of one node, without managed storage."""
        return self._at_home("redshift", node_type, region)

    def dedicated_host(self, region: str, family: str) -> Price | None:
        """USD per hour of one on-demand host of an instance family, e.g. "c5", with all that runs on it."""
        return self._at_home("dedicated_host", family, region)

    def opensearch(self, region: str, instance_type: str) -> Price | None:
        """USD per hour of one instance of a domain, e.g. "r6g.large.search" (".elasticsearch"), without storage."""
        machine = instance_type.removesuffix(".elasticsearch").removesuffix(".search")
        return None if machine == instance_type else self._as_ec2("opensearch", machine, region)

    def sagemaker(self, region: str, instance_type: str) -> Price | None:
        """USD per hour of one instance of a notebook, job or endpoint, e.g. "ml.c5.xlarge"."""
        machine = instance_type.removeprefix("ml.")
        return None if machine == instance_type else self._as_ec2("sagemaker", machine, region)

    def hourly(self, service: str, region: str) -> Price | None:
        """USD per hour of one `nat_gateway` (without data processed), `elastic_ip` or `eks` cluster (standard support)."""
        return self._service(service, region) if service in HOURLY else None

    def per_call(self, service: str, region: str) -> Price | None:
        """USD per call of `lambda_request`: the lesser part, for duration and memory stand in no record."""
        return self._service(service, region) if service == "lambda_request" else None

    def _service(self, service: str, region: str) -> Price | None:
        by_region = self.hourly_usd.get(service)
        if by_region is None or not self._exists(region):
            return None
        figure = by_region.get(region) or by_region.get("*")
        if figure is not None:
            listed = self._listed(*figure)
            return msgspec.structs.replace(listed, basis=f"{SERVICES[service]} {listed.basis}")
        factor = self._factor("ec2", region)
        code, usd = by_region[REFERENCE_REGION]
        return self._estimate(self._listed(code, usd * factor), SERVICES[service], "ec2", region, factor)

    def _at_home(self, service: str, name: str, region: str, listed_in: str = "ec2") -> Price | None:
        """What only us-east-1's list has; elsewhere that times the region's usual ratio."""
        figure = self.home_usd[service].get(name)
        if figure is None or not self._exists(region):
            return None
        listed = self._listed(*figure)
        if region == REFERENCE_REGION:
            return msgspec.structs.replace(listed, basis=f"{SERVICES[service]} {listed.basis}")
        factor = self._factor(listed_in, region)
        scaled = msgspec.structs.replace(listed, usd=listed.usd * factor)
        return self._estimate(scaled, SERVICES[service], listed_in, region, factor)

    def _as_ec2(self, service: str, machine: str, region: str) -> Price | None:
        """The listed price in us-east-1; else EC2's price of the type in the region times the service's usual ratio."""
        machine_price = self.ec2(region, machine)
        if machine_price is None or (region == REFERENCE_REGION and machine in self.home_usd[service]):
            return self._at_home(service, machine, region)
        ratios, family = self.over_ec2[service], machine.partition(".")[0]
        ratio, whose, ceiling = ratios["*"], "the usual ratio", OVER_EC2_OF_SERVICE
        if machine in ratios:
            ratio, whose, ceiling = ratios[machine], "the type's ratio", OVER_EC2_OF_TYPE
        elif family in ratios:
            ratio, whose, ceiling = ratios[family], "the family's ratio", OVER_EC2_OF_FAMILY
        return Price(
            usd=machine_price.usd * ratio,
            basis=f"estimate: {SERVICES[service]} at {ratio:.2f} x EC2, {whose} in us-east-1 ({machine_price.basis})",
            confidence=min(machine_price.confidence, ceiling),
            date=machine_price.date,
        )

    def _database(self, region: str, name: str, standby: bool) -> Price | None:
        """With a standby: its own row, else twice the region's single-AZ price, else by the region's usual ratio."""
        single, multi = self.rds_usd.get(f"{name} single_az"), self.rds_usd.get(f"{name} multi_az")
        wanted = multi if standby else single
        if wanted is not None and (self._lists(wanted, region) or not standby):
            return self._of_row(wanted, region, "rds", "RDS")
        if single is not None and (wanted is None or self._lists(single, region)):
            price = self._of_row(single, region, "rds", "RDS")
            return None if price is None else _doubled(price)
        return None if wanted is None else self._of_row(wanted, region, "rds", "RDS")

    def _lists(self, row: Row, region: str) -> bool:
        column = self.columns.get(region)
        return column is not None and row[0][column] != NO_FIGURE

    def _of_row(self, row: Row, region: str, listed_in: str, what: str) -> Price | None:
        if self._lists(row, region):
            column = self.columns[region]
            return self._listed(row[0][column], _figure(row, column))
        return self._by_ratio(row, region, listed_in, what) if region in self.regions else None

    def _by_ratio(self, row: Row, region: str, listed_in: str, what: str) -> Price | None:
        """The price in us-east-1 times the region's usual ratio; from another region where us-east-1 has none."""
        codes = row[0]
        column = self.columns[REFERENCE_REGION]
        if codes[column] == NO_FIGURE:
            column = next((place for place, code in enumerate(codes) if code != NO_FIGURE), -1)
        if column < 0:
            return None
        origin = next(name for name, place in self.columns.items() if place == column)
        factor = self._factor(listed_in, region) / self._factor(listed_in, origin)
        listed = self._listed(codes[column], _figure(row, column) * factor)
        return self._estimate(listed, what, listed_in, region, factor, origin)

    def _factor(self, listed_in: str, region: str) -> float:
        """The region's usual ratio to us-east-1, else EC2's, else the median of all regions."""
        if region == REFERENCE_REGION:
            return 1.0
        ratios = self.factors[listed_in]
        own = ratios.get(region) or self.factors["ec2"].get(region)
        return own if own is not None else median(ratios.values())

    def _listed(self, code: str, usd: float) -> Price:
        basis = BASES[code]
        date = self.dates[basis.source]
        return Price(usd=usd, basis=basis.text.format(date=date), confidence=basis.confidence, date=date)

    def _estimate(
        self, listed: Price, what: str, listed_in: str, region: str, factor: float, origin: str = REFERENCE_REGION
    ) -> Price:
        known = region in self.factors[listed_in] or region in self.factors["ec2"]
        usual = f"the usual ratio of {region}" if known else f"the median of all regions, as none is known for {region}"
        subject = f"{what} price" if what else "price"
        return Price(
            usd=listed.usd,
            basis=f"estimate: {origin} {subject} of {listed.date} x {factor:.2f}, {usual}",
            confidence=ESTIMATE_BY_REGION if known and origin == REFERENCE_REGION else ESTIMATE_WITHOUT_REGION,
            date=listed.date,
        )

    def _exists(self, region: str) -> bool:
        return region in self.regions or region in self.columns


def load() -> PriceTable:
    """The table shipped with this package. Takes milliseconds: the caller keeps it."""
    return read_table(Path(__file__).with_name("prices.json").read_bytes())


def read_table(content: bytes) -> PriceTable:
    """Raises msgspec.ValidationError where the content is no price table."""
    return msgspec.json.decode(content, type=PriceTable)


def write_table(table: PriceTable) -> bytes:
    """The bytes of `prices.json`: entries sorted and one a line, so that a new list reads as a diff."""
    fields: dict[str, object] = msgspec.to_builtins(table, order="deterministic")
    lines = [f"{_text(name)}: {_entries(value)}" for name, value in fields.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _entries(value: object) -> str:
    if not isinstance(value, Mapping):
        return _text(value)
    return "{\n" + ",\n".join(f"{_text(key)}:{_text(entry)}" for key, entry in value.items()) + "\n}"


def _text(value: object) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()


def _figure(row: Row, column: int) -> float:
    codes, figures = row
    return figures[column - codes.count(NO_FIGURE, 0, column)]


def _iops_usd(iops: int, tiers: Tiers) -> float:
    first = min(iops, 32_000)
    second = max(0, min(iops, 64_000) - 32_000)
    return first * tiers[1] + second * tiers[2] + max(0, iops - 64_000) * tiers[3]


def _doubled(price: Price) -> Price:
    twice = msgspec.structs.replace(price, usd=price.usd * 2)
    return _approximate(twice, "twice the single-AZ price", MULTI_AZ_AS_TWICE)


def _approximate(price: Price, remark: str, ceiling: float) -> Price:
    return msgspec.structs.replace(price, basis=f"{price.basis}; {remark}", confidence=min(price.confidence, ceiling))


def _platform_surcharge(platform: str | None) -> str | None:
    name = (platform or "").lower()
    if name in LINUX:
        return None
    return "Windows costs more, not known" if "windows" in name else "the system's licence may cost more, not known"


def _tenancy_surcharge(tenancy: str | None) -> str | None:
    if tenancy in (None, "", "default"):
        return None
    if tenancy == "host":
        return "a dedicated host is paid as a whole, price not known"
    return "dedicated tenancy costs more, not known"


def _task_platform(platform: str | None) -> str | None:
    """What the platform of an ECS task ("LINUX", "X86_64", "ARM64", "WINDOWS_SERVER_2022_CORE") does to the price."""
    name = (platform or "").lower()
    if "windows" in name:
        return "Windows costs more, not known"
    if "arm" in name:
        return "Arm costs less, not known"
    return None if name in LINUX | X86 else "the platform may cost more or less, not known"
