"""Generates organizations, judges them, prints how well incidents were found: `python -m benchmarks.detection`."""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from benchmarks.detection.calendars import DAYS
from benchmarks.detection.judge import openings, replayed
from benchmarks.detection.organization import generate
from benchmarks.detection.score import Score, score, together
from benchmarks.detection.tables import printed


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection", description=__doc__)
    parser.add_argument("--seeds", default="1,2", help="1-9 are for tuning; reported are others")
    parser.add_argument("--accounts", type=int, default=12)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--jobs", type=int, default=1, help="processes, one seed each")
    return parser.parse_args()


def judged(seed: int, accounts: int, days: int) -> Score:
    """Our score on one organization."""
    begin = time.perf_counter()
    organization = generate(seed, accounts, days)
    made = time.perf_counter()
    told = openings(replayed(organization.accounts, organization.first, organization.arrived))
    print(
        f"seed {seed}: {len(organization.arrived):,} events, {len(organization.labels)} incidents, {len(told)} told; "
        f"made in {made - begin:.0f} s, judged in {time.perf_counter() - made:.0f} s",
        flush=True,
    )
    return score(organization, told)


def main() -> None:
    asked = arguments()
    seeds = [int(each) for each in asked.seeds.split(",")]
    judge = partial(judged, accounts=asked.accounts, days=asked.days)
    with ProcessPoolExecutor(asked.jobs) as pool:
        scores = list(pool.map(judge, seeds))
    print(printed("this project", together(scores)))


if __name__ == "__main__":
    main()
