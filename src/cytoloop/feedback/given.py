"""Given: batches as anybody may hand them in, made into histories, or refused with a reason.

A batch is a `BatchHistory`, or a mapping in house units (times in hours from the seeding):

    {"batch": "B-1",
     "start": {"seeding_density": 1.0, "volume": 200.0},            # 1e6 cells/mL, mL; see `Start`
     "controls": [{"at": 48.0, "perfusion_rate": 0.5, "il2": 100}], # 1/d, IU/mL; left out: no perfusion
     "readings": {"viable_cell_density": [(72.0, 1.9), ...], "glucose": [...], "biomass_online": [...]},
     "harvest_at": 240.0, "outcomes": {"viable_car_cells": 900.0},  # once it is finished
     "units": {"glucose": "mmol/L"}, "pack": "car_t_cd19"}          # optional: checked, never converted

A wrong unit must not teach the twin: what cannot be is refused, and so is a batch that is on another scale than the
others.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from statistics import median
from typing import TypeAlias, cast

from cytoloop.core.errors import UserError
from cytoloop.feedback.dataset import IN_CULTURE, IN_PRODUCT, BatchHistory, Control, Start, history
from cytoloop.feedback.predict import UNITS

Given: TypeAlias = BatchHistory | Mapping[str, object]

LEAST = 3
"""Finished batches with counts that a fit needs."""
_KEYS = ("batch", "start", "controls", "readings", "observations", "harvest_at", "outcomes", "product", "units", "pack")
_MOST = {
    "viable_cell_density": (1000.0, "cells/mL? The house unit is 1e6 cells/mL: divide by 1e6"),
    "glucose": (150.0, "mg/dL? The house unit is mmol/L: divide by 18.016"),
    "glucose_online": (150.0, "mg/dL? The house unit is mmol/L: divide by 18.016"),
    "lactate": (300.0, "mg/dL? The house unit is mmol/L: divide by 9.008"),
    "lactate_online": (300.0, "mg/dL? The house unit is mmol/L: divide by 9.008"),
}
"""Attribute -> highest value that a culture can have, and what a higher one probably is."""
_APART = {"viable_cell_density": 50.0, "glucose": 15.0, "lactate": 15.0}
"""Attribute -> factor between the highest readings of batches above which their units contradict each other."""


def histories(batches: Iterable[Given], pack: str | None = None) -> tuple[BatchHistory, ...]:
    """All of `batches`, checked one by one and against each other; `pack` is the twin's, when it is known."""
    given = tuple(batches)
    packs = {name for each in given if (name := _pack(each)) is not None} | ({pack} if pack else set())
    if len(packs) > 1:
        raise UserError(f"batches of different packs ({', '.join(sorted(packs))}); fit one twin for each")
    found = tuple(taken(each, f"batch {place + 1}") for place, each in enumerate(given))
    names = [each.batch for each in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"batch {', '.join(twice)} is given more than once; give each batch once")
    counted = [each for each in found if each.observations.get("viable_cell_density")]
    if len(counted) < LEAST:
        raise UserError(
            f"{len(counted)} finished batches with counts of viable cells are too few to fit a twin;"
            f" {LEAST} are needed (two to learn from while one is left out)"
        )
    for name, factor in _APART.items():
        _together(counted, name, factor)
    return tuple(counted)


def taken(given: Given, name: str = "batch") -> BatchHistory:
    """One batch as a history; UserError names what is wrong and what was expected."""
    if isinstance(given, BatchHistory):
        _possible(given)
        return given
    if not isinstance(given, Mapping):
        raise UserError(f"{name} is a {type(given).__name__}; give a BatchHistory or a mapping with start and readings")
    name = str(given.get("batch", name))
    odd = [key for key in given if key not in _KEYS]
    if odd:
        raise UserError(f"{name}: {', '.join(map(str, odd))} is not known; use {', '.join(_KEYS)}")
    readings = _readings(name, given.get("readings", given.get("observations")))
    _check_units(name, given.get("units"))
    harvest = given.get("harvest_at")
    made = history(
        batch=name,
        start=_start(name, given.get("start")),
        controls=_controls(name, given.get("controls")),
        observations=readings,
        harvest_at=None if harvest is None else _float(name, "harvest_at", harvest),
        product=_outcomes(name, given.get("outcomes", given.get("product"))),
    )
    _possible(made)
    return made


def constants(found: Sequence[BatchHistory]) -> list[str]:
    """What was the same in every batch, in words: what it does is believed, not learned."""
    told: dict[str, Set[object]] = {
        "seeding_density": {round(each.start.seeding_density, 6) for each in found},
        "moi": {round(each.start.moi, 6) for each in found},
        "perfusion_rate": {tuple(round(control.perfusion_rate, 6) for control in each.controls) for each in found},
        "il2": {(each.start.il2, *(control.il2 for control in each.controls)) for each in found},
    }
    return [
        f"{name} was the same in all {len(found)} batches: what it does is believed beforehand, not learned"
        for name, values in told.items()
        if len(values) == 1
    ]


