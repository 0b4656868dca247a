"""How do the detectors do on real series: NAB's 24 of realAWSCloudwatch and realKnownCause?

`python -m benchmarks.detection.nab FOLDER`, with NAB's `data` and `labels` in it (github.com/numenta/NAB, MIT; not in this
repository). These are gauges (processors, bytes, latency, temperature, taxis), no counts of use, and many labelled windows
are drops, which no detector here is after. Each series is one account's Lambda invocations, its median scaled to 1,000 in
five minutes. What happens in a series' first seven days counts for nobody.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from benchmarks.detection import doers
from benchmarks.detection.accounts import Account
from benchmarks.detection.calls import invocations
from benchmarks.detection.compare import OURS
from benchmarks.detection.judge import openings, replayed
from benchmarks.detection.page import written
from benchmarks.detection.peers.forest import forest_scores, new_forest, thresholder_factors
from benchmarks.detection.peers.rates import seasonal_scores, week_scores
from benchmarks.detection.peers.windows import BUCKET, PER_HOUR, Line, Numbers
from benchmarks.detection.setting import Setting

KIND, MIDDLE = "lambda.invocations", 1_000
WARM_UP, JOIN = timedelta(days=7), timedelta(hours=2)
THRESHOLDS = tuple(1.0 * 1.25**step for step in range(32))
ACCOUNT = Account(
    id="111122223333", name="nab-production", stage="production", zone="UTC", regions=("us-east-1",), size=1
)

Alarms = list[datetime]


class Recorded(NamedTuple):
    """One series: its times (UTC), its values scaled, its labelled windows."""

    name: str
    times: list[datetime]
    values: list[int]
    windows: list[tuple[datetime, datetime]]

    @property
    def first(self) -> datetime:
        return self.times[0].replace(hour=0, minute=0, second=0)


def read(folder: Path) -> list[Recorded]:
    """The 24 series of a folder. Raises OSError where they are not."""
    labels = json.loads((folder / "labels" / "combined_windows.json").read_text())
    found = []
    for path in sorted(folder.glob("data/real[AK][Wn]*/*.csv")):
        with path.open() as lines:
            rows = sorted((_moment(row["timestamp"]), float(row["value"])) for row in csv.DictReader(lines))
        scale = MIDDLE / max(median(value for _, value in rows), 1e-9)
        name = f"{path.parent.name}/{path.name}"
        windows = [(_moment(low), _moment(high)) for low, high in labels[name]]
        values = [round(max(0.0, value) * scale) for _, value in rows]
        found.append(Recorded(name, [at for at, _ in rows], values, windows))
    return found


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ours(series: Recorded) -> Callable[[float], Alarms]:
    """What a replay tells."""
    setting = Setting(ACCOUNT, date(2026, 1, 1), 1, series.name, 1)
    doer = doers.service("sqs.amazonaws.com")
    events = [
        invocations(setting, at, doer, value, "nab") for at, value in zip(series.times, series.values, strict=True)
    ]
    arrived = [(event.event_time.replace(second=0) + BUCKET, event) for event in events if event.quantity]
    told = sorted(each.opened for each in openings(replayed((ACCOUNT,), series.first, arrived)))
    return lambda _: told


def scored(times: Sequence[datetime], scores: Iterable[float]) -> Callable[[float], Alarms]:
    """Alarms by threshold; those within two hours of the last are one."""
    pairs = [(at, score) for at, score in zip(times, scores, strict=True) if np.isfinite(score)]

    def alarms(threshold: float) -> Alarms:
        told: Alarms = []
        last: datetime | None = None
        for at, score in pairs:
            if score >= threshold:
                told += [at] if last is None or at - last > JOIN else []
                last = at
        return told

    return alarms


def hourly(series: Recorded, scores_of: Callable[[Line], Numbers]) -> Callable[[float], Alarms]:
    """A detector of hourly sums; an hour alarms when it is over."""
    hours = (series.times[-1] - series.first) // timedelta(hours=1) + 1
    amounts = np.zeros(hours * PER_HOUR)
    for at, value in zip(series.times, series.values, strict=True):
        amounts[(at - series.first) // BUCKET] += value
    line = Line(ACCOUNT.id, KIND, "production", 0, amounts, amounts)
    return scored([series.first + timedelta(hours=hour + 1) for hour in range(hours)], scores_of(line).tolist())


def forest(series: Recorded, *, grade: bool) -> Callable[[float], Alarms]:
    """A forest that is fed each value."""
    amounts = np.array(series.values, dtype=np.float64)
    scores, rising = forest_scores(Line(ACCOUNT.id, KIND, "production", 0, amounts, amounts), 1, new_forest())
    return scored(series.times, np.where(rising, thresholder_factors(scores) if grade else scores, np.nan).tolist())


DETECTORS: dict[str, tuple[Callable[[Recorded], Callable[[float], Alarms]], float]] = {
    OURS: (ours, 0.0),
    "hourly, mean + 3 sigma of 7 days": (lambda series: hourly(series, week_scores), 3.0),
    "seasonal robust z, 3.5": (lambda series: hourly(series, seasonal_scores), 3.5),
    "random cut forest, AWS thresholder, 3": (lambda series: forest(series, grade=True), 3.0),
    "random cut forest, raw score, 3": (lambda series: forest(series, grade=False), 3.0),
}


def figures(alarms_of: Sequence[Alarms], every: Sequence[Recorded]) -> tuple[float, float]:
    """Recall over the labelled windows, and alarms outside of them for each week of a series."""
    hit = windows = false = 0
    weeks = 0.0
    for alarms, series in zip(alarms_of, every, strict=True):
        known = series.times[0] + WARM_UP
        judged = [window for window in series.windows if window[0] >= known]
        counted = [at for at in alarms if at >= known]
        hit += sum(any(low <= at <= high for at in counted) for low, high in judged)
        windows += len(judged)
        false += sum(not any(low <= at <= high for low, high in series.windows) for at in counted)
        weeks += max(0.0, (series.times[-1] - known) / WARM_UP)
    return hit / max(1, windows), false / max(weeks, 1e-9)


def described(every: Sequence[Recorded]) -> str:
    """How many windows count, and how many of them have no value above the highest of the seven days before."""
    judged = [
        (series, window) for series in every for window in series.windows if window[0] >= series.times[0] + WARM_UP
    ]
    low = sum(
        _highest(series, *window) <= _highest(series, window[0] - WARM_UP, window[0]) for series, window in judged
    )
    return (
        f"{len(every)} series, {len(judged)} windows after their first week; {low} of them hold no value above the highest of "
        "the seven days before"
    )


def _highest(series: Recorded, low: datetime, high: datetime) -> int:
    return max(value for at, value in zip(series.times, series.values, strict=True) if low <= at <= high)


def table(every: Sequence[Recorded]) -> str:
    """A row for each detector at its customary setting, and its recall with no more false alarms than ours."""
    lines = ["| detector | recall | false alarms per series-week | its recall at our rate |", "|---|---|---|---|"]
    own_rate = 0.0
    for name, (make, customary) in DETECTORS.items():
        made = [make(series) for series in every]
        recall, rate = figures([alarms(customary) for alarms in made], every)
        if name == OURS:
            own_rate, at_ours = rate, ""
        else:
            swept = [figures([alarms(threshold) for alarms in made], every) for threshold in (*THRESHOLDS, customary)]
            at_ours = f"{max((each for each, false in swept if false <= own_rate), default=0.0):.2f}"
        lines.append(f"| {name} | {recall:.2f} | {rate:.2f} | {at_ours} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.nab", description=__doc__)
    parser.add_argument("folder", type=Path, help="with NAB's data and labels")
    parser.add_argument("--write", type=Path, help="the page whose marked part is written, e.g. docs/detection.md")
    asked = parser.parse_args()
    every = read(asked.folder)
    text = f"{described(every)}.\n\n{table(every)}"
    print(text)
    if asked.write:
        asked.write.write_text(written(asked.write.read_text("utf-8"), {"nab": text}), encoding="utf-8")


if __name__ == "__main__":
    main()
