"""The numbers of the simulated T-cell culture: what is true of every donor before the donor's own factors.

Where no source is named the form and the figure are chosen here, to lie in the range of published autologous
CAR-T cultures: tenfold expansion in ten days under a lean medium exchange, and about two thirds of the pack's
patients in specification under its first recipe, the rest for want of cells, glucose or memory. Nothing in this file
was fitted to a patient, a twin or a controller.
"""

from typing import NamedTuple


class Biology(NamedTuple):
    """Rates per hour, densities in 1e6 cells/mL, glucose and lactate in mmol/L, IL-2 in IU/mL."""

    activation: float = 0.10
    """Commitment of resting cells under full bead signal."""
    blast: float = 0.075
    """Each of two stages between commitment and first division. That the first division is late and spread out, and
    later ones quick: Hawkins et al. 2007, PNAS 104:5032; the delay chain is chosen here."""
    growth_cd4: float = 0.04
    """Division of CD4+ memory cells when nothing limits."""
    growth_cd8: float = 0.0445
    effector_gain: float = 1.05
    """Effectors divide faster than memory precursors (Buchholz et al. 2013, Science 340:630)."""
    car_gain: float = 0.97
    """Growth of CAR+ cells relative to their neighbours: a small cost of transduction."""
    differentiation: float = 0.008
    """Chance that a daughter of a memory cell is an effector, before signal and IL-2 (linear differentiation:
    Buchholz et al. 2013; Restifo and Gattinoni 2013, Curr Opin Immunol 25:556)."""
    drift: float = 0.0035
    """Memory cells that turn effector without dividing, per hour: the longer the culture, the fewer memory cells
    (Ghassemi et al. 2018, Cancer Immunol Res 6:1100)."""
    differentiation_by_signal: float = 0.6
    differentiation_by_il2: float = 0.9
    exhaustion: float = 0.16
    """Chance that a daughter of an effector never divides again, once divisions are used up."""
    exhaustion_divisions: float = 6.5
    """Mean divisions of the culture at which half of that chance applies."""
    bead_half: float = 0.35
    """Beads per cell that give half the full signal."""
    bead_loss: float = 0.012
    drive_rise: float = 0.08
    drive_fall: float = 0.005
    """How fast the readiness to divide fades once the bead signal has gone (half-life 5.8 d)."""
    glucose_half: float = 0.6
    """Monod (1949) constant of growth on glucose."""
    lactate_half: float = 36.0
    """Lactate that halves growth (non-competitive, exponent 2)."""
    il2_half: float = 18.0
    il2_floor: float = 0.7
    """Growth left without IL-2, as a share; healthy donors in the source tables hardly need it in the first days."""
    density_max: float = 40.0
    """Density at which growth stops for want of oxygen and room."""
    uptake_growth: float = 0.056
    """Glucose used by 1e9 dividing cells, mmol/h, beyond upkeep."""
    uptake_upkeep: float = 0.0165
    lactate_yield: float = 1.75
    """mol lactate per mol glucose: activated T cells are glycolytic (MacIver et al. 2013, Annu Rev Immunol 31:259)."""
    il2_decay: float = 0.010
    il2_uptake: float = 0.55
    """IU used by 1e6 cells per hour at saturation."""
    death_resting: float = 0.003
    death_blast: float = 0.007
    death_memory: float = 0.0016
    death_effector: float = 0.0028
    death_exhausted: float = 0.012
    death_starved: float = 0.022
    starved_half: float = 0.45
    death_lactate: float = 0.016
    death_lactate_half: float = 38.0
    death_il2: float = 0.005
    """Added death of effectors without IL-2 (cytokine withdrawal)."""
    death_signal: float = 0.006
    """Activation-induced death of effectors under a signal above half."""
    lysis: float = 0.022
    factor_half: float = 0.25
    """Autocrine conditioning: a culture thinner than this (1e6 cells/mL, in a medium not exchanged) grows slower."""
    factor_floor: float = 0.72
    factor_decay: float = 0.05
    other_death: float = 0.020
    """Cells that are not T cells starve of their own cytokines."""
    temperature_width: float = 2.2
    """°C from 37 at which growth falls to 37 %."""


class DonorFactors(NamedTuple):
    """What multiplies the numbers above for one donor."""

    growth: float = 1.0
    il2: float = 1.0
    """Share of growth that hangs on IL-2, relative to the usual."""
    differentiation: float = 1.0
    apoptosis: float = 1.0
    uptake: float = 1.0
    """Glucose uptake."""
    activation: float = 1.0
    blast_survival: float = 1.0
    """Share of blasts that survive activation, relative to the usual (death of blasts is divided by it)."""


class Environment(NamedTuple):
    """What the bioreactor does to the culture."""

    perfusion: float
    """Volumes exchanged per hour; cells are retained."""
    il2: float
    """In fresh medium."""
    temperature: float
    glucose: float = 17.0
    """In fresh medium."""