def _pack(given: Given) -> str | None:
    name = given.get("pack") if isinstance(given, Mapping) else None
    return None if name is None else str(name)


def _readings(name: str, given: object) -> dict[str, list[tuple[float, float]]]:
    if not isinstance(given, Mapping) or not given:
        raise UserError(f"{name}: readings is missing; give attribute -> [(h, value), ...]")
    known = {str(key): pairs for key, pairs in given.items() if key in IN_CULTURE}
    if not known:
        raise UserError(f"{name}: none of {', '.join(map(str, given))} is known; use {', '.join(IN_CULTURE)}")
    return {key: [_pair(name, key, pair) for pair in cast("Iterable[object]", pairs)] for key, pairs in known.items()}


def _pair(name: str, attribute: str, pair: object) -> tuple[float, float]:
    both = list(pair) if isinstance(pair, Iterable) and not isinstance(pair, (str, bytes)) else []
    if len(both) != 2:
        raise UserError(f"{name}: a reading of {attribute} is {pair!r}; expected (h, value)")
    at, value = both
    return _float(name, f"{attribute} (h)", at), _float(name, attribute, value)


def _start(name: str, given: object) -> Start:
    if isinstance(given, Start):
        return given
    if not isinstance(given, Mapping):
        raise UserError(f"{name}: start is missing; give at least seeding_density (1e6 cells/mL) and volume (mL)")
    fields = ("seeding_density", "volume", "viability", "moi", "il2", "expansion_at")
    odd = [str(key) for key in given if key not in fields]
    if odd or "seeding_density" not in given:
        told = f"{', '.join(odd)} is not known" if odd else "seeding_density is missing"
        raise UserError(f"{name}: start: {told}; use {', '.join(fields)}")
    return Start(**{"volume": 1.0, **{str(key): _float(name, str(key), value) for key, value in given.items()}})


def _controls(name: str, given: object) -> tuple[Control, ...]:
    if given is None or (isinstance(given, Sequence) and not given):
        return (Control(at=0.0, perfusion_rate=0.0, il2=100.0),)
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise UserError(f"{name}: controls is {given!r}; expected a list of set-points with at and perfusion_rate")
    return tuple(_control(name, each) for each in given)


def _control(name: str, given: object) -> Control:
    if isinstance(given, Control):
        return given
    if not isinstance(given, Mapping) or not {"at", "perfusion_rate"} <= set(given) <= {"at", "perfusion_rate", "il2"}:
        raise UserError(f"{name}: a control is {given!r}; expected at (h), perfusion_rate (1/d) and il2 (IU/mL)")
    values = {str(key): _float(name, str(key), value) for key, value in given.items()}
    low = [key for key, value in values.items() if value < 0]
    if low:
        raise UserError(f"{name}: a control's {low[0]} is {values[low[0]]}; expected 0 or more")
    return Control(**{"il2": 100.0, **values})


def _outcomes(name: str, given: object) -> dict[str, float]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise UserError(f"{name}: outcomes is {given!r}; expected attribute -> value")
    return {str(key): _float(name, str(key), value) for key, value in given.items() if key in IN_PRODUCT}


def _float(name: str, what: str, value: object) -> float:
    try:
        found = float(cast("float", value))
    except (TypeError, ValueError):
        found = float("nan")
    if not abs(found) < float("inf"):
        raise UserError(f"{name}: {what} is {value!r}; expected a finite number")
    return found


def _check_units(name: str, given: object) -> None:
    for attribute, unit in (given if isinstance(given, Mapping) else {}).items():
        wanted = UNITS.get(str(attribute))
        if wanted is not None and unit != wanted:
            raise UserError(f"{name}: {attribute} is in {unit!r}; the house unit is {wanted!r}: convert it first")


def _possible(made: BatchHistory) -> None:
    for name, (most, why) in _MOST.items():
        high = max((value for _, value in made.observations.get(name, ())), default=0.0)
        if high > most:
            raise UserError(f"batch {made.batch}: {name} is {high:g}, more than a culture can have. {why}")
    if made.start.seeding_density > _MOST["viable_cell_density"][0]:
        why = _MOST["viable_cell_density"][1]
        raise UserError(f"batch {made.batch}: seeding_density is {made.start.seeding_density:g}. {why}")


def _together(found: Sequence[BatchHistory], name: str, factor: float) -> None:
    """Refuses a batch whose highest reading is far off all the others'; a solute may be used up, or not made yet."""
    highs = {each.batch: max(v for _, v in each.observations[name]) for each in found if each.observations.get(name)}
    middle = median(highs.values()) if highs else 0.0
    for batch, high in highs.items():
        least = 1.0 / factor if name == "viable_cell_density" else 0.0
        if middle > 0 and high > 0 and not least < high / middle < factor:
            raise UserError(
                f"batch {batch}: its highest {name} is {high:g}, the other batches' about {middle:g}: their units"
                f" contradict each other; give all in {UNITS.get(name, 'the house unit')}"
            )
