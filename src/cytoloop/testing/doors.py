"""A door that counts what it does, and can fail on demand: for tests of the runner and of drivers."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import get_args

from cytoloop.core.equipment import Command, Outcome, UnreachableError
from cytoloop.core.json import JSON
from cytoloop.core.reading import Reading
from cytoloop.core.signature import Meaning, answered
from cytoloop.core.time import Clock

Answer = Callable[[Command], Mapping[str, JSON]]


@dataclass(slots=True)
class CountingDoor:
    """Answers every verb; `effects` counts how often each key had an effect."""

    clock: Clock
    coi: str
    answers: dict[str, Answer] = field(default_factory=dict)
    """Key -> values to answer instead of the usual ones."""
    refuse: dict[str, str] = field(default_factory=dict)
    """Key -> why the equipment fails this command."""
    unreachable: set[str] = field(default_factory=set)
    """Keys whose command is lost on the way; recall cannot tell either."""
    results: dict[str, JSON] = field(default_factory=dict)
    """What every sample is found to be: attribute -> result."""
    effects: Counter[str] = field(default_factory=Counter)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    async def perform(self, command: Command) -> Outcome:
        if command.key in self.unreachable:
            raise UnreachableError(f"{command.target} does not answer")
        if command.key not in self.outcomes:
            self.effects[command.key] += 1
            self.outcomes[command.key] = self._outcome(command)
        return self.outcomes[command.key]

    async def recall(self, key: str) -> Outcome | None:
        if key in self.unreachable:
            raise UnreachableError("the equipment does not answer")
        return self.outcomes.get(key)

    def _outcome(self, command: Command) -> Outcome:
        answer = self.answers.get(command.key, self._values)
        refused = self.refuse.get(command.key)
        person = command.target.startswith("person:")
        return Outcome(
            key=command.key,
            ok=refused is None,
            at=self.clock.now(),
            by=f"person:{command.target.removeprefix('person:')}.1" if person else f"equipment:{command.target}",
            values=dict(answer(command)),
            readings=self._readings(command) if command.verb == "read" else (),
            note=refused or "",
        )

    def _values(self, command: Command) -> Mapping[str, JSON]:
        match command.verb:
            case "scan":
                return {"code": self.coi}
            case "ask":
                return {str(each["name"]): _inside(each) for each in _answers(command)}
            case "sample":
                return {"results": dict(self.results)}
            case "add" | "transfer" | "print":
                return self._handled(command)
            case "sign":
                return {"signature": signed(command, _meaning(command), self.clock)}
            case "decide":
                return decided(command, _meaning(command), self.clock, str(_first_option(command)), "tested")
            case _:
                return {}

    def _handled(self, command: Command) -> Mapping[str, JSON]:
        asked, copies = command.arguments, command.arguments.get("copies")
        if command.verb == "transfer":
            return {"code": self.coi, "to_code": self.coi}
        if command.verb == "print":
            return {"code": self.coi, "printed": copies, "used": copies, "destroyed": 0}
        lot: dict[str, JSON] = {"lot": "LOT-1", "expiry": "2099-12-31", "left": 10.0}
        return {**lot, "material": asked["material"], "quantity": asked["quantity"]}

    def _readings(self, command: Command) -> tuple[Reading, ...]:
        now = self.clock.now()
        return (Reading(signal="temperature", value=37.0, unit="°C", at=now, source=command.target),)


def decided(command: Command, meaning: Meaning, clock: Clock, decision: str, reason: str) -> dict[str, JSON]:
    """A decision with a signature over what the command showed and over the answer, as a door returns it."""
    bound = answered(str(command.arguments["digest"]), decision, reason)
    return {"decision": decision, "reason": reason, "signature": signed(command, meaning, clock, bound)}


def signed(command: Command, meaning: Meaning, clock: Clock, bound: str | None = None) -> dict[str, JSON]:
    """A signature over what the command showed, or over `bound`, as a door returns it."""
    return {
        "signer": "qa.1",
        "printed_name": "Quality One",
        "role": command.target.removeprefix("person:"),
        "meaning": meaning,
        "signed_at": clock.now().isoformat(),
        "zone": "Asia/Shanghai",
        "digest": bound or str(command.arguments["digest"]),
        "components": ["user-id", "password"],
    }


def _meaning(command: Command) -> Meaning:
    return next((each for each in get_args(Meaning) if each == command.arguments["meaning"]), "reviewed")


def _answers(command: Command) -> list[dict[str, JSON]]:
    answers = command.arguments["answers"]
    return [each for each in answers if isinstance(each, dict)] if isinstance(answers, list) else []


def _inside(answer: Mapping[str, JSON]) -> float:
    low, high = answer.get("low"), answer.get("high")
    numbers = [float(each) for each in (low, high) if isinstance(each, int | float)]
    return sum(numbers) / len(numbers) if numbers else 0.0


def _first_option(command: Command) -> JSON:
    options = command.arguments["options"]
    return options[0] if isinstance(options, list) else None
