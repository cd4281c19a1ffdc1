"""Foreseeing: the risk of an order's batch before it begins, from the patient, the past batches and the twin.

It decides nothing: it is told in the order's stream, with what it rests on, and shown. Past batches are those of the
same line and product that have ended, failed ones too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np

from cytoloop.app.foreseen import collected_t_cells, failed, foreseen, observed, recipe_of, shares_of
from cytoloop.app.production import in_force
from cytoloop.app.registrar import Registrar
from cytoloop.app.steering import release_limits
from cytoloop.core.batch import Batch
from cytoloop.core.facts.clinic import OrderPlaced
from cytoloop.core.facts.foresight import PlanB, RiskAssessed
from cytoloop.core.master import MasterRecipe
from cytoloop.core.time import Instant
from cytoloop.feedback.samples.starting import Past, Risk, check_factor, risk_of
from cytoloop.feedback.samples.starting_plan import plan_b
from cytoloop.feedback.samples.starting_twin import VirtualDonors, virtual_donors
from cytoloop.feedback.twin import Twin
from cytoloop.production.recipe_text import from_content
from cytoloop.record.ledger import Ledger

FORESIGHT = "system:feedback"


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

    seed: int = 0
    _donors: dict[tuple[str, str], VirtualDonors] = field(default_factory=dict)

    def tell(self, registrar: Registrar, asked: Asked) -> RiskAssessed:
        """Assess an order and enter it in the order's stream."""
        told = self.assess(registrar.ledger, asked, registrar.clock.now())
        registrar.say(f"order/{asked.placed.order}", told, actor=FORESIGHT)
        return told

    def on_line(
        self, registrar: Registrar, line: str, placed: OrderPlaced, ended: Sequence[Batch], twin: Twin
    ) -> RiskAssessed:
        """Assess an order on the recipe version in force on its line, before its collection, and enter it."""
        recipe = in_force(registrar.ledger, line, recipe_of(registrar.ledger, line), registrar.clock.now())
        asked = Asked(placed=placed, master=from_content(recipe.content), ended=ended, twin=twin)
        return self.tell(registrar, asked)

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
        begun = {} if asked.begun is None else collected_t_cells(asked.begun)
        return {**observed(subject, now), "weight": asked.placed.weight, **begun}

    def _past(self, ledger: Ledger, asked: Asked, *, collected: bool) -> list[Past]:
        found = []
        for batch in asked.ended:
            known = observed(ledger.stream(f"subject/{batch.created.subject}"), batch.created_at)
            factors = {**known, "weight": batch.created.weight, **(collected_t_cells(batch) if collected else {})}
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
        shares = shares_of(asked.ended, wanted, factors.get("collected_t_cells"))
        return self._donors[key].failure(release_limits(master.product, weight), shares)


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
