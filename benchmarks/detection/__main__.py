"""Generates organizations, judges them with our detectors and with others: `python -m benchmarks.detection`.

Prints the table and where ours fails; with `--write PAGE` it goes into the page too, and the chart beside it.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.detection import page
from benchmarks.detection.calendars import DAYS
from benchmarks.detection.compare import OURS, Curve, Task, merged, run
from benchmarks.detection.tables import printed


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection", description=__doc__)
    parser.add_argument("--seeds", default="1,2", help="numbers with commas; 1-9 are for tuning, reported are others")
    parser.add_argument("--accounts", type=int, default=12)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--jobs", type=int, default=1, help="processes, each with one seed at a time")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=False)
    parser.add_argument("--factors", default="", help="judge again with our limits times each of these, e.g. 0.5,2,4")
    parser.add_argument("--write", type=Path, help="the page whose marked parts are written, e.g. docs/detection.md")
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    seeds = [int(each) for each in asked.seeds.split(",")]
    factors = tuple(float(each) for each in asked.factors.split(",") if each)
    tasks = [
        Task(seed=seed, accounts=asked.accounts, days=asked.days, peers=asked.peers, factors=factors) for seed in seeds
    ]
    with ProcessPoolExecutor(asked.jobs) as pool:
        results = list(pool.map(run, tasks))
    curves = [merged(same) for same in zip(*results, strict=True)]
    print(printed(OURS, curves[0].customary))
    print(f"\n{page.table(curves)}")
    if asked.write:
        write(asked.write, curves, seeds, tasks[0])


def write(path: Path, curves: list[Curve], seeds: list[int], task: Task) -> None:
    """Put the figures between the page's markers and the chart beside it."""
    from benchmarks.detection.chart import draw  # matplotlib is not needed without a page

    score = curves[0].customary
    run_of = (
        f"Seeds {', '.join(map(str, seeds))}: {task.accounts} accounts x {task.days} days each, "
        f"{len(score.found)} incidents, {score.account_weeks:.0f} account-weeks."
    )
    parts = {
        "table": f"{run_of}\n\n{page.table(curves)}",
        "ours": page.own_figures(score),
        "failures": page.failures(score),
    }
    path.write_text(page.written(path.read_text("utf-8"), parts), encoding="utf-8")
    path.with_suffix(".svg").write_bytes(draw(curves))


if __name__ == "__main__":
    main()
