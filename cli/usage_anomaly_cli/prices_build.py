"""How do published price lists become the one table in the layer?

Reads the comma-separated lists of a folder (`PRICE_SOURCES.csv` names each one's origin, licence and date) and gives a
`PriceTable`. No clock and no dictionary order of the outside world enters: the same lists give the same table.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import TypeVar

from usage_anomaly.enrichment.prices import NO_FIGURE, REFERENCE_REGION, Facts, PriceTable, Row, Tiers
from usage_anomaly.errors import UnusableInput

Line = Mapping[str, str]
Figures = dict[str, dict[str, tuple[str, float]]]  # service -> region or type -> code and USD
K = TypeVar("K")
V = TypeVar("V")

# Regions of all partitions, from the endpoint list of botocore 1.44.8; a new one is priced by the median of the others.
REGIONS = """
af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1
ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1
eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 il-central-1 me-central-1
me-south-1 mx-central-1 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2 cn-north-1 cn-northwest-1 us-gov-east-1
us-gov-west-1 us-iso-east-1 us-iso-west-1 us-isob-east-1 us-isob-west-1 eu-isoe-west-1 us-isof-east-1 us-isof-south-1
eusc-de-east-1
"""

FILE_OF = {
    "ec2": "ec2_ondemand_linux.csv",
    "ec2_regions": "ec2_ondemand_linux_all_regions.csv",
    "rds": "rds_ondemand.csv",
    "ebs": "ebs.csv",
    "elasticache": "elasticache_ondemand.csv",
    "sagemaker": "sagemaker_us_east_1.csv",
    "services": "services_by_region.csv",
    "infracost": "infracost_us_east_1.csv",
    "instances": "instance_types.csv",
}
EC2_CODES = {
    "karpenter": "x",
    "karpenter-metal-corrected": "m",
    "coroot": "c",
    "family-ratio": "f",
    "estimate:price-cut-applied": "k",
}
COMPUTED = "estimate:region-median"  # follows from us-east-1 and the region's ratio, so it is not stored
RDS_CODES = {"": "d", "corrected": "a", "single": "i"}  # by the note's first word
SERVICES = {
    ("nat_gateway", "hour"): "nat_gateway",
    ("lambda", "request"): "lambda_request",
    ("fargate", "x86 Linux vCPU-hour"): "fargate_vcpu",
    ("fargate", "x86 Linux GB-hour"): "fargate_gib",
    ("eks", "cluster-hour"): "eks",
}
# A public IPv4 address: us-east-1 from infracost's eip_test.golden; everywhere the same, used or not, since 2024-02.
ELASTIC_IP = {REFERENCE_REGION: ("n", 0.005), "*": ("g", 0.005)}
EKS_ELSEWHERE = ("g", 0.1)  # the same in all listed regions
# Of the many figures of infracost_us_east_1.csv: service -> the tests that print us-east-1's, what they call it.
PRINTED = {
    "snapshot": ("ebs_snapshot_copy_test.golden", r"EBS snapshot (storage)"),
    "redshift": ("redshift_cluster_test.golden", r"Cluster usage \(on-demand, (\S+)\)"),
    "opensearch": ("opensearch_domain_test.golden", r".+ \(on-demand, (\S+)\.search\)"),
    "dedicated_host": ("ec2_host_test.golden", r"EC2 Dedicated Host \(on-demand, (\S+)\)"),
}
# Node types that list lacks, as aws.amazon.com/redshift/pricing has said for years; not read from a list.
REDSHIFT = {"dc2.8xlarge": ("g", 4.80), "ra3.large": ("g", 0.543), "ra3.xlplus": ("g", 1.086)}
PRICE_CUT = 0.01  # a listed price that differs by more from EC2's x the list's own ratio is older than a price cut
ACCELERATORS = {  # families whose devices the list counts without a name
    "inf1": "Inferentia",
    "inf2": "Inferentia2",
    "trn1": "Trainium",
    "trn1n": "Trainium",
    "trn2": "Trainium2",
    "trn2u": "Trainium2",
    "dl2q": "Qualcomm AI 100",
}
COUNT_OF = {"trn2u.48xlarge": 16}  # the list says 0; it is trn2.48xlarge with other networking


def build(folder: Path) -> PriceTable:
    """Raises UnusableInput where a list is missing or a figure in it is none."""
    ec2 = _read(folder, "ec2_regions")
    rds = _read(folder, "rds")
    ebs = [line for line in _read(folder, "ebs") if line["currency"] == "USD"]  # China is listed in yuan: estimated
    dates, sources = _origins(folder)
    caches = _read(folder, "elasticache")
    columns = {region: i for i, region in enumerate(sorted({line["region"] for line in [*ec2, *rds, *caches]}))}
    try:
        home_usd, over_ec2 = _at_home(folder, ec2)
        return PriceTable(
            date=dates["ec2"],
            dates=dates,
            sources=sources,
            regions=frozenset(REGIONS.split()),
            columns=columns,
            factors={
                "ec2": _ec2_factors(folder, ec2),
                "ebs": _ebs_factors(ebs),
                "rds": _rds_factors(rds),
                "elasticache": _ratios((line["region"], line["node_type"], line["usd_per_hour"]) for line in caches),
            },
            hourly_usd=_services(_read(folder, "services")),
            home_usd=home_usd,
            over_ec2=over_ec2,
            ebs_usd=_ebs(ebs),
            rds_usd=_rows(rds, columns, _rds_name, _rds_code),
            elasticache_usd=_rows(caches, columns, lambda line: line["node_type"], lambda _: "e"),
            ec2_usd=_rows(ec2, columns, lambda line: line["instance_type"], _ec2_code),
            instances={line["instance_type"]: _facts(line) for line in _read(folder, "instances")},
        )
    except (KeyError, ValueError) as reason:
        raise UnusableInput(f"{folder}: a price list has an unexpected column or figure: {reason}") from reason


def _read(folder: Path, source: str) -> list[dict[str, str]]:
    return _read_file(folder / FILE_OF[source])


def _read_file(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines))
    except OSError as reason:
        raise UnusableInput(
            f"{path}: not readable ({reason.strerror}). Name the folder of price lists with --source."
        ) from reason


def _origins(folder: Path) -> tuple[dict[str, str], list[str]]:
    """The date of each list, and a line of origin and licence per source."""
    dates, sources = {}, []
    for line in _read_file(folder / "PRICE_SOURCES.csv"):
        names = [name.strip() for name in line["files"].split(",")]
        used = [source for source, file in FILE_OF.items() if file in names]
        found = re.search(r"\d{4}-\d{2}(-\d{2})?", line["date"])  # of a span the start, so that none is called newer
        for source in used:
            if found is None:
                raise UnusableInput(f"{folder}: PRICE_SOURCES.csv has no date for {FILE_OF[source]}. Add one.")
            dates[source] = found.group()
        if used:
            sources.append(f"{', '.join(used)}: {line['source']}, {line['date']}, {line['licence']}")
    return dates, sources


def _rows(
    lines: Iterable[Line], columns: Mapping[str, int], name: Callable[[Line], str], code: Callable[[Line], str]
) -> dict[str, Row]:
    cells: dict[str, dict[int, tuple[str, float]]] = defaultdict(dict)
    for line in lines:
        letter = code(line)
        if letter != NO_FIGURE:
            _put(cells[name(line)], columns[line["region"]], (letter, _usd(line["usd_per_hour"])))
    return {key: _row(by_column, len(columns)) for key, by_column in sorted(cells.items())}


def _put(prices: dict[K, V], key: K, price: V) -> None:
    """Redis and Memcached share a row, and tests print a price twice: that is right as long as both say the same."""
    if prices.setdefault(key, price) != price:
        raise ValueError(f"two prices of one thing: {prices[key]} and {price}")


def _row(by_column: Mapping[int, tuple[str, float]], width: int) -> Row:
    codes = "".join(by_column[i][0] if i in by_column else NO_FIGURE for i in range(width))
    return codes, [by_column[i][1] for i in sorted(by_column)]


def _usd(text: str) -> float:
    usd = float(text)
    if not usd > 0:
        raise ValueError(f"a price of {text} USD")
    return usd


def _ec2_code(line: Line) -> str:
    return NO_FIGURE if line["basis"] == COMPUTED else EC2_CODES[line["basis"]]


def _rds_name(line: Line) -> str:
    return f"{line['class']} {line['engine']} {line['deployment']}"


def _rds_code(line: Line) -> str:
    return RDS_CODES[line["note"].partition(" ")[0]]


def _ec2_factors(folder: Path, lines: Iterable[Line]) -> dict[str, float]:
    """The lists' own ratios; for regions without one (GovCloud) the median over the types listed in both."""
    given = {
        line["region"]: float(line["median_ratio_to_us_east_1"])
        for line in _read_file(folder / "ec2_region_factor.csv")
    }
    return _ratios((line["region"], line["instance_type"], line["usd_per_hour"]) for line in lines) | given


