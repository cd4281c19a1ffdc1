"""Virtual batches of a campaign on the simulated facility: donors, misfortunes, luck and the laboratory's noise."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cytoloop.adapters.plant import laboratory
from cytoloop.adapters.plant.donors import Distribution, draw_donor
from cytoloop.adapters.plant.faults import Faults, draw_misfortunes
from cytoloop.adapters.plant.laboratory import Sampled
from cytoloop.adapters.plant.streams import stream
from cytoloop.adapters.plant.virtual import dice_of, virtual_batch

Limits = Mapping[str, tuple[float | None, float | None]]
"""Attribute -> (low, high) at release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a virtual batch is made with."""

    targets: Mapping[str, float] = field(hash=False)
    """Every parameter of the recipe."""
    limits: Limits = field(hash=False)
    dose: str
    """The attribute that is the yield."""
    donors: Distribution = field(hash=False)
    faults: Faults
    seed: int


def release_results(site: Site, *, batch: int, donor: int, settings: Mapping[str, float]) -> dict[str, float]:
    """Release results of a batch as the laboratory finds them, whether all are in specification, the yield that is.

    The donor hangs on the seed and `donor`, luck and noise on the seed and `batch`: nothing else.
    """
    who = draw_donor(site.donors, stream(site.seed, "donor", donor), str(donor))
    luck = f"batch {batch}"
    met = draw_misfortunes(site.faults, stream(site.seed, luck, "misfortunes"))
    made = virtual_batch(who, {**site.targets, **settings}, dice_of(site.seed, luck), misfortunes=met)
    told = laboratory.test(Sampled(bag=made.product), site.limits, stream(site.seed, luck, "sample", "release", 0))
    found = {name: _value(each) for name, each in told.items()}
    good = float(all(_inside(found[name], *pair) for name, pair in site.limits.items()))
    return {**found, "in_specification": good, "in_specification_yield": found[site.dose] * good}


def _value(told: object) -> float:
    assert isinstance(told, dict), "a report of the laboratory"
    return float(told["value"])


def _inside(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)
