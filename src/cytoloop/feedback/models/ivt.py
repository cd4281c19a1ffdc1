"""In-vitro transcription of mRNA by T7 RNA polymerase, with the magnesium pyrophosphate that precipitates.

After Stover, Ganko & Braatz 2024, Biotechnol Bioeng, doi 10.1002/bit.28699, and its repository (MIT). States: RNA R,
magnesium pyrophosphate precipitated C, pyrophosphate hydrolysed Q [mol/L], free template T [nmol/L], nuclei N [h].
Time in hours. Everything dissolved follows from how far the three reactions went (mass balances, exact):

(1) pools     NTP_i = NTP_i(0) - n_i R    PPi = PPi(0) + (n - 1) R - C - Q                        [mol/L]
              Mg = Mg(0) - 2 C            Pi = Pi(0) + 2 Q        n = n_A + n_U + n_C + n_G, bases of the RNA
(2) complexes every pool is shared among its forms with a protons and b magnesiums by mass action:
              form = K H^a Mg^b pool / sum of the same over the pool's forms                      [mol/L]
              NTP: HNTP, HMgNTP, MgNTP, Mg2NTP; PPi: HPPi, H2PPi, MgPPi, HMgPPi, H2MgPPi, Mg2PPi; Pi: HPi, MgPi;
              buffer: HBuffer. Free H and Mg are where two balances close: charge, and total magnesium
              (equilibria as in Kern & Davis 1997, Biotechnol Prog 13:747, and Akama 2012, Biophys J 102:221)
(3) elongation k_N = k_e MgN / (MgN + K_1 (1 + MgPPi / Ki_PPi)) * Mg / (K_2 + Mg) for each nucleotide N  [1/h]
(4) template  alpha = 1 + k_i sum over N of n_N / k_N: how much longer a template is held than by initiation   [1]
(5) complex   IC = (S - sqrt(S^2 - 4 E T alpha)) / (2 alpha), S = K_MD + E + alpha T, K_MD = (k_off + k_i) / k_on,
              E the polymerase: initiation complexes                                              [nmol/L]
(6) RNA       dR/dt = k_i IC                                                                      [mol/L per h]
(7) nuclei    dN/dt = exp(-B / (ln s)^2) for s > 1, else 0; s = Mg2PPi / Mg2PPi_eq                [1]
              classical nucleation (Mersmann 2001, Crystallization Technology Handbook)
(8) crystal   dC/dt = k_precip N ln s for s > 1, else 0                                           [mol/L per h]
(9) PPiase    dQ/dt = 60 kPPiase P MgPPi / (MgPPi + KMPPiase), P in U/uL                          [mol/L per h]
(10) template dT/dt = -k_d N T: templates caught by nuclei                                        [nmol/L per h]

Sodium comes with the NTP (3.96 each), chloride with the buffer (pH 8.0 at pKa 8.1), acetate with the magnesium.
What the equations leave out: double-stranded and abortive RNA, capping, temperature, degradation, crystals that
dissolve again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Any

import numpy as np
from numba import njit

from cytoloop.feedback.models.kernel import Floats
from cytoloop.feedback.models.model import Parameter, State
from cytoloop.feedback.models.stiff import solve, stiff_kernel

_STOVER = "Stover 2024, prior"
_FIT = "Stover 2024, fitted only"
PARAMETERS = (
    Parameter(name="k_i", unit="1/h", scale="log", figure=936.0, source=_STOVER),
    Parameter(name="k_e", unit="1/h", scale="log", figure=5.3e5, source=_STOVER),
    Parameter(name="k_off", unit="1/h", scale="log", figure=4320.0, source=_STOVER),
    Parameter(name="k_on", unit="1/h per nmol/L", scale="log", figure=204.0, source=_STOVER),
    Parameter(name="K_1", unit="mol/L", scale="log", figure=10**-3.692, source=_FIT),
    Parameter(name="K_2", unit="mol/L", scale="log", figure=10**-3.80, source=_FIT),
    Parameter(name="Ki_PPi", unit="mol/L", scale="log", figure=2e-4, source=_STOVER),
    Parameter(name="k_precip", unit="mol/L per h per h", scale="log", figure=10**-0.26, source=_FIT),
    Parameter(name="B", unit="1", scale="log", figure=13.48, source=_STOVER),
    Parameter(name="k_d", unit="1/h per h", scale="log", figure=10**4.47, source=_FIT),
    Parameter(name="K_HNTP", unit="L/mol", scale="log", figure=10**6.91, source=_STOVER),
    Parameter(name="K_HMgNTP", unit="L/mol", scale="log", figure=10**2.08, source=_STOVER),
    Parameter(name="K_HPPi", unit="L/mol", scale="log", figure=10**9.02, source=_STOVER),
    Parameter(name="K_HMgPPi", unit="L/mol", scale="log", figure=10**3.32, source=_STOVER),
    Parameter(name="K_H2PPi", unit="L/mol", scale="log", figure=10**6.26, source=_STOVER),
    Parameter(name="K_H2MgPPi", unit="L/mol", scale="log", figure=10**2.11, source=_STOVER),
    Parameter(name="K_MgNTP", unit="L/mol", scale="log", figure=10**4.54, source=_STOVER),
    Parameter(name="K_Mg2NTP", unit="L/mol", scale="log", figure=10**1.77, source=_STOVER),
    Parameter(name="K_MgPPi", unit="L/mol", scale="log", figure=10**4.80, source=_STOVER),
    Parameter(name="K_Mg2PPi", unit="L/mol", scale="log", figure=10**2.57, source=_STOVER),
    Parameter(name="Mg2PPi_eq", unit="mol/L", scale="log", figure=1.4e-5, source=_STOVER),
)
"""In the order of the published file of fitted parameters."""

FIXED = (
    Parameter(
        name="kPPiase", unit="mol/L per min per U/uL", scale="fixed", figure=1.0, source="definition of the unit"
    ),
    Parameter(name="KMPPiase", unit="mol/L", scale="fixed", figure=2.14e-4, source="Stover 2024"),
    Parameter(name="K_MgPi", unit="L/mol", scale="fixed", figure=10**1.88, source="Stover 2024"),
    Parameter(name="K_HPi", unit="L/mol", scale="fixed", figure=10**6.92, source="Stover 2024"),
    Parameter(name="buffer_pKa", unit="1", scale="fixed", figure=8.1, source="Tris, Stover 2024"),
)

PRIOR_SPREAD: tuple[float | None, ...] = (
    *(0.3, 0.15, 0.25, 0.05, None, None, 0.3, None, 0.1, None, 0.02, 0.05),
    *(0.05, 0.05, 0.1, 0.1, 0.58, 0.58, 0.58, 0.58, 0.3),
)
"""Standard deviation of log10 of each parameter beforehand (Stover 2024); None: nothing is believed of it."""

STATES = (
    State(name="rna", symbol="R", unit="mol/L", floor=1e-9),
    State(name="precipitated", symbol="C", unit="mol/L", floor=1e-6),
    State(name="hydrolysed", symbol="Q", unit="mol/L", floor=1e-6),
    State(name="free_template", symbol="T", unit="nmol/L", floor=1e-3),
    State(name="nuclei", symbol="N", unit="h", floor=1e-9),
)
R, C, Q, T, N = range(5)

OBSERVABLES = {
    "rna": ("umol/L", "1e6 R"),
    "ppi": ("mmol/L", "1e3 PPi of (1)"),
    "ntp": ("mmol/L", "1e3 NTP_i of (1)"),
    "magnesium": ("mmol/L", "1e3 Mg of (1), solids excluded"),
    "phosphate": ("mmol/L", "1e3 Pi of (1)"),
}

_SODIUM_PER_NTP = 3.96
_PLACES = ("polymerase", "buffer", "ppiase", "cap", "na", "cl", "oac", "atp", "utp", "ctp", "gtp", "mg", "ppi", "pi")
_BASES = ("n_a", "n_u", "n_c", "n_g")
_FIRST = len(PARAMETERS) + len(FIXED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """One reaction as it was started; concentrations in mol/L where nothing else is said."""

    polymerase: float
    template: float
    """nmol/L."""
    atp: float
    utp: float
    ctp: float
    gtp: float
    magnesium: float
    buffer: float
    bases: tuple[float, float, float, float]
    """A, U, C, G of the RNA."""
    cap: float = 0.0
    pyrophosphate: float = 1e-18
    ppiase: float = 0.0
    """U/uL."""

    def row(self) -> tuple[float, ...]:
        """Its figures as the compiled rates take them, after the parameters."""
        ntp = self.atp + self.utp + self.ctp + self.gtp
        share = 10.0 ** (FIXED[4].figure - 8.0)
        ions = (_SODIUM_PER_NTP * ntp, self.buffer * share / (1.0 + share), 2.0 * self.magnesium)
        pools = (self.atp, self.utp, self.ctp, self.gtp, self.magnesium, self.pyrophosphate, 1e-18)
        return (self.polymerase, self.buffer, self.ppiase, self.cap, *ions, *pools, *self.bases)


def rates_plain(y: Any, v: Any, room: Any, slopes: Any) -> None:
    """Equations (1) to (10). `v`: PARAMETERS, FIXED, then a reaction's row; `room` keeps ln H and ln Mg as a start."""
    c = v[26:]
    bases = c[14] + c[15] + c[16] + c[17]
    atp, utp = max(c[7] - c[14] * y[0], 0.0), max(c[8] - c[15] * y[0], 0.0)
    ctp, gtp = max(c[9] - c[16] * y[0], 0.0), max(c[10] - c[17] * y[0], 0.0)
    ntp = atp + utp + ctp + gtp + c[3]
    ppi = max(c[12] + (bases - 1.0) * y[0] - y[1] - y[2], 0.0)
    mg = max(c[11] - 2.0 * y[1], 1e-12)
    free, mgntp, mgppi, mg2ppi = _complexes(v, room, (ntp, ppi, mg, c[13] + 2.0 * y[2], y[0] * (bases + 2.0)))
    each = mgntp / max(ntp, 1e-30)
    bound = v[4] * (1.0 + mgppi / v[6])
    held = v[1] * free / (v[5] + free)
    alpha = 1.0 + v[0] / held * (
        c[14] * (1.0 + bound / max(each * atp, 1e-15))
        + c[15] * (1.0 + bound / max(each * utp, 1e-15))
        + c[16] * (1.0 + bound / max(each * ctp, 1e-15))
        + c[17] * (1.0 + bound / max(each * gtp, 1e-15))
    )
    enzyme, template = c[0] * 1e9, max(y[3], 0.0) * alpha
    total = (v[2] + v[0]) / v[3] + enzyme + template
    made = 2.0 * enzyme * template / (total + sqrt(max(total * total - 4.0 * enzyme * template, 0.0))) / alpha
    over = log(max(mg2ppi / v[20], 1.0))
    slopes[0] = v[0] * 1e-9 * made
    slopes[1] = v[7] * y[4] * over
    slopes[2] = 60.0 * v[21] * c[2] * mgppi / (mgppi + v[22])
    slopes[3] = -v[9] * y[4] * y[3]
    slopes[4] = exp(-v[8] / (over * over)) if over > 0.0 else 0.0


