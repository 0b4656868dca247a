"""What volumes, snapshots and databases come and go as a matter of habit?"""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from benchmarks.detection import doers
from benchmarks.detection.calls import snapshot, volume
from benchmarks.detection.setting import Setting, after, around, new_ids
from usage_anomaly.usage import UsageEvent

UTC = ZoneInfo("UTC")


def nightly_velero(setting: Setting) -> Iterator[UsageEvent]:
    """Velero takes a snapshot of each of 6-40 volumes at one hour, some clusters twice a day, and deletes old ones."""
    traits, doer = setting.traits, doers.velero(setting.account)
    volumes, kept, pace = traits.randint(6, 40), traits.choice((7, 14)), traits.choice((3, 15))
    hours = traits.choice(((1.0,), (3.0,), (2.5, 14.5)))
    runs: list[tuple[str, ...]] = []
    for day in setting.days():
        for hour in hours:
            begin = after(setting.at(day.date, hour, UTC), seconds=day.dice.uniform(0, 90))
            ids = new_ids(day.dice, "snap", round(volumes * day.times))
            for index, each in enumerate(ids):
                yield snapshot(setting, after(begin, seconds=pace * index), doer, (each,), 80)
            runs.append(ids)
            old = runs.pop(0) if len(runs) > kept else ()
            for index, each in enumerate(old):
                at = after(begin, minutes=20, seconds=2 * index)
                yield setting.event(at, doer, "DeleteSnapshot", "ebs.snapshots", "release", 1, ids=(each,))


def csi_churn(setting: Setting) -> Iterator[UsageEvent]:
    """The CSI driver makes 15-150 volumes a day for jobs and deletes each within hours; now and then a set at once."""
    traits, doer = setting.traits, doers.csi_driver(setting.account)
    per_day, gib, sets = (
        traits.uniform(15, 70) * setting.account.size,
        traits.choice((10, 20, 100)),
        traits.randint(2, 6),
    )
    night = traits.choice((0.2, 1.0))
    for day in setting.days():
        dice = day.dice
        for _ in range(around(dice, per_day * day.times * (0.5 if day.weekend else 1), 0.2)):
            hour = dice.uniform(7, 20) if dice.random() > night / 2 else dice.uniform(0, 24)
            at = setting.at(day.date, hour)
            for _ in range(sets if dice.random() < 0.03 else 1):
                ids = new_ids(dice, "vol", 1)
                yield volume(setting, after(at, seconds=dice.uniform(0, 60)), doer, ids, gib)
                gone = after(at, hours=dice.uniform(0.2, 4))
                yield setting.event(gone, doer, "DeleteVolume", "ebs.volumes", "release", 1, ids=ids)


def rds_restores(setting: Setting) -> Iterator[UsageEvent]:
    """Databases are restored from snapshots, one or two at a time, some days a week, and deleted after hours."""
    traits = setting.traits
    doer = doers.terraform(setting.account) if traits.random() < 0.5 else doers.developer(setting.account, "noor")
    often, machine = traits.uniform(0.2, 0.6), traits.choice(("db.t3.medium", "db.r6g.large", "db.m5.large"))
    for day in setting.days():
        dice = day.dice
        if dice.random() > often and day.times == 1:
            continue
        for number in range(round(dice.randint(1, 2) * day.times)):
            name = (f"restore-{day.date:%m%d}-{number}",)
            at = after(setting.at(day.date, dice.uniform(8, 17)), minutes=3 * number)
            engine = (("engine", "postgres"),)
            call, kind = "RestoreDBInstanceFromDBSnapshot", "rds.instances"
            yield setting.event(at, doer, call, kind, "use", 1, group=machine, ids=name, attributes=engine)
            gone = after(at, hours=dice.uniform(1, 9))
            yield setting.event(gone, doer, "DeleteDBInstance", kind, "release", 1, group=machine, ids=name)
