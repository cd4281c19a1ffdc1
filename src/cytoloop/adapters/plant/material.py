"""Material: a bag of cells, from the leukapheresis to the frozen product."""

from dataclasses import dataclass, replace

from cytoloop.adapters.plant.culture import BEADS, CONTAMINANT, EFFECTOR, MEMORY, OTHER, Culture
from cytoloop.adapters.plant.donors import Donor


@dataclass(frozen=True, slots=True, kw_only=True)
class Bag:
    """Cells in suspension."""

    viable: float
    """1e6 viable cells."""
    volume: float
    viability: float
    purity: float
    """CD3+ fraction of viable cells."""
    cd4: float
    memory: float
    """CCR7+ fraction: of CAR+ T cells once there are any, of T cells before."""
    car: float = 0.0
    """CAR+ fraction of viable CD3+."""
    copies: float = 0.0
    beads: float = 0.0
    """Beads per cell."""
    organisms: float = 0.0
    """Colony forming units that a sterility test would find."""

    def kept(self, share: float) -> "Bag":
        """What is left when `share` of the suspension is."""
        return replace(self, viable=self.viable * share, volume=self.volume * share)

    def injured(self, share: float) -> "Bag":
        """After `share` of the viable cells died and stayed in the bag."""
        alive = self.viability * (1.0 - share)
        return replace(self, viable=self.viable * (1.0 - share), viability=alive)


def collected(donor: Donor) -> Bag:
    """The leukapheresis bag of `donor` as it arrives: 1e6 cells in 200 mL."""
    return Bag(
        viable=donor.collected_cells * donor.viability,
        volume=200.0,
        viability=donor.viability,
        purity=donor.cd3_fraction,
        cd4=donor.cd4_fraction,
        memory=donor.memory,
    )


def harvested(culture: Culture) -> Bag:
    """The cells of a culture as one suspension."""
    cells = culture.cells
    cd3, positive = float(cells.sum()), cells[[1, 3]]
    car = float(positive.sum())
    chosen = positive if car > 1e-9 else cells
    ccr7 = float(chosen[:, list(MEMORY)].sum())
    return Bag(
        viable=culture.viable * culture.volume,
        volume=culture.volume,
        viability=culture.viability,
        purity=cd3 / max(cd3 + float(culture.state[OTHER]), 1e-9),
        cd4=float(cells[:2].sum()) / max(cd3, 1e-9),
        memory=ccr7 / max(ccr7 + float(chosen[:, list(EFFECTOR)].sum()), 1e-9),
        car=car / max(cd3, 1e-9),
        copies=culture.copies,
        beads=float(culture.state[BEADS]),
        organisms=float(round(100.0 * culture.state[CONTAMINANT])),
    )
