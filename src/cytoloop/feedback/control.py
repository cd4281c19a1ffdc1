"""Control: for a running culture, at most one parameter move inside its proven acceptable range, or none.

Order of wishes: the probability that the release results are in specification, with a margin; then an earlier
harvest. Guards: one parameter per unit operation in a batch (DESIGN, gate row 9); a dead band and a smallest move
against creep; a rest between moves; no move when the forecast is not to be trusted. The answer to any doubt is to
hold: the recipe as approved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cytoloop.core.recipe import operation_of
from cytoloop.core.words import Words
from cytoloop.feedback.calibrate import Donor, draw, fit_donor, values_of
from cytoloop.feedback.culture import STEP, Floats, begin, schedule, simulate
from cytoloop.feedback.dataset import BatchHistory, Control
from cytoloop.feedback.forecast import TRUSTED_MISFIT, Limits, probability, results_at
from cytoloop.feedback.twin import DRIFT, Twin

DURATION = "expansion.culture_duration"
PERFUSION = "expansion.perfusion_rate"
IL2 = "expansion.il2"

_STEPS: dict[str, tuple[float, ...]] = {PERFUSION: (-0.5, -0.25, 0.25, 0.5, 1.0), IL2: (-50.0, 100.0)}
"""Distances that are tried from the value in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lever:
    """A parameter that may be moved: its value in force and its proven acceptable range."""

    value: float
    low: float
    high: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A move that was made in this batch."""

    parameter: str
    at: float
    """h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """The one move that is asked for. It does nothing until the gate allows it."""

    parameter: str
    old: float
    new: float
    unit: str
    reason: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A move or none, and why."""

    move: Move | None
    why: Words
    probability: float | None = None
    """In specification, margin included, as parameters stand; None when no forecast was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One alternative with what it would do."""

    parameter: str
    new: float
    harvest_at: float
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """Decides for one batch; its figures are part of what is released with the twin."""

    twin: Twin = field(hash=False)
    limits: Limits = field(hash=False)
    draws: int = 64
    margin: float = 0.5
    """Standard deviations of the measurement by which every limit is moved inward."""
    dead_band: float = 0.04
    """Gain in probability below which nothing is moved."""
    assured: float = 0.95
    """Probability that an earlier harvest must keep."""
    rest: float = 24.0
    """h between two moves."""
    most_moves: int = 3
    """Moves in one batch."""
    least_batches: int = 3
    """Finished batches that the twin must have been fitted on: the pack's own figures move nothing."""
    counts: int = 3
    """Counts of viable cells before anything is moved."""
    horizon: float = 84.0
    """h before a harvest within which its time may be decided: a longer forecast is too wide for that."""
    resolution: float = 12.0
    """h between harvest times that are tried, and the smallest move of one."""
    notice: float = 6.0
    """h that a harvest needs to be prepared."""

    def step(
        self,
        history: BatchHistory,
        *,
        at: float,
        duration: float,
        levers: Mapping[str, Lever],
        moved: Sequence[Moved] = (),
        readings_good: bool = True,
        donor: Donor | None = None,
        generator: np.random.Generator,
    ) -> Decision:
        """The decision at hour `at`. `duration` is expansion.culture_duration in force, `levers` are the parameters
        that the recipe gives a right to move, with their values in force. `donor`: as a forecast at the same hour
        found it; left out, it is fitted here."""
        known = history.seen_until(at)
        barred = self._barred(known, at, duration, moved, readings_good=readings_good)
        if barred is not None:
            return Decision(move=None, why=barred)
        donor = donor or fit_donor(self.twin, known)
        if donor.misfit > TRUSTED_MISFIT:
            return Decision(move=None, why=_NOT_TRUSTED)
        outlook = _outlook(self, known, donor, at=at, duration=duration, levers=levers, generator=generator)
        hold, candidates = outlook.hold(), outlook.candidates(_free(levers, moved))
        chosen = self._choose(hold, candidates, at)
        if chosen is None:
            return Decision(move=None, why=_HOLD, probability=hold.probability)
        return _decided(hold, chosen, levers[chosen.parameter])

    def _barred(
        self,
        known: BatchHistory,
        at: float,
        duration: float,
        moved: Sequence[Moved],
        *,
        readings_good: bool,
    ) -> Words | None:
        """Why nothing may be moved now; None when something may."""
        if len(self.twin.batches) < self.least_batches:
            return _UNFITTED
        if not readings_good:
            return _BAD_READINGS
        if len(known.observations.get("viable_cell_density", ())) < self.counts:
            return _TOO_EARLY
        if moved and (at - moved[-1].at < self.rest or len(moved) >= self.most_moves):
            return _RESTING
        if known.start.expansion_at + duration <= at + self.notice:
            return _ENDING
        return None

    def _choose(self, hold: Candidate, candidates: Sequence[Candidate], at: float) -> Candidate | None:
        """The best alternative worth a move. Harvest time waits until it can be foreseen."""
        if not candidates:
            return None
        best = max(candidate.probability for candidate in candidates)
        if best >= hold.probability + self.dead_band:
            near = [candidate for candidate in candidates if candidate.probability >= best - 0.01]
            chosen = min(near, key=lambda c: (c.parameter != DURATION, c.harvest_at, abs(c.new)))
            return chosen if self._due(chosen, hold, at) else None
        earlier = [
            candidate
            for candidate in candidates
            if candidate.harvest_at <= hold.harvest_at - self.resolution
            and candidate.probability >= max(self.assured, hold.probability - 0.01)
            and self._due(candidate, hold, at)
        ]
        return min(earlier, key=lambda candidate: candidate.harvest_at, default=None)

    def _due(self, candidate: Candidate, hold: Candidate, at: float) -> bool:
        soonest = min(candidate.harvest_at, hold.harvest_at)
        return candidate.parameter != DURATION or soonest - at <= self.horizon


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outlook:
    """The futures of one batch on common random numbers: every alternative meets the same donors and shocks."""

    controller: Controller
    known: BatchHistory
    at: float
    duration: float
    levers: Mapping[str, Lever]
    values: Floats
    shocks: Floats
    runs: Floats
    """Trajectories from the seeding to the longest culture, with set-points as they stand."""

    def hold(self) -> Candidate:
        """The parameters as they stand."""
        return self._harvested(self.duration)

    def candidates(self, parameters: Sequence[str]) -> list[Candidate]:
        """Every alternative inside its range."""
        found: list[Candidate] = []
        for parameter in parameters:
            if parameter == DURATION:
                found += [self._harvested(hours) for hours in self._durations()]
            elif parameter in _STEPS:
                found += [self._fed(parameter, value) for value in self._values(parameter)]
        return found

    def _durations(self) -> list[float]:
        lever, step = self.levers[DURATION], self.controller.resolution
        soonest = max(lever.low, self.at + self.controller.notice - self.known.start.expansion_at)
        offsets = np.arange(-np.floor((lever.value - soonest) / step), np.floor((lever.high - lever.value) / step) + 1)
        tried = [float(lever.value + step * offset) for offset in offsets if offset]
        return [hours for hours in tried if soonest <= hours <= lever.high]

    def _values(self, parameter: str) -> list[float]:
        lever = self.levers[parameter]
        tried = (round(lever.value + distance, 6) for distance in _STEPS[parameter])
        return [value for value in tried if lever.low <= value <= lever.high]

    def _harvested(self, hours: float) -> Candidate:
        harvest_at = self.known.start.expansion_at + hours
        states = self.runs[:, min(round(harvest_at / STEP), self.runs.shape[1] - 1)]
        return Candidate(
            parameter=DURATION, new=hours, harvest_at=harvest_at, probability=self._probability(states, harvest_at)
        )

    def _fed(self, parameter: str, value: float) -> Candidate:
        last = self.known.controls[-1]
        control = Control(
            at=self.at,
            perfusion_rate=value if parameter == PERFUSION else last.perfusion_rate,
            il2=value if parameter == IL2 else last.il2,
        )
        harvest_at = self.known.start.expansion_at + self.duration
        plan = schedule((*self.known.controls, control), self.known.start.il2, harvest_at)
        runs = simulate(
            self.controller.twin, self.values, self.runs[:, round(self.at / STEP)], plan, round(self.at / STEP)
        )
        return Candidate(
            parameter=parameter,
            new=value,
            harvest_at=harvest_at,
            probability=self._probability(runs[:, -1], harvest_at),
        )

    def _probability(self, states: Floats, harvest_at: float) -> float:
        controller = self.controller
        results = results_at(
            controller.twin,
            self.values,
            states,
            self.known.start,
            ahead=harvest_at - self.at,
            shocks=self.shocks,
        )
        return float(np.mean(probability(controller.twin, results, controller.limits, controller.margin)))


