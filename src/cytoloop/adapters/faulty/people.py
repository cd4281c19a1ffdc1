"""People: they answer late, wrongly or not at all, by seeded dice, and they look before they say what happened."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from cytoloop.adapters.faulty.dice import Dice
from cytoloop.adapters.faulty.equipment import Effect, Told
from cytoloop.adapters.faulty.faults import FaultKind, Rates, some
from cytoloop.adapters.faulty.network import Note
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.json import JSON
from cytoloop.core.signature import answered
from cytoloop.core.time import Clock, Instant, after

HOURS: Mapping[str, float] = {
    "scan": 0.05, "ask": 0.25, "add": 0.25, "transfer": 0.25, "print": 0.1, "decide": 4.0, "sign": 8.0,
}  # fmt: skip
"""How long each thing takes a person, waiting included."""
SHIFT = 12.0
"""Hours after which a question that nobody answered comes back."""
PEOPLE: Mapping[str, tuple[str, str]] = {
    "operator": ("op.zhou", "operator"),
    "qa": ("qa.lin", "qa"),
    "reviewer": ("qa.zhao", "qa"),
    "qualified_person": ("qp.chen", "qualified_person"),
    "principal_investigator": ("pi.wang", "principal_investigator"),
}
"""Whom one asks ("person:<...>") -> user id, and the role they sign in."""
MOST_ATTEMPTS = 4
"""Attempts of one step after which quality assurance ends the batch."""


@dataclass(slots=True, kw_only=True)
class CountedPeople:
    """The people of a site: a Door of which everything they do is told."""

    clock: Clock
    dice: Dice
    rates: Rates
    fetch: Callable[[str, bool], str]
    """Fetch the bag of this batch, or (True) by mistake another one; gives the code on it."""
    looked: Callable[[str], bool]
    """Look at the equipment: whether what this key commanded was done."""
    told: Told = field(default=lambda _: None)
    note: Note = field(default=lambda _kind, _what: None)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    ends: dict[str, Instant] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    """Keys that were asked about before they came."""
    _odds: dict[str, dict[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong: dict[str, FaultKind] = {
            "scan": "wrong-bag", "transfer": "wrong-bag", "print": "wrong-bag", "ask": "out-of-range-answer",
            "add": "out-of-range-answer", "decide": "unsigned-answer", "sign": "unsigned-answer",
        }  # fmt: skip
        self._odds = {verb: some(self.rates, "late-operator", "absent-operator", kind) for verb, kind in wrong.items()}

    async def perform(self, command: Command) -> Outcome:
        if command.key in self.refused:
            note = "the question was put away before it came"
            return Outcome(key=command.key, ok=False, at=self.clock.now(), by=command.target, note=note)
        if command.key not in self.outcomes:
            self.act(command)
        return await self._ended(command.key)

    async def recall(self, key: str) -> Outcome | None:
        """What they answered. A question that never came is put away should it come later: None is the last word."""
        if key in self.outcomes:
            return await self._ended(key)
        self.refused.add(key)
        return None

    async def _ended(self, key: str) -> Outcome:
        await self.clock.until(self.ends[key])
        return self.outcomes[key]

    def act(self, command: Command) -> None:
        """Answer: what is said is settled now and is there when they have answered."""
        now = self.clock.now()
        user, _ = PEOPLE[command.target.removeprefix("person:")]
        fault = self.dice.pick(self._odds.get(command.verb, {}), "person", command.key)
        if fault is not None:
            self.note(fault, command.key)  # type: ignore[arg-type]  # a kind of the table
        end = after(now, self._hours(command, fault))
        outcome = Outcome(key=command.key, ok=True, at=end, by=f"person:{user}")
        if fault == "absent-operator":
            outcome = replace(outcome, ok=False, note=f"nobody answered as {command.target} for {SHIFT:g} h")
        else:
            outcome = replace(outcome, values=self._values(command, end, fault))
        self.outcomes[command.key], self.ends[command.key] = outcome, end
        self.told(Effect(key=command.key, target=command.target, verb=command.verb, at=now, ok=outcome.ok))

    def _hours(self, command: Command, fault: str | None) -> float:
        if fault == "absent-operator":
            return SHIFT
        if fault == "late-operator":
            return self.dice.between(4.0, 40.0, "late by", command.key)
        return HOURS.get(command.verb, 0.1)

    def _values(self, command: Command, at: Instant, fault: str | None) -> dict[str, JSON]:
        asked, number = command.arguments, command.key.partition("/")[0]
        second: dict[str, JSON] = {"verified_by": "op.wu"} if asked.get("verified") is True else {}
        match command.verb:
            case "scan":
                return {"code": self.fetch(number, fault == "wrong-bag")}
            case "transfer":
                code = self.fetch(number, fault == "wrong-bag")
                return {"code": code, "to_code": code, **second}
            case "print":
                copies, code = asked.get("copies"), self.fetch(number, fault == "wrong-bag")
                return {"code": code, "printed": copies, "used": copies, "destroyed": 0, **second}
            case "add":
                return self._added(command, at, beyond=fault == "out-of-range-answer") | second
            case "ask":
                return self._answers(command, beyond=fault == "out-of-range-answer") | second
            case "decide":
                return self._decided(command, at, unsigned=fault == "unsigned-answer")
            case _:
                shown = str(command.arguments.get("digest"))
                return {"signature": self._signature(command, at, "0" * 64 if fault == "unsigned-answer" else shown)}

    def _added(self, command: Command, at: Instant, *, beyond: bool) -> dict[str, JSON]:
        """A lot with the material asked for; or one that has expired."""
        expiry = after(at, -24.0 if beyond else 24.0 * 90).date().isoformat()
        material = str(command.arguments.get("material"))
        lot, quantity = f"LOT-{material}", command.arguments.get("quantity")
        return {"material": material, "lot": lot, "expiry": expiry, "quantity": quantity, "left": 1000.0}

    def _answers(self, command: Command, *, beyond: bool) -> dict[str, JSON]:
        asked = command.arguments.get("answers")
        answers = [each for each in asked if isinstance(each, dict)] if isinstance(asked, list) else []
        given: dict[str, JSON] = {}
        for answer in answers:
            if answer.get("type", "number") != "number":
                given[str(answer.get("name"))] = _word(answer)
                continue
            low, high = _number(answer.get("low")), _number(answer.get("high"))
            bottom = low if low is not None else min(0.0, high or 0.0)
            top = high if high is not None else bottom + 1.0
            value = (bottom + top) / 2
            if beyond and (low is not None or high is not None):
                beyond, value = False, (top + 1.0 if high is not None else bottom - 1.0)
            given[str(answer.get("name"))] = value
        return given

    def _decided(self, command: Command, at: Instant, *, unsigned: bool) -> dict[str, JSON]:
        decision, reason = self._choice(command)
        bound = answered(str(command.arguments.get("digest")), decision, reason)
        signature = self._signature(command, at, "0" * 64 if unsigned else bound)
        return {"decision": decision, "reason": reason, "signature": signature}

    def _choice(self, command: Command) -> tuple[str, str]:
        offered = command.arguments.get("options")
        options = [str(each) for each in offered] if isinstance(offered, list) else []
        if "not-done" in options:
            done = self.looked(command.key.partition("/what-happened")[0])
            return ("done", "seen on the display") if done else ("not-done", "the display shows nothing of it")
        kind, attempt = command.arguments.get("kind"), command.arguments.get("attempt")
        tired = isinstance(attempt, int) and attempt >= MOST_ATTEMPTS
        if "terminate" in options and (tired or self.dice.draw("terminates", command.key) < 0.03):
            return "terminate", "the material is not risked again"
        if "rework" in options and self.dice.draw("reworks", command.key) < 0.5:
            return "rework", "it is made good before it is tried again"
        if "repeat" in options and kind in ("step-failed", "identity-mismatch"):
            return "repeat", "the material is unharmed; the step is done again"
        return (options or ["continue"])[0], "noted; the disposition weighs it"

    def _signature(self, command: Command, at: Instant, digest: str) -> dict[str, JSON]:
        user, role = PEOPLE[command.target.removeprefix("person:")]
        return {
            "signer": user,
            "printed_name": user,
            "role": role,
            "meaning": str(command.arguments.get("meaning")),
            "signed_at": at.isoformat(),
            "zone": "Asia/Shanghai",
            "digest": digest,
            "components": ["user-id", "password"],
        }


def _number(value: JSON) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _word(answer: Mapping[str, JSON]) -> str:
    """What is expected of a text or a choice, else what may be chosen first."""
    expected, choices = answer.get("expected"), answer.get("choices")
    good = [*(expected if isinstance(expected, list) else []), *(choices if isinstance(choices, list) else [])]
    return str(good[0]) if good else "as instructed"
