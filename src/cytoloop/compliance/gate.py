"""Change gate: what may change a validated process. DESIGN §5 as a pure function: rows 1 to 10, first match wins.

Sources: ICH Q8(R2) (design space), Q10 §3.2.3 (change management), Q12 (established conditions, PACMP); EMA/CHMP/
CVMP/QWP/354895/2017 Q1-Q2 (NOR is no room for manoeuvre; a PAR lets one parameter move); Decree 818 Art. 18.
An answer "apply" is given only after every guard let it through; anything doubtful is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal

from cytoloop.core.recipe import Parameter, operation_of
from cytoloop.core.time import Instant, hours_between

Answer = Literal["apply", "refuse", "ask-a-person", "open-a-change", "trend"]
Kind = Literal["variation", "set-point", "recipe", "model"]
"""variation  nobody moved anything; a value varied
set-point  a deliberate move in a running batch
recipe     a proposal to change targets for batches to come
model      a controller, its limits or its inputs are to change"""

CREEP_BATCHES = 10
"""How many values in a row make a running mean worth reading. A demonstration policy of this house."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A parameter's value, wanted (or, for a variation, seen)."""

    name: str
    """Full name, "expansion.perfusion_rate"."""
    parameter: Parameter
    old: float
    new: float
    recent: tuple[float, ...] = ()
    """Values at which the last batches ran, newest last: for the creep guard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The model behind a move."""

    version: str
    frozen: bool
    """Whether it is fixed during the batch."""
    validated: bool
    released_at: Instant | None
    """When its released version took effect; None when it was not released."""
    inputs_known: bool
    """Whether the inputs lie in the space it was validated on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """An approved comparability protocol (PACMP) that covers the move."""

    reference: str
    criteria_met: bool
    """Whether every acceptance criterion was met."""
    submitted: bool
    """Whether it was submitted in the agreed class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """How fast a parameter may move. Demonstration policy of this house."""

    hours: float = 12.0
    """At least this long between two moves of one parameter."""
    share_of_par: float = 0.25
    """At most this share of the PAR's width in one move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateQuestion:
    """What is to be judged."""

    kind: Kind
    moves: tuple[Move, ...]
    by: Literal["controller", "person"]
    already_happened: bool = False
    protocol: Protocol | None = None
    established: frozenset[str] = frozenset()
    """Names whose value is a registered or established condition."""
    decree_818: bool
    """Whether the study runs under Decree 818."""
    filed_scope: Literal["targets", "ranges", "none"] | None
    """What of the recipe the filed protocol fixes; None when nobody said."""
    substantive: bool | None = None
    """A person's answer to "does this touch purpose, methods, primary endpoint, statistics, subjects?"."""
    model: Model | None = None
    batch_started_at: Instant | None = None
    off_target: tuple[str, ...] = ()
    """Parameters that are deliberately off their target already in this batch."""
    design_space: frozenset[str] = frozenset()
    """Parameters for which the approved design space was checked to hold the whole vector after the move."""
    asked_at: Instant
    last_moved_at: Mapping[str, Instant] = field(default_factory=dict, hash=False)
    rate_limit: RateLimit = RateLimit()
    triggered_by: int | None = None
    """Position of the entry whose result or reading asked for the move."""
    reason: str = ""
    overridden: bool = False
    """Whether a person took over: the controller then moves nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateAnswer:
    """The verdict, with the row that gave it."""

    row: int
    answer: Answer
    reason: str


def judge(question: GateQuestion) -> GateAnswer:
    """The first row that matches, with the guards applied to what it would let through."""
    answer = next(found for row in _ROWS if (found := row(question)) is not None)
    return _guarded(question, answer) if answer.answer == "apply" else answer


def _row_1(q: GateQuestion) -> GateAnswer | None:
    left = [m for m in q.moves if q.kind == "variation" and not _inside(m.new, m.parameter.nor)]
    if q.already_happened or left:
        return _answer(1, "refuse", "it already happened: it is a deviation and is never relabelled as a change")
    return None


def _row_2(q: GateQuestion) -> GateAnswer | None:
    if q.kind in ("variation", "model") or q.protocol is None or not q.protocol.criteria_met:
        return None
    if any(not _inside(m.new, m.parameter.par) for m in q.moves):
        return None  # the protocol's new range must reach the recipe before anything moves there
    if not q.protocol.submitted:
        reason = f"all criteria of {q.protocol.reference} are met: submit in the agreed class, then apply"
        return _answer(2, "open-a-change", reason)
    return _deliberate(q, 2, f"covered by {q.protocol.reference}, all criteria met and submitted")


def _row_3(q: GateQuestion) -> GateAnswer | None:
    for move in q.moves if q.kind in ("set-point", "recipe") else ():
        low, high = move.parameter.par
        unit = move.parameter.unit
        if not move.parameter.dossier_ref:
            return _answer(
                3, "refuse", f"the range of {move.name} names no dossier: insufficient data, no right to move"
            )
        if not _inside(move.new, move.parameter.par):
            reason = f"{move.name} {move.new:g} {unit} is outside its approved range {low:g} to {high:g} {unit}"
            return _refuse_or_change(q, 3, f"{reason}; a filing is needed")
        if move.name in q.established and move.new != move.parameter.target:
            return _refuse_or_change(q, 3, f"{move.name} is an established condition; a filing is needed")
    return None


def _row_4(q: GateQuestion) -> GateAnswer | None:
    if q.kind == "variation" or not q.decree_818 or q.filed_scope in ("ranges", "none"):
        return None
    if q.substantive is False:
        return None
    if q.substantive:
        reason = "a person said it is substantive: both reviews again and a change filing (Decree 818 Art. 18)"
        return _answer(4, "open-a-change", reason)
    reason = (
        "the filed protocol holds the recipe (Decree 818 Art. 18): does this touch purpose, methods, "
        "primary endpoint, statistics, subjects?"
    )
    return _answer(4, "ask-a-person", reason)


def _row_5(q: GateQuestion) -> GateAnswer | None:
    critical = q.kind == "model" or any(m.parameter.criticality == "CPP" for m in q.moves)
    if q.kind != "variation" and q.model is not None and not q.model.frozen and critical:
        reason = f"{q.model.version} learns during the batch in a critical step: shadow mode only"
        return _answer(5, "refuse", reason)
    return None


def _row_6(q: GateQuestion) -> GateAnswer | None:
    if q.kind == "model":
        reason = "a computerised-system change: validate and release the version for batches that start afterwards"
        return _answer(6, "open-a-change", reason)
    if q.kind != "set-point" or q.model is None:
        return None
    problem = _model_problem(q, q.model)
    return _answer(6, "refuse", problem) if problem else None


def _row_7(q: GateQuestion) -> GateAnswer | None:
    crowded = _crowded(q)
    if not crowded or crowded <= q.design_space:
        return None
    reason = f"{', '.join(sorted(crowded))} would move together in one unit operation without an approved design space"
    return _refuse_or_change(q, 7, reason)


def _row_8(q: GateQuestion) -> GateAnswer | None:
    crowded = _crowded(q)
    if not crowded:
        return None
    return _deliberate(q, 8, f"{', '.join(sorted(crowded))} stay inside the approved design space")


def _row_9(q: GateQuestion) -> GateAnswer | None:
    if q.kind == "variation" or not q.moves:
        return None
    moved = "; ".join(f"{m.name} {m.old:g} -> {m.new:g} {m.parameter.unit}" for m in q.moves)
    return _deliberate(q, 9, f"one parameter in its unit operation, inside its proven acceptable range: {moved}")


def _row_10(q: GateQuestion) -> GateAnswer | None:
    return _answer(10, "trend", "variation inside the normal operating range, no deliberate move")


_ROWS: tuple[Callable[[GateQuestion], GateAnswer | None], ...] = (
    _row_1, _row_2, _row_3, _row_4, _row_5, _row_6, _row_7, _row_8, _row_9, _row_10,
)  # fmt: skip


def _guarded(q: GateQuestion, answer: GateAnswer) -> GateAnswer:
    """`answer`, unless a guard stops it: then the fixed recipe stays."""
    problem = _blocked(q)
    if problem:
        return _answer(answer.row, "refuse", problem)
    for move in q.moves:
        if _creeps(move):
            reason = f"{move.name} has drifted: its mean over the last batches left the normal operating range"
            return _answer(answer.row, "open-a-change", f"{reason}, so the target itself is what changes")
    return answer


def _blocked(q: GateQuestion) -> str | None:
    """Why a move in a batch must not be applied now; None when nothing stands against it."""
    if q.overridden:
        return "a person took over: the controller moves nothing"
    if q.by == "controller" and q.model is None:
        return "a controller asks without naming its model version"
    problem = _model_problem(q, q.model) if q.model else None
    if problem:
        return problem
    if not q.reason.strip() or q.triggered_by is None:
        return "the move names no reason or no entry that asked for it"
    return next((found for move in q.moves if (found := _move_problem(q, move))), None)


def _move_problem(q: GateQuestion, move: Move) -> str | None:
    low, high = move.parameter.par
    if not move.parameter.dossier_ref or not low <= move.new <= high:
        return f"{move.name} has no approved range that holds {move.new:g} {move.parameter.unit}"
    if not abs(move.new - move.old) <= q.rate_limit.share_of_par * (high - low) * (1 + 1e-9):
        share = q.rate_limit.share_of_par
        return f"{move.name} would move by more than {share:.0%} of its proven acceptable range at once"
    last = q.last_moved_at.get(move.name)
    if last is not None and hours_between(last, q.asked_at) < q.rate_limit.hours:
        return f"{move.name} was moved less than {q.rate_limit.hours:g} h ago"
    return None


def _model_problem(q: GateQuestion, model: Model) -> str | None:
    if not model.frozen:
        return f"{model.version} is not frozen during the batch"
    if not model.validated or model.released_at is None:
        return f"{model.version} is not a validated, released version"
    if q.batch_started_at is None or model.released_at > q.batch_started_at:
        return f"{model.version} was not released before this batch started"
    if not model.inputs_known:
        return f"the inputs are outside the space {model.version} was validated on"
    return None


def _creeps(move: Move) -> bool:
    values = (*move.recent, move.new)[-CREEP_BATCHES:]
    return len(values) == CREEP_BATCHES and not _inside(fmean(values), move.parameter.nor)


def _crowded(q: GateQuestion) -> frozenset[str]:
    """Parameters that would be deliberately off target together with another of their unit operation."""
    if q.kind not in ("set-point", "recipe"):
        return frozenset()
    back = {m.name for m in q.moves if q.kind == "set-point" and m.new == m.parameter.target}
    names = ({m.name for m in q.moves} | set(q.off_target)) - back
    moved = {operation_of(m.name) for m in q.moves} if q.moves else set()
    by_operation = {op: {n for n in names if operation_of(n) == op} for op in moved}
    return frozenset(name for group in by_operation.values() if len(group) > 1 for name in group)


def _deliberate(q: GateQuestion, row: int, reason: str) -> GateAnswer:
    """A move in a batch may be applied; a new target is always a change that a person signs."""
    return _answer(row, "open-a-change" if q.kind == "recipe" else "apply", reason)


def _refuse_or_change(q: GateQuestion, row: int, reason: str) -> GateAnswer:
    return _answer(row, "open-a-change" if q.kind == "recipe" else "refuse", reason)


def _answer(row: int, answer: Answer, reason: str) -> GateAnswer:
    return GateAnswer(row=row, answer=answer, reason=reason)


def _inside(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]
