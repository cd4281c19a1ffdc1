"""Control: for a running culture, which set-points to move now and when to harvest, or nothing.

Model predictive control: at each step the batch's donor is estimated, a plan over the rest of the culture is searched
for on scenarios of that donor (`control.search`), and the first moves of the plan are asked for if they pass the
guards. What is wanted is the yield in specification: viable CAR+ cells of the product, counted as nothing when a
limit of release does not hold. Guards: the mean gain over holding must exceed a dead band, and the worst scenarios
must not lose by it; one parameter per unit operation without a design space (DESIGN, gate row 9); a largest step and
a rest between moves. The answer to any doubt is to hold: the recipe as approved.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cytoloop.core.json import JSON, digest
from cytoloop.core.words import Words
from cytoloop.feedback.calibrate import Donor
from cytoloop.feedback.control import words as told
from cytoloop.feedback.control.estimate import Estimate, estimate
from cytoloop.feedback.control.gate import DURATION, IL2, PERFUSION, Gate, Judge, Lever, Move, Moved, Verdict, gate_of
from cytoloop.feedback.control.plan import Plan, planned
from cytoloop.feedback.control.readings import failed_reading, history_from
from cytoloop.feedback.dataset import BatchHistory
from cytoloop.feedback.forecast import TRUSTED_MISFIT, Limits
from cytoloop.feedback.twin import Twin

__all__ = [
    "DURATION", "IL2", "PERFUSION", "Controller", "Decision", "Gate", "Judge", "Lever", "Move", "Moved", "Plan",
    "Verdict",
]  # fmt: skip


_LARGEST = 20.0
"""On the twin's scales: beyond it a figure is cut off, so that a poisoned one would look like a possible one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Moves or none, and why."""

    moves: tuple[Move, ...] = ()
    """To be made now; the gate let them through."""
    why: Words
    shadow: tuple[Move, ...] = ()
    """What would be moved, were the controller released for moves."""
    asked: tuple[Move, ...] = ()
    """What the gate was asked for: the moves, or what it refused."""
    plan: Plan | None = None
    """What the moves are the beginning of; None when nothing was searched for."""
    verdict: Verdict | None = None
    """The gate's; None when nothing was asked of it."""

    @property
    def move(self) -> Move | None:
        """The first of the moves."""
        return self.moves[0] if self.moves else None


