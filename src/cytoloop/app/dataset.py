"""Dataset: a batch of the record as the history that the twin learns from. Parameters as executed, not as planned."""

from collections.abc import Iterator, Mapping

from cytoloop.app.joining_parameters import executed_value
from cytoloop.core.batch import Batch, StepRecord
from cytoloop.core.json import JSON
from cytoloop.core.time import Instant, hours_between
from cytoloop.feedback.dataset import BatchHistory, Control, Start, history

SEED, TRANSDUCE, HARVEST = "seed", "add_vector", "wash_and_harvest"
"""Programs of the equipment that mark the culture's beginning, its transduction and its end."""


def culture_began(batch: Batch) -> Instant | None:
    """When the culture was seeded: hour 0 of its history; None before."""
    seed = _program(batch, SEED)
    return seed.ended_at if seed and seed.state == "done" else None


def expansion_began(batch: Batch) -> Instant | None:
    """When the expansion loop's first step started; None before."""
    started = [step.started_at for name, step in batch.steps.items() if name.startswith("expansion/")]
    return min(started, default=None)


def history_of(batch: Batch) -> BatchHistory | None:
    """What was done to the batch and seen of it so far; None before its expansion began."""
    began, expansion, seed = culture_began(batch), expansion_began(batch), _program(batch, SEED)
    if began is None or expansion is None or seed is None:
        return None
    harvest = _program(batch, HARVEST)
    return history(
        batch=batch.number,
        start=_start(batch, seed, hours_between(began, expansion)),
        controls=tuple(_controls(batch, began, expansion)),
        observations=_observations(batch, began),
        harvest_at=hours_between(began, harvest.started_at) if harvest else None,
        product={told.fact.attribute: told.fact.value for told in batch.results if told.fact.stage == "release"},
    )


def _start(batch: Batch, seed: StepRecord, expansion_at: float) -> Start:
    given = _parameters(seed) | _reported(seed)
    vector = _program(batch, TRANSDUCE)
    viability = [told.fact.value for told in batch.results if told.fact.attribute == "viability"]
    return Start(
        seeding_density=given["seeding_density"],
        volume=given["volume"],
        viability=min(viability[:2][-1], 1.0) if viability else 0.95,
        moi=_parameters(vector)["moi"] if vector else batch.parameters["transduction.moi"],
        il2=batch.parameters["activation.il2"],
        expansion_at=expansion_at,
    )


def _controls(batch: Batch, began: Instant, expansion: Instant) -> Iterator[Control]:
    """Set-points as the equipment accepted them; the values in force until the first of them."""
    expansion_at = hours_between(began, expansion)
    known = {"perfusion_rate": 0.0, "il2": batch.parameters["activation.il2"]}
    yield Control(at=0.0, perfusion_rate=0.0, il2=known["il2"])
    for step in batch.steps.values():
        if step.verb != "set" or step.state != "done" or step.ended_at is None:
            continue
        known |= {name: value for name, value in _numbers(step.arguments).items() if name in known}
        at = hours_between(began, step.ended_at)
        if at >= expansion_at - 0.01:
            yield Control(at=at, perfusion_rate=known["perfusion_rate"], il2=known["il2"])


def _observations(batch: Batch, began: Instant) -> dict[str, list[tuple[float, float]]]:
    seen: dict[str, list[tuple[float, float]]] = {}
    for told in batch.results:
        taken = batch.steps[told.fact.sample].started_at
        if told.fact.stage == "in_process" and taken >= began:
            seen.setdefault(told.fact.attribute, []).append((hours_between(began, taken), told.fact.value))
    for told_readings in batch.readings:
        for reading in told_readings.fact.readings:
            if reading.signal == "glucose" and reading.quality == "good" and reading.at >= began:
                seen.setdefault("glucose_online", []).append((hours_between(began, reading.at), reading.value))
    return seen


def _program(batch: Batch, program: str) -> StepRecord | None:
    steps = (step for step in batch.steps.values() if step.arguments.get("program") == program)
    return next(steps, None)


def _parameters(step: StepRecord) -> dict[str, float]:
    given = step.arguments.get("parameters")
    return _numbers(given) if isinstance(given, dict) else {}


def _reported(seed: StepRecord) -> dict[str, float]:
    """What the equipment says it seeded: with too few cells a culture is seeded thinner than asked."""
    found = executed_value(seed, "seeding_density")
    return {} if found is None else {"seeding_density": found[0]}


def _numbers(values: Mapping[str, JSON]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
