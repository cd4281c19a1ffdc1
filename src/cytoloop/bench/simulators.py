"""Simulators: plants that an optimiser or a controller can be judged on, each behind the same few words.

`simulate(parameters, donor, seed)` is one experiment with its noise; `truth` the same without noise (the best that
a plant can do: `optimum.py`). Three come with the benchmark: ours
(the cells of the simulated facility, a whole batch under the pack's recipe), `process_improve.simulation` and a plant
of `pcgym`, which live in the peers' environments and are spoken to over pipes. Any other object of this shape will do.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import exp, inf, log
from types import TracebackType
from typing import Protocol, cast

import numpy as np
from scipy.special import ndtr

from cytoloop.adapters.plant.donors import Distribution, draw_donor
from cytoloop.adapters.plant.laboratory import ASSAYS
from cytoloop.adapters.plant.streams import stream
from cytoloop.adapters.plant.virtual import PARAMETERS, dice_of, virtual_batch
from cytoloop.app.packs import read_pack
from cytoloop.app.steering import release_limits
from cytoloop.bench.peers import Peers
from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.json import JSON
from cytoloop.feedback.forecast import Limits

Space = Mapping[str, tuple[float, float]]
"""Factor -> lowest and highest setting."""

NOISE = 0.03
"""Relative standard deviation of one measurement of the objective."""


class Simulator(Protocol):
    """A plant that answers one experiment at a time."""

    @property
    def name(self) -> str:
        """What it is called in tables."""
        ...

    @property
    def space(self) -> Space:
        """The factors."""
        ...

    @property
    def objective(self) -> str:
        """The value that is to be as large as can be; above 0."""
        ...

    def truth(self, parameters: Mapping[str, float], donor: int) -> Mapping[str, float]:
        """The values of an experiment without noise; empty when it fails."""
        ...

    def simulate(self, parameters: Mapping[str, float], donor: int, seed: int) -> Mapping[str, float]:
        """The values that an experiment would give; equal seeds give equal noise; empty when it fails."""
        ...


def noisy(values: Mapping[str, float], seed: int, sd: float = NOISE) -> dict[str, float]:
    """Values with a relative error each (lognormal), whose dice hang on the seed and the value's name alone."""
    return {name: value * exp(sd * float(stream(seed, name).standard_normal())) for name, value in values.items()}


# -- ours -------------------------------------------------------------------------------------------------------------

OURS: tuple[str, ...] = (
    "activation.seeding_density", "activation.beads_per_cell", "activation.il2", "activation.duration",
    "transduction.moi", "transduction.duration", "expansion.culture_duration", "expansion.perfusion_rate",
    "expansion.il2", "expansion.temperature",
)  # fmt: skip
"""Factors: what the pack's recipe says of the culture, inside its proven acceptable ranges."""

WEIGHT = 70.0
"""kg of the patient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantSimulator:
    """A whole virtual batch on the simulated facility's cells.

    Objective `in_specification_yield`: viable CAR+ cells [1e6] times the chance that the laboratory, with the noise of
    its methods, finds every release attribute in specification. It differs from donor to donor.
    """

    space: Space
    targets: Mapping[str, float]
    """Every parameter of the recipe; factors that are left out stay at these."""
    limits: Limits
    donors: Distribution
    noise: float = NOISE
    name: str = "facility (car_t_cd19)"
    objective: str = "in_specification_yield"

    def truth(self, parameters: Mapping[str, float], donor: int) -> Mapping[str, float]:
        """Release attributes and in-specification yield of this donor's batch, without noise of the laboratory."""
        unknown = set(parameters) - set(PARAMETERS)
        if unknown:
            raise UserError(f"{', '.join(sorted(unknown))}: no parameter of this plant; use {', '.join(self.space)}")
        who = draw_donor(self.donors, stream(0, "donor", donor), str(donor))
        batch = virtual_batch(who, {**self.targets, **parameters}, dice_of(0, f"donor {donor}"))
        true = {name: value for name, value in batch.true().items() if name in self.limits}
        chance = float(np.prod([_chance(name, true[name], *pair) for name, pair in self.limits.items()]))
        return {**true, "in_specification": chance, self.objective: true["viable_car_cells"] * chance}

    def simulate(self, parameters: Mapping[str, float], donor: int, seed: int) -> Mapping[str, float]:
        """The truth with measurement noise."""
        return noisy(self.truth(parameters, donor), seed, self.noise)


