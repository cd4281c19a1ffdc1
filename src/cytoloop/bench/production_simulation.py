"""R1: faulty batches of fourteen days simulated a minute, every invariant held after every entry."""

import multiprocessing
import os
from functools import partial
from time import perf_counter

from cytoloop.app.simulation.running import Asked, Tally, simulated
from cytoloop.bench.frame import Goal, Options, Row, row
from cytoloop.core.errors import FindingError

BATCHES = 4
"""Batches in each world, on shared equipment."""


def rows(options: Options) -> list[Row]:
    """R1 on every core, and on one."""
    cores = os.cpu_count() or 1
    options.tick(f"faulty batches of fourteen days, simulated on {cores} cores")
    seeds, turns = (2, 1) if options.quick else (120, options.repeats)
    together = [_per_minute(options.seed + turn * 1000, seeds, cores) for turn in range(turns)]
    alone = [_per_minute(options.seed + turn * 1000, max(seeds // 4, 1), 1) for turn in range(turns)]
    what = "faulty 14-day batches simulated a minute, every invariant after every entry, each history replayed"
    return [
        row("R1", f"{what}; {cores} processes", together, "/min", goal=Goal(bound=5000)),
        row("R1 one", f"{what}; one process", alone, "/min"),
    ]


def _per_minute(first: int, seeds: int, processes: int) -> float:
    """Batches a minute over these seeds, the start of the processes left out; FindingError when one is violated."""
    asked, tally = Asked(batches=BATCHES), Tally()
    work = partial(simulated, asked)
    if processes == 1:
        work(0)
        began = perf_counter()
        for seed in range(first, first + seeds):
            tally.add(work(seed))
    else:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            pool.map(work, range(2 * processes), chunksize=1)  # every process has read the pack and warmed up
            began = perf_counter()
            for ended in pool.imap(work, range(first, first + seeds), chunksize=2):
                tally.add(ended)
    seconds = perf_counter() - began
    if tally.violated:
        failed = tally.violated[0]
        raise FindingError(f"seed {failed.seed} violated {failed.violation}; replay it: {asked.words(failed.seed)}")
    return 60.0 * tally.sums["batches"] / seconds
