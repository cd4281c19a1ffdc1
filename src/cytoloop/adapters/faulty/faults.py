"""Faults: what can go wrong in a simulated facility, how often, and what each means."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from cytoloop.core.errors import UserError

Place = Literal["network", "platform", "disk", "equipment", "telemetry", "people"]
Per = Literal["command", "recall", "append", "act", "unit and 12 h", "batch", "reading", "answer"]

FaultKind = Literal[
    "partition", "command-lost", "outcome-lost", "delivered-twice",
    "crash", "second-runner",
    "slow-disk", "full-disk",
    "forgets", "program-fails", "clock-stepped", "sensor-drift", "stuck-pump",
    "duplicated-telemetry", "late-telemetry",
    "wrong-bag", "late-operator", "absent-operator", "out-of-range-answer", "unsigned-answer",
    "hold-ordered",
    "abort-ordered",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of fault."""

    kind: FaultKind
    place: Place
    rate: float
    """Chance for one of what `per` says, at `--rate 1`."""
    per: Per
    what: str
    """What happens, in one sentence."""


FAULTS: tuple[Fault, ...] = (
    Fault(kind="partition", place="network", rate=0.03, per="unit and 12 h",
          what="nothing passes between the platform and the unit for 1 min to 6 h; what runs there runs on"),
    Fault(kind="command-lost", place="network", rate=0.01, per="command",
          what="the command does not arrive and the door gives up"),
    Fault(kind="outcome-lost", place="network", rate=0.01, per="command",
          what="the command arrives and is carried out; its outcome does not come back"),
    Fault(kind="delivered-twice", place="network", rate=0.02, per="command",
          what="the command arrives twice"),
    Fault(kind="crash", place="platform", rate=0.001, per="act",
          what="the platform dies before or after a write or a command, in the middle of whatever runs, and is started "
               "again from the record 1 min to 4 h later"),
    Fault(kind="second-runner", place="platform", rate=0.02, per="batch",
          what="two runners carry the batch at once"),
    Fault(kind="slow-disk", place="disk", rate=0.01, per="append",
          what="the append takes 1 s to 10 min; everything else goes on meanwhile"),
    Fault(kind="full-disk", place="disk", rate=0.0008, per="append",
          what="the append and all that follow for up to 2 h are refused and keep nothing"),
    Fault(kind="forgets", place="equipment", rate=0.10, per="recall",
          what="the equipment cannot say what became of a command, now or later: a person has to"),
    Fault(kind="program-fails", place="equipment", rate=0.01, per="command",
          what="the equipment fails the command"),
    Fault(kind="clock-stepped", place="equipment", rate=0.01, per="unit and 12 h",
          what="the unit's clock is up to 3 h ahead or behind for 12 h"),
    Fault(kind="sensor-drift", place="equipment", rate=0.05, per="batch",
          what="a probe drifts: from some hour on it reads beyond its alarm limits, to the end of the culture"),
    Fault(kind="stuck-pump", place="equipment", rate=0.05, per="batch",
          what="a pump stands still for a day; a result shows it"),
    Fault(kind="duplicated-telemetry", place="telemetry", rate=0.03, per="reading",
          what="readings that were given before come again"),
    Fault(kind="late-telemetry", place="telemetry", rate=0.03, per="reading",
          what="readings come with the next ones, out of order"),
    Fault(kind="wrong-bag", place="people", rate=0.03, per="answer",
          what="somebody fetches and scans another patient's bag"),
    Fault(kind="late-operator", place="people", rate=0.05, per="answer",
          what="the answer takes 4 h to 40 h"),
    Fault(kind="absent-operator", place="people", rate=0.02, per="answer",
          what="nobody answers; after 12 h the question comes back"),
    Fault(kind="out-of-range-answer", place="people", rate=0.03, per="answer",
          what="a value is typed outside its limits"),
    Fault(kind="unsigned-answer", place="people", rate=0.03, per="answer",
          what="a decision comes back with a signature over something else"),
    Fault(kind="hold-ordered", place="people", rate=0.1, per="batch",
          what="somebody holds the batch in the middle of its production, and lets it go on half a day later"),
    Fault(kind="abort-ordered", place="people", rate=0.03, per="batch",
          what="somebody ends the batch in the middle of its production"),
)  # fmt: skip
"""Every kind of fault. The rates are chosen here: far above a plant's, so that a few hundred seeds meet all of them."""

Rates = Mapping[str, float]
"""Kind of a fault -> its chance; a kind that is left out never happens."""


def rates(kinds: Iterable[str], factor: float = 1.0) -> dict[str, float]:
    """The rates of these kinds ("all": every one), times `factor`; UserError for a kind that there is not."""
    chosen = list(kinds)
    known = get_args(FaultKind)
    unknown = [kind for kind in chosen if kind not in (*known, "all")]
    if unknown:
        raise UserError(f"{unknown[0]!r} is no kind of fault; choose from: all, {', '.join(known)}")
    wanted = known if "all" in chosen else chosen
    return {fault.kind: min(fault.rate * factor, 1.0) for fault in FAULTS if fault.kind in wanted}


def some(rates: Rates, *kinds: FaultKind) -> dict[str, float]:
    """Those of `kinds` that can happen at all, in this order: what one draw decides between."""
    return {kind: rates[kind] for kind in kinds if rates.get(kind)}
