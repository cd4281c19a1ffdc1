"""Steering: feedback inside a running batch. A forecast with each new result; a move only where the gate allows it.

An observer of the runner: reads the batch, returns what must be noted. It knows no law and no equipment; it brings
the controller (feedback) and the change gate (compliance) together and lets the gate have the last word.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

import numpy as np

from cytoloop.app.dataset import HARVEST, culture_began, history_of
from cytoloop.compliance.gate import GateAnswer, GateQuestion, Model, RateLimit, judge
from cytoloop.compliance.gate import Move as GateMove
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Draft, Fact
from cytoloop.core.facts.compliance import GateJudged
from cytoloop.core.facts.production import SetPointMoved
from cytoloop.core.facts.shadow import ControllerMode, ShadowMove
from cytoloop.core.product import Product
from cytoloop.core.time import Instant, hours_between
from cytoloop.core.words import Words
from cytoloop.feedback.control.controller import (
    DURATION,
    IL2,
    PERFUSION,
    Controller,
    Decision,
    Gate,
    Judge,
    Lever,
    Move,
    Moved,
    Verdict,
)
from cytoloop.feedback.forecast import Limits, NotEnoughData, forecast
from cytoloop.feedback.twin import Twin
from cytoloop.quality.specification import limits

LEVERS = (DURATION, PERFUSION, IL2)
"""Parameters the controller may ask to move."""

STEERING = "system:feedback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Steering:
    """What a batch is steered by: pinned when it starts, frozen until it ends."""

    twin: Twin = field(hash=False)
    released_at: Instant | None
    """When the twin's version was released; None when it was not: then nothing is moved."""
    mode: ControllerMode = "moves"
    """What the controller was released for with this twin."""
    decree_818: bool
    filed_scope: Literal["targets", "ranges", "none"] | None
    recent: Mapping[str, tuple[float, ...]] = field(default_factory=dict, hash=False)
    """Parameter -> values at which the last batches ran, newest last."""
    design_space: frozenset[str] = frozenset()
    """Parameters whose whole ranges an approved design space holds together."""
    seed: int

    def observe(self, batch: Batch, now: Instant) -> Sequence[Draft]:
        """The forecast that the newest result asks for, and a move if the gate allows it; empty when nothing is new."""
        began, trigger = culture_began(batch), newest_count(batch)
        if began is None or trigger is None or batch.open_deviations or _harvested(batch):
            return ()
        if batch.forecasts and batch.forecasts[-1].position > trigger:
            return ()
        facts = self._facts(batch, began, trigger, now)
        return [Draft(fact=fact, actor=STEERING, happened_at=now) for fact in facts]

    def _facts(self, batch: Batch, began: Instant, trigger: int, now: Instant) -> Iterator[Fact]:
        history, at = history_of(batch), hours_between(began, now)
        if history is None:
            return
        specified = release_limits(batch.master.product, batch.created.weight)
        expected = forecast(
            self.twin,
            history,
            at=at,
            harvest_at=history.start.expansion_at + batch.parameters[DURATION],
            limits=specified,
            generator=_generator(self.seed, batch.number, trigger),
        )
        if isinstance(expected, NotEnoughData):
            return
        yield expected.made
        answers: list[GateAnswer] = []

        def last_word(moves: tuple[Move, ...]) -> Verdict:
            answer = judge(self._question(batch, moves, trigger, now, trusted=expected.trusted))
            answers.append(answer)
            return Verdict(allowed=answer.answer == "apply", reason=answer.reason, row=answer.row)

        gate = self._gate(batch, began, last_word)
        decision = Controller(self.twin, gate, limits=specified).step(history, at, donor=expected.donor)
        yield from self._shadowed(batch, decision, trigger)
        yield from self._judged(decision, answers, trigger)

    def _gate(self, batch: Batch, began: Instant, last_word: Judge) -> Gate:
        """What may move in this batch now, with the change gate behind it."""
        shadow = self.mode == "shadow"
        told = batch.shadow_moves if shadow else batch.moves
        levers = levers_of(batch, {each.fact.parameter: each.fact.new for each in told} if shadow else {})
        duration = levers[DURATION].value if DURATION in levers else batch.parameters[DURATION]
        moved = tuple(Moved(parameter=m.fact.parameter, at=hours_between(began, m.happened_at)) for m in told)
        return Gate(
            levers=levers,
            duration=duration,
            design_space=self.design_space,
            moved=moved,
            barred=None if readings_good(batch) else _BAD_READINGS,
            shadow=shadow,
            judge=last_word,
        )

    def _shadowed(self, batch: Batch, decision: Decision, trigger: int) -> Iterator[Fact]:
        figures = Controller(self.twin, Gate(levers={}, duration=batch.parameters[DURATION])).sha256
        for move in decision.shadow:
            yield ShadowMove(
                parameter=move.parameter,
                old=move.old,
                new=move.new,
                unit=move.unit,
                reason=move.reason.en,
                triggered_by=trigger,
                twin=self.twin.key,
                controller=figures,
            )

    def _judged(self, decision: Decision, answers: Sequence[GateAnswer], trigger: int) -> Iterator[Fact]:
        """What the gate said of what was asked, and the moves it let through."""
        for answer in answers:
            asked = "; ".join(f"{m.parameter} {m.old:g} -> {m.new:g} {m.unit}" for m in decision.asked)
            yield GateJudged(row=answer.row, answer=answer.answer, subject=asked, reason=answer.reason)
            for move in decision.moves:
                yield SetPointMoved(
                    parameter=move.parameter,
                    old=move.old,
                    new=move.new,
                    unit=move.unit,
                    reason=move.reason.en,
                    triggered_by=trigger,
                    gate_row=answer.row,
                    model=self.twin.key,
                )

    def _question(
        self, batch: Batch, moves: tuple[Move, ...], trigger: int, now: Instant, *, trusted: bool
    ) -> GateQuestion:
        parameters = batch.master.recipe.parameters()
        asked = tuple(
            GateMove(
                name=move.parameter,
                parameter=parameters[move.parameter],
                old=move.old,
                new=move.new,
                recent=self.recent.get(move.parameter, ()),
            )
            for move in moves
        )
        return GateQuestion(
            kind="set-point",
            moves=asked,
            by="controller",
            decree_818=self.decree_818,
            filed_scope=self.filed_scope,
            model=Model(
                version=self.twin.key,
                frozen=True,
                validated=self.released_at is not None,
                released_at=self.released_at,
                inputs_known=trusted,
            ),
            batch_started_at=batch.created_at,
            off_target=tuple(n for n, value in batch.parameters.items() if value != parameters[n].target),
            design_space=self.design_space,
            asked_at=now,
            last_moved_at={told.fact.parameter: told.happened_at for told in batch.moves},
            triggered_by=trigger,
            reason=moves[0].reason.en,
        )


