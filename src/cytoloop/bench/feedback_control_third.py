"""A plant for the controller that is neither the facility nor the twin: Gompertz growth, and memory of its own past.

The pace of growth fades with a clock, death follows hunger with a day's delay, lactate is eaten again when glucose runs
low (as in `forecast_plants.gompertz`), and IL-2 hastens growth as well as the loss of memory. Nothing of it is in the
twin. No figure of the controller was chosen on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cytoloop.adapters.plant.streams import stream
from cytoloop.app.packs import read_pack
from cytoloop.bench.feedback_control_plants import EXPANSION
from cytoloop.feedback.dataset import Start
from cytoloop.feedback.forecast import Limits
from cytoloop.quality.specification import limits

_DT = 0.25
"""h of one step."""
_DELAY = round(24.0 / _DT)
_NOISE: Mapping[str, float] = {"viable_cell_density": 0.08, "glucose": 0.03, "lactate": 0.03}
"""Relative."""
_FLOW = {"viability": 0.015, "car_fraction": 0.025, "memory_fraction": 0.025}
"""Absolute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """A culture and its past."""

    hour: float
    viable: float
    """1e6 cells/mL, and so the dead."""
    dead: float
    glucose: float
    """mmol/L, and so lactate."""
    lactate: float
    memory: float
    past: tuple[float, ...]
    """Rates of death that the last day's hunger set, 1/h, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GompertzDonor:
    """One donor's figures, drawn once."""

    seed: int
    number: int
    figures: Mapping[str, float] = field(hash=False)
    start: Start
    limits: Limits = field(hash=False)
    clear: bool = False
    """Seen without noise."""

    def begun(self) -> Cells:
        """Two days without perfusion."""
        fresh = Cells(
            hour=0.0, viable=self.start.seeding_density * self.figures["taken"], dead=0.1, glucose=18.0, lactate=0.5,
            memory=self.figures["kept"], past=(0.001,) * _DELAY,
        )  # fmt: skip
        return self.carried(fresh, 0.0, EXPANSION, 0.0, self.start.il2)

    def carried(self, state: Cells, at: float, hours: float, rate: float, il2: float) -> Cells:
        """Euler steps of a quarter of an hour."""
        left = at + hours - state.hour
        while left > 1e-6:
            state = self._stepped(state, min(_DT, left), rate / 24.0, il2)
            left = at + hours - state.hour
        return state

    def _stepped(self, s: Cells, dt: float, flow: float, il2: float) -> Cells:
        f, late = self.figures, self.figures["late"]
        awake = s.hour / (s.hour + late * np.exp(-s.hour / late))
        fading = np.exp(-f["fading"] * max(0.0, s.hour - late))
        growth = f["pace"] * fading * awake * s.glucose**2 / (1.0 + s.glucose**2) * il2 / (il2 + f["wanted"])
        died = f["mortal"] + s.past[0] * (s.hour > 24.0)
        eaten = (f["hunger"] * growth + f["upkeep"]) * s.viable * s.glucose / (0.5 + s.glucose)
        back = 0.02 * s.viable * s.lactate / (5.0 + s.lactate) / (1.0 + s.glucose**2)
        turned = f["loss"] * (0.3 + growth / f["pace"]) * (0.8 + 0.2 * il2 / 100.0) + 0.0006
        hungry = 0.004 / (1.0 + s.glucose) + 0.00005 * s.lactate
        return Cells(
            hour=s.hour + dt,
            viable=s.viable + dt * (growth - died) * s.viable,
            dead=s.dead + dt * (died * s.viable - 0.02 * s.dead - flow * s.dead),
            glucose=max(0.0, s.glucose + dt * (flow * (18.0 - s.glucose) - eaten)),
            lactate=max(0.0, s.lactate + dt * (1.5 * eaten - back - flow * s.lactate)),
            memory=s.memory * (1.0 - dt * turned),
            past=(*s.past[1:], hungry),
        )

    def looked_at(self, state: Cells, attribute: str, day: int) -> float:
        """What the sample of that day shows."""
        true = self._true(state, attribute)
        dice = 0.0 if self.clear else float(stream(self.seed, self.number, attribute, day).standard_normal())
        if attribute in _NOISE:
            return float(true * np.exp(_NOISE[attribute] * dice))
        return float(np.clip(true + _FLOW[attribute] * dice, 0.0, 1.0))

    def _true(self, s: Cells, attribute: str) -> float:
        return {
            "viable_cell_density": s.viable, "viability": s.viable / (s.viable + s.dead), "glucose": s.glucose,
            "lactate": s.lactate, "memory_fraction": s.memory, "car_fraction": self.figures["car"],
        }[attribute]  # fmt: skip

    def product(self, state: Cells) -> Mapping[str, float]:
        """Some cells are lost on the way, and some die in freezing."""
        alive = self._true(state, "viability")
        return {
            "viability": alive * self.figures["thawed"],
            "viable_car_cells": state.viable * self.start.volume * self.figures["recovered"] * self.figures["car"],
            "car_fraction": self.figures["car"],
            "memory_fraction": state.memory,
            "vector_copy_number": self.figures["copies"],
        }


def gompertz_donor(seed: int, number: int, *, clear: bool = False) -> GompertzDonor:
    """Donor `number` of this plant."""
    rng = stream(seed, "gompertz donor", number)

    def near(value: float, spread: float) -> float:
        return float(value * np.exp(spread * rng.standard_normal()))

    figures = {
        "pace": near(0.085, 0.15), "fading": near(0.0085, 0.2), "late": float(rng.uniform(18.0, 34.0)),
        "mortal": near(0.0010, 0.35), "hunger": near(0.95, 0.15), "upkeep": near(0.020, 0.2),
        "kept": float(rng.uniform(0.5, 0.9)), "loss": near(0.0030, 0.25), "taken": float(rng.uniform(0.75, 0.95)),
        "wanted": near(25.0, 0.4), "car": float(rng.uniform(0.25, 0.5)), "recovered": float(rng.uniform(0.6, 0.85)),
        "thawed": float(rng.uniform(0.86, 0.97)), "copies": near(1.6, 0.25),
    }  # fmt: skip
    weight = float(np.clip(rng.normal(68.0, 12.0), 42.0, 110.0))
    product = read_pack("car_t_cd19").master.product
    return GompertzDonor(
        seed=seed,
        number=number,
        figures=figures,
        start=Start(seeding_density=1.0, volume=200.0, expansion_at=EXPANSION),
        limits={each.attribute: limits(each, weight) for each in product.at("release")},
        clear=clear,
    )
