"""Serves pcgym's batch crystallisation of potassium sulphate: one JSON line in, one out, until the input ends.

First line out: what it is. Then for each {"parameters": {...}, "donor": n}: the values without noise. The donor is a
lot of feed and seed crystals; factors are the temperature at the start and how far each stage is cooled.
"""

import json
import os
import sys
from importlib.metadata import version

import numpy as np
from pcgym import make_env

STAGES, MINUTES = 6, 30.0
COLDEST = 10.0
SPACE = {"start_temperature": (20.0, 39.0), **{f"cooling_{stage}": (0.0, 0.8) for stage in range(2, STAGES + 1)}}
"""Factor -> low, high: °C, then the share of the way to 10 °C that each stage is cooled; stages of equal length."""

SLURRY = (1478.0, 22995.8, 1800863.2, 248516167.9, 0.1585, 0.5, 15.0)
"""Moments 0 to 3 of the seed crystals, solute [g/cm3], and two places that pcgym derives from them."""


def feed(donor):
    """The slurry of one lot: how many seeds, and how much solute."""
    dice = np.random.default_rng([7, donor])
    seeds, solute = np.exp(0.15 * dice.standard_normal()), np.exp(0.015 * dice.standard_normal())
    return np.array([*(seeds * moment for moment in SLURRY[:4]), solute * SLURRY[4], *SLURRY[5:]])


def environment(slurry):
    """pcgym's environment, whose one set-point is not used."""
    return make_env(
        {
            "N": STAGES, "tsim": MINUTES, "SP": {"CV": [1.0] * (STAGES + 1)}, "model": "crystallization",
            "o_space": {"low": np.zeros(8), "high": np.array([1e20] * 4 + [0.5, 2.0, 20.0, 1.0])},
            "a_space": {"low": np.array([0.0]), "high": np.array([50.0])}, "x0": np.append(slurry, 1.0),
            "normalise_o": False, "normalise_a": False, "integration_method": "casadi",
        }
    )  # fmt: skip


def simulate(parameters, donor):
    """Mean size [µm], its coefficient of variation, Sauter mean size [µm], solute left [g/cm3] at the end.

    `sized_yield` [µm]: the mean size times the share of the solute that crystallised; large crystals ask for a hot
    slurry, much of them for a cold one.
    """
    plant = environment(feed(donor))
    state, _ = plant.reset()
    left = np.cumprod([1.0, *(1.0 - parameters[f"cooling_{stage}"] for stage in range(2, STAGES + 1))])
    for temperature in COLDEST + (parameters["start_temperature"] - COLDEST) * left:
        state, *_ = plant.step(np.array([temperature]))
    m0, m1, m2, m3, solute = (float(each) for each in state[:5])
    values = {
        "mean_size": m1 / m0, "spread": max(m2 * m0 / m1**2 - 1.0, 0.0) ** 0.5, "sauter_size": m3 / m2,
        "solute": solute,
        "sized_yield": m1 / m0 * (1.0 - solute / SLURRY[4]),
    }  # fmt: skip
    if not all(np.isfinite(each) for each in values.values()):
        raise ArithmeticError("the plant gave no finite state")
    return values


def main():
    """Answer until the input ends."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    about = {"name": "pcgym crystallization", "version": version("pcgym")}
    print(json.dumps({**about, "space": SPACE, "objective": "sized_yield"}), file=out)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            print(json.dumps({"values": simulate(asked["parameters"], asked["donor"])}), file=out)
        except Exception as error:  # noqa: BLE001  (a failed experiment is an answer)
            print(json.dumps({"failed": f"{type(error).__name__}: {error}"}), file=out)


main()
