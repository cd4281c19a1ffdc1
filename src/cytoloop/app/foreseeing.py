"""Foreseeing: the risk of an order's batch before it begins, from the patient, the past batches and the twin.

It decides nothing: it is told in the order's stream, with what it rests on, and shown. Past batches are those of the
same line and product that have ended, failed ones too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np

from cytoloop.app.dataset import SEED
from cytoloop.app.joining_parameters import executed_value
from cytoloop.app.registrar import Registrar
from cytoloop.app.steering import release_limits
from cytoloop.core.batch import Batch, StepRecord
from cytoloop.core.entry import Recorded
from cytoloop.core.facts.clinic import ClinicalObservationRecorded, OrderPlaced
from cytoloop.core.facts.foresight import PlanB, RiskAssessed
from cytoloop.core.master import MasterRecipe
from cytoloop.core.time import Instant
from cytoloop.feedback.starting import Past, Risk, check_factor, risk_of
from cytoloop.feedback.starting_factors import CODES
from cytoloop.feedback.starting_plan import plan_b
from cytoloop.feedback.starting_twin import VirtualDonors, virtual_donors
from cytoloop.feedback.twin import Twin
from cytoloop.quality.specification import judge
from cytoloop.record.ledger import Ledger

FORESIGHT = "system:feedback"
T_CELLS = ("total_viable_cells", "cd3_purity")
"""Incoming results whose product is the T cells collected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An order whose risk is asked for, and what stands beside it."""

    placed: OrderPlaced
    master: MasterRecipe
    """What its batch will be made by."""
    ended: Sequence[Batch] = field(hash=False)
    twin: Twin | None = field(hash=False)
    entered: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Factors that the record does not hold, as somebody entered them; they go before what it holds."""
    begun: Batch | None = None
    """The order's batch, when it has begun and is not seeded yet: then its collection is known."""


@dataclass(slots=True)
class Foresight:
    """Assesses orders; remembers what the twin's virtual donors gave, for each version of twin and recipe."""

    seed: int
    _donors: dict[tuple[str, str], VirtualDonors] = field(default_factory=dict)

    def tell(self, registrar: Registrar, asked: Asked) -> RiskAssessed:
        """Assess an order and enter it in the order's stream."""
        told = self.assess(registrar.ledger, asked, registrar.clock.now())
        registrar.say(f"order/{asked.placed.order}", told, actor=FORESIGHT)
        return told

    def assess(self, ledger: Ledger, asked: Asked, now: Instant) -> RiskAssessed:
        """The risk as it stands at `now`; UserError for an entered factor that cannot be."""
        for name, value in asked.entered.items():
            check_factor(name, value)
        factors = {**self._patient(ledger, asked, now), **asked.entered}
        past = self._past(ledger, asked, collected="collected_t_cells" in factors)
        virtual = None if asked.twin is None else self._failure(asked, asked.master, asked.placed.weight, factors)

        def risk(known: Mapping[str, float]) -> Risk:
            return risk_of(past, known, twin=virtual, generator=_dice(self.seed, asked.placed.order))

        found = risk(factors)
        plans = tuple(
            PlanB(plan=each.plan, en=each.words.en, zh=each.words.zh, risk=each.risk)
            for each in plan_b(found, past, factors, risk)
        )
        return _fact(asked, found, past, factors=factors, virtual=virtual, plans=plans)

    def _patient(self, ledger: Ledger, asked: Asked, now: Instant) -> dict[str, float]:
        subject = ledger.stream(f"subject/{asked.placed.subject}")
        begun = {} if asked.begun is None else _collected(asked.begun)
        return {**observed(subject, now), "weight": asked.placed.weight, **begun}

    def _past(self, ledger: Ledger, asked: Asked, *, collected: bool) -> list[Past]:
        found = []
        for batch in asked.ended:
            known = observed(ledger.stream(f"subject/{batch.created.subject}"), batch.created_at)
            factors = {**known, "weight": batch.created.weight, **(_collected(batch) if collected else {})}
            chance = foreseen(ledger, batch.created.order)
            if chance is None and asked.twin is not None:
                chance = self._failure(asked, batch.master, batch.created.weight, factors)
            found.append(Past(batch=batch.number, failed=failed(batch), factors=factors, twin=chance))
        return found

    def _failure(self, asked: Asked, master: MasterRecipe, weight: float, factors: Mapping[str, float]) -> float:
        """How often the twin's virtual donors fail under a recipe for a patient of this weight."""
        assert asked.twin is not None, "asked only where there is a twin"
        targets = {name: parameter.target for name, parameter in master.recipe.parameters().items()}
        wanted = targets["activation.seeding_density"] * targets["activation.volume"]
        version = sha256(repr(sorted(targets.items())).encode()).hexdigest()
        key = (asked.twin.sha256, version)
        if key not in self._donors:
            self._donors[key] = virtual_donors(asked.twin, targets, _dice(self.seed, version))
        shares = _shares(asked.ended, wanted, factors.get("collected_t_cells"))
        return self._donors[key].failure(release_limits(master.product, weight), shares)


