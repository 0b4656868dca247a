"""What was read, judged and found, as an honest account?

Everything that a replay saw and did not see, as values; `account_of_replay` says it to a person, `summary` to a machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property

import msgspec

from usage_anomaly.anomalies import Anomaly
from usage_anomaly.catalog import Needs
from usage_anomaly.coverage import Gap, gaps
from usage_anomaly.errors import UnusableInput
from usage_anomaly.intake import ObjectRead
from usage_anomaly.replay import Counts
from usage_anomaly_cli.reading import Result

GLOBAL_REGION = "us-east-1"  # IAM, sign-in and other global services log there


class Reject(msgspec.Struct, frozen=True):
    """Something of a file that is no usable record."""

    file: str
    reason: str
    count: int


def nothing_read(paths: Sequence[str], rejected: Sequence[Reject]) -> UnusableInput:
    """Why no record was read, and what to give instead."""
    reasons = "; ".join(f"{each.file}: {each.reason}" for each in rejected[:3]) or "no file in it"
    return UnusableInput(
        f"no CloudTrail record in {', '.join(paths)} ({reasons}); give log objects (.json.gz), JSON lines, "
        "CSV exports, or a folder, zip or tar file of them"
    )


class Reckoning:
    """Counts over all objects read so far."""

    def __init__(self) -> None:
        self.objects = 0
        self.records = 0
        self.untimed = bytearray()
        self.rejected: list[Reject] = []
        self.oddities: Counter[tuple[str, str]] = Counter()
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.presence: dict[tuple[str, str], dict[int, int]] = {}
        self.classes: set[str] = set()
        self.reads = False

    def add(self, result: Result[ObjectRead]) -> None:
        """Count one object in."""
        read = result.value
        self.objects += 1
        self.records += result.records
        self.rejected += [Reject(result.name, each.reason, each.count) for each in result.rejected]
        for oddity in result.oddities:
            self.oddities[result.name, oddity.reason] += oddity.count
        if read is None:
            return
        for place, hours in read.presence.items():
            known = self.presence.setdefault(place, {})
            for hour, bits in hours.items():
                known[hour] = known.get(hour, 0) | bits
        self.classes |= read.classes
        self.reads = self.reads or read.reads
        self.untimed += read.untimed
        if read.first is not None and read.last is not None:
            self.first = read.first if self.first is None else min(self.first, read.first)
            self.last = read.last if self.last is None else max(self.last, read.last)

    @cached_property
    def gaps(self) -> list[Gap]:
        """The silences; ask when everything is counted in."""
        return gaps(self.presence)

    def lacks(self, needs: Needs, kind: str) -> bool:
        """Whether no record of a kind was read, nor any that shows the trail logs what the kind needs."""
        if kind in self.classes or not needs:
            return False
        if needs == "read events":
            return not self.reads
        if needs == "global events":
            return GLOBAL_REGION not in self.regions()
        return True  # data events: a trail may log those of one service only

    def accounts(self) -> set[str]:
        return {account_id for account_id, _ in self.presence}

    def regions(self) -> set[str]:
        return {region for _, region in self.presence}


class Summary(msgspec.Struct, frozen=True):
    """What `--summary` writes; stable."""

    objects: int
    records: int
    distinct: int
    duplicates: int
    rejected: list[Reject]
    oddities: list[Reject]
    first: datetime | None
    last: datetime | None
    gaps: list[Gap]
    absent: list[str]
    usage: dict[str, int]
    releases: dict[str, int]
    attempts: dict[str, int]
    anomalies: dict[str, int]


def summary(reckoning: Reckoning, counts: Counts, anomalies: list[Anomaly], absent: list[str]) -> Summary:
    """The account of a replay for a machine."""
    told = sum(bool(anomaly.alerts) for anomaly in anomalies)
    return Summary(
        objects=reckoning.objects,
        records=reckoning.records,
        distinct=counts.distinct,
        duplicates=counts.records - counts.distinct,
        rejected=reckoning.rejected,
        oddities=[Reject(file, reason, count) for (file, reason), count in sorted(reckoning.oddities.items())],
        first=reckoning.first,
        last=reckoning.last,
        gaps=reckoning.gaps,
        absent=absent,
        usage=dict(sorted((+counts.usage).items())),
        releases=dict(sorted((+counts.releases).items())),
        attempts=dict(sorted(counts.attempts.items())),
        anomalies={"told": told, "recorded": len(anomalies) - told},
    )
