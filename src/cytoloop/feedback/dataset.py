"""Dataset: one batch as the twin sees it, built from plain values of the record.

Hours run from the `seed` into the bioreactor (the start of activation) at t = 0. The expansion loop begins at
`Start.expansion_at`; harvest is at expansion start plus `expansion.culture_duration`. Values are in house units.
Parameters are as executed, not as planned.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median

from cytoloop.core.errors import UserError

IN_CULTURE: tuple[str, ...] = (
    "viable_cell_density",
    "viability",
    "glucose",
    "lactate",
    "car_fraction",
    "memory_fraction",
    "glucose_online",
    "lactate_online",
    "biomass_online",
)
"""Attributes the twin reads from the running culture. `..._online` are noisy probes, thinned; `biomass_online` is any
signal that is proportional to the viable cells (capacitance, oxygen uptake), in any unit: only its course counts."""

IN_PRODUCT: tuple[str, ...] = (
    "total_viable_cells",
    "viable_car_cells",
    "viability",
    "car_fraction",
    "memory_fraction",
    "vector_copy_number",
)
"""Attributes the twin reads from the release sample of the finished product."""

ONLINE: dict[str, float] = {"glucose_online": 12.0, "lactate_online": 12.0, "biomass_online": 6.0}
"""Attribute that a probe reads all the time -> h of the windows whose medians are taken."""

_FRACTIONS = frozenset({"viability", "car_fraction", "memory_fraction"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How the culture began, as executed."""

    seeding_density: float
    """1e6 viable cells/mL."""
    volume: float
    """mL; taken as constant."""
    viability: float = 0.95
    """Fraction, of the cells seeded."""
    moi: float = 3.0
    """TU/cell given at transduction."""
    il2: float = 100.0
    """IU/mL in the activation medium."""
    expansion_at: float = 48.0
    """h at which the expansion loop began (or is planned to)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """Set-points in force from `at` until the next one."""

    at: float
    """h."""
    perfusion_rate: float
    """Vessel volumes a day."""
    il2: float
    """IU/mL in the fresh medium."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchHistory:
    """What was done to one batch and what was seen of it so far."""

    batch: str
    start: Start
    controls: tuple[Control, ...]
    """In order of time."""
    observations: Mapping[str, tuple[tuple[float, float], ...]] = field(hash=False)
    """Attribute of IN_CULTURE -> (h, value) in order of time."""
    harvest_at: float | None = None
    """h of the harvest; None while the culture runs or when it was ended before."""
    product: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Attribute of IN_PRODUCT -> result of the release sample."""

    def seen_until(self, at: float) -> "BatchHistory":
        """The history as it was known at hour `at` of the culture, with the parameters that were executed."""
        kept = {name: tuple(p for p in pairs if p[0] <= at) for name, pairs in self.observations.items()}
        return BatchHistory(
            batch=self.batch, start=self.start, controls=self.controls, observations=kept, harvest_at=None
        )


def history(
    *,
    batch: str,
    start: Start,
    controls: Iterable[Control],
    observations: Mapping[str, Iterable[tuple[float, float]]],
    harvest_at: float | None = None,
    product: Mapping[str, float] | None = None,
) -> BatchHistory:
    """A checked `BatchHistory`: sorted by time, unknown attributes left out, the online probe thinned.

    Values that cannot be (NaN, a fraction outside 0 to 1, a negative count) raise UserError naming them: a wrong
    unit must not teach the twin.
    """
    _check_start(batch, start)
    kept = {name: _checked(batch, name, observations[name]) for name in IN_CULTURE if name in observations}
    kept |= {name: thinned(kept[name], every) for name, every in ONLINE.items() if name in kept}
    results = {name: value for name, value in (product or {}).items() if name in IN_PRODUCT}
    for name, value in results.items():
        _check_value(batch, name, value)
    ordered = tuple(sorted(controls, key=lambda control: control.at))
    if not ordered:
        raise UserError(f"batch {batch} names no set-points; give its perfusion_rate and il2 as executed")
    return BatchHistory(
        batch=batch, start=start, controls=ordered, observations=kept, harvest_at=harvest_at, product=results
    )


def thinned(pairs: tuple[tuple[float, float], ...], every: float = 12.0) -> tuple[tuple[float, float], ...]:
    """Medians over windows of `every` hours: hourly readings share one probe's drift, so they are not many facts."""
    windows: dict[int, list[tuple[float, float]]] = {}
    for at, value in pairs:
        windows.setdefault(math.floor(at / every), []).append((at, value))
    return tuple(
        (median(at for at, _ in window), median(value for _, value in window)) for _, window in sorted(windows.items())
    )


def _checked(batch: str, name: str, pairs: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    ordered = tuple(sorted((float(at), float(value)) for at, value in pairs))
    for at, value in ordered:
        if not math.isfinite(at) or at < 0:
            raise UserError(f"batch {batch}: {name} was seen at hour {at}; hours run from the seeding at 0")
        _check_value(batch, name, value)
    return ordered


def _check_value(batch: str, name: str, value: float) -> None:
    high = 1.0 if name in _FRACTIONS else math.inf
    if not (math.isfinite(value) and 0 <= value <= high):
        wanted = "a fraction from 0 to 1" if name in _FRACTIONS else "a number from 0 up, in house units"
        raise UserError(f"batch {batch}: {name} is {value}; expected {wanted}")


def _check_start(batch: str, start: Start) -> None:
    for name in ("seeding_density", "volume", "viability", "moi", "expansion_at"):
        value = {
            "seeding_density": start.seeding_density,
            "volume": start.volume,
            "viability": start.viability,
            "moi": start.moi,
            "expansion_at": start.expansion_at,
        }[name]
        if not (math.isfinite(value) and value > 0):
            raise UserError(f"batch {batch}: {name} is {value}; expected a number above 0 in house units")
    if start.viability > 1:
        raise UserError(f"batch {batch}: viability is {start.viability}; expected a fraction from 0 to 1")
