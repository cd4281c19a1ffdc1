"""Learning: feedback between batches. Fit the twin, have a person release it, draft a proposal, have it signed.

A proposal changes nothing. Signed, it is a change; the change makes the next recipe version, for batches that start
afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cytoloop.app.dataset import history_of
from cytoloop.app.proposing import LEARNING, Proposer
from cytoloop.app.registrar import Registrar
from cytoloop.app.shadowing import controller_released, controller_shown, mode_for, shadows_compared
from cytoloop.app.signing import signed_for
from cytoloop.compliance.view import StudyView
from cytoloop.core.batch import Batch
from cytoloop.core.equipment import Door
from cytoloop.core.errors import UserError
from cytoloop.core.facts.feedback import TwinFitted, TwinReleased
from cytoloop.core.facts.shadow import ControllerMode
from cytoloop.core.json import JSON
from cytoloop.core.time import Instant
from cytoloop.feedback.calibrate import PopulationFit
from cytoloop.feedback.dataset import BatchHistory
from cytoloop.feedback.evaluate import fit_and_check
from cytoloop.feedback.proposal.check import LEAST_BATCHES
from cytoloop.feedback.twin import Twin


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedTwin:
    """A twin version and when it was released."""

    twin: Twin
    at: Instant
    mode: ControllerMode = "moves"
    """What the controller was released for with it."""


@dataclass(frozen=True, slots=True)
class Learner:
    """Learns on one production line."""

    registrar: Registrar
    door: Door
    line: str
    prior: Twin
    """The pack's twin: every fit begins from it, so that no batch is counted twice."""
    seed: int

    @property
    def twin_stream(self) -> str:
        """Where this line's twin versions stand."""
        return f"twin/{self.line}/{self.prior.twin}"

    async def release(
        self, twin: Twin, ground: str, error: float | None = None, mode: ControllerMode = "moves"
    ) -> ReleasedTwin:
        """Keep a twin version with its `error` on batches left out, and have it released by signature, with the
        controller that decides by it."""
        fitted = TwinFitted(
            twin=twin.twin,
            version=twin.version,
            sha256=twin.sha256,
            population=twin.figures(),
            batches=twin.batches,
            error=error,
        )
        self.registrar.say(self.twin_stream, fitted, actor=LEARNING)
        controller = controller_shown(mode, twin, self.registrar.ledger, self.twin_stream)
        shown: dict[str, JSON] = {"twin": twin.document(), "ground": ground, "error": error, "controller": controller}
        key = f"{self.line}/{twin.twin}/release/{twin.version}"
        what = f"release twin version {twin.version}"
        answer = await signed_for(
            "release-model",
            self.registrar,
            self.door,
            subject=self.twin_stream,
            key=key,
            role="qa",
            meaning="approved",
            what=what,
            shown=shown,
        )
        released = TwinReleased(
            twin=twin.twin, version=twin.version, sha256=twin.sha256, ground=ground, signature=answer.signature
        )
        self.registrar.say(self.twin_stream, released, actor=f"person:{answer.signature.signer}")
        told = controller_released(twin, mode, controller, answer.signature)
        self.registrar.say(self.twin_stream, told, actor=f"person:{answer.signature.signer}")
        return ReleasedTwin(twin=twin, at=self.registrar.clock.now(), mode=mode)

    async def learn(self, batches: Sequence[Batch], study: StudyView, version: int) -> ReleasedTwin | None:
        """Fit on finished batches, release the fit, and bring a proposal to its decision; None with too few.

        None also when a batch holds values that cannot be (a wrong unit): nothing is learned until they are set right.
        """
        try:
            pairs = [(batch, history) for batch in batches if (history := finished_history(batch)) is not None]
        except UserError as error:
            self.proposer.withhold(batches[-1].created.recipe, batches, error.words)
            return None
        if len(pairs) < LEAST_BATCHES:
            return None
        dice = np.random.default_rng([self.seed, version, len(pairs)])
        fit = fit_and_check(self.prior, [history for _, history in pairs], dice)
        names = tuple(batch.number for batch, _ in pairs)
        fit = replace(fit, twin=replace(fit.twin, version=version, batches=names))
        for told in shadows_compared(fit.twin, pairs, self.registrar.ledger, self.twin_stream, self.seed):
            self.registrar.say(self.twin_stream, told, actor=LEARNING)
        mode = mode_for(self.registrar.ledger, self.twin_stream)
        released = await self.release(fit.twin, _ground(fit, self.line), fit.error, mode)
        await self.proposer.propose(fit, pairs, study, seed=self.seed)
        return released

    async def follow(self, batches: Sequence[Batch], study: StudyView) -> None:
        """Test the claims of this line's changes on the batches that have ended; bring a roll-back to its decision."""
        for recipe in dict.fromkeys(batch.created.recipe for batch in batches):
            self.proposer.test_claims(recipe, batches)
            await self.proposer.roll_back(recipe, batches, study, seed=self.seed)

    @property
    def proposer(self) -> Proposer:
        """What drafts this line's proposals and brings them to their decision."""
        return Proposer(registrar=self.registrar, door=self.door, line=self.line, knows=self.twin_of)

    def twin_of(self, key: str) -> Twin:
        """The fitted twin that a record names by `key`; UserError when this line has none."""
        for recorded in self.registrar.ledger.stream(self.twin_stream):
            fact = recorded.fact
            if isinstance(fact, TwinFitted) and key == f"{fact.twin}@{fact.sha256}":
                return self.prior.with_figures(fact.population, version=fact.version, batches=fact.batches)
        raise UserError(f"line {self.line} has no twin {key}; run `cytoloop verify` on the record")


def finished_history(batch: Batch) -> BatchHistory | None:
    """The history of a batch whose culture was harvested; None for one that never came so far."""
    history = history_of(batch)
    return history if history is not None and history.harvest_at is not None else None


def _ground(fit: PopulationFit, line: str) -> str:
    error = (
        "error not known" if fit.error is None else f"mean relative error {fit.error:.0%} on batches left out in turn"
    )
    return f"fitted on {len(fit.twin.batches)} finished batches of line {line}, {error}"
