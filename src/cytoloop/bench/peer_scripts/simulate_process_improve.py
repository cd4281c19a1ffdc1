"""Serves `process_improve.simulation.BioreactorSimulator`: one JSON line in, one out, until the input ends.

First line out: what it is. Then for each {"parameters": {...}, "donor": n}: the values without disturbances or noise.
The donor is a lot of upstream material; factors shape the schedule that the package's own simulator runs.
"""

import json
import os
import sys
from dataclasses import replace
from functools import cache
from importlib.metadata import version

import numpy as np
from process_improve.simulation import BioreactorConfig, BioreactorSimulator, sample_initial_conditions

SPACE = {
    "growth_temperature": (33.0, 38.5),
    "production_temperature": (28.0, 34.0),
    "shift_start": (1.0, 6.0),
    "shift_days": (0.5, 3.0),
    "growth_ph": (6.7, 7.5),
    "production_ph": (6.7, 7.5),
    "feed_rate": (0.02, 0.10),
    "inoculum": (0.1, 0.7),
}
"""Factor -> low, high: °C, °C, day, day, pH, pH, L/day, g/L."""

NOMINAL = replace(BioreactorConfig(), within_batch_scale=0.0, noise_scale=0.0)


@cache
def lot(donor):
    """The upstream data of one lot."""
    return sample_initial_conditions(1, random_state=donor).z.iloc[0]


def schedule(simulator, p):
    """The set-points of a schedule with one shift, as the package wants them."""
    trajectory = simulator.nominal_trajectory()
    share = np.clip((trajectory.index.to_numpy() - p["shift_start"]) / p["shift_days"], 0.0, 1.0)
    trajectory["temperature"] = p["growth_temperature"] + share * (
        p["production_temperature"] - p["growth_temperature"]
    )
    trajectory["pH"] = p["growth_ph"] + share * (p["production_ph"] - p["growth_ph"])
    return trajectory


def simulate(parameters, donor):
    """Titre [g/L], volume [L], product [g] and biomass [g/L] at the end."""
    config = replace(NOMINAL, feed_rate=parameters["feed_rate"], biomass_initial=parameters["inoculum"])
    simulator = BioreactorSimulator(config)
    batch = simulator.simulate_batch(lot(donor), schedule(simulator, parameters), random_state=0)
    last = batch.states.iloc[-1]
    return {
        "titer": batch.titer,
        "volume": float(last["volume"]),
        "product": batch.titer * float(last["volume"]),
        "biomass": float(last["biomass"]),
    }


def main():
    """Answer until the input ends."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    about = {"name": "process_improve.simulation", "version": version("process-improve")}
    print(json.dumps({**about, "space": SPACE, "objective": "product"}), file=out)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            print(json.dumps({"values": simulate(asked["parameters"], asked["donor"])}), file=out)
        except Exception as error:  # noqa: BLE001  (a failed experiment is an answer)
            print(json.dumps({"failed": f"{type(error).__name__}: {error}"}), file=out)


main()
