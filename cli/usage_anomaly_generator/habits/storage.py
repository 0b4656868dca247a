"""What volumes, snapshots and networks come and go as a matter of habit?"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from usage_anomaly_generator import actors
from usage_anomaly_generator.calls import (
    Address,
    Call,
    Database,
    NatGateway,
    Snapshot,
    Span,
    Volume,
    after,
    around,
    is_weekend,
    new_ids,
)
from usage_anomaly_generator.organization import Account

MONDAY, FRIDAY = 0, 4


def volume_churn(
    account: Account, span: Span, rng: Random, *, per_day: float = 20, gib: int = 20, scale: float = 1
) -> Iterator[Call]:
    """The EBS CSI driver creates volumes for jobs and deletes each within hours."""
    actor = actors.csi_driver(account)
    for day in span.days():
        for _ in range(around(rng, per_day * scale * (0.5 if is_weekend(day) else 1))):
            (volume_id,) = new_ids(rng, "vol", 1)
            volume = Volume(volume_id, gib, tags=actors.CLAIM_TAGS)
            at = after(day, hours=rng.uniform(6, 20))
            yield Call(at, account.id, account.region, "CreateVolume", actor, volume)
            gone = after(at, hours=rng.uniform(0.2, 3))
            yield Call(gone, account.id, account.region, "DeleteVolume", actor, volume)


def nightly_snapshots(
    account: Account, span: Span, rng: Random, *, volumes: int = 8, kept: int = 7, scale: float = 1
) -> Iterator[Call]:
    """Velero takes a snapshot of each volume at 03:00 and deletes those older than `kept` nights."""
    agent = "velero/v1.17.0 aws-sdk-go-v2/1.39.4 os/linux lang/go#1.24.9"
    actor = actors.role(account, "velero-server", "velero", "198.51.100.42", agent)
    ids = new_ids(rng, "vol", round(volumes * scale))
    nights: list[list[Snapshot]] = []
    for day in span.days():
        tonight = [Snapshot(new_ids(rng, "snap", 1)[0], volume_id) for volume_id in ids]
        nights.append(tonight)
        for index, snapshot in enumerate(tonight):
            at = after(day, hours=3, seconds=4 * index + rng.randrange(4))
            yield Call(at, account.id, account.region, "CreateSnapshot", actor, snapshot)
        for index, snapshot in enumerate(nights.pop(0) if len(nights) > kept else ()):
            at = after(day, hours=3, minutes=20, seconds=2 * index)
            yield Call(at, account.id, account.region, "DeleteSnapshot", actor, snapshot)


def preview_environment(account: Account, span: Span, rng: Random, *, scale: float = 1) -> Iterator[Call]:
    """Terraform builds a preview with database, NAT gateway and address on Monday and removes it on Friday."""
    actor = actors.role(account, "terraform-deploy", "preview", "198.51.100.61", actors.TERRAFORM)
    standing: list[tuple[Address, NatGateway, Database]] = []
    for day in span.days():
        if day.weekday() == MONDAY:
            standing = [new_preview(rng, number) for number in range(round(scale))]
            for index, (address, gateway, database) in enumerate(standing):
                at = after(day, hours=9.5, minutes=3 * index, seconds=rng.randrange(60))
                yield Call(at, account.id, account.region, "AllocateAddress", actor, address)
                yield Call(after(at, seconds=9), account.id, account.region, "CreateNatGateway", actor, gateway)
                yield Call(after(at, seconds=12), account.id, account.region, "CreateDBInstance", actor, database)
        if day.weekday() == FRIDAY:
            for address, gateway, database in standing:
                at = after(day, hours=17, seconds=rng.randrange(60))
                yield Call(at, account.id, account.region, "DeleteDBInstance", actor, database)
                yield Call(after(at, seconds=5), account.id, account.region, "DeleteNatGateway", actor, gateway)
                yield Call(after(at, seconds=95), account.id, account.region, "ReleaseAddress", actor, address)
            standing = []


def new_preview(rng: Random, number: int) -> tuple[Address, NatGateway, Database]:
    (allocation_id,), (gateway_id,) = new_ids(rng, "eipalloc", 1), new_ids(rng, "nat", 1)
    return Address(allocation_id), NatGateway(gateway_id, allocation_id), Database(f"preview-{number}")
