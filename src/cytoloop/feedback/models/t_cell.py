"""T cells in a perfused bioreactor after activation, well mixed, constant volume.

States: viable density X and dead density D [1e6 cells/mL], glucose G and lactate L [mmol/L], interleukin-2 I
[IU/mL], memory fraction M [1]. Time in hours, P the perfusion rate in vessel volumes per hour, cells retained.

(1) signal    a(t) = exp(-wane * max(0, t - lag)) / (1 + exp(-(t - lag) / ramp_width))              [1]
              activation ramps up and wanes when the beads' signal is spent (Trickett & Kwan 2003,
              J Immunol Methods 275:251)
(2) IL-2      h(I) = il2_independent + (1 - il2_independent) * I / (il2_half + I)                   [1]
              receptor occupancy (Smith 1988, Science 240:1169); part of growth needs none
(3) growth    mu = mu_max * a * h * G / (glucose_half + G) / (1 + (L / lactate_half)^2)
                        * max(0, 1 - X / density_limit)                                             [1/h]
              Monod 1949 (Annu Rev Microbiol 3:371); Han & Levenspiel 1988 form of product inhibition
(4) death     k = death * (1 + starvation * glucose_half / (glucose_half + G))                      [1/h]
(5) cells     dX/dt = (mu - k) X            dD/dt = k X - lysis D                  [1e6 cells/mL per h]
(6) glucose   dG/dt = -u X + P (G_medium - G)                                              [mmol/L per h]
              with u = glucose_uptake * (0.3 + 0.7 a) * G / (glucose_half + G)
              resting cells take up about a third of what activated cells do (Frauwirth 2002, Immunity 16:769)
(7) lactate   dL/dt = lactate_yield * u X - P L                                            [mmol/L per h]
(8) IL-2      dI/dt = -il2_uptake X I / (il2_half + I) - il2_decay I + P (I_medium - I)     [IU/mL per h]
(9) memory    dM/dt = -memory_loss * a * (1 + il2_memory * I / (il2_half + I)) * M                  [1/h]
              differentiation follows activation and cytokine (Gattinoni 2011, Nat Med 17:1290)

At t = 0: X = survival * seeded, D the rest, G = medium, L = 0, M = memory_start.

The signal's slope jumps at t = lag: that is the kink the integrator stops at. What the equations leave out: donors'
subsets, oxygen and pH, bead removal, amino acids, a second stimulation; `Twin.misfit` and `Twin.drift` hold how much
that has been.
"""

from typing import Any

from numba import njit

from cytoloop.feedback.models.kernel import kernel, rows
from cytoloop.feedback.models.lanes import AFTER, LANES, fast_exp, one, put_six, six, three, two
from cytoloop.feedback.models.model import Control, Model, Parameter, State
from cytoloop.feedback.twin import DYNAMIC, FIXED, NAMES, POPULATION

STATES = (
    State(name="viable_density", symbol="X", unit="1e6 cells/mL", floor=1e-4),
    State(name="dead_density", symbol="D", unit="1e6 cells/mL", floor=1e-4),
    State(name="glucose", symbol="G", unit="mmol/L", floor=1e-2),
    State(name="lactate", symbol="L", unit="mmol/L", floor=1e-2),
    State(name="il2", symbol="I", unit="IU/mL", floor=1e-1),
    State(name="memory_fraction", symbol="M", unit="1", floor=1e-3),
)
CONTROLS = (
    Control(name="perfusion_rate", unit="1/h", low=0.0, high=0.25),
    Control(name="il2", unit="IU/mL", low=0.0, high=1000.0),
)
LAG = NAMES.index("lag")
"""The parameter at which the signal has its kink."""

