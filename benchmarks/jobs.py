"""How much faster do two processes read a folder than one, as `replay --jobs 2` does?

Large objects (600 records), each lying there several times, so that starting the processes does not decide; read with what
the command makes of an object. Both end in the same results. Wall time, interleaved, medians of the rounds: it needs both cores
to itself. Processor time stands beside it, which other work disturbs less: half of what two processes took in all is the
least they can need.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.trails import arguments, write
from usage_anomaly_cli.bundled import loaded
from usage_anomaly_cli.reading import find_objects, read_objects
from usage_anomaly_cli.running import extract

COPIES = 30


def processor_seconds() -> float:
    """Of this process and of those that it has ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    rounds, scale = arguments(__doc__)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "trail")
        for path in write(folder, [600] * (100 // scale), 1):
            for copy in range(1, COPIES):
                shutil.copy(path, folder / path.name.replace(".json.gz", f"{copy:02}.json.gz"))
        sources, regions = find_objects([folder], Path(place, "scratch")), frozenset(loaded()[1].regions)
        seconds: dict[int, list[float]] = {1: [], 2: []}
        work: dict[int, list[float]] = {1: [], 2: []}
        totals: set[tuple[int, int]] = set()
        for _ in range(max(3, rounds // 2)):
            for jobs, taken in seconds.items():
                start, before, records, usage = time.perf_counter(), processor_seconds(), 0, 0
                for result in read_objects(sources, jobs, extract, regions):
                    records += result.records
                    usage += sum(len(arrival.wanted) for _, arrival in result.value.arrivals) if result.value else 0
                taken.append(time.perf_counter() - start)
                work[jobs].append(processor_seconds() - before)
                totals.add((records, usage))
        assert len(totals) == 1, totals
        one, two = (statistics.median(taken) for taken in seconds.values())
        alone, both = (statistics.median(each) for each in work.values())
        print(f"\n{len(sources):,} objects, {records:,} records, {usage:,} with usage")
        print(f"one process {one:.2f} s, two {two:.2f} s: {one / two:.2f} times as fast")
        print(f"processor time {alone:.2f} s and {both:.2f} s: at best {2 * alone / both:.2f} times as fast")


if __name__ == "__main__":
    main()
