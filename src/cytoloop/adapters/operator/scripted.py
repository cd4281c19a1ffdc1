"""A scripted person behind every role: works, answers, decides and signs as people do, in simulated time.

Satisfies `core.equipment.Door` for targets "person:<role>". What a person decides is a policy that is handed in; a
signature is made by the handed-in `Signing`, from the two components the person gives again each time.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import blake2b
from random import Random
from typing import cast, get_args

from cytoloop.core.equipment import Command, Outcome, Verb
from cytoloop.core.errors import RefusedError
from cytoloop.core.json import JSON
from cytoloop.core.signature import Meaning, Password, Signing, answered
from cytoloop.core.time import Clock, Instant, after


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who acts in a role."""

    user: str
    secret: str = field(repr=False)
    role: str = ""
    """The role they sign in; the one they are asked as ("person:<role>") when left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a person decides, and why."""

    decision: str
    reason: str


Policy = Callable[[Command], Choice]
"""Decides on a "decide" command from its arguments."""
Scanner = Callable[[Command], str]
"""The code that a scanner reads on the item the person fetched for a "scan" command."""

SHELF_LIFE = 90
"""Days that a scripted lot may still be used."""
HOURS: Mapping[Verb, float] = {
    "scan": 0.05, "ask": 0.25, "add": 0.25, "transfer": 0.25, "print": 0.1, "decide": 4.0, "sign": 8.0,
}  # fmt: skip
"""How long each thing takes a person, waiting included."""


def first_option(command: Command) -> Choice:
    """Repeat a step that failed, else continue, else the first option offered."""
    offered = command.arguments.get("options")
    options = [str(option) for option in offered] if isinstance(offered, list) else []
    wanted = ("repeat", "continue") if command.arguments.get("kind") in ("step-failed", "identity-mismatch") else ()
    decision = next((choice for choice in (*wanted, "continue") if choice in options), (options or ["continue"])[0])
    return Choice(decision=decision, reason="no harm to the material; cause noted")


class ScriptedPeople:
    """The people of a site."""

    def __init__(
        self,
        *,
        clock: Clock,
        signing: Signing,
        people: Mapping[str, Person],
        scanner: Scanner,
        policy: Policy = first_option,
        seed: int = 0,
        slip: float = 0.0,
    ) -> None:
        """`people`: role -> person. `slip`: chance that an answer with limits is given outside them."""
        self._clock, self._signing, self._people = clock, signing, people
        self._scanner, self._policy, self._seed, self._slip = scanner, policy, seed, slip
        self._outcomes: dict[str, Outcome] = {}

    async def perform(self, command: Command) -> Outcome:
        """The person does it; the same key again gets the first outcome."""
        if command.key not in self._outcomes:
            self._outcomes[command.key] = self._act(command, self._clock.now())
        return await self._ended(command.key)

    async def recall(self, key: str) -> Outcome | None:
        """What the person did; None when never asked."""
        return await self._ended(key) if key in self._outcomes else None

    async def _ended(self, key: str) -> Outcome:
        outcome = self._outcomes[key]
        await self._clock.until(outcome.at)
        return outcome

    def _act(self, command: Command, now: Instant) -> Outcome:
        person = self._people.get(command.target.removeprefix("person:"))
        if person is None or command.verb not in HOURS:
            what = "there is nobody in this role" if person is None else f"a person cannot {command.verb}"
            return Outcome(key=command.key, ok=False, at=now, by=command.target, note=f"{command.target}: {what}")
        end = after(now, HOURS[command.verb])
        done = Outcome(key=command.key, ok=True, at=end, by=f"person:{person.user}")
        try:
            return replace(done, values=self._values(command, person, end))
        except RefusedError as why:
            return replace(done, ok=False, note=str(why))

    def _values(self, command: Command, person: Person, at: Instant) -> dict[str, JSON]:
        if command.verb == "scan":
            return {"code": self._scanner(command)}
        if command.verb == "ask":
            return self._answers(command) | self._second(command)
        if command.verb in ("add", "transfer", "print"):
            return self._handled(command, at) | self._second(command)
        if command.verb == "sign":
            return {"signature": self._signature(command, person, at, _shown(command))}
        choice = self._policy(command)
        bound = answered(_shown(command), choice.decision, choice.reason)
        signature = self._signature(command, person, at, bound)
        return {"decision": choice.decision, "reason": choice.reason, "signature": signature}

    def _answers(self, command: Command) -> dict[str, JSON]:
        rng = Random(blake2b(f"{self._seed}/{command.key}".encode(), digest_size=8).digest())
        asked = command.arguments.get("answers")
        answers = [answer for answer in asked if isinstance(answer, dict)] if isinstance(asked, list) else []
        return {str(answer.get("name")): self._answer(answer, rng) for answer in answers}

    def _handled(self, command: Command, at: Instant) -> dict[str, JSON]:
        """Material added, moved or labelled as asked; the scanner reads what is on the item fetched."""
        asked = command.arguments
        if command.verb == "transfer":
            return {"code": self._scanner(command), "to_code": self._scanner(command)}
        if command.verb == "print":
            copies = asked.get("copies")
            return {"code": self._scanner(command), "printed": copies, "used": copies, "destroyed": 0}
        material, quantity = str(asked.get("material")), asked.get("quantity")
        expiry = after(at, 24.0 * SHELF_LIFE).date().isoformat()
        return {"material": material, "lot": f"LOT-{material}", "expiry": expiry, "quantity": quantity, "left": 1000.0}

    def _second(self, command: Command) -> dict[str, JSON]:
        """Somebody else confirms, where the recipe asks for it."""
        if command.arguments.get("verified") is not True:
            return {}
        mine = command.target.removeprefix("person:")
        other = next((person.user for role, person in self._people.items() if role != mine), "")
        return {"verified_by": other}

    def _answer(self, answer: Mapping[str, JSON], rng: Random) -> JSON:
        """What is expected; a number in the middle half of the limits, out of them when the person slips."""
        kind, expected, choices = answer.get("type", "number"), answer.get("expected"), answer.get("choices")
        if kind != "number":
            good = [*(expected if isinstance(expected, list) else []), *(choices if isinstance(choices, list) else [])]
            return str(good[0]) if good else "as instructed"
        low, high = _limit(answer.get("low")), _limit(answer.get("high"))
        place, slipped = 0.25 + 0.5 * rng.random(), rng.random() < self._slip
        bottom = low if low is not None else min(0.0, high or 0.0)
        top = high if high is not None else bottom + 1.0
        value = bottom + place * (top - bottom)
        if slipped and high is not None:
            value = high + 0.1 * max(top - bottom, 1.0)
        elif slipped and low is not None:
            value = low - 0.1 * max(top - bottom, 1.0)
        return round(value, 2) if bottom < round(value, 2) < top or slipped else value

    def _signature(self, command: Command, person: Person, at: Instant, digest: str) -> JSON:
        """Sign `digest` with the meaning asked for."""
        asked = command.arguments.get("meaning")
        meaning = cast(Meaning, asked) if asked in get_args(Meaning) else "reviewed"
        role = person.role or command.target.removeprefix("person:")
        signature = self._signing.sign(
            signer=person.user, proof=Password(secret=person.secret), role=role, meaning=meaning, digest=digest, at=at
        )
        plain = asdict(signature)
        return {**plain, "signed_at": signature.signed_at.isoformat(), "components": list(signature.components)}


def _shown(command: Command) -> str:
    """The hash of what the person is shown."""
    return str(command.arguments.get("digest") or "")


def _limit(value: JSON) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