_SOURCES = {
    "mu_max": (0.046, "Vormittag 2018, Curr Opin Biotechnol 53:164"),
    "lag": (36.0, "Deenick 2003, J Immunol 170:4963"),
    "survival": (0.64, "Kodysh, PeerJ Preprints 26993 (tables)"),
    "wane": (0.0025, "Trickett & Kwan 2003, J Immunol Methods 275:251"),
    "death": (0.0035, "holds viability near 0.9; judged"),
    "density_limit": (25.0, "Janas 2015, BioProcess Int 13"),
    "glucose_uptake": (0.10, "Frauwirth 2002, Immunity 16:769"),
    "lactate_yield": (1.6, "aerobic glycolysis, below the bound of 2"),
    "medium_glucose": (16.0, "T-cell media, 11 to 25 mmol/L"),
    "memory_start": (0.71, "Kodysh, PeerJ Preprints 26993 (tables)"),
    "memory_loss": (0.0022, "Gattinoni 2011, Nat Med 17:1290"),
    "il2_independent": (0.93, "Kodysh, PeerJ Preprints 26993 (tables)"),
    "il2_memory": (0.3, "Kaartinen 2017, Cytotherapy 19:689; size judged"),
    "ramp_width": (6.0, "Hawkins 2007, PNAS 104:5032"),
    "glucose_half": (0.8, "Macintyre 2014, Cell Metab 20:61"),
    "lactate_half": (35.0, "Fischer 2007, Blood 109:3812"),
    "il2_half": (40.0, "Kodysh, PeerJ Preprints 26993 (tables)"),
    "starvation": (6.0, "judged, few data"),
    "lysis": (0.012, "judged: dead cells stay countable for some days"),
    "il2_uptake": (0.10, "judged from receptor turnover"),
    "il2_decay": (0.004, "half-life in medium at 37 °C of about a week"),
}
"""Parameter -> the pack's figure and where it is from; `packs/car_t_cd19/twin.yaml` says more."""

_VARIED = NAMES[:DYNAMIC]
_ROWS = rows(states=6, parameters=len(_VARIED) + len(FIXED), controls=2)
_U, _P, _Y, _D, _T = _ROWS.controls, _ROWS.parameters, _ROWS.state, _ROWS.slope, _ROWS.time
_ROWS2 = rows(states=12, parameters=2 * len(_VARIED) + len(FIXED), controls=2)
_U2, _P2, _Y2, _D2, _T2 = _ROWS2.controls, _ROWS2.parameters, _ROWS2.state, _ROWS2.slope, _ROWS2.time


def rates_plain(t: Any, after: Any, u: Any, p: Any, y: Any) -> Any:
    """Equations (1) to (9): slopes of the states; `p` in the order of NAMES[:DYNAMIC] and FIXED, `after` 1 from the
    kink on."""
    late = t - p[1]
    signal = fast_exp(-p[3] * late * after) / (1.0 + fast_exp(-late / p[13]))
    sated = y[2] / (p[14] + y[2])
    bound = y[4] / (p[16] + y[4])
    inhibited = y[3] / p[15]
    room = max(0.0, 1.0 - y[0] / p[5])
    growth = p[0] * signal * (p[11] + (1.0 - p[11]) * bound) * sated / (1.0 + inhibited * inhibited) * room
    death = p[4] * (1.0 + p[17] * (1.0 - sated))
    uptake = p[6] * (0.3 + 0.7 * signal) * sated * y[0]
    return (
        (growth - death) * y[0],
        death * y[0] - p[18] * y[1],
        u[0] * (p[8] - y[2]) - uptake,
        p[7] * uptake - u[0] * y[3],
        u[0] * (u[1] - y[4]) - p[19] * y[0] * bound - p[20] * y[4],
        -p[10] * signal * (1.0 + p[12] * bound) * y[5],
    )


