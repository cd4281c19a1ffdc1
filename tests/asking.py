"""Batches in which people are asked, as a runner would have left them: for tests of answering."""

from collections.abc import Mapping

from tests.staff import pack

from cytoloop.core.entry import Draft, Fact
from cytoloop.core.equipment import Verb
from cytoloop.core.facts.production import StepCompleted, StepStarted
from cytoloop.core.facts.quality import DeviationOpened
from cytoloop.core.json import JSON, digest
from cytoloop.core.time import Instant
from cytoloop.record.ledger import Ledger
from cytoloop.testing.builders import START, approved, created

INSPECT = "receipt/inspect"
INSTRUCTION: JSON = {"en": "Inspect the bag, read the transport logger", "zh": "检查血袋并读取运输温度记录"}
ANSWERS: list[JSON] = [
    {"name": "transport_temperature", "unit": "°C", "low": 2, "high": 8},
    {"name": "bags_damaged", "unit": "1", "low": 0, "high": 0},
]
TYPED: list[JSON] = [
    *ANSWERS,
    {
        "name": "seal",
        "words": {"en": "Seal intact", "zh": "封口完好"},
        "type": "yes_no",
        "expected": ["yes"],
    },
    {
        "name": "colour",
        "words": {"en": "Colour of the bag's content", "zh": "袋内容物颜色"},
        "type": "choice",
        "choices": [
            {"choice": "red", "words": {"en": "Red", "zh": "红色"}},
            {"choice": "straw", "words": {"en": "Straw", "zh": "淡黄色"}},
        ],
    },
    {"name": "remarks", "words": {"en": "Remarks", "zh": "备注"}, "type": "text"},
]
"""One answer of each type."""


def say(ledger: Ledger, stream: str, *facts: Fact, actor: str = "system:runner", at: Instant = START) -> None:
    """Append `facts` where the stream ends."""
    drafts = [Draft(fact=fact, actor=actor, happened_at=at) for fact in facts]
    ledger.append(stream, drafts, expected=ledger.position(stream))


def begun(ledger: Ledger, number: str = "B-2", *, line: str = "fixed", at: Instant = START) -> str:
    """A batch in production that asks nobody anything yet; its number."""
    master = pack().master
    if ledger.position(f"recipe/{line}/car_t_cd19") == 0:
        say(ledger, f"recipe/{line}/car_t_cd19", approved(master, line=line))
    say(ledger, f"batch/{number}", created(master, number, line=line), at=at)
    return number


def ask(
    ledger: Ledger,
    number: str = "B-2",
    step: str = INSPECT,
    verb: Verb = "ask",
    arguments: Mapping[str, JSON] | None = None,
    *,
    role: str = "operator",
    attempt: int = 1,
    at: Instant = START,
) -> str:
    """The intent that asks a person; its key."""
    key = f"{number}/{step}#{attempt}"
    asked: dict[str, JSON] = {"instruction": INSTRUCTION, "answers": ANSWERS} if arguments is None else dict(arguments)
    started = StepStarted(step=step, attempt=attempt, key=key, target=f"person:{role}", verb=verb, arguments=asked)
    say(ledger, f"batch/{number}", started, at=at)
    return key


def settle(ledger: Ledger, number: str, step: str, values: Mapping[str, JSON], actor: str) -> None:
    """The outcome of a step, as the runner enters it."""
    say(ledger, f"batch/{number}", StepCompleted(step=step, attempt=1, values=values), actor=actor)


def deviate(ledger: Ledger, number: str = "B-2", deviation: str = "D-1") -> str:
    """A deviation, and the request to decide on it; its key."""
    what = "transport_temperature was answered 9.5 °C, outside 2 to 8 °C"
    opened = DeviationOpened(deviation=deviation, kind="step-failed", what=what, cause=1, step=INSPECT)
    say(ledger, f"batch/{number}", opened, actor="system:quality")
    shown: dict[str, JSON] = {
        "batch": number, "deviation": deviation, "kind": "step-failed", "what": what, "step": INSPECT, "attempt": 1,
    }  # fmt: skip
    options: list[JSON] = ["continue", "repeat", "terminate"]
    arguments: dict[str, JSON] = {**shown, "options": options, "digest": digest(shown), "meaning": "reviewed"}
    return ask(ledger, number, f"deviation/{deviation}", "decide", arguments, role="qa")
