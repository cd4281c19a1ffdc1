"""Virtual: one whole batch on the facility's biology, from the leukapheresis to the thawed product.

For in-silico campaigns and benchmarks, which need thousands of batches in seconds: the same cells, equipment and
luck as in `facility.py`, without clock, probes, door or record. What people and paper add (a repeated program, a held
batch, a sample that came late) is not in it. A batch given the seed and luck of a facility's batch meets the same dice.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import ceil

from numpy.random import Generator

from cytoloop.adapters.plant.biology import Environment
from cytoloop.adapters.plant.chain import Chain
from cytoloop.adapters.plant.culture import Culture, activated, contaminated, dosed, transduced
from cytoloop.adapters.plant.donors import Donor
from cytoloop.adapters.plant.faults import Misfortunes
from cytoloop.adapters.plant.laboratory import ASSAYS, Sampled
from cytoloop.adapters.plant.material import Bag, collected, harvested
from cytoloop.adapters.plant.programs import PROGRAMS, Work, effective_moi, in_medium, washed
from cytoloop.adapters.plant.streams import stream
from cytoloop.core.errors import UserError
from cytoloop.core.time import instant

Dice = Callable[[str], Generator]
"""The generator of one program of the equipment."""

PARAMETERS = (
    "activation.volume", "activation.seeding_density", "activation.beads_per_cell", "activation.il2",
    "activation.temperature", "activation.duration", "transduction.moi", "transduction.duration",
    "expansion.culture_duration", "expansion.perfusion_rate", "expansion.il2", "expansion.temperature",
    "formulation.cell_concentration", "fill.bags", "cryopreservation.cooling_rate",
)  # fmt: skip
"""What the biology answers to: parameters of the recipe by their full names."""

_ANY = instant("2000-01-01T00:00:00Z")
"""No program asks what time it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualBatch:
    """How a virtual batch ended."""

    product: Bag
    """Thawed, as a release sample would find it."""
    harvest_at: float
    """h since the seeding."""

    def true(self) -> dict[str, float]:
        """Every attribute that the laboratory can test, without the noise of its method."""
        sampled = Sampled(bag=self.product)
        return {name: assay.truth(sampled) for name, assay in ASSAYS.items() if name not in ("glucose", "lactate")}


def dice_of(seed: int, luck: str) -> Dice:
    """The dice that a facility of this seed throws for material with this luck, at the first try of each program."""

    def thrown(program: str) -> Generator:
        rng = stream(seed, luck, "program", program, 0)
        rng.random()  # whether the program fails, which a facility asks first
        return rng

    return thrown


def virtual_batch(
    donor: Donor,
    parameters: Mapping[str, float],
    dice: Dice,
    *,
    misfortunes: Misfortunes | None = None,
    sampled: float = 0.0,
) -> VirtualBatch:
    """The batch of `donor` made with these parameters ("<operation>.<parameter>", house units).

    `sampled`: mL taken from the culture before harvest. UserError names a parameter that is missing.
    """
    missing = [name for name in PARAMETERS if name not in parameters]
    if missing:
        raise UserError(f"the plant needs {', '.join(missing)}; give every parameter of the recipe")
    line = _Line(donor=donor, parameters=parameters, dice=dice)
    line.run("select_t_cells")
    culture, hours = _cultured(line, misfortunes or Misfortunes(), sampled)
    line.chain.bag = washed(harvested(culture), line.work("wash_and_harvest"))
    for program in ("formulate", "fill_bags", "freeze"):
        line.run(program)
    return VirtualBatch(product=line.chain.cells(), harvest_at=hours)


@dataclass(slots=True, kw_only=True)
class _Line:
    """One batch on the equipment that is no bioreactor."""

    donor: Donor
    parameters: Mapping[str, float]
    dice: Dice
    chain: Chain = field(init=False)

    def __post_init__(self) -> None:
        self.chain = Chain(
            coi="", stream="", donor=self.donor, misfortunes=Misfortunes(), bag=collected(self.donor)
        )  # fmt: skip

    def run(self, program: str) -> None:
        """Run a built-in program on what is in the bag."""
        PROGRAMS[program].effect(self.work(program))

    def work(self, program: str) -> Work:
        """A run of a program with the recipe's parameters, by their short names."""
        short = {name.partition(".")[2]: self.parameters[name] for name in PARAMETERS[-3:]}
        return Work(chain=self.chain, vessel=None, parameters=short, at=_ANY, rng=self.dice(program))


def _cultured(line: _Line, misfortunes: Misfortunes, sampled: float) -> tuple[Culture, float]:
    """The culture at harvest, and its hour: activation, transduction and expansion as the recipe orders them."""
    p = line.parameters
    resting = Environment(perfusion=0.0, il2=p["activation.il2"], temperature=p["activation.temperature"])
    perfused = Environment(
        perfusion=p["expansion.perfusion_rate"] / 24.0, il2=p["expansion.il2"], temperature=p["expansion.temperature"]
    )
    beads, vector = PROGRAMS["add_activator"].hours, PROGRAMS["add_vector"].hours
    life = _Life(culture=_seeded(line), misfortunes=misfortunes)
    life.live(beads, resting)
    life.culture = activated(life.culture, p["activation.beads_per_cell"])
    life.live(p["activation.duration"] + vector, resting)
    life.culture = transduced(life.culture, effective_moi(p["transduction.moi"], line.work("add_vector")))
    life.live(p["transduction.duration"], resting)
    if p["expansion.perfusion_rate"] == 0.0:
        life.culture = dosed(life.culture, p["expansion.il2"])
    life.live(p["expansion.culture_duration"], perfused)
    life.live(PROGRAMS["wash_and_harvest"].hours, perfused)
    left = max(life.culture.volume - sampled, 0.0)
    return replace(life.culture, volume=left), life.hour


def _seeded(line: _Line) -> Culture:
    p, bag = line.parameters, line.chain.cells()
    volume = p["activation.volume"]
    density = min(p["activation.seeding_density"], bag.viable / volume)
    return in_medium(bag, line.donor, density=density, volume=volume, il2=p["activation.il2"])


@dataclass(slots=True, kw_only=True)
class _Life:
    """A culture that lives on through misfortunes, which begin and end at whole hours as probes see them."""

    culture: Culture
    misfortunes: Misfortunes
    hour: float = 0.0

    def live(self, hours: float, wanted: Environment) -> None:
        """Live so many hours at these set-points."""
        end = self.hour + hours
        for until in _marks(self.misfortunes, self.hour, end):
            met = self.misfortunes.contamination
            if met is not None and self.hour <= met < until:
                self.culture = contaminated(self.culture)
            self.culture = self.culture.grown(until - self.hour, self._met(wanted))
            self.hour = until

    def _met(self, wanted: Environment) -> Environment:
        warm, slip = self.misfortunes.excursion, self.misfortunes.pump_slip
        return wanted._replace(
            temperature=wanted.temperature + (warm.at(self.hour) if warm else 0.0),
            perfusion=wanted.perfusion * (1.0 - (slip.at(self.hour) if slip else 0.0)),
        )


def _marks(misfortunes: Misfortunes, start: float, end: float) -> Iterator[float]:
    """Hours from `start` to `end` at which something begins or is over, and `end`."""
    spans = [span for span in (misfortunes.excursion, misfortunes.pump_slip) if span is not None]
    edges = {float(ceil(edge)) for span in spans for edge in (span.start, span.end)}
    if misfortunes.contamination is not None:
        edges.add(float(int(misfortunes.contamination)))
    yield from sorted(edge for edge in edges if start < edge < end)
    yield end
