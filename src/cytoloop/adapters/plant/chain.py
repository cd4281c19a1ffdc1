"""Chain: what the facility physically holds of one chain of identity."""

from collections import Counter
from dataclasses import dataclass, field

from cytoloop.adapters.plant.donors import Donor
from cytoloop.adapters.plant.faults import Misfortunes
from cytoloop.adapters.plant.material import Bag


class ImpossibleError(Exception):
    """What was asked cannot be done with what is there; the text says why. Never leaves the facility."""


@dataclass(slots=True, kw_only=True)
class Chain:
    """The material of one patient and where it is."""

    coi: str
    stream: str
    """Names the dice of this material: equal names meet equal luck."""
    donor: Donor
    misfortunes: Misfortunes
    bag: Bag | None
    """The cells when they are in a bag; None while they are in culture."""
    unit: str | None = None
    """The bioreactor that holds the culture."""
    times: Counter[str] = field(default_factory=Counter)
    """How often each thing was done: numbers the dice."""

    def nth(self, what: str) -> int:
        """0 at the first time, 1 at the second, ..."""
        self.times[what] += 1
        return self.times[what] - 1

    def cells(self) -> Bag:
        """The bag; ImpossibleError when there is none."""
        if self.bag is None:
            raise ImpossibleError(f"there is no bag of {self.coi} to work on")
        return self.bag
