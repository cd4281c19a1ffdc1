"""Running: many seeds one after the other, or on several processes, and what they came to."""

import multiprocessing
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from cytoloop.adapters.faulty.faults import Rates, rates
from cytoloop.app.packs import read_pack
from cytoloop.app.simulation.setting import Setting, fourteen_days
from cytoloop.app.simulation.world import Ended, World
from cytoloop.core.json import JSON

PACK = "car_t_cd19"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody asked to simulate: all that makes a world besides its seed. It can be sent to another process."""

    batches: int = 4
    kinds: tuple[str, ...] = ("all",)
    factor: float = 1.0
    """Of the rates."""
    full: bool = False
    pack: str = PACK
    replay: bool = True

    @property
    def rates(self) -> Rates:
        """The rates asked for; UserError for a kind of fault that there is not."""
        return rates(self.kinds, self.factor) if self.factor > 0 else {}

    def words(self, seed: int) -> str:
        """The command that replays one seed with its trace."""
        options = [f"--batches {self.batches}", f"--faults {','.join(self.kinds)}"]
        options += [f"--rate {self.factor:g}"] if self.factor != 1.0 else []
        options += ["--full"] if self.full else []
        options += [f"--pack {self.pack}"] if self.pack != PACK else []
        return f"cytoloop simulate --seed {seed} {' '.join(options)} --trace"


@dataclass(slots=True, kw_only=True)
class Tally:
    """What the seeds so far came to."""

    seeds: int = 0
    sums: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violated: list[Ended] = field(default_factory=list)

    def add(self, ended: Ended) -> None:
        """One more world."""
        self.seeds += 1
        for name in ("batches", "released", "rejected", "aborted", "held", "entries", "effects", "lives"):
            self.sums[name] += getattr(ended, name)
        self.faults.update(ended.faults)
        if ended.violation is not None:
            self.violated.append(ended)

    def document(self) -> dict[str, JSON]:
        """As plain JSON."""
        found: list[JSON] = [
            {"seed": each.seed, "invariant": each.violation.invariant, "what": each.violation.what}
            for each in self.violated
            if each.violation is not None
        ]
        return {"seeds": self.seeds, **self.sums, "faults": dict(sorted(self.faults.items())), "violated": found}


def simulated(asked: Asked, seed: int, *, traced: bool = False) -> Ended:
    """One world."""
    return World(replace(_setting(asked), seed=seed, traced=traced)).run()


def many(asked: Asked, seeds: Iterable[int], processes: int = 1) -> Iterator[Ended]:
    """The worlds of these seeds, in their order, whatever the number of processes."""
    _setting(asked)  # a mistake in what was asked is told here, once
    if processes <= 1:
        yield from (simulated(asked, seed) for seed in seeds)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(partial(simulated, asked), seeds, chunksize=4)


_KNOWN: dict[Asked, Setting] = {}


def _setting(asked: Asked) -> Setting:
    """What was asked, with its pack read: once for all seeds."""
    if asked not in _KNOWN:
        pack = read_pack(asked.pack)
        _KNOWN[asked] = Setting(
            seed=0,
            batches=asked.batches,
            rates=asked.rates,
            pack=pack if asked.full else fourteen_days(pack),
            full=asked.full,
            replay=asked.replay,
        )
    return _KNOWN[asked]
