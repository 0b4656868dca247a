"""What runs away by itself, or is made and never removed?"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.detection import doers
from benchmarks.detection.calls import invocations, snapshot, volume
from benchmarks.detection.incidents.cast import Cast
from benchmarks.detection.setting import after, new_ids
from usage_anomaly.usage import UsageEvent


def lambda_loop(cast: Cast) -> Iterator[UsageEvent]:
    """A queue's retry loop: 300-3,000 invocations a minute for two to sixty hours."""
    dice, doer = cast.dice, doers.service("sqs.amazonaws.com")
    per_minute, hours = dice.choice((300, 800, 2000, 2000, 3000)), dice.choice((2, 5, 12, 36, 60))
    for minute in range(hours * 60):
        at, count = after(cast.at, minutes=minute), round(per_minute * dice.uniform(0.9, 1.1))
        yield invocations(cast.setting, at, doer, count, "resize-image")


def volume_leak(cast: Cast) -> Iterator[UsageEvent]:
    """A driver makes 10-40 volumes an hour, and a snapshot of most, for one to three days, and deletes none."""
    dice, doer = cast.dice, doers.csi_driver(cast.account)
    per_hour, hours, gib = dice.uniform(10, 40), dice.uniform(24, 70), dice.choice((20, 100))
    for index in range(round(per_hour * hours)):
        at = after(cast.at, hours=index / per_hour, seconds=dice.uniform(0, 40))
        yield volume(cast.setting, at, doer, new_ids(dice, "vol", 1), gib)
        if dice.random() < 0.8:
            yield snapshot(cast.setting, after(at, seconds=45), doer, new_ids(dice, "snap", 1), gib)


def snapshot_copies(cast: Cast) -> Iterator[UsageEvent]:
    """A backup job copies the same snapshots again and again, 20-60 an hour for six to twenty hours."""
    dice, doer = cast.dice, doers.role(cast.account, "dr-copy", "dr-copy", doers.CLUSTER, doers.PYTHON)
    per_hour, hours, (region,) = dice.uniform(20, 60), dice.uniform(6, 20), cast.regions(1)
    for index in range(round(per_hour * hours)):
        at, ids = after(cast.at, hours=index / per_hour), new_ids(dice, "snap", 1)
        yield snapshot(cast.setting, at, doer, ids, 200, region=region, call="CopySnapshot")


def broken_stack(cast: Cast) -> Iterator[UsageEvent]:
    """A stack fails and is tried again, each time leaving a NAT gateway and an address, every few minutes for hours."""
    dice, doer = cast.dice, doers.terraform(cast.account)
    every, hours = dice.uniform(3, 6), dice.uniform(1, 4)
    for index in range(round(hours * 60 / every)):
        at = after(cast.at, minutes=every * index)
        address, gateway = new_ids(dice, "eipalloc", 1), new_ids(dice, "nat", 1)
        yield cast.setting.event(at, doer, "AllocateAddress", "elastic.ips", "use", 1, ids=address)
        at = after(at, seconds=8)
        yield cast.setting.event(at, doer, "CreateNatGateway", "nat.gateways", "use", 1, ids=gateway)


def database_clones(cast: Cast) -> Iterator[UsageEvent]:
    """A test pipeline restores a database for each run, four to twelve an hour, and forgets to delete them."""
    dice, doer = cast.dice, doers.deployer(cast.account)
    per_hour, hours, machine = dice.uniform(4, 12), dice.uniform(3, 8), "db.r6g.xlarge"
    for index in range(round(per_hour * hours)):
        at, name = after(cast.at, hours=index / per_hour), (f"clone-{cast.at:%m%d%H}-{index}",)
        engine = (("engine", "postgres"),)
        call, kind = "RestoreDBInstanceFromDBSnapshot", "rds.instances"
        yield cast.setting.event(at, doer, call, kind, "use", 1, group=machine, ids=name, attributes=engine)


def cache_fleet(cast: Cast) -> Iterator[UsageEvent]:
    """A script with a wrong count makes 8-24 cache clusters."""
    dice, doer = cast.dice, doers.developer(cast.account, "ida")
    for index in range(dice.randint(8, 24)):
        at, name = after(cast.at, minutes=index * dice.uniform(0.5, 2)), (f"cache-{cast.at:%m%d%H}-{index}",)
        engine, kind = (("engine", "redis"),), "elasticache.nodes"
        yield cast.setting.event(
            at, doer, "CreateCacheCluster", kind, "use", 1, group="cache.r6g.xlarge", ids=name, attributes=engine
        )


def commitment(cast: Cast) -> Iterator[UsageEvent]:
    """Someone buys a savings plan or reserved instances: one call, a year of money."""
    dice, doer = cast.dice, doers.developer(cast.account, "lee")
    if dice.random() < 0.5:
        asked = (("usd_per_hour_asked", round(dice.uniform(2, 60), 1)),)
        call, group, name = "CreateSavingsPlan", "Savings Plan", new_ids(dice, "sp", 1)
        yield cast.setting.event(
            cast.at, doer, call, "commitments", "use", 1, group=group, ids=name, measures=asked, region="us-east-1"
        )
    else:
        call, group, name = "PurchaseReservedInstancesOffering", "EC2 reserved instances", new_ids(dice, "ri", 1)
        yield cast.setting.event(cast.at, doer, call, "commitments", "use", 1, group=group, ids=name)
