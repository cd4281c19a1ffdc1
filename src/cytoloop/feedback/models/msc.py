"""Mesenchymal stromal cells on microcarriers in a stirred vessel, or on planar surface, well mixed.

States: suspended cells S, attached cells X, dead cells D [1e6 cells/mL], glucose G, lactate L, ammonia A [mmol/L],
surface that cells have reached C [cm2/mL]. Time in hours. Controls: surface s that is there [cm2/mL] (beads are added,
vessels joined), exchange of medium P [1/h], agitation r relative to the design's [1]; on planar surface r = 0.

(1) room       f = max(0, 1 - X / (per_area * C)) on reached, F = max(0, 1 - X / (per_area * s)) on all surface [1]
               contact inhibition as a logistic of the surface (Mancuso 2009, Cell Prolif 42:602)
(2) attachment j = attach * S * F                                                         [1e6 cells/mL per h]
(3) shedding   h = shed * r * X                                                           [1e6 cells/mL per h]
               suspended and attached cells apart, first order each way (Jossen 2018, Bioengineering 5:106); shear and
               collisions of beads grow with agitation (Croughan 1987, Biotechnol Bioeng 29:130)
(4) growth     mu = mu_max * f * G / (glucose_half + G) / (1 + (L / lactate_half)^2) / (1 + (A / ammonia_half)^2)
               [1/h]; Monod 1949 (Annu Rev Microbiol 3:371), Han & Levenspiel 1988 form of product inhibition;
               lactate and ammonia hold back human MSC (Schop 2009, Tissue Eng Part A 15:1877)
(5) death      k = death * (1 + starvation * glucose_half / (glucose_half + G))                             [1/h]
               without a hold cells die faster: anoikis (Frisch & Francis 1994, J Cell Biol 124:619)
(6)            dS/dt = h - j - (k + anoikis) S            dX/dt = (mu - k) X + j - h      [1e6 cells/mL per h]
(7)            dD/dt = k (S + X) + anoikis S - lysis D                                    [1e6 cells/mL per h]
(8) glucose    dG/dt = -u + P (G_medium - G), u = glucose_uptake * (S + X) * G / (glucose_half + G)
(9) waste      dL/dt = lactate_yield * u - P L            dA/dt = ammonia_made * (S + X) - P A [mmol/L per h]
(10) transfer  dC/dt = (transfer * r * C + attach * S / per_area) * (1 - C / s)           [cm2/mL per h]
               bare beads are reached by contact with covered ones, and by suspended cells; that cells move bead to
               bead onto added beads is seen (Leber 2017, Process Biochem 59:255), the form is ours:
               collisions of covered with bare beads

At t = 0: S = seeded, G = medium, all surface counts as reached (at five cells a bead fewer than 1 % stay bare).

What the equations leave out: aggregation of beads, oxygen, size and age of beads, donors' passage number, harvest by
enzyme. No table of a real culture has been held against this model in this repository: figures "judged" are wide.
"""

from typing import Any

import numpy as np
from numba import njit

from cytoloop.feedback.models.kernel import Floats, kernel, rows
from cytoloop.feedback.models.lanes import LANES, one, put_six, six, three
from cytoloop.feedback.models.model import Control, Model, Parameter, State

_SCHOP = "Schop 2009, Tissue Eng Part A 15:1877"
_CELLS = "1e6 cells/mL"