def _rds_factors(lines: Iterable[Line]) -> dict[str, float]:
    return _ratios((line["region"], _rds_name(line), line["usd_per_hour"]) for line in lines)


def _ebs_factors(lines: Iterable[Line]) -> dict[str, float]:
    return _ratios((line["region"], line["volume_type"], line["per_gb_month"]) for line in lines)


def _ratios(figures: Iterable[tuple[str, str, str]]) -> dict[str, float]:
    """Region -> median ratio of its prices to us-east-1's, over what both sell."""
    by_region: dict[str, dict[str, float]] = defaultdict(dict)
    for region, name, usd in figures:
        by_region[region][name] = _usd(usd)
    home = by_region[REFERENCE_REGION]
    return {
        region: round(median(usd / home[name] for name, usd in prices.items() if name in home), 6)
        for region, prices in sorted(by_region.items())
        if not home.keys().isdisjoint(prices)
    }


def _services(lines: Iterable[Line]) -> Figures:
    table: Figures = {"elastic_ip": ELASTIC_IP, "eks": {"*": EKS_ELSEWHERE}}
    for line in lines:
        service = SERVICES.get((line["service"], line["dimension"]))
        if service is not None:
            code = "g" if line["source"].startswith("GENERAL KNOWLEDGE") else "n"
            table.setdefault(service, {})[line["region"]] = (code, _usd(line["usd"]))
    return table


