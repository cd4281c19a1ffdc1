"""D3a: kill -9 cycles without an acknowledged entry lost or doubled."""

from cytoloop.bench.frame import Goal, Options, Row, row
from cytoloop.bench.killing import kill_loop

KILLS, QUICK = 10_000, 40


def rows(options: Options) -> list[Row]:
    """The loop of `bench/killing.py`; it ends with a FindingError when anything was lost."""
    kills = QUICK if options.quick else KILLS
    options.tick(f"kill -9, {kills:,} times")
    tally = kill_loop(options.scratch, kills, seed=options.seed)
    what = f"kill -9 cycles, {tally.acknowledged:,} acknowledged entries, none lost or doubled"
    return [row("D3a", what, [float(tally.kills)], "kills", goal=None if options.quick else Goal(bound=KILLS))]
