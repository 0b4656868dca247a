"""What instances does an account start and stop as a matter of habit?

Sizes are those of ordinary accounts: CI and node replacement stay below a staging account's limits (5 instances in ten
minutes, 15 an hour, 60 a day); a nightly batch passes a production account's and has to become known as a habit.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from random import Random

from usage_anomaly_generator import actors
from usage_anomaly_generator.calls import (
    Actor,
    Call,
    Failure,
    Fleet,
    Instances,
    Launch,
    Span,
    after,
    around,
    is_weekend,
    new_ids,
    portions,
)
from usage_anomaly_generator.organization import Account, digits

TUESDAY = 1
DRY_RUN = Failure("Client.DryRunOperation", "Request would have succeeded, but DryRun flag is set.")


def terminate(at: datetime, account: Account, actor: Actor, ids: tuple[str, ...]) -> Call:
    return Call(at, account.id, account.region, "TerminateInstances", actor, Instances(ids))


def run(at: datetime, account: Account, actor: Actor, launch: Launch) -> Call:
    return Call(at, account.id, account.region, "RunInstances", actor, launch)


def auto_scaling_mornings(
    account: Account,
    span: Span,
    rng: Random,
    *,
    size: float = 14,
    weekend: float = 0.4,
    hour: float = 7,
    ramp_minutes: float = 10,
    instance_type: str = "m6i.large",
    scale: float = 1,
) -> Iterator[Call]:
    """A group grows at office hours, less at weekends, and its instances end between 18:00 and 19:00."""
    actor, group = actors.auto_scaling(account), f"{account.name}-web"
    tags = {"aws:autoscaling:groupName": group, "Name": group}
    for day in span.days():
        ids = new_ids(rng, "i", around(rng, size * scale * (weekend if is_weekend(day) else 1)))
        calls = list(portions(ids, 2))
        for index, some in enumerate(calls):
            at = after(day, hours=hour, minutes=ramp_minutes * index / len(calls), seconds=rng.randrange(20))
            yield run(at, account, actor, Launch(instance_type, some, image="web", tags=tags))
        for some in calls:
            yield terminate(after(day, hours=18, minutes=rng.uniform(0, 60)), account, actor, some)


def nightly_batch(
    account: Account,
    span: Span,
    rng: Random,
    *,
    size: float = 30,
    hour: float = 1.5,
    lasts_hours: float = 2,
    service: str = "emr",
    instance_type: str = "m5.xlarge",
    scale: float = 1,
) -> Iterator[Call]:
    """EMR (`service="emr"`) or Batch (`"batch"`) starts `size` instances (20-60 is usual) at one hour each night."""
    actor = {"emr": actors.elastic_map_reduce, "batch": actors.batch}[service](account)
    for day in span.days():
        run_id = digits(f"{account.id}/{day:%Y%m%d}/{service}", 12).upper()
        tag = "aws:elasticmapreduce:job-flow-id" if service == "emr" else "AWSBatchServiceTag"
        tags = {tag: f"j-{run_id}" if service == "emr" else "batch"}
        ids = new_ids(rng, "i", around(rng, size * scale))
        begin = after(day, hours=hour, minutes=rng.uniform(0, 4))
        for index, some in enumerate(portions(ids, 10)):
            yield run(after(begin, seconds=40 * index), account, actor, Launch(instance_type, some, "batch", tags))
        for index, some in enumerate(portions(ids, 20)):
            end = after(begin, hours=lasts_hours, minutes=rng.uniform(0, 10), seconds=5 * index)
            yield terminate(end, account, actor, some)


def ci_runs(
    account: Account,
    span: Span,
    rng: Random,
    *,
    commits: float = 9,
    instance_type: str = "c6i.xlarge",
    scale: float = 1,
) -> Iterator[Call]:
    """A commit starts 1-4 runners and ends them 8-20 minutes later; commits are 25 minutes apart or more."""
    actor = actors.ci_runner(account)
    for day in span.days():
        wanted = around(rng, commits * (0.2 if is_weekend(day) else 1), 0.3)
        for slot in sorted(rng.sample(range(20), min(wanted, 20))):
            at = after(day, hours=8, minutes=30 * slot + rng.uniform(0, 5))
            ids = new_ids(rng, "i", round(rng.randint(1, 4) * scale))
            tags = {"Name": "ci-runner", "commit": f"{rng.getrandbits(28):07x}"}
            if ids:
                yield run(at, account, actor, Launch(instance_type, ids, "runner", tags))
                yield terminate(after(at, minutes=rng.uniform(8, 20)), account, actor, ids)


def karpenter_node(
    at: datetime, account: Account, instance_type: str, ids: tuple[str, ...], *, spot: bool = False
) -> Iterator[Call]:
    """Karpenter asks for a fleet, and EC2 Fleet launches the node: two records, one use."""
    fleet_id = digits(f"{account.id}/{ids[0]}/fleet", 32)
    tags = {
        "karpenter.sh/nodepool": "default",
        "eks:eks-cluster-name": "main",
        "aws:ec2:fleet-id": f"fleet-{fleet_id}",
    }
    asking = actors.karpenter(account)
    yield Call(at, account.id, account.region, "CreateFleet", asking, Fleet(instance_type, tags))
    launching = actors.karpenter_fleet(account)
    yield run(after(at, seconds=1), account, launching, Launch(instance_type, ids, "node", tags, spot))


def spot_replacement(
    account: Account,
    span: Span,
    rng: Random,
    *,
    per_day: float = 8,
    instance_type: str = "m6i.xlarge",
    scale: float = 1,
) -> Iterator[Call]:
    """Karpenter replaces Spot nodes around the clock: one launch, and one release of an older node minutes later."""
    nodes = list(new_ids(rng, "i", 6))
    for day in span.days():
        for slot in sorted(rng.sample(range(72), min(around(rng, per_day * scale, 0.3), 72))):
            at = after(day, minutes=20 * slot + rng.uniform(0, 15))
            fresh = new_ids(rng, "i", 1)
            yield from karpenter_node(at, account, instance_type, fresh, spot=True)
            old = (nodes.pop(0),)
            yield terminate(after(at, minutes=rng.uniform(2, 6)), account, actors.karpenter(account), old)
            nodes.extend(fresh)


def node_group_rotation(
    account: Account,
    span: Span,
    rng: Random,
    *,
    size: float = 8,
    weekday: int = TUESDAY,
    hour: float = 13,
    instance_type: str = "m6i.xlarge",
    scale: float = 1,
) -> Iterator[Call]:
    """A new image, once a week: as many new nodes as old ones within 40 minutes, then the old ones end."""
    actor = actors.auto_scaling(account)
    count = max(1, round(size * scale))
    old = new_ids(rng, "i", count)
    tags = {"eks:cluster-name": "main", "eks:nodegroup-name": "general", "aws:autoscaling:groupName": "eks-general"}
    for day in span.days():
        if day.weekday() != weekday:
            continue
        begin, fresh = after(day, hours=hour, minutes=rng.uniform(0, 20)), new_ids(rng, "i", count)
        for index, some in enumerate(portions(fresh, 2)):
            launch = Launch(instance_type, some, f"node-{day:%Y%m%d}", tags)
            yield run(after(begin, minutes=40 * 2 * index / count), account, actor, launch)
        for index, some in enumerate(portions(old, 2)):
            yield terminate(after(begin, minutes=30 + 40 * 2 * index / count), account, actor, some)
        old = fresh


def workbench(account: Account, span: Span, rng: Random, *, machines: int = 1, scale: float = 1) -> Iterator[Call]:
    """Developers start their stopped machines in the morning of working days and stop them in the evening."""
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
    actor = actors.role(account, "AWSReservedSSO_Developer_0f3a", "sam@example.com", "198.51.100.20", agent)
    ids = new_ids(rng, "i", round(machines * scale))
    for day in span.days():
        if is_weekend(day):
            continue
        for machine in portions(ids, 1):
            start, stop = rng.uniform(7.5, 9), rng.uniform(16.5, 18)
            details = Instances(machine)
            yield Call(after(day, hours=start), account.id, account.region, "StartInstances", actor, details)
            yield Call(after(day, hours=stop), account.id, account.region, "StopInstances", actor, details)


def eks_probes(account: Account, span: Span, rng: Random, *, per_day: float = 3, scale: float = 1) -> Iterator[Call]:
    """EKS node groups check with dry runs whether they could launch."""
    name, service = "AWSServiceRoleForAmazonEKSNodegroup", "eks-nodegroup.amazonaws.com"
    actor = actors.service_role(account, name, "EKS", service)
    for day in span.days():
        for _ in range(around(rng, per_day * scale, 0.4)):
            launch = Launch("m6i.xlarge", new_ids(rng, "i", 1), "node", {"eks:cluster-name": "main"})
            yield run(after(day, hours=rng.uniform(0, 24)), account, actor, launch)._replace(failure=DRY_RUN)