def _at_home(folder: Path, ec2: Iterable[Line]) -> tuple[Figures, dict[str, dict[str, float]]]:
    """Prices of us-east-1 alone, and what a service's instances cost there over the same EC2 type."""
    home = _printed(_read(folder, "infracost"))
    machines = {line["instance_type"]: _usd(line["usd_per_hour"]) for line in ec2 if line["region"] == REFERENCE_REGION}
    sagemaker = {line["instance_type"].removeprefix("ml."): line for line in _read(folder, "sagemaker")}
    domains = {name: usd / machines[name] for name, (_, usd) in home["opensearch"].items() if name in machines}
    ratios = {name: _usd(line["ratio_to_ec2"]) for name, line in sagemaker.items()}
    home["redshift"] = REDSHIFT | home["redshift"]
    home["sagemaker"] = _sagemaker(sagemaker, machines)
    return home, {"opensearch": _over_ec2(domains), "sagemaker": _over_ec2(ratios)}


def _printed(lines: Iterable[Line]) -> Figures:
    table: Figures = {service: {} for service in PRINTED}
    for line in lines:
        for service, (test, component) in PRINTED.items():
            found = re.fullmatch(component, line["component"]) if line["golden_file"] == test else None
            if found is not None:
                _put(table[service], found.group(1), ("p", _usd(line["usd"])))
    if missing := [service for service, prices in table.items() if not prices]:
        raise ValueError(f"no price of {', '.join(missing)}")
    return table


def _sagemaker(lines: Mapping[str, Line], machines: Mapping[str, float]) -> dict[str, tuple[str, float]]:
    """Listed prices that still hold. EC2's of P4d and P5 were cut later: those follow from EC2's new price."""
    table = {}
    for name, line in lines.items():
        usd, by_ratio = _usd(line["usd_per_hour"]), machines[name] * _usd(line["ratio_to_ec2"])
        if abs(usd - by_ratio) <= usd * PRICE_CUT:
            table[name] = ("s", usd)
    return table


def _over_ec2(ratios: Mapping[str, float]) -> dict[str, float]:
    """The ratio of each type to EC2's price, the median of each family, and the median of families as "*"."""
    by_family: dict[str, list[float]] = defaultdict(list)
    for name, ratio in ratios.items():
        by_family[name.partition(".")[0]].append(ratio)
    families = {family: median(found) for family, found in by_family.items()}
    every = {**ratios, **families, "*": median(families.values())}
    return {name: round(ratio, 4) for name, ratio in every.items()}


def _ebs(lines: Iterable[Line]) -> dict[str, dict[str, Tiers]]:
    table: dict[str, dict[str, Tiers]] = defaultdict(dict)
    for line in lines:
        table[line["volume_type"]][line["region"]] = _tiers(line)
    return dict(table)


def _tiers(line: Line) -> Tiers:
    """A blank tier costs what the tier below costs."""
    iops = float(line["per_iops_month"] or 0)
    over_32000 = float(line["per_iops_month_over_32000"] or iops)
    over_64000 = float(line["per_iops_month_over_64000"] or over_32000)
    return _usd(line["per_gb_month"]), iops, over_32000, over_64000, float(line["per_mibps_month"] or 0)


def _facts(line: Line) -> Facts:
    name = line["instance_type"]
    gpus = int(line["gpu_count"])
    devices = COUNT_OF.get(name) or gpus or int(line["neuron_count"] or 0)
    accelerator = line["gpu_name"] or ACCELERATORS.get(name.partition(".")[0])
    return int(line["vcpu"]), round(int(line["memory_mib"]) / 1024, 3), gpus, accelerator, devices
