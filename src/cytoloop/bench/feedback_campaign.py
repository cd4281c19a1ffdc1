"""C1: whole virtual batches a second, on one core, on two, and on two workers of a Dask cluster beside.

Workers are at hand before the clock starts: what is measured is a campaign's steady rate, not how long Python takes to
import. Every form makes the same batches; a run whose rows differ is no figure.
"""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from time import perf_counter

from cytoloop.app.campaign import Subject, Workers, setting_of, workers_of
from cytoloop.app.campaign_work import Block, Done, made
from cytoloop.bench.frame import Goal, Options, Row, alternate, row
from cytoloop.core.errors import FindingError
from cytoloop.feedback.in_silico.design import experiments
from cytoloop.feedback.in_silico.plan import CampaignPlan, blocks

BATCHES, QUICK = 2000, 40
SIZE = 20
"""Batches in a block."""
SPACE = {"transduction.moi": (2.0, 5.0), "expansion.perfusion_rate": (0.3, 1.5)}
DASK = "Dask, 2 workers"


def rows(options: Options) -> list[Row]:
    """Rates on one and two cores, beside Dask, and how two cores scale."""
    options.tick("virtual batches of a campaign")
    todo = _blocks(QUICK if options.quick else BATCHES, options.seed)
    expected: list[list[Done]] = []
    with ExitStack() as running:
        alone, two = (running.enter_context(workers_of(count, None)) for count in (1, 2))
        cluster = None if options.quick or find_spec("distributed") is None else running.enter_context(_cluster())
        one, both, dask = alternate(
            options.repeats,
            lambda: _rate(alone, todo, expected),
            lambda: _rate(two, todo, expected),
            lambda: _rate(cluster, todo, expected),
        )
    pairs = [second / first for first, second in zip(one, both, strict=True)]
    what = "virtual batches of a campaign, whole 11-day cultures with release results"
    return [
        row("C1", f"{what}, 1 core", one, "/s"),
        row("C1", f"{what}, 2 cores", both, "/s", peer=DASK, peer_values=dask),
        row("C1", "the same on 2 cores over 1 core", pairs, "x", goal=Goal(bound=1.8)),
    ]


def _blocks(batches: int, seed: int) -> list[Block]:
    plan = CampaignPlan(batches=batches, space=SPACE, seed=seed)
    setting, _ = setting_of(Subject(pack="car_t_cd19"), list(SPACE), seed)
    return [Block(setting=setting, experiments=each) for each in blocks(experiments(plan), SIZE)]


def _rate(workers: Workers | None, todo: list[Block], expected: list[list[Done]]) -> float | None:
    """Batches a second; None without workers."""
    if workers is None:
        return None
    list(workers.each(made, todo[:2]))  # they are begun, and have compiled
    began = perf_counter()
    done = sorted(workers.each(made, todo), key=lambda each: each.first)
    took = perf_counter() - began
    expected.append(done)
    if done != expected[0] or [each.rows for each in done] != [each.rows for each in expected[0]]:
        raise FindingError("two forms of the same campaign gave different batches")
    return sum(len(each.rows) for each in done) / took


@contextmanager
def _cluster() -> Iterator[Workers]:
    """A scheduler and two workers in processes of their own, on this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    address = f"tcp://127.0.0.1:{port}"
    worker = ("dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
    with ExitStack() as running:
        for each in (("dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"), worker, worker):
            running.enter_context(_process(*each))
        yield running.enter_context(workers_of(2, address))


@contextmanager
def _process(program: str, *arguments: str) -> Iterator[None]:
    command = [sys.executable, "-m", f"distributed.cli.{program}", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()