def foreseen(ledger: Ledger, order: str) -> float | None:
    """What the twin of the day gave before the batch of an order began; None when nobody asked it.

    A past batch is held against what was said of it beforehand, not against a twin that has learned from it since.
    """
    told = (each.fact for each in ledger.stream(f"order/{order}"))
    return next((each.twin_failure for each in told if isinstance(each, RiskAssessed)), None)


def failed(batch: Batch) -> bool:
    """Whether an ended batch was aborted, rejected, or out of specification at release."""
    if batch.aborted is not None:
        return True
    if batch.disposition is not None and batch.disposition.fact.disposition != "released":
        return True
    release = (told.fact for told in batch.results if told.fact.stage == "release")
    return any(judge(each, batch.master.product, batch.created.weight).judgement == "out" for each in release)


def observed(entries: Iterable[Recorded], until: Instant) -> dict[str, float]:
    """The newest value of each factor that a subject's observations carry, seen by `until`."""
    found: dict[str, float] = {}
    for recorded in entries:
        fact = recorded.fact
        if not isinstance(fact, ClinicalObservationRecorded) or recorded.entry.happened_at > until:
            continue
        name = CODES.get(fact.code)
        if name is not None and isinstance(fact.value, (int, float)) and fact.comparator is None:
            found[name] = float(fact.value)
    return found


def _collected(batch: Batch) -> dict[str, float]:
    """T cells in what was collected, by the tests on receipt."""
    incoming = {t.fact.attribute: t.fact.value for t in batch.results if t.fact.stage == "incoming"}
    if any(name not in incoming for name in T_CELLS):
        return {}
    return {"collected_t_cells": incoming[T_CELLS[0]] * incoming[T_CELLS[1]]}


def _shares(ended: Sequence[Batch], wanted: float, collected: float | None) -> tuple[float, ...]:
    """Shares of the wanted cells that could be seeded: as past batches did, or as this collection lets expect."""
    seeded = [(batch, cells) for batch in ended if (cells := _seeded(batch)) is not None]
    if collected is None:
        return tuple(round(min(cells / wanted, 1.0), 2) for _, cells in seeded)
    yields = [cells / had["collected_t_cells"] for batch, cells in seeded if (had := _collected(batch))]
    return tuple(round(min(collected * each / wanted, 1.0), 2) for each in yields)


def _seeded(batch: Batch) -> float | None:
    """1e6 cells that were seeded; None for a batch that never was."""
    step = next((s for s in batch.steps.values() if s.arguments.get("program") == SEED and s.state == "done"), None)
    return None if step is None else _product(step)


def _product(step: StepRecord) -> float | None:
    density, volume = executed_value(step, "seeding_density"), executed_value(step, "volume")
    return None if density is None or volume is None else density[0] * volume[0]


def _fact(
    asked: Asked,
    risk: Risk,
    past: Sequence[Past],
    *,
    factors: Mapping[str, float],
    virtual: float | None,
    plans: tuple[PlanB, ...],
) -> RiskAssessed:
    return RiskAssessed(
        order=asked.placed.order,
        known="before-collection" if asked.begun is None else "before-seeding",
        probability=round(risk.probability, 4) if risk.enough else None,
        interval=risk.interval if risk.enough else None,
        reason_en=risk.reason.en,
        reason_zh=risk.reason.zh,
        factors=dict(factors),
        batches=tuple(each.batch for each in past),
        failed=risk.failed,
        twin=None if asked.twin is None else asked.twin.key,
        twin_failure=None if virtual is None else round(virtual, 4),
        plan_b=plans,
    )


def _dice(seed: int, text: str) -> np.random.Generator:
    """Dice of one assessment: the same for the same order and seed, whatever else runs."""
    return np.random.default_rng([seed, int.from_bytes(sha256(text.encode()).digest()[:6])])