def _complexes_plain(v: Any, room: Any, pools: Any) -> Any:
    """Free Mg, MgNTP, MgPPi and Mg2PPi of (2): Newton's method on the two balances in ln H and ln Mg.

    How much of a pool's magnesium, protons or charge changes with ln Mg or ln H is a covariance over its forms.
    """
    ntp, ppi, mg, pi, rna = pools
    c = v[26:]
    if room[0] == 0.0:
        room[0], room[1] = log(1.3e-8), log(0.5 * mg)
    mgntp = mgppi = mg2ppi = free = 0.0
    for _ in range(60):
        h, free = exp(room[0]), exp(room[1])
        n1, n3 = h * v[10], free * v[16]
        n2, n4 = n1 * free * v[11], n3 * free * v[17]
        n = ntp / (1.0 + n1 + n2 + n3 + n4)
        p1, p5 = h * v[12], free * v[18]
        p2, p3 = p1 * free * v[13], p1 * h * v[14]
        p4, p6 = p3 * free * v[15], p5 * free * v[19]
        p = ppi / (1.0 + p1 + p2 + p3 + p4 + p5 + p6)
        i1, i2 = h * v[24], free * v[23]
        i = pi / (1.0 + i1 + i2)
        b1 = h * 10.0 ** v[25]
        b = c[1] / (1.0 + b1)
        mgntp, mgppi, mg2ppi = n * n3, p * p5, p * p6
        # Sums over the forms: protons a, magnesiums m, and the products that the covariances need.
        na, nm = n * (n1 + n2), n * (n2 + n3 + 2.0 * n4)
        pa, pm = p * (p1 + p2 + 2.0 * (p3 + p4)), p * (p2 + p4 + p5 + 2.0 * p6)
        ia, im, ba = i * i1, i * i2, b * b1
        n0, p0, i0, b0 = max(ntp, 1e-30), max(ppi, 1e-30), max(pi, 1e-30), max(c[1], 1e-30)
        aa = na - na * na / n0 + p * (p1 + p2 + 4.0 * (p3 + p4)) - pa * pa / p0 + ia - ia * ia / i0 + ba - ba * ba / b0
        am = n * n2 - na * nm / n0 + p * (p2 + 2.0 * p4) - pa * pm / p0 - ia * im / i0
        mm = n * (n2 + n3 + 4.0 * n4) - nm * nm / n0 + p * (p2 + p4 + p5 + 4.0 * p6) - pm * pm / p0 + im - im * im / i0
        hydroxide = 1e-14 / h
        magnesium = free + nm + pm + im - mg
        negative = c[6] + c[5] + hydroxide + 4.0 * (ntp + ppi) + 2.0 * pi + rna - (na + pa + ia) - 2.0 * (nm + pm + im)
        charge = negative - h - ba - c[4] - 2.0 * free
        ch, cm = -hydroxide - h - aa - 2.0 * am, -am - 2.0 * mm - 2.0 * free
        mh, m2 = am, free + mm
        det = ch * m2 - cm * mh
        dh, dm = (cm * magnesium - m2 * charge) / det, (mh * charge - ch * magnesium) / det
        room[0] += min(2.0, max(-2.0, dh))
        room[1] += min(2.0, max(-2.0, dm))
        if abs(dh) + abs(dm) < 1e-10:
            break
    return free, mgntp, mgppi, mg2ppi


