"""Instruction: a person does something and gives typed answers, each inside its range."""

from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.recipe import Answer, Instruction


def command(phase: Instruction, key: str) -> Command:
    """Show the instruction and ask for its answers."""
    return Command(
        key=key,
        target="person:operator",
        verb="ask",
        arguments={
            "instruction": {"en": phase.words.en, "zh": phase.words.zh},
            "answers": [
                {"name": answer.name, "unit": answer.unit, "low": answer.low, "high": answer.high}
                for answer in phase.answers
            ],
        },
    )


def out_of_range(phase: Instruction, outcome: Outcome) -> str | None:
    """The first answer that is missing or outside its range, as a sentence; None when all are fine."""
    for answer in phase.answers:
        problem = _problem(answer, outcome.values.get(answer.name))
        if problem:
            return problem
    return None


def _problem(answer: Answer, given: object) -> str | None:
    if not isinstance(given, int | float) or isinstance(given, bool):
        return f"{answer.name} was not answered with a number"
    low, high = answer.low, answer.high
    if (low is not None and given < low) or (high is not None and given > high):
        return f"{answer.name} was answered {given:g} {answer.unit}, outside {low} to {high} {answer.unit}"
    return None
