"""Where does a price come from, and how sure is it? The whole scale of confidence, from 0 to 1.

`BASES` are the figures of lists, one letter each; the constants are what is computed from them. Two grades lie in
`rates`: a commitment that the call itself names in USD is certain (1.0), Spot at the on-demand price is 0.5.
"""

from __future__ import annotations

import msgspec


class Basis(msgspec.Struct, frozen=True):
    """Where a figure comes from. `source` is a key of the table's `dates`, `text` what a mail says of it."""

    source: str
    text: str
    confidence: float
    reason: str


# 1.0 is the published price of this very item in this very region.
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
    "e": Basis("elasticache", "ElastiCache on-demand list price of {date}", 0.9, "published, but two years old"),
    "s": Basis("sagemaker", "list price of {date}", 0.9,
               "published for real-time inference, and taken for notebooks and training too"),
    "n": Basis("services", "list price of {date}", 1.0, "printed by a price tool's tests of that date"),
    "p": Basis("infracost", "list price of {date} or later", 0.9,
               "printed by a price tool's tests, which are renewed one by one since that month"),
    "g": Basis("services", "price from general knowledge as of {date}, not from a list", 0.7, "nothing to cite"),
}  # fmt: skip
ESTIMATE_BY_REGION = 0.6  # x the region's median ratio: families differ by up to half
ESTIMATE_WITHOUT_REGION = 0.5  # x the median of all regions: nothing of this region is known
APPROXIMATE = 0.5  # the right machine at a wrong price: Windows, dedicated tenancy, missing IOPS
MARIADB_AS_MYSQL = 0.7  # equal in every region we looked at; no list of it
MULTI_AZ_AS_TWICE = 0.8  # true within 1 % for 97 of 100 listed pairs
REDIS_OR_VALKEY = 0.8  # the engine is not known: Redis and Memcached cost the same, Valkey less
OVER_EC2_OF_TYPE = 0.6  # EC2's price x the ratio that this very type has in us-east-1
OVER_EC2_OF_FAMILY = 0.5  # x the ratio of its family's other sizes: the smallest size often has another
OVER_EC2_OF_SERVICE = 0.4  # x the median of the few families listed
WHOLE_VOLUME = 0.4  # a snapshot holds only the blocks in use and changed since the last, which no record counts
