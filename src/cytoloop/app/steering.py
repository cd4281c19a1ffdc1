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
from cytoloop.compliance.gate import GateQuestion, Model, RateLimit, judge
from cytoloop.compliance.gate import Move as GateMove
from cytoloop.core.batch import Batch
from cytoloop.core.entry import Draft, Fact
from cytoloop.core.facts.compliance import GateJudged
from cytoloop.core.facts.production import SetPointMoved
from cytoloop.core.product import Product
from cytoloop.core.time import Instant, hours_between
from cytoloop.feedback.control import DURATION, IL2, PERFUSION, Controller, Lever, Move, Moved
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
    decree_818: bool
    filed_scope: Literal["targets", "ranges", "none"] | None
    recent: Mapping[str, tuple[float, ...]] = field(default_factory=dict, hash=False)
    """Parameter -> values at which the last batches ran, newest last."""
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
        specified, levers = release_limits(batch.master.product, batch.created.weight), levers_of(batch)
        generator = _generator(self.seed, batch.number, trigger)
        expected = forecast(
            self.twin,
            history,
            at=at,
            harvest_at=history.start.expansion_at + batch.parameters[DURATION],
            limits=specified,
            generator=generator,
        )
        if isinstance(expected, NotEnoughData):
            return
        yield expected.made
        decision = Controller(twin=self.twin, limits=specified).step(
            history,
            at=at,
            duration=batch.parameters[DURATION],
            levers=levers,
            moved=[Moved(parameter=m.fact.parameter, at=hours_between(began, m.happened_at)) for m in batch.moves],
            readings_good=readings_good(batch),
            donor=expected.donor,
            generator=generator,
        )
        if decision.move is not None:
            yield from self._judged(batch, decision.move, trigger, now, trusted=expected.trusted)

    def _judged(self, batch: Batch, move: Move, trigger: int, now: Instant, *, trusted: bool) -> Iterator[Fact]:
        answer = judge(self._question(batch, move, trigger, now, trusted=trusted))
        asked = f"{move.parameter} {move.old:g} -> {move.new:g} {move.unit}"
        yield GateJudged(row=answer.row, answer=answer.answer, subject=asked, reason=answer.reason)
        if answer.answer == "apply":
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

    def _question(self, batch: Batch, move: Move, trigger: int, now: Instant, *, trusted: bool) -> GateQuestion:
        parameters = batch.master.recipe.parameters()
        asked = GateMove(
            name=move.parameter,
            parameter=parameters[move.parameter],
            old=move.old,
            new=move.new,
            recent=self.recent.get(move.parameter, ()),
        )
        return GateQuestion(
            kind="set-point",
            moves=(asked,),
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
            asked_at=now,
            last_moved_at={told.fact.parameter: told.happened_at for told in batch.moves},
            triggered_by=trigger,
            reason=move.reason.en,
        )


def release_limits(product: Product, weight: float) -> Limits:
    """The release specification for a patient of `weight` kg: attribute -> (low, high)."""
    return {each.attribute: limits(each, weight) for each in product.at("release")}


def levers_of(batch: Batch) -> dict[str, Lever]:
    """The parameters that may be moved in this batch, as far as one move may go: those with a range of provenance."""
    found: dict[str, Lever] = {}
    for name, parameter in batch.master.recipe.parameters().items():
        if name in LEVERS and parameter.dossier_ref:
            value, (low, high) = batch.parameters[name], parameter.par
            reach = RateLimit().share_of_par * (high - low)
            found[name] = Lever(
                value=value, low=max(low, value - reach), high=min(high, value + reach), unit=parameter.unit
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