STATES = (
    State(name="suspended_density", symbol="S", unit=_CELLS, floor=1e-4),
    State(name="attached_density", symbol="X", unit=_CELLS, floor=1e-4),
    State(name="dead_density", symbol="D", unit=_CELLS, floor=1e-4),
    State(name="glucose", symbol="G", unit="mmol/L", floor=1e-2),
    State(name="lactate", symbol="L", unit="mmol/L", floor=1e-2),
    State(name="ammonia", symbol="A", unit="mmol/L", floor=1e-3),
    State(name="reached_surface", symbol="C", unit="cm2/mL", floor=1e-3),
)
CONTROLS = (
    Control(name="surface", unit="cm2/mL", low=0.1, high=50.0),
    Control(name="exchange_rate", unit="1/h", low=0.0, high=0.1),
    Control(name="agitation", unit="1", low=0.0, high=3.0),
)
PARAMETERS = (
    Parameter(name="mu_max", unit="1/h", scale="log", figure=0.024, source="doubling in about 29 h; judged"),
    Parameter(name="attach", unit="1/h", scale="log", figure=0.25, source="most attached within 4 to 24 h; judged"),
    Parameter(name="shed", unit="1/h", scale="log", figure=0.002, source="judged"),
    Parameter(
        name="per_area", unit="1e6 cells/cm2", scale="log", figure=0.05, source="3e4 to 8e4 at confluence; judged"
    ),
    Parameter(name="death", unit="1/h", scale="log", figure=0.001, source="viability stays above 0.95; judged"),
    Parameter(name="anoikis", unit="1/h", scale="log", figure=0.02, source="Frisch & Francis 1994; size judged"),
    Parameter(
        name="glucose_uptake",
        unit="mmol/L/h per 1e6 cells/mL",
        scale="log",
        figure=0.38,
        source=f"{_SCHOP}: 9.2 pmol per cell and day",
    ),
    Parameter(name="lactate_yield", unit="mol/mol", scale="log", figure=2.0, source=_SCHOP),
    Parameter(
        name="ammonia_made", unit="mmol/L/h per 1e6 cells/mL", scale="log", figure=0.04, source="judged, from glutamine"
    ),
    Parameter(name="medium_glucose", unit="mmol/L", scale="log", figure=5.6, source="alpha-MEM, 1 g/L"),
    Parameter(name="transfer", unit="1/h", scale="log", figure=0.05, source="judged: added beads are reached in days"),
)
FIXED = (
    Parameter(name="glucose_half", unit="mmol/L", scale="fixed", figure=0.4, source="judged"),
    Parameter(name="lactate_half", unit="mmol/L", scale="fixed", figure=35.4, source=_SCHOP),
    Parameter(name="ammonia_half", unit="mmol/L", scale="fixed", figure=2.4, source=_SCHOP),
    Parameter(name="starvation", unit="1", scale="fixed", figure=5.0, source="judged"),
    Parameter(name="lysis", unit="1/h", scale="fixed", figure=0.01, source="judged"),
)

_ROWS = rows(states=7, parameters=len(PARAMETERS) + len(FIXED), controls=3)
_U, _P, _Y, _D = _ROWS.controls, _ROWS.parameters, _ROWS.state, _ROWS.slope


def rates_plain(u: Any, p: Any, y: Any) -> Any:
    """Equations (1) to (10); `p` in the order of PARAMETERS and FIXED."""
    free = max(0.0, 1.0 - y[1] / (p[3] * u[0]))
    room = max(0.0, 1.0 - y[1] / (p[3] * max(y[6], 1e-9)))
    sated = y[3] / (p[11] + y[3])
    lactate, ammonia = y[4] / p[12], y[5] / p[13]
    growth = p[0] * room * sated / ((1.0 + lactate * lactate) * (1.0 + ammonia * ammonia))
    death = p[4] * (1.0 + p[14] * (1.0 - sated))
    attaching, shedding = p[1] * y[0] * free, p[2] * u[2] * y[1]
    uptake = p[6] * (y[0] + y[1]) * sated
    reaching = (p[10] * u[2] * y[6] + p[1] * y[0] / p[3]) * max(0.0, 1.0 - y[6] / u[0])
    return (
        shedding - attaching - (death + p[5]) * y[0],
        (growth - death) * y[1] + attaching - shedding,
        death * (y[0] + y[1]) + p[5] * y[0] - p[15] * y[2],
        u[1] * (p[9] - y[3]) - uptake,
        p[7] * uptake - u[1] * y[4],
        p[8] * (y[0] + y[1]) - u[1] * y[5],
        reaching,
    )


_rates = njit(inline="always")(rates_plain)


def _slopes(w: Any) -> None:
    for lane in range(LANES):
        at = _P + lane
        p = six(w, at) + six(w, at + 6 * LANES) + three(w, at + 12 * LANES) + one(w, at + 15 * LANES)
        y = six(w, _Y + lane) + one(w, _Y + 6 * LANES + lane)
        d = _rates(three(w, _U + lane), p, y)
        put_six(w, _D + lane, d)
        w[_D + 6 * LANES + lane] = d[6]


def begin(values: Floats, seeded: float, surface: float) -> Floats:
    """States at t = 0; `seeded` [1e6 cells/mL], `surface` [cm2/mL]; values (n, parameters) -> (n, 7)."""
    states = np.zeros((len(values), 7))
    states[:, 0], states[:, 3], states[:, 6] = seeded, values[:, 9], surface
    return states


MODEL = Model(
    name="msc",
    about="Mesenchymal stromal cells on microcarriers or planar surface",
    states=STATES,
    controls=CONTROLS,
    parameters=PARAMETERS,
    fixed=FIXED,
    observables={
        "viable_cell_density": ("1e6 cells/mL", "S + X"),
        "viability": ("1", "(S + X) / (S + X + D)"),
        "confluence": ("1", "X / (per_area s)"),
        "glucose": ("mmol/L", "G"),
        "lactate": ("mmol/L", "L"),
        "ammonia": ("mmol/L", "A"),
    },
    equations=__doc__,
    kernel=kernel("msc", njit(inline="always")(_slopes), states=7, parameters=16, controls=3),
)
