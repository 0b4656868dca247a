"""What is made and never removed?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from random import Random

from usage_anomaly_generator import actors
from usage_anomaly_generator.calls import Call, Snapshot, Volume, after, new_ids
from usage_anomaly_generator.organization import Account


def driver_leak(
    account: Account,
    at: datetime,
    rng: Random,
    *,
    per_hour: int = 15,
    snapshots_per_hour: int = 12,
    hours: float = 60,
    gib: int = 20,
    scale: float = 1,
) -> Iterator[Call]:
    """The EBS CSI driver makes a volume every few minutes, and a snapshot of most, day and night, and deletes none."""
    actor = actors.csi_driver(account)
    total = round(per_hour * hours * scale)
    for index in range(total):
        volume = Volume(new_ids(rng, "vol", 1)[0], gib, tags=actors.CLAIM_TAGS)
        when = after(at, hours=hours * index / total, seconds=rng.uniform(-20, 20) if index else 0)
        yield Call(when, account.id, account.region, "CreateVolume", actor, volume)
        if index * snapshots_per_hour % per_hour < snapshots_per_hour:
            snapshot = Snapshot(new_ids(rng, "snap", 1)[0], volume.volume_id, gib)
            yield Call(after(when, seconds=45), account.id, account.region, "CreateSnapshot", actor, snapshot)
