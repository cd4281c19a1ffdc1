"""Material addition: a person scans a lot's label and adds it. Expired, wrong or too little: the step fails.

Identity, lot, expiry and quantity of what went in: EU GMP Part 1 §4.20; 21 CFR 211.101, 211.188(b)(4).
"""

from datetime import date

from cytoloop.core.batch import Batch
from cytoloop.core.entry import Fact
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.facts.production import MaterialAdded
from cytoloop.core.json import JSON
from cytoloop.core.recipe import MaterialAddition
from cytoloop.production.steps.verified import unconfirmed
from cytoloop.production.walk import Planned


def command(batch: Batch, planned: Planned, phase: MaterialAddition, key: str) -> Command:
    """Ask a person to scan and add so much of the material to the unit."""
    name = f"{planned.operation}.{phase.quantity}"
    arguments: dict[str, JSON] = {
        "material": phase.material,
        "quantity": batch.parameters[name],
        "unit": batch.master.recipe.parameters()[name].unit,
        "to": planned.equipment,
        "instruction": {"en": phase.words.en, "zh": phase.words.zh},
        "verified": phase.verified,
    }
    return Command(key=key, target="person:operator", verb="add", arguments=arguments)


def facts(
    batch: Batch, planned: Planned, phase: MaterialAddition, outcome: Outcome
) -> tuple[tuple[Fact, ...], str | None]:
    """The material that went in; why it should not have, when it should not."""
    given = outcome.values
    lot, expiry = str(given.get("lot") or ""), str(given.get("expiry") or "")
    quantity, left = _number(given.get("quantity")), _number(given.get("left"))
    if not lot or quantity is None or left is None:
        return (), f"no lot, quantity or rest was given for {phase.material}"
    name = f"{planned.operation}.{phase.quantity}"
    unit = batch.master.recipe.parameters()[name].unit
    added = MaterialAdded(
        step=planned.step,
        material=str(given.get("material") or ""),
        lot=lot,
        expiry=expiry,
        quantity=quantity,
        unit=unit,
        left=left,
    )
    return (added,), _unfit(phase, added, batch.parameters[name], outcome) or unconfirmed(phase.verified, outcome)


def _unfit(phase: MaterialAddition, added: MaterialAdded, asked: float, outcome: Outcome) -> str | None:
    if added.material != phase.material:
        return f"lot {added.lot} is {added.material or 'of no material'}, this step takes {phase.material}"
    day = _day(added.expiry)
    if day is None:
        return f"lot {added.lot} of {phase.material} has no expiry date that can be read: {added.expiry!r}"
    if day < outcome.at.date():
        return f"lot {added.lot} of {phase.material} expired on {added.expiry}"
    if abs(added.quantity - asked) > phase.tolerance * abs(asked):
        return f"{added.quantity:g} {added.unit} of {phase.material} were added, {asked:g} {added.unit} were asked for"
    if added.left < 0:
        return f"lot {added.lot} of {phase.material} did not hold {added.quantity:g} {added.unit}"
    return None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _number(value: JSON) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