def _outlook(
    controller: Controller,
    known: BatchHistory,
    donor: Donor,
    *,
    at: float,
    duration: float,
    levers: Mapping[str, Lever],
    generator: np.random.Generator,
) -> _Outlook:
    values = values_of(controller.twin, draw(donor, controller.draws, generator))
    longest = known.start.expansion_at + max(duration, levers[DURATION].high if DURATION in levers else 0.0)
    plan = schedule(known.controls, known.start.il2, longest)
    return _Outlook(
        controller=controller,
        known=known,
        at=at,
        duration=duration,
        levers=levers,
        values=values,
        shocks=generator.standard_normal((len(DRIFT), controller.draws)),
        runs=simulate(controller.twin, values, begin(values, known.start), plan),
    )


def _free(levers: Mapping[str, Lever], moved: Sequence[Moved]) -> list[str]:
    """Parameters that may be moved: once one of an operation was moved, only that one."""
    taken = {operation_of(move.parameter): move.parameter for move in moved}
    return [name for name in levers if taken.get(operation_of(name), name) == name]


def _decided(hold: Candidate, chosen: Candidate, lever: Lever) -> Decision:
    was, will = round(hold.probability, 2), round(chosen.probability, 2)
    hours = hold.harvest_at - chosen.harvest_at
    reason = Words(
        en=f"probability in specification, with margin, {was:.2f} as parameters stand and {will:.2f} with the move"
        + (f"; harvest {hours:g} h earlier" if hours > 0 else ""),
        zh=f"含裕度的合格概率：维持现参数 {was:.2f}，调整后 {will:.2f}"
        + (f"；收获提前 {hours:g} 小时" if hours > 0 else ""),
    )
    move = Move(parameter=chosen.parameter, old=lever.value, new=chosen.new, unit=lever.unit, reason=reason)
    return Decision(move=move, why=reason, probability=hold.probability)


_HOLD = Words(en="no move gains more than the dead band: hold", zh="任何调整的收益均未超过死区：维持")
_NOT_TRUSTED = Words(
    en="the twin does not describe what was seen of this batch: hold the recipe",
    zh="孪生模型与本批观测不符：按既定配方执行",
)
_BAD_READINGS = Words(en="readings are not good: hold the recipe", zh="读数质量不良：按既定配方执行")
_UNFITTED = Words(
    en="the twin was fitted on too few finished batches: hold the recipe",
    zh="孪生模型所依据的已完成批次过少：按既定配方执行",
)
_TOO_EARLY = Words(en="too few counts yet: hold", zh="计数尚少：维持")
_RESTING = Words(en="moved lately or often enough: hold", zh="近期已调整或次数已满：维持")
_ENDING = Words(en="harvest is due: hold", zh="即将收获：维持")
