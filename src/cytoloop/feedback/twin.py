"""Twin: the population figures of a culture model, frozen under a version and a digest.

A parameter that is positive lives on the log scale, a fraction on the logit scale, so that a normal distribution
between donors can never give an impossible donor. `POPULATION` names the parameters that vary between donors or
batches, `FIXED` those that the pack states.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON, digest
from cytoloop.feedback.residual import Residual, figures_of, residuals_of

if TYPE_CHECKING:
    from cytoloop.feedback.dataset import Control
    from cytoloop.feedback.forecast import Forecast, Limits, NotEnoughData
    from cytoloop.feedback.given import Given

Scale = Literal["log", "logit"]

POPULATION: dict[str, tuple[Scale, str]] = {
    "mu_max": ("log", "1/h"),
    "lag": ("log", "h"),
    "survival": ("logit", "fraction"),
    "wane": ("log", "1/h"),
    "death": ("log", "1/h"),
    "density_limit": ("log", "1e6 cells/mL"),
    "glucose_uptake": ("log", "mmol/L/h per 1e6 cells/mL"),
    "lactate_yield": ("log", "mol/mol"),
    "medium_glucose": ("log", "mmol/L"),
    "memory_start": ("logit", "fraction"),
    "memory_loss": ("log", "1/h"),
    "il2_independent": ("logit", "fraction"),
    "il2_memory": ("log", "1"),
    "transduction": ("log", "vector events per TU"),
    "recovery": ("logit", "fraction"),
    "thaw_survival": ("logit", "fraction"),
    "vector_copies": ("log", "copies per vector event"),
}
"""Parameter that varies between donors -> (scale, unit). The order is the order of every parameter array."""

NAMES: tuple[str, ...] = tuple(POPULATION)
DYNAMIC = NAMES.index("transduction")
"""The first so many parameters enter the differential equations; the rest act on what they give."""

FIXED: dict[str, str] = {
    "ramp_width": "h",
    "glucose_half": "mmol/L",
    "lactate_half": "mmol/L",
    "il2_half": "IU/mL",
    "starvation": "1",
    "lysis": "1/h",
    "il2_uptake": "IU/mL/h per 1e6 cells/mL",
    "il2_decay": "1/h",
}
"""Parameter that the pack states -> unit. The order is the order of the array the compiled model takes."""

NOISE: tuple[str, ...] = (
    "viable_cell_density",
    "viability",
    "glucose",
    "lactate",
    "glucose_online",
    "car_fraction",
    "memory_fraction",
    "viable_car_cells",
    "vector_copy_number",
)
"""Attributes with a measurement error: relative for counts and copies, absolute for the rest."""

PROBES: dict[str, tuple[float, float]] = {"lactate_online": (1.2, 1.2), "biomass_online": (0.02, 0.04)}
"""Attributes of probes that a pack need not state -> error of one window's median, and what the equations miss at one
moment before any batch; absolute for lactate (mmol/L), relative for the biomass signal."""

DRIFT: tuple[str, ...] = ("viable_cell_density", "viability", "memory_fraction", "glucose")
"""Attributes whose forecast widens with the square root of the days ahead, for what the equations leave out."""

MISFIT: tuple[str, ...] = (
    "viable_cell_density",
    "viability",
    "glucose",
    "lactate",
    "glucose_online",
    "car_fraction",
    "memory_fraction",
)
"""Attributes of the running culture that the equations miss by so much at one moment; scales as for the noise."""

_DRIFT_PREFIX, _MISFIT_PREFIX, _HEARD_PREFIX = "drift:", "misfit:", "noise:"


def to_scale(scale: Scale, value: float) -> float:
    """`value` in its unit, on the twin's own scale."""
    return math.log(value) if scale == "log" else math.log(value / (1.0 - value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """One released version of the culture twin."""

    twin: str
    version: int
    population: Mapping[str, tuple[float, float]] = field(hash=False)
    """Parameter -> mean and standard deviation between donors, on its own scale."""
    fixed: Mapping[str, float] = field(hash=False)
    noise: Mapping[str, float] = field(hash=False)
    """Attribute -> standard deviation of one measurement."""
    misfit: Mapping[str, float] = field(hash=False)
    """Attribute -> standard deviation of what the equations miss at one moment."""
    drift: Mapping[str, tuple[float, float]] = field(hash=False)
    """Attribute -> mean per day ahead and standard deviation per square root of a day, log or logit scale: what the
    equations leave out of a forecast (Kennedy & O'Hagan 2001, J R Stat Soc B 63:425)."""
    batches: tuple[str, ...] = ()
    """Batches it was fitted on."""
    residual: Mapping[str, Residual] = field(default_factory=dict, hash=False)
    """Attribute of DRIFT -> what finished batches say that the equations miss of a running one; takes the drift's
    place in a forecast."""

    heard: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Attribute -> standard deviation of one measurement as the batches show it, where that is less than stated."""
    notes: tuple[str, ...] = ()
    """What a person should know of the fit: what was never varied, what is not identified. No part of what it says."""

    @classmethod
    def fit(cls, batches: "Iterable[Given]", *, prior: "Twin | None" = None, seed: int = 0) -> "Twin":
        """The twin of a plant, from three or more of its finished batches (forms: `feedback.given`).

        `prior` is what is believed beforehand, such as a pack's twin; without it, wide figures of T cells that are
        moved to the plant first. UserError says what is wrong with the batches. The same seed, the same twin.
        """
        from cytoloop.feedback.learned import fitted  # noqa: PLC0415  (what fits a twin is made of what a twin is)

        return fitted(batches, prior, seed)

    def forecast(
        self, readings: "Given", at: float, *, harvest_at: float | None = None, limits: "Limits | None" = None,
        controls: "Sequence[Control]" = (), draws: int = 160, seed: int = 0,
    ) -> "Forecast | NotEnoughData":  # fmt: skip
        """What is expected of a running batch at `harvest_at` (left out: as `readings` plan it), seen from hour `at`.

        Readings after `at` are not looked at. `limits`: attribute -> (low, high) of the specification; `controls`:
        set-points from now on. In the forecast, `made.quantities` are results as they would be measured, `truths`
        the same without the error of the measurement, each with a 90 % interval.
        """
        from cytoloop.feedback.learned import foretold  # noqa: PLC0415  (as above)

        return foretold(
            self, readings, at, harvest_at=harvest_at, limits=limits, controls=controls, draws=draws, seed=seed
        )

    @property
    def sha256(self) -> str:
        """Digest of everything that decides what this twin says."""
        return digest(self.document())

    @property
    def key(self) -> str:
        """How a record names it: "<twin>@<sha256>"."""
        return f"{self.twin}@{self.sha256}"

    def document(self) -> dict[str, JSON]:
        """The twin as plain JSON."""
        return {
            "twin": self.twin,
            "version": self.version,
            "figures": {name: [mean, sd] for name, (mean, sd) in self.figures().items()},
            "fixed": dict(self.fixed),
            "noise": dict(self.noise),
            "batches": list(self.batches),
        }

    def figures(self) -> dict[str, tuple[float, float]]:
        """What a fit decides, as a TwinFitted keeps it: the population, "drift:<attribute>",
        "misfit:<attribute>", "noise:<attribute>", and "residual:<attribute>:..."."""
        drift = {f"{_DRIFT_PREFIX}{name}": pair for name, pair in self.drift.items()}
        misfit = {f"{_MISFIT_PREFIX}{name}": (0.0, sd) for name, sd in self.misfit.items()}
        heard = {f"{_HEARD_PREFIX}{name}": (0.0, sd) for name, sd in self.heard.items()}
        return {**self.population, **drift, **misfit, **heard, **figures_of(self.residual)}

    def with_figures(
        self, figures: Mapping[str, tuple[float, float]], *, version: int, batches: Iterable[str]
    ) -> "Twin":
        """The twin that a TwinFitted tells of, on this pack's fixed figures.

        UserError when a figure is missing, not finite, or a spread is not above 0: a poisoned twin never runs.
        """
        _check_figures(replace(self, residual={}, heard={}, misfit=dict.fromkeys(MISFIT, 1.0)).figures(), figures)
        pairs = {name: (float(pair[0]), float(pair[1])) for name, pair in figures.items()}
        return replace(
            self,
            version=version,
            population={name: pairs[name] for name in NAMES},
            drift={name: pairs[f"{_DRIFT_PREFIX}{name}"] for name in DRIFT},
            misfit={
                name: pairs[f"{_MISFIT_PREFIX}{name}"][1]
                for name in (*MISFIT, *PROBES)
                if name in MISFIT or f"{_MISFIT_PREFIX}{name}" in pairs
            },
            batches=tuple(batches),
            heard={
                name.removeprefix(_HEARD_PREFIX): sd
                for name, (_, sd) in pairs.items()
                if name.startswith(_HEARD_PREFIX)
            },
            residual=residuals_of(pairs),
        )

    @classmethod
    def from_data(cls, data: JSON, where: str = "twin") -> "Twin":
        """The twin that a pack's data states; UserError names the place and what was expected."""
        top = _mapping(data, where)
        return cls(
            twin=_text(top, "twin", where),
            version=int(_number(top, "version", where)),
            population=_population(_mapping(top.get("population"), f"{where}: population"), where),
            fixed={name: _stated(top, "fixed", name, unit, where) for name, unit in FIXED.items()},
            noise={name: _stated(top, "noise", name, None, where) for name in NOISE},
            misfit={name: _stated(top, "misfit", name, None, where) for name in MISFIT},
            drift={name: (0.0, _stated(top, "drift", name, None, where)) for name in DRIFT},
        )


def _check_figures(wanted: Mapping[str, tuple[float, float]], figures: Mapping[str, tuple[float, float]]) -> None:
    missing = [name for name in wanted if name not in figures]
    if missing:
        raise UserError(f"the twin's figures lack {', '.join(missing)}; fit it again with this pack")
    for name, (mean, sd) in figures.items():
        if not (math.isfinite(mean) and math.isfinite(sd) and sd > 0):
            raise UserError(f"the twin's figure {name} is ({mean}, {sd}); expected finite with a spread above 0")


def _population(data: Mapping[str, JSON], where: str) -> dict[str, tuple[float, float]]:
    for name in data:
        if name not in POPULATION:
            raise UserError(f"{where}: population.{name} is not a parameter; use {', '.join(POPULATION)}")
    return {name: _spread(_mapping(data.get(name), f"{where}: population.{name}"), name, where) for name in POPULATION}


def _spread(data: Mapping[str, JSON], name: str, where: str) -> tuple[float, float]:
    scale, unit = POPULATION[name]
    place = f"{where}: population.{name}"
    if data.get("unit") != unit:
        raise UserError(f"{place}.unit is {data.get('unit')!r}; expected {unit!r}")
    median, spread = _number(data, "median", place), _number(data, "spread", place)
    if median <= 0 or (scale == "logit" and median >= 1):
        raise UserError(f"{place}.median is {median}; expected above 0{' and below 1' * (scale == 'logit')}")
    if spread <= 0:
        raise UserError(f"{place}.spread is {spread}; expected above 0, on the {scale} scale")
    return to_scale(scale, median), spread


def _stated(top: Mapping[str, JSON], section: str, name: str, unit: str | None, where: str) -> float:
    place = f"{where}: {section}.{name}"
    data = _mapping(_mapping(top.get(section), f"{where}: {section}").get(name), place)
    if unit is not None and data.get("unit") != unit:
        raise UserError(f"{place}.unit is {data.get('unit')!r}; expected {unit!r}")
    value = _number(data, "value", place)
    if value < 0:
        raise UserError(f"{place}.value is {value}; expected 0 or more")
    return value


def _mapping(value: JSON, where: str) -> Mapping[str, JSON]:
    if not isinstance(value, dict):
        raise UserError(f"{where} is {'missing' if value is None else 'not a mapping'}; expected named figures")
    return value


def _text(data: Mapping[str, JSON], name: str, where: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise UserError(f"{where}: {name} is {value!r}; expected a text")
    return value


def _number(data: Mapping[str, JSON], name: str, where: str) -> float:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UserError(f"{where}.{name} is {value!r}; expected a number")
    return float(value)