@dataclass(frozen=True, slots=True)
class Controller:
    """Decides for running batches; its figures are part of what is released with the twin (`document`)."""

    twin: Twin = field(hash=False)
    gate: Gate = field(hash=False)
    limits: Limits = field(default_factory=dict, hash=False, kw_only=True)
    """Of release: attribute -> (low, high) in house units, those per kilogram multiplied by the weight."""
    draws: int = field(default=20, kw_only=True)
    """Scenarios."""
    margin: float = field(default=0.0, kw_only=True)
    """Standard deviations of the measurement by which limits on the culture are moved inward."""
    caution: float = field(default=0.3, kw_only=True)
    """Weight of the worst scenarios in what a plan is worth; the mean has the rest."""
    worst: float = field(default=0.25, kw_only=True)
    """Share of the scenarios that count as the worst."""
    foresight: float = field(default=0.5, kw_only=True)
    """How much of the choice of the harvest later counts will still allow to mend, 0 to 1."""
    patience: float = field(default=0.25, kw_only=True)
    """Share of what perfect knowledge would add that a day's counts are taken to tell, before a lever is chosen."""
    strange: float = field(default=0.3, kw_only=True)
    """Standard deviation, in logits for an e-fold of cells, of what a plan that nobody ran yet does to viability and
    memory beyond the equations: parameters are fitted where batches were run, not where a plan goes."""
    dead_band: float = field(default=0.03, kw_only=True)
    """Gain in yield below which nothing is moved."""
    loss: float = field(default=0.05, kw_only=True)
    """Mean loss over holding that the worst scenarios may show; less with few batches (`control.estimate.doubt_of`)."""
    least_batches: int = field(default=3, kw_only=True)
    """Finished batches that the twin must have been fitted on: the pack's own figures move nothing."""
    least_together: int = field(default=9, kw_only=True)
    """Finished batches below which one lever moves alone, whatever the design space: from so many on the spread between
    donors is known within a quarter (standard error of a standard deviation, 1 / sqrt(2 (n - 1)))."""
    counts: int = field(default=2, kw_only=True)
    """Counts of viable cells before anything is moved."""
    lead: float = field(default=24.0, kw_only=True)
    """h between two decisions: a harvest is moved at the last of them at which its notice still holds."""
    seed: int = field(default=0, kw_only=True)
    """Of the scenarios."""
    _made: dict[str, list[tuple[Move, float]]] = field(
        default_factory=dict, init=False, repr=False, hash=False, compare=False
    )
    """Batch -> moves that the gate let through, with their hours: for those who keep one gate for a whole batch."""

    def __post_init__(self) -> None:
        """Take a plain mapping of levers as a gate."""
        object.__setattr__(self, "gate", gate_of(self.gate))

    def document(self) -> dict[str, JSON]:
        """The figures that decide, as plain JSON."""
        return {
            "draws": self.draws, "margin": self.margin, "caution": self.caution, "worst": self.worst,
            "foresight": self.foresight, "patience": self.patience, "strange": self.strange,
            "dead_band": self.dead_band, "loss": self.loss, "least_batches": self.least_batches,
            "least_together": self.least_together,
            "counts": self.counts, "lead": self.lead, "seed": self.seed,
        }  # fmt: skip

    @property
    def sha256(self) -> str:
        """Digest of the figures."""
        return digest(self.document())

    def step(self, readings: BatchHistory | Mapping[str, Any], at: float, *, donor: Donor | None = None) -> Decision:
        """The decision at hour `at` of the culture. `donor`: as a forecast of that hour found it.

        `readings`: a `BatchHistory`, or a mapping with "start", "controls" and "readings" (see `control.readings`);
        UserError when they are no such thing. Failed readings and numbers that fail on the way hold the recipe.
        """
        lost = failed_reading(readings)
        if lost is not None:
            return Decision(why=told.failed_reading(lost))
        known = history_from(readings, at)
        gate = self._gate_now(known)
        barred = self._barred(known, at, gate)
        if barred is not None:
            return Decision(why=barred)
        try:
            with np.errstate(all="ignore"):  # what is not finite is found by looking at the numbers
                found = self.estimate(known, at, donor)
        except (np.linalg.LinAlgError, ArithmeticError) as error:
            return Decision(why=told.failed(error))
        return self.decide(found, gate)

    def estimate(self, known: BatchHistory, at: float, donor: Donor | None = None) -> Estimate:
        """Where the batch stands; the slow part of a step."""
        return estimate(
            self.twin, known.seen_until(at), at, self.limits,
            draws=self.draws, margin=self.margin, strange=self.strange, seed=self.seed, donor=donor,
        )  # fmt: skip

    def decide(self, found: Estimate, gate: Gate | None = None) -> Decision:
        """The decision from an estimate; the fast part of a step."""
        gate = gate or self.gate
        if not found.sound:
            return Decision(why=told.POISONED)
        if not found.misfit <= TRUSTED_MISFIT:
            return Decision(why=told.NOT_TRUSTED)
        plan = planned(found, gate, caution=(self.caution, self.worst, self.foresight))
        if not math.isfinite(plan.gain + plan.tail):
            return Decision(why=told.POISONED)
        if plan.gain < self.dead_band:
            return Decision(why=told.HOLD, plan=plan)
        if plan.tail < -self.loss / found.doubt:
            return Decision(why=told.RISKY, plan=plan)
        if self.patience * plan.told > plan.delay > 0.0 and not gate.moved:
            return Decision(why=told.UNDECIDED, plan=plan)
        moves = self._first_moves(plan, found, gate)
        return self._judged(moves, plan, found, gate) if moves else Decision(why=told.WAITING, plan=plan)

    def _first_moves(self, plan: Plan, found: Estimate, gate: Gate) -> tuple[Move, ...]:
        due = DURATION in plan.moves and self._due(plan, found, gate)
        reason = told.gain(plan)
        return tuple(
            Move(parameter=name, old=gate.levers[name].value, new=value, unit=gate.levers[name].unit, reason=reason)
            for name, value in plan.moves.items()
            if name != DURATION or due
        )

    def _due(self, plan: Plan, found: Estimate, gate: Gate) -> bool:
        """Whether the harvest's time must be moved now: waiting costs nothing, and each count tells more."""
        steps = math.ceil(abs(plan.harvest_at - plan.held_until) / gate.levers[DURATION].step)
        return min(plan.harvest_at, plan.held_until) - found.at <= gate.notice + self.lead + gate.rest * max(
            0, steps - 1
        )

    def _judged(self, moves: tuple[Move, ...], plan: Plan, found: Estimate, gate: Gate) -> Decision:
        if gate.shadow:
            return Decision(why=told.SHADOW, shadow=moves, plan=plan)
        verdict = gate.judge(moves)
        if not verdict.allowed:
            return Decision(why=told.refused(verdict.reason), asked=moves, plan=plan, verdict=verdict)
        self._made.setdefault(found.batch, []).extend((move, found.at) for move in moves)
        return Decision(moves=moves, why=moves[0].reason, asked=moves, plan=plan, verdict=verdict)

    def _gate_now(self, known: BatchHistory) -> Gate:
        """The gate with what this controller moved in this batch since the gate was made; one lever alone early on."""
        early = len(self.twin.batches) < self.least_together
        gate = replace(self.gate, design_space=frozenset()) if early else self.gate
        made = self._made.get(known.batch)
        if not made:
            return gate
        levers = dict(gate.levers)
        for move, _ in made:
            levers[move.parameter] = replace(levers[move.parameter], value=move.new)
        moved = (*gate.moved, *(Moved(parameter=move.parameter, at=at) for move, at in made))
        return replace(gate, levers=levers, moved=tuple(dict.fromkeys(moved)))

    def _barred(self, known: BatchHistory, at: float, gate: Gate) -> Words | None:
        """Why nothing may be moved now; None when something may."""
        if gate.barred is not None:
            return gate.barred
        if not gate.shadow and len(self.twin.batches) < self.least_batches:
            return told.UNFITTED
        if not _possible(self.twin):
            return told.POISONED
        if len(known.observations.get("viable_cell_density", ())) < self.counts:
            return told.TOO_EARLY
        if gate.moved and (at - gate.moved[-1].at < gate.rest or _moments(gate.moved) >= gate.most_moves):
            return told.RESTING
        if known.start.expansion_at + (gate.planned or 0.0) <= at + gate.notice:
            return told.ENDING
        return None


def _moments(moved: tuple[Moved, ...]) -> int:
    return len({move.at for move in moved})


def _possible(twin: Twin) -> bool:
    """Whether every figure of the twin is finite, every spread above 0, and none beyond what exp and logit can hold."""
    figures = np.array([*twin.population.values(), *twin.drift.values()])
    plain = np.array([*twin.fixed.values(), *twin.noise.values(), *twin.misfit.values()])
    finite = bool(np.isfinite(figures).all() and np.isfinite(plain).all() and (plain >= 0.0).all())
    return finite and bool((np.abs(figures[:, 0]) < _LARGEST).all() and (figures[:, 1] > 0.0).all())