def tangents_plain(t: Any, after: Any, u: Any, figures: Any, states: Any) -> Any:
    """How `rates_plain` changes along a direction: its exact derivative, term by term.

    `figures` are `p` and its change in the order of NAMES[:DYNAMIC], `states` are `y` and its change.
    """
    (p, dp), (y, dy) = figures, states
    late = t - p[1]
    ramp, fade = 1.0 / (1.0 + fast_exp(-late / p[13])), fast_exp(-p[3] * late * after)
    signal = ramp * fade
    signal_ = -signal * ((1.0 - ramp) * dp[1] / p[13] + after * (dp[3] * late - p[3] * dp[1]))
    sated, bound = y[2] / (p[14] + y[2]), y[4] / (p[16] + y[4])
    sated_ = dy[2] * (1.0 - sated) / (p[14] + y[2])
    bound_ = dy[4] * (1.0 - bound) / (p[16] + y[4])
    brake = 1.0 / (1.0 + (y[3] / p[15]) * (y[3] / p[15]))
    brake_ = -2.0 * y[3] / p[15] * dy[3] / p[15] * brake * brake
    space = 1.0 - y[0] / p[5]
    room, open_ = max(0.0, space), 1.0 if space > 0.0 else 0.0
    room_ = open_ * (y[0] * dp[5] / p[5] - dy[0]) / p[5]
    drive = p[11] + (1.0 - p[11]) * bound
    drive_ = dp[11] * (1.0 - bound) + (1.0 - p[11]) * bound_
    pace, held = p[0] * signal * drive, sated * brake * room
    pace_ = dp[0] * signal * drive + p[0] * (signal_ * drive + signal * drive_)
    held_ = sated_ * brake * room + sated * (brake_ * room + brake * room_)
    net = pace * held - p[4] * (1.0 + p[17] * (1.0 - sated))
    death = p[4] * (1.0 + p[17] * (1.0 - sated))
    death_ = dp[4] * (1.0 + p[17] * (1.0 - sated)) - p[4] * p[17] * sated_
    hunger = 0.3 + 0.7 * signal
    uptake = p[6] * hunger * sated * y[0]
    uptake_ = (dp[6] * hunger + p[6] * 0.7 * signal_) * sated * y[0] + p[6] * hunger * (sated_ * y[0] + sated * dy[0])
    loss = 1.0 + p[12] * bound
    loss_ = dp[12] * bound + p[12] * bound_
    return (
        (pace_ * held + pace * held_ - death_) * y[0] + net * dy[0],
        death_ * y[0] + death * dy[0] - p[18] * dy[1],
        u[0] * (dp[8] - dy[2]) - uptake_,
        dp[7] * uptake + p[7] * uptake_ - u[0] * dy[3],
        -u[0] * dy[4] - p[19] * (dy[0] * bound + y[0] * bound_) - p[20] * dy[4],
        -dp[10] * signal * loss * y[5] - p[10] * ((signal_ * loss + signal * loss_) * y[5] + signal * loss * dy[5]),
    )


_rates = njit(inline="always")(rates_plain)
_tangents = njit(inline="always")(tangents_plain)


def _slopes(w: Any) -> None:
    for lane in range(LANES):
        at = _P + lane
        p = six(w, at) + six(w, at + 6 * LANES) + six(w, at + 12 * LANES) + three(w, at + 18 * LANES)
        u = two(w, _U + lane)
        put_six(w, _D + lane, _rates(w[_T + lane], w[AFTER + lane], u, p, six(w, _Y + lane)))


def _slopes_with_tangents(w: Any) -> None:
    for lane in range(LANES):
        at = _P2 + lane
        p = six(w, at) + six(w, at + 6 * LANES) + six(w, at + 12 * LANES) + three(w, at + 18 * LANES)
        dp = six(w, at + 21 * LANES) + six(w, at + 27 * LANES) + one(w, at + 33 * LANES)
        u, t, after = two(w, _U2 + lane), w[_T2 + lane], w[AFTER + lane]
        y, dy = six(w, _Y2 + lane), six(w, _Y2 + 6 * LANES + lane)
        put_six(w, _D2 + lane, _rates(t, after, u, p, y))
        put_six(w, _D2 + 6 * LANES + lane, _tangents(t, after, u, (p, dp), (y, dy)))


def _parameter(name: str, unit: str, scale: str) -> Parameter:
    figure, source = _SOURCES[name]
    return Parameter(name=name, unit=unit, scale=scale, figure=figure, source=source)


MODEL = Model(
    name="t_cell",
    about="T cells after activation in a perfused bioreactor",
    states=STATES,
    controls=CONTROLS,
    parameters=tuple(_parameter(name, POPULATION[name][1], POPULATION[name][0]) for name in _VARIED),
    fixed=tuple(_parameter(name, unit, "fixed") for name, unit in FIXED.items()),
    observables={
        "viable_cell_density": ("1e6 cells/mL", "X"),
        "viability": ("1", "X / (X + D)"),
        "glucose": ("mmol/L", "G"),
        "lactate": ("mmol/L", "L"),
        "memory_fraction": ("1", "M"),
    },
    equations=__doc__,
    kernel=kernel("t_cell", njit(inline="always")(_slopes), states=6, parameters=21, controls=2),
    tangent=kernel(
        "t_cell_tangent", njit(inline="always")(_slopes_with_tangents), states=12, parameters=34, controls=2, checked=6
    ),
    kink=LAG,
)