def _chance(name: str, value: float, low: float | None, high: float | None) -> float:
    """Chance that the laboratory finds an attribute inside its limits."""
    assay = ASSAYS[name]
    if assay.noise == "exact" or (low is None and high is None):
        return float((low is None or value >= low) and (high is None or value <= high))
    at = log(max(value, 1e-12)) if assay.noise == "relative" else value
    bounds = [_bound(limit, assay.noise, missing) for limit, missing in ((low, -inf), (high, inf))]
    return float(ndtr((bounds[1] - at) / assay.size) - ndtr((bounds[0] - at) / assay.size))


def _bound(limit: float | None, noise: str, missing: float) -> float:
    if limit is None:
        return missing
    return log(max(limit, 1e-12)) if noise == "relative" else limit


def facility_simulator(pack: str = "car_t_cd19", noise: float = NOISE) -> PlantSimulator:
    """Ours, under the recipe of a pack."""
    read = read_pack(pack)
    parameters = read.recipe.parameters()
    return PlantSimulator(
        space={name: parameters[name].par for name in OURS},
        targets={name: parameters[name].target for name in PARAMETERS},
        limits=release_limits(read.product, WEIGHT),
        donors=Distribution.from_data(read.donors),
        noise=noise,
    )


# -- in the peers' environments ---------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class RemoteSimulator:
    """A plant in a process of another environment, spoken to in JSON lines over its pipes. Use as a context."""

    process: "subprocess.Popen[str]"
    noise: float = NOISE
    name: str = field(init=False)
    space: Space = field(init=False)
    objective: str = field(init=False)

    def __post_init__(self) -> None:
        try:
            about = self._said()
        except FindingError:
            self.close()
            raise
        self.name, self.objective = str(about["name"]), str(about["objective"])
        ranges = cast("dict[str, list[float]]", about["space"])
        self.space = {name: (low, high) for name, (low, high) in ranges.items()}

    def truth(self, parameters: Mapping[str, float], donor: int) -> Mapping[str, float]:
        """The values without noise; empty when the plant could not be run so. FindingError when it is gone."""
        unknown = set(parameters) ^ set(self.space)
        if unknown:
            raise UserError(f"{self.name} takes {', '.join(self.space)}; {', '.join(sorted(unknown))} does not fit")
        line = json.dumps({"parameters": dict(parameters), "donor": donor})
        try:
            cast("Writes", self.process.stdin).write(line + "\n")
        except (OSError, ValueError) as error:
            raise FindingError(f"the process of a plant is gone ({error}); run the benchmark again") from error
        answer = self._said()
        return cast("dict[str, float]", answer.get("values", {}))

    def simulate(self, parameters: Mapping[str, float], donor: int, seed: int) -> Mapping[str, float]:
        """The truth with measurement noise."""
        return noisy(self.truth(parameters, donor), seed, self.noise)

    def close(self) -> None:
        """End the process. Twice is once."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self.process.wait(timeout=10.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> "RemoteSimulator":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _said(self) -> dict[str, JSON]:
        assert self.process.stdout is not None, "started with pipes"
        line = self.process.stdout.readline()
        if not line:
            raise FindingError("the process of a plant ended; run its script by hand to see why")
        return cast("dict[str, JSON]", json.loads(line))


class Writes(Protocol):
    """What can be written to."""

    def write(self, text: str, /) -> int:
        """Write it."""
        ...


REMOTE: tuple[tuple[str, str], ...] = (
    ("process-improve", "simulate_process_improve.py"),
    ("pcgym", "simulate_pcgym.py"),
)
"""Peer and the script that serves its plant."""


def remote_simulator(peers: Peers, peer: str, noise: float = NOISE) -> RemoteSimulator | None:
    """The plant of a peer; None, with a note, when the peer is not available."""
    process = peers.start(peer, dict(REMOTE)[peer])
    if process is None:
        return None
    try:
        return RemoteSimulator(process=process, noise=noise)
    except FindingError as error:
        peers.notes.append(f"{peer} is not available: {error}")
        return None


@contextmanager
def simulators(peers: Peers, noise: float = NOISE) -> Iterator[list[Simulator]]:
    """Every plant at hand: ours first, then the peers' that are available. Processes end with the context."""
    with ExitStack() as open_ones:
        remote = (remote_simulator(peers, peer, noise) for peer, _ in REMOTE)
        found = [open_ones.enter_context(each) for each in remote if each is not None]
        yield [facility_simulator(noise=noise), *found]
