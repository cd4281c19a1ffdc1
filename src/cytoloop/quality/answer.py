"""Answer: what a person was asked to type in a step, and whether a value fits the question."""

from dataclasses import dataclass

from cytoloop.core.batch import StepRecord
from cytoloop.core.json import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One typed answer that the recipe asks for, as the person was shown it."""

    name: str
    unit: str
    low: float | None
    high: float | None

    def problem(self, value: float) -> str | None:
        """Why `value` is outside the question's range, as a sentence; None when it is inside."""
        if (self.low is None or value >= self.low) and (self.high is None or value <= self.high):
            return None
        return f"{self.name} is {value:g} {self.unit}, outside {self.low} to {self.high} {self.unit}"


def questions(step: StepRecord) -> tuple[Question, ...]:
    """What was asked in `step`; none when it is no step in which a person types."""
    asked = step.arguments.get("answers") if step.verb == "ask" else None
    answers = [each for each in asked if isinstance(each, dict)] if isinstance(asked, list) else []
    return tuple(
        Question(
            name=str(each.get("name")),
            unit=str(each.get("unit")),
            low=_limit(each.get("low")),
            high=_limit(each.get("high")),
        )
        for each in answers
    )


def _limit(value: JSON) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
