"""Instruction: a person does something and gives typed answers, each inside its range."""

from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.json import JSON
from cytoloop.core.recipe import Answer, Instruction
from cytoloop.production.steps.verified import unconfirmed


def command(phase: Instruction, key: str) -> Command:
    """Show the instruction and ask for its answers."""
    arguments: dict[str, JSON] = {
        "instruction": {"en": phase.words.en, "zh": phase.words.zh},
        "answers": [_asked(answer) for answer in phase.answers],
    }
    if phase.pictures:
        arguments["pictures"] = list(phase.pictures)
    if phase.verified:
        arguments["verified"] = True
    return Command(key=key, target="person:operator", verb="ask", arguments=arguments)


def unfit(phase: Instruction, outcome: Outcome) -> str | None:
    """The first answer that is missing or outside its range, as a sentence; None when all are fine and confirmed."""
    for answer in phase.answers:
        problem = _problem(answer, outcome.values.get(answer.name))
        if problem:
            return problem
    return unconfirmed(phase.verified, outcome)


def _asked(answer: Answer) -> dict[str, JSON]:
    """The question; what a number does not need is left out, as it always was."""
    asked: dict[str, JSON] = {"name": answer.name, "unit": answer.unit, "low": answer.low, "high": answer.high}
    if answer.type != "number":
        asked |= {"type": answer.type, "choices": list(choices_of(answer)), "expected": list(answer.expected)}
    return asked


def choices_of(answer: Answer) -> tuple[str, ...]:
    """What may be answered to a choice."""
    return ("yes", "no") if answer.type == "yes_no" else answer.choices


def _problem(answer: Answer, given: JSON) -> str | None:
    if answer.type == "number":
        return _outside(answer, given)
    if not isinstance(given, str) or not given.strip():
        return f"{answer.name} was not answered"
    if answer.type != "text" and given not in choices_of(answer):
        return f"{answer.name} was answered {given!r}, none of {', '.join(choices_of(answer))}"
    if answer.expected and given not in answer.expected:
        return f"{answer.name} was answered {given!r}, expected {' or '.join(answer.expected)}"
    return None


def _outside(answer: Answer, given: JSON) -> str | None:
    if not isinstance(given, int | float) or isinstance(given, bool):
        return f"{answer.name} was not answered with a number"
    low, high = answer.low, answer.high
    if (low is not None and given < low) or (high is not None and given > high):
        return f"{answer.name} was answered {given:g} {answer.unit}, outside {low} to {high} {answer.unit}"
    return None
