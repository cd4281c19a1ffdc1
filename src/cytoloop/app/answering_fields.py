"""Fields: what a sheet asks a person to type, scan or choose. A unit is fixed and shown, never typed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from cytoloop.app.names import DECISIONS, named, unit
from cytoloop.core.batch import Batch
from cytoloop.core.json import JSON
from cytoloop.core.recipe import Instruction, MaterialAddition, Phase, phases
from cytoloop.core.words import Words
from cytoloop.production.asking import Request

FieldType = Literal["number", "text", "choice", "yes_no", "code", "date"]

YES_NO = (("yes", Words(en="Yes", zh="是")), ("no", Words(en="No", zh="否")))
FIXED: Mapping[str, Words] = {
    "code": Words(en="Code on the label", zh="标签上的编码"),
    "to_code": Words(en="Code on the label it goes to", zh="目标标签上的编码"),
    "lot": Words(en="Lot of the material", zh="物料批次号"),
    "expiry": Words(en="Expiry date", zh="有效期至"),
    "quantity": Words(en="Quantity added", zh="加入量"),
    "left": Words(en="Quantity left", zh="剩余量"),
    "printed": Words(en="Labels printed", zh="已打印标签数"),
    "used": Words(en="Labels used", zh="已使用标签数"),
    "destroyed": Words(en="Labels destroyed", zh="已销毁标签数"),
    "decision": Words(en="Decision", zh="决定"),
    "reason": Words(en="Reason", zh="理由"),
}
"""Names of what is always asked in the same way -> words."""
OPTIONS: Mapping[str, Words] = {
    **DECISIONS,
    "done": Words(en="It was done", zh="已执行"),
    "not-done": Words(en="It was not done", zh="未执行"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing that a person gives."""

    name: str
    words: Words
    type: FieldType
    unit: str = "1"
    low: float | None = None
    high: float | None = None
    choices: tuple[tuple[str, Words], ...] = ()
    expected: tuple[str, ...] = ()
    """Codes or choices that were asked for; empty: every one is right."""

    @property
    def unit_words(self) -> Words:
        """The unit behind the number."""
        return unit(self.unit)

    @property
    def range(self) -> Words | None:
        """The range that is asked for, as a person reads it."""
        low, high = self.low, self.high
        if low is None and high is None:
            return None
        if low is not None and high is not None:
            text = f"{low:g}" if low == high else f"{low:g} – {high:g}"
            return Words(en=text, zh=text)
        if low is not None:
            return Words(en=f"at least {low:g}", zh=f"不低于 {low:g}")
        return Words(en=f"at most {high:g}", zh=f"不高于 {high:g}")


def fields_of(request: Request, batch: Batch) -> tuple[Field, ...]:
    """What the request asks for, in order."""
    arguments, coi = request.command.arguments, batch.created.coi
    match request.command.verb:
        case "scan":
            return (_code("code", coi),)
        case "ask":
            return tuple(_answers(request, batch))
        case "decide":
            decision = _decision(arguments.get("options"), arguments.get("words"))
            return (decision, Field(name="reason", words=FIXED["reason"], type="text"))
        case _:
            return tuple(_others(request.command.verb, request, batch))


def _others(verb: str, request: Request, batch: Batch) -> Iterator[Field]:
    """Fields of a material's addition, a transfer and a print of labels."""
    arguments, coi = request.command.arguments, batch.created.coi
    if verb == "add":
        measure = str(arguments.get("unit") or "1")
        low, high = _wanted(request, batch)
        yield Field(name="lot", words=FIXED["lot"], type="code")
        yield Field(name="expiry", words=FIXED["expiry"], type="date")
        yield Field(name="quantity", words=FIXED["quantity"], type="number", unit=measure, low=low, high=high)
        yield Field(name="left", words=FIXED["left"], type="number", unit=measure, low=0.0)
    elif verb == "transfer":
        yield _code("code", coi)
        yield _code("to_code", coi)
    elif verb == "print":
        copies = _limit(arguments.get("copies"))
        yield _code("code", coi)
        yield Field(name="printed", words=FIXED["printed"], type="number", low=copies)
        yield Field(name="used", words=FIXED["used"], type="number", low=copies, high=copies)
        yield Field(name="destroyed", words=FIXED["destroyed"], type="number", low=0.0)


def _wanted(request: Request, batch: Batch) -> tuple[float | None, float | None]:
    """Between how much and how much of a material is to be added."""
    wanted = _limit(request.command.arguments.get("quantity"))
    phase = _phase(request, batch)
    said = _limit(request.command.arguments.get("tolerance"))
    share = phase.tolerance if isinstance(phase, MaterialAddition) else said or 0.0
    return (None, None) if wanted is None else (wanted - share * abs(wanted), wanted + share * abs(wanted))


def _code(name: str, expected: str) -> Field:
    return Field(name=name, words=FIXED[name], type="code", expected=(expected,) if expected else ())


def _decision(options: JSON, words: JSON) -> Field:
    said = words if isinstance(words, dict) else {}
    named = (
        _choice({"option": each, "words": said.get(str(each))}) if said else _choice(each) for each in _list(options)
    )
    choices = tuple(named)
    return Field(name="decision", words=FIXED["decision"], type="choice", choices=choices)


def _choice(given: JSON) -> tuple[str, Words]:
    """An option: its name alone, or {"option": name, "words": {...}}."""
    if isinstance(given, dict):
        name = str(given.get("option") or given.get("choice") or "")
        return name, _words(given.get("words")) or Words(en=name, zh=name)
    return str(given), named(OPTIONS, str(given))


def _answers(request: Request, batch: Batch) -> Iterator[Field]:
    asked = request.command.arguments.get("answers")
    known = _recipe_words(request, batch)
    for each in _list(asked):
        if isinstance(each, dict):
            yield _answer(each, known)


def _answer(asked: Mapping[str, JSON], known: Mapping[str, Words]) -> Field:
    name, kind = str(asked.get("name")), asked.get("type")
    choices, expected = asked.get("choices"), asked.get("expected")
    typed = cast(FieldType, kind) if kind in get_args(FieldType) else "number"
    listed = tuple(_choice(each) for each in _list(choices))
    return Field(
        name=name,
        words=_words(asked.get("words")) or known.get(name) or Words(en=name, zh=name),
        type=typed,
        unit=str(asked.get("unit") or "1"),
        low=_limit(asked.get("low")),
        high=_limit(asked.get("high")),
        choices=YES_NO if typed == "yes_no" else listed,
        expected=tuple(str(each) for each in _list(expected)),
    )


def _recipe_words(request: Request, batch: Batch) -> dict[str, Words]:
    """The recipe's words for the answers of a step."""
    phase = _phase(request, batch)
    return {answer.name: answer.words for answer in phase.answers} if isinstance(phase, Instruction) else {}


def _phase(request: Request, batch: Batch) -> Phase | None:
    """The recipe's step that asks; None for a decision on a deviation, or a step in doubt."""
    operation, _, rest = request.step.partition("/")
    steps = (each.steps for _, each in batch.master.recipe.operations() if each.operation == operation)
    found = (phase for each in steps for phase in phases(each) if phase.phase == rest.rpartition("/")[2])
    return next(found, None)


def _words(given: JSON) -> Words | None:
    if isinstance(given, dict) and given.get("en") and given.get("zh"):
        return Words(en=str(given["en"]), zh=str(given["zh"]))
    return None


def _list(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else []


def _limit(value: JSON) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
