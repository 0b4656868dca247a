"""What does this cost per hour at list price, and how sure is that?

`prices.json` beside this module holds every figure. `usage-anomaly prices build` writes it, one entry a line, and the
same sources give the same bytes. Its fields are those of `PriceTable`. A row of figures is `[codes, figures]`: `codes`
has one letter per entry of `columns` (a key of `BASES`, or "." where there is no figure), `figures` holds the USD per
hour of the lettered columns in their order. What follows from the us-east-1 price and a region's usual ratio is not
stored but computed here, and its basis says so.

Unknown is None, never 0. Prices are before discounts, taxes, storage of databases and data processed.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from pathlib import Path
from statistics import median

import msgspec

HOURS_PER_MONTH = 730  # AWS's own divisor for monthly EBS prices
REFERENCE_REGION = "us-east-1"
NO_FIGURE = "."


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """A list price. `usd` is per hour of one unit (instance, volume, address, database), or per call."""

    usd: float
    basis: str  # e.g. "Linux on-demand list price of 2026-07-20" or "estimate: us-east-1 price of ... x 1.17, ..."
    confidence: float  # 0-1, see BASES
    date: str  # ISO date of the list


class InstanceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What one instance of a type has."""

    vcpus: int
    gib: float
    gpus: int
    accelerator: str | None  # e.g. "V100", "Trainium2", "Gaudi HL-205"; None without one
    accelerators: int = 0  # GPUs or other accelerator devices, whoever made them


class Basis(msgspec.Struct, frozen=True):
    """Where a figure comes from. `source` is a key of the table's `dates`, `text` what a mail says of it."""

    source: str
    text: str
    confidence: float
    reason: str


# The scale of confidence, all of it. 1.0 is the published price of this very item in this very region.
BASES = {
    "x": Basis("ec2", "Linux on-demand list price of {date}", 1.0, "copied from the published list"),
    "m": Basis("ec2", "Linux on-demand list price of {date}, by the family's price per vCPU", 0.9,
               "the list had the dedicated tenancy price of this metal size"),
    "c": Basis("ec2_regions", "Linux on-demand list price of {date}", 0.9, "published, two years before the newest"),
    "f": Basis("ec2_regions", "Linux on-demand list price of {date}, by the family's price in the region", 0.8,
               "other sizes of the family are listed in the region, and sizes keep their ratio"),
    "k": Basis("ec2_regions", "estimate: Linux list price of {date} less the later price cut for its family", 0.7,
               "the cut is known in us-east-1 and assumed alike elsewhere"),
    "d": Basis("rds", "RDS on-demand list price of {date}, without storage", 0.9, "published, but two years old"),
    "a": Basis("rds", "Aurora list price of {date} by the family's price per size, without storage", 0.8,
               "the list had the I/O-optimized price of this size; the standard one follows from its neighbours"),
    "i": Basis("rds", "Aurora list price of {date}, perhaps the I/O-optimized one (30 % more), without storage", 0.7,
               "the list does not say which of two prices it is"),
    "v": Basis("ebs", "EBS list price of {date}", 0.8, "published, but four years old"),
    "n": Basis("services", "list price of {date}", 1.0, "printed by a price tool's tests of that date"),
    "g": Basis("services", "price from general knowledge as of {date}, not from a list", 0.7, "nothing to cite"),
}  # fmt: skip
ESTIMATE_BY_REGION = 0.6  # x the region's median ratio: families differ by up to half
ESTIMATE_WITHOUT_REGION = 0.5  # x the median of all regions: nothing of this region is known
APPROXIMATE = 0.5  # the right machine at a wrong price: Windows, dedicated tenancy, missing IOPS
MARIADB_AS_MYSQL = 0.7  # equal in every region we looked at; no list of it
MULTI_AZ_AS_TWICE = 0.8  # true within 1 % for 97 of 100 listed pairs

Row = tuple[str, list[float]]
Facts = tuple[int, float, int, str | None, int]
Tiers = tuple[float, float, float, float, float]  # USD per GiB-month, per IOPS-month (to 32,000, 64,000, above), MiB/s

LINUX = frozenset({"", "linux", "linux/unix"})
FREE_IOPS = {"gp3": 3000}
FREE_THROUGHPUT = {"gp3": 125}  # MiB/s
PROVISIONED = frozenset({"io1", "io2"})
ENGINES = {"mariadb": "mysql", "aurora": "aurora-mysql"}  # priced as the other one
SERVICES = {"nat_gateway": "NAT gateway", "elastic_ip": "public IPv4 address", "lambda_request": "Lambda request"}


class PriceTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All prices and instance facts; the fields are the format of `prices.json`."""

    date: str  # of the newest list, the one printed in alerts
    dates: dict[str, str]  # source -> ISO date
    sources: list[str]  # where the figures come from, and under which licence
    regions: frozenset[str]  # every region that exists, priced or not
    columns: dict[str, int]  # region or local zone group -> its place in rows
    factors: dict[str, dict[str, float]]  # list (ec2, ebs, rds) -> region -> median ratio to us-east-1
    hourly_usd: dict[str, dict[str, tuple[str, float]]]  # service -> region, or "*" -> code and USD
    ebs_usd: dict[str, dict[str, Tiers]]  # volume type -> region -> USD
    rds_usd: dict[str, Row]  # "db.t3.micro mysql single_az"
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

    def hourly(self, service: str, region: str) -> Price | None:
        """USD per hour of one `nat_gateway` (without data processed) or `elastic_ip`."""
        return None if service == "lambda_request" else self._service(service, region)

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
