"""The truth: a T-cell culture as ordinary differential equations over kinds of cells.

Twenty-eight kinds: CD4/CD8 x without/with CAR x seven stages (resting memory-type, resting effector-type, two
blast stages, dividing memory, dividing effector, exhausted). Resting cells commit under the bead signal and divide
after a delay chain; a daughter of a memory cell may be an effector, a daughter of an effector may be exhausted.
Growth: Monod (1949) on glucose, inhibition by lactate, a share that hangs on IL-2, crowding, autocrine factor.
Sources and units of every number: `biology.py`.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cytoloop.adapters.plant.biology import Biology, DonorFactors, Environment
from cytoloop.adapters.plant.compiled import compiled

Array = NDArray[np.float64]

GROUPS, STAGES = 4, 7
CELLS = GROUPS * STAGES
OTHER, DEAD, GLUCOSE, LACTATE, IL2, BEADS, DRIVE, FACTOR, DIVISIONS, CONTAMINANT = range(CELLS, CELLS + 10)
SIZE = CELLS + 10
LN2 = 0.6931471805599453
USUAL = Biology()
STEP = 0.1
"""h; the fastest rate met (glucose running out in a dense culture) is below 8/h, RK4 is stable to 27/h."""


@compiled
def drive_to_divide(y: Array, b: Biology, d: DonorFactors, e: Environment) -> float:
    """Share of the largest growth rate that the surroundings allow, 0 to 1."""
    floor = 1.0 - (1.0 - b.il2_floor) * d.il2
    bound = y[IL2] / (y[IL2] + b.il2_half)
    return float(
        y[GLUCOSE] / (y[GLUCOSE] + b.glucose_half)
        / (1.0 + (y[LACTATE] / b.lactate_half) ** 2)
        * (floor + (1.0 - floor) * bound)
        * max(1.0 - y[: OTHER + 1].sum() / b.density_max, 0.0)
        * (b.factor_floor + (1.0 - b.factor_floor) * y[FACTOR] / (y[FACTOR] + b.factor_half))
        * np.exp(-(((e.temperature - 37.0) / b.temperature_width) ** 2))
        * y[DRIVE]
    )  # fmt: skip


@compiled
def harm(y: Array, b: Biology, e: Environment) -> float:
    """Death per hour that every cell shares: hunger, lactate, heat, contamination."""
    starved = b.death_starved / (1.0 + (y[GLUCOSE] / b.starved_half) ** 2)
    soured = b.death_lactate / (1.0 + (b.death_lactate_half / max(y[LACTATE], 1e-9)) ** 4)
    heat = 0.02 * max(e.temperature - 38.5, 0.0)
    return float(starved + soured + heat + 0.2 * y[CONTAMINANT] / (y[CONTAMINANT] + 1.0))


@compiled
def live(y: Array, dy: Array, b: Biology, d: DonorFactors, e: Environment) -> tuple[float, float, float]:
    """Write the change of every kind of T cell to `dy`; give births, deaths and cells that eat (1e6 cells/mL/h)."""
    limit, extra = drive_to_divide(y, b, d, e), harm(y, b, e)
    signal, bound = y[BEADS] / (y[BEADS] + b.bead_half), y[IL2] / (y[IL2] + b.il2_half)
    blast, commit = b.blast * d.activation, b.activation * d.activation * signal
    signalled = 1.0 + b.differentiation_by_signal * signal + b.differentiation_by_il2 * y[IL2] / (y[IL2] + 150.0)
    turn = b.differentiation * d.differentiation * signalled
    spent = b.exhaustion / (1.0 + np.exp(-(y[DIVISIONS] - b.exhaustion_divisions) / 0.8))
    aicd = b.death_signal * max(signal - 0.5, 0.0) * 2.0
    loss_rest, loss_blast = b.death_resting + extra, b.death_blast / d.blast_survival + extra
    loss_memory = b.death_memory * d.apoptosis + extra
    loss_effector = (b.death_effector + b.death_il2 * (1.0 - bound) + aicd) * d.apoptosis + extra
    loss_exhausted = b.death_exhausted * d.apoptosis + extra
    born = died = eating = 0.0
    for group in range(GROUPS):
        k = STAGES * group
        rest_m, rest_e, blast_1, blast_2, memory, effector, exhausted = y[k : k + STAGES]
        growth = (b.growth_cd4 if group < 2 else b.growth_cd8) * d.growth * limit
        growth *= b.car_gain if group % 2 else 1.0
        grow_m, grow_e = growth * memory, growth * b.effector_gain * effector
        drift = b.drift * d.differentiation * memory
        dy[k] = -(commit + loss_rest) * rest_m
        dy[k + 1] = -(0.6 * commit + loss_rest) * rest_e
        dy[k + 2] = commit * rest_m - (blast + loss_blast) * blast_1
        dy[k + 3] = blast * blast_1 - (blast + loss_blast) * blast_2
        dy[k + 4] = blast * blast_2 + (1.0 - 2.0 * turn) * grow_m - drift - loss_memory * memory
        joined = 0.6 * commit * rest_e + drift + 2.0 * turn * grow_m
        dy[k + 5] = joined + (1.0 - 2.0 * spent) * grow_e - loss_effector * effector
        dy[k + 6] = 2.0 * spent * grow_e - loss_exhausted * exhausted
        born += grow_m + grow_e
        died += loss_rest * (rest_m + rest_e) + loss_blast * (blast_1 + blast_2)
        died += loss_memory * memory + loss_effector * effector + loss_exhausted * exhausted
        eating += 0.2 * (rest_m + rest_e) + blast_1 + blast_2 + memory + effector + 0.7 * exhausted
    return born, died, eating


@compiled
def rates(y: Array, dy: Array, b: Biology, d: DonorFactors, e: Environment) -> None:
    """Write the rates of change of state `y` (per hour) to `dy`."""
    born, died, eating = live(y, dy, b, d, e)
    alive = max(y[: OTHER + 1].sum(), 1e-9)
    signal, bound = y[BEADS] / (y[BEADS] + b.bead_half), y[IL2] / (y[IL2] + b.il2_half)
    available = y[GLUCOSE] / (y[GLUCOSE] + 0.3)
    eaten = d.uptake * (b.uptake_upkeep * eating + b.uptake_growth * born / b.growth_cd4) * available
    other = (b.other_death + harm(y, b, e)) * y[OTHER]
    dy[OTHER] = -other
    dy[DEAD] = died + other - b.lysis * y[DEAD]
    dy[GLUCOSE] = e.perfusion * (e.glucose - y[GLUCOSE]) - eaten - 0.3 * y[CONTAMINANT] * available
    dy[LACTATE] = b.lactate_yield * eaten - e.perfusion * y[LACTATE]
    dy[IL2] = e.perfusion * (e.il2 - y[IL2]) - b.il2_decay * y[IL2] - b.il2_uptake * eating * bound
    dy[BEADS] = -(b.bead_loss + born / alive) * y[BEADS]
    dy[DRIVE] = b.drive_rise * signal * (1.0 - y[DRIVE]) - b.drive_fall * y[DRIVE]
    dy[FACTOR] = b.factor_decay * (alive - y[FACTOR]) - e.perfusion * y[FACTOR]
    dy[DIVISIONS] = born / alive / LN2
    dy[CONTAMINANT] = 0.35 * y[CONTAMINANT] * max(1.0 - y[CONTAMINANT] / 50.0, 0.0)


@compiled
def integrate(y: Array, hours: float, b: Biology, d: DonorFactors, e: Environment) -> Array:
    """The state `hours` later: classical Runge-Kutta of fourth order, steps of at most STEP h."""
    n = max(int(np.ceil(hours / STEP - 1e-9)), 1)
    h = hours / n
    y = y.copy()
    k1, k2, k3, k4 = np.empty_like(y), np.empty_like(y), np.empty_like(y), np.empty_like(y)
    for _ in range(n):
        rates(y, k1, b, d, e)
        rates(y + 0.5 * h * k1, k2, b, d, e)
        rates(y + 0.5 * h * k2, k3, b, d, e)
        rates(y + h * k3, k4, b, d, e)
        y = np.maximum(y + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4), 0.0)
    return y


@dataclass(frozen=True, slots=True, kw_only=True)
class Culture:
    """A culture at a moment: concentrations in `state`, and what surrounds them."""

    state: Array
    donor: DonorFactors
    volume: float
    """mL."""
    copies: float = 0.0
    """Mean vector copies of a CAR+ cell."""
    biology: Biology = USUAL

    def grown(self, hours: float, environment: Environment) -> "Culture":
        """The culture `hours` later in `environment`."""
        if hours <= 0:
            return self
        state = integrate(self.state, hours, self.biology, self.donor, environment)
        return replace(self, state=state)

    @property
    def cells(self) -> Array:
        """Viable T cells, 1e6 cells/mL, shape (CD4 CAR-, CD4 CAR+, CD8 CAR-, CD8 CAR+) x stages."""
        return self.state[:CELLS].reshape(GROUPS, STAGES)

    @property
    def viable(self) -> float:
        """Viable cells of any kind, 1e6 cells/mL."""
        return float(self.state[: OTHER + 1].sum())

    @property
    def viability(self) -> float:
        """Viable cells as a fraction of all."""
        return self.viable / max(self.viable + float(self.state[DEAD]), 1e-9)

    def solute(self, index: int) -> float:
        """GLUCOSE, LACTATE (mmol/L) or IL2 (IU/mL)."""
        return float(self.state[index])


MEMORY = (0, 2, 3, 4)
"""Stages that carry CCR7: resting memory-type, blasts of it, dividing memory."""
EFFECTOR = (1, 5, 6)


def seeded(
    *, density: float, volume: float, viability: float, purity: float, cd4: float, memory: float, il2: float,
    donor: DonorFactors, glucose: float = 17.0,
) -> Culture:  # fmt: skip
    """A fresh culture of resting cells: `density` viable cells (1e6 cells/mL) in `volume` mL of medium."""
    state = np.zeros(SIZE)
    for group, share in ((0, cd4), (2, 1.0 - cd4)):
        state[group * STAGES] = density * purity * share * memory
        state[group * STAGES + 1] = density * purity * share * (1.0 - memory)
    state[OTHER] = density * (1.0 - purity)
    state[DEAD] = density * (1.0 / viability - 1.0)
    state[GLUCOSE], state[IL2] = glucose, il2
    return Culture(state=state, donor=donor, volume=volume)


def activated(culture: Culture, beads_per_cell: float) -> Culture:
    """The culture after activating beads were added."""
    state = culture.state.copy()
    state[BEADS] += beads_per_cell
    return replace(culture, state=state)


def transduced(culture: Culture, effective_moi: float) -> Culture:
    """The culture after vector was added: every activated cell takes a Poisson number of copies.

    A share 1-exp(-m) of blasts and dividing cells becomes CAR+ (Poisson, the usual model of transduction); resting
    and exhausted cells stay as they are. `effective_moi` m: copies per activated cell.
    """
    hit = 1.0 - float(np.exp(-effective_moi))
    state = culture.state.copy()
    cells = state[:CELLS].reshape(GROUPS, STAGES)
    for group in (0, 2):
        for stage in (2, 3, 4, 5):
            cells[group + 1, stage] += hit * cells[group, stage]
            cells[group, stage] *= 1.0 - hit
    return replace(culture, state=state, copies=effective_moi / max(hit, 1e-9))


def contaminated(culture: Culture) -> Culture:
    """The culture once a micro-organism has got in."""
    state = culture.state.copy()
    state[CONTAMINANT] += 0.01
    return replace(culture, state=state)


def dosed(culture: Culture, il2: float) -> Culture:
    """The culture after IL-2 was dosed up to `il2` IU/mL; nothing is taken out."""
    state = culture.state.copy()
    state[IL2] = max(state[IL2], il2)
    return replace(culture, state=state)
