"""Observation: clinical observations as facts in house units (https://hl7.org/fhir/R4/observation.html)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from cytoloop.adapters.fhir.resource import Resource, items, mapping, moment, text
from cytoloop.core.errors import UserError
from cytoloop.core.facts.clinic import ClinicalObservationRecorded
from cytoloop.core.json import JSON
from cytoloop.core.time import Instant
from cytoloop.core.units import convert

LOINC = "http://loinc.org"
BODY_WEIGHT = "29463-7"
UCUM_SYSTEM = "http://unitsofmeasure.org"
HEAVIEST = 700.0
"""kg; above it a body weight is a slip of the unit."""

TAKEN = ("final", "amended", "corrected")
"""Statuses whose values count."""
KNOWN = (*TAKEN, "registered", "preliminary", "cancelled", "entered-in-error", "unknown")
COMPARATORS = ("<", "<=", ">=", ">")

HOUSE_UNIT_OF: dict[str, str] = {
    "kg": "kg",
    "g": "kg",
    "[lb_av]": "kg",
    "10*9/L": "1e6 cells/mL",
    "10*3/uL": "1e6 cells/mL",
    "10*6/mL": "1e6 cells/mL",
    "%": "fraction",
    "mmol/L": "mmol/L",
    "[IU]/mL": "IU/mL",
    "Cel": "°C",
    "h": "h",
    "d": "d",
}
"""UCUM code -> house unit. A code that is not here has no house unit and is kept as it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One observation as a fact, and when it was made."""

    fact: ClinicalObservationRecorded
    at: Instant | None
    """None when the resource does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What was taken from an Observation, and what was not, in sentences for a person."""

    observed: tuple[Observed, ...]
    warnings: tuple[str, ...] = ()


def read_observation(resource: Resource, source: str) -> Taken:
    """The facts of an Observation; `source` is the pseudonymous reference of the resource.

    Raises UserError for an unknown status or comparator, or a body weight that cannot be used for a dose.
    """
    status = text(resource.body.get("status"))
    if status not in KNOWN:
        raise UserError(f"{resource.file}: status {status!r} is unknown; expected one of {', '.join(KNOWN)}")
    if status not in TAKEN:
        return Taken(observed=(), warnings=(f"{resource.file}: status is {status}, its values are not taken",))
    period = mapping(resource.body.get("effectivePeriod"))
    when = resource.body.get("effectiveDateTime") or resource.body.get("effectiveInstant") or period.get("start")
    at = moment(when, resource.file)
    components = items(resource.body.get("component"))
    own = [] if components and not _says(resource.body) else [resource.body]
    observed: list[Observed] = []
    warnings: list[str] = []
    for body in (*own, *components):
        fact, warning = _fact(resource.file, body, source)
        if fact is not None:
            observed.append(Observed(fact=fact, at=at))
        if warning is not None:
            warnings.append(f"{resource.file}: {warning}")
    return Taken(observed=tuple(observed), warnings=tuple(warnings))


def is_weight(fact: ClinicalObservationRecorded) -> bool:
    """Whether the fact is a body weight with a value."""
    return (fact.system, fact.code) == (LOINC, BODY_WEIGHT) and isinstance(fact.value, float)


def _says(body: Mapping[str, JSON]) -> bool:
    return "dataAbsentReason" in body or any(key.startswith("value") for key in body)


def _fact(file: str, body: Mapping[str, JSON], source: str) -> tuple[ClinicalObservationRecorded | None, str | None]:
    coding = _coding(body.get("code"))
    if coding is None:
        return None, "the observation has no coded meaning (only text): its value is not taken"
    system, code = coding
    value, unit, comparator, warning = _value(file, body, weight=coding == (LOINC, BODY_WEIGHT))
    fact = ClinicalObservationRecorded(
        code=code, system=system, value=value, unit=unit, comparator=comparator, source=source
    )
    return fact, warning


_Value = tuple[float | str | None, str | None, str | None, str | None]
"""Value, unit, comparator, warning."""


def _value(file: str, body: Mapping[str, JSON], *, weight: bool) -> _Value:
    if "valueQuantity" in body:
        return _quantity(file, mapping(body["valueQuantity"]), weight=weight)
    if weight and "dataAbsentReason" not in body:
        raise UserError(f"{file}: the body weight has no valueQuantity; give it as a number with UCUM unit kg")
    concept = _coding(body.get("valueCodeableConcept"))
    if concept is not None:
        return "|".join(concept), None, None, None
    if isinstance(flag := body.get("valueBoolean"), bool):
        return str(flag).lower(), None, None, None
    if isinstance(number := body.get("valueInteger"), int) and not isinstance(number, bool):
        return float(number), None, None, None
    reason = _coding(body.get("dataAbsentReason"))
    if reason is not None:
        return f"data-absent:{reason[1]}", None, None, None
    if _says(body):
        return None, None, None, "its value is free text or of a kind that is not read; it is not kept"
    return None, None, None, "it has neither a value nor a reason why not"


def _quantity(file: str, quantity: Mapping[str, JSON], *, weight: bool) -> _Value:
    number, comparator = quantity.get("value"), text(quantity.get("comparator"))
    if not isinstance(number, int | float) or isinstance(number, bool) or not math.isfinite(number):
        raise UserError(f"{file}: valueQuantity holds no number ({number!r}); expected one in 'value'")
    if comparator is not None and comparator not in COMPARATORS:
        raise UserError(f"{file}: comparator {comparator!r} is unknown; expected one of {' '.join(COMPARATORS)}")
    given = text(quantity.get("code")) if quantity.get("system") == UCUM_SYSTEM else None
    house = HOUSE_UNIT_OF.get(given) if given else None
    if weight:
        return _weight(file, float(number), given, house, comparator)
    if given is None or house is None:
        return float(number), given or text(quantity.get("unit")), comparator, None
    return convert(float(number), given, house), house, comparator, None


def _weight(file: str, number: float, given: str | None, house: str | None, comparator: str | None) -> _Value:
    if given is None or house != "kg":
        raise UserError(
            f"{file}: body weight in the unknown unit {given!r}; give it in UCUM (kg, g or [lb_av]), doses need it"
        )
    if comparator is not None:
        raise UserError(f"{file}: body weight is only known as {comparator} {number:g}; a dose needs the weight")
    kilograms = convert(number, given, house)
    if not 0 < kilograms <= HEAVIEST:
        raise UserError(f"{file}: body weight of {kilograms:g} kg cannot be; check its value and unit")
    return kilograms, house, None, None


def _coding(concept: JSON) -> tuple[str, str] | None:
    """System and code of a CodeableConcept: LOINC when it is there, else the first."""
    codings = [
        (text(each.get("system")) or "", code)
        for each in items(mapping(concept).get("coding"))
        if (code := text(each.get("code"))) is not None
    ]
    return next((each for each in codings if each[0] == LOINC), codings[0] if codings else None)