_complexes = njit(error_model="numpy")(_complexes_plain)
_RUN: Callable[..., None] = stiff_kernel("ivt", njit(error_model="numpy")(rates_plain), states=5, room=2)


def react(
    parameters: Floats,
    reactions: tuple[Reaction, ...] | list[Reaction],
    times: Floats,
    *,
    rtol: float = 1e-5,
    threads: int = 1,
) -> Floats:
    """States of each reaction under each parameter set at its times [h]; parameters (m, PARAMETERS) in their units,
    times (reactions, points) -> (m, reactions, points, 5)."""
    rows = np.array([reaction.row() for reaction in reactions])
    fixed = np.array([each.figure for each in FIXED])
    sets, count = len(parameters), len(rows)
    figures = np.hstack([parameters, np.broadcast_to(fixed, (sets, len(fixed)))])
    values = np.hstack([np.repeat(figures, count, axis=0), np.tile(rows, (sets, 1))])
    begins = np.zeros((sets * count, 5))
    begins[:, T] = np.tile([reaction.template for reaction in reactions], sets)
    floors = np.array([state.floor for state in STATES])
    out = solve(_RUN, values, begins, np.tile(times, (sets, 1)), floors=floors, rtol=rtol, threads=threads)
    return out.reshape(sets, count, times.shape[1], 5)


def pools(reaction: Reaction, states: Floats) -> dict[str, Floats]:
    """What is in solution, in the units of OBSERVABLES; states (..., 5) -> (...)."""
    made, solid, cut = states[..., R], states[..., C], states[..., Q]
    starts = (reaction.atp, reaction.utp, reaction.ctp, reaction.gtp)
    left = {
        f"{name}tp": 1e3 * (start - bases * made)
        for name, start, bases in zip("aucg", starts, reaction.bases, strict=True)
    }
    released = (sum(reaction.bases) - 1.0) * made
    return {
        "rna": 1e6 * made,
        "ppi": 1e3 * (reaction.pyrophosphate + released - solid - cut),
        "magnesium": 1e3 * (reaction.magnesium - 2.0 * solid),
        "phosphate": 1e3 * 2.0 * cut,
        **left,
    }