_BAD_READINGS = Words(en="readings are not good: hold the recipe", zh="读数质量不良：按既定配方执行")


def release_limits(product: Product, weight: float) -> Limits:
    """The release specification for a patient of `weight` kg: attribute -> (low, high)."""
    return {each.attribute: limits(each, weight) for each in product.at("release")}


def levers_of(batch: Batch, instead: Mapping[str, float] | None = None) -> dict[str, Lever]:
    """The parameters that may be moved in this batch: those with a range of provenance. `instead`: values in force
    had shadow moves been made."""
    found: dict[str, Lever] = {}
    for name, parameter in batch.master.recipe.parameters().items():
        low, high = parameter.par
        if name in LEVERS and parameter.dossier_ref and low < high:
            found[name] = Lever(
                value=(instead or {}).get(name, batch.parameters[name]),
                low=low,
                high=high,
                unit=parameter.unit,
                step=RateLimit().share_of_par * (high - low),
            )
    return found


def newest_count(batch: Batch) -> int | None:
    """Position of the newest count of viable cells in culture; None before the first."""
    counts = [told.position for told in batch.results if told.fact.attribute == "viable_cell_density"]
    return counts[-1] if counts else None


def readings_good(batch: Batch) -> bool:
    """Whether most of the newest readings are what the equipment itself calls good."""
    if not batch.readings:
        return False
    newest = batch.readings[-1].fact.readings
    return sum(reading.quality == "good" for reading in newest) * 2 > len(newest)


def _harvested(batch: Batch) -> bool:
    return any(step.arguments.get("program") == HARVEST for step in batch.steps.values())


def _generator(seed: int, batch: str, position: int) -> np.random.Generator:
    """Dice of one forecast: the same for the same batch, position and seed, whatever else runs."""
    text = f"{seed}/{batch}/{position}".encode()
    return np.random.default_rng(int.from_bytes(sha256(text).digest()[:8]))
