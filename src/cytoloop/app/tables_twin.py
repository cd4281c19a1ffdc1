"""Tables twin: a process scientist's own tables as a fitted twin, a forecast of one batch, and a proposal to read.

Nothing here changes a recipe: a proposal from tables is advice. What is to be signed is drafted in the record
(`proposing.py`), where it has its lineage, its gate row and its claim.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from cytoloop.adapters.files import keep
from cytoloop.app.dataset_tables import batches_from_tables
from cytoloop.app.drafting import proposal_levers
from cytoloop.app.packs import read_pack
from cytoloop.app.steering import release_limits
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON, canonical, digest
from cytoloop.core.words import Words
from cytoloop.feedback.calibrate import PopulationFit
from cytoloop.feedback.dataset import BatchHistory
from cytoloop.feedback.evaluate import fit_and_check
from cytoloop.feedback.forecast import Forecast, Limits, NotEnoughData, forecast
from cytoloop.feedback.proposal.check import LEAST_BATCHES, problem_with_batches, problem_with_model
from cytoloop.feedback.proposal.propose import NoProposal, Proposal, propose
from cytoloop.feedback.twin import Twin
from cytoloop.production.pack import Pack


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """A twin fitted on tables, and what the fit says of itself."""

    fit: PopulationFit
    histories: tuple[BatchHistory, ...]
    notes: tuple[Words, ...]
    batches: int
    """That were fitted on; harvested ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whose tables, and what is taken from them."""

    folder: Path
    pack: str = "car_t_cd19"
    product: str | None = None
    without: tuple[str, ...] = ()
    """Batches that are held out."""
    seed: int = 1


def calibrated(asked: Asked) -> Calibrated:
    """Fit the pack's twin on the tables' harvested batches; UserError when they are too few to learn from."""
    found = batches_from_tables(asked.folder, asked.product)
    _known(asked.without, [each.batch for each in found.batches])
    used = tuple(each for each in found.batches if each.harvest_at is not None and each.batch not in asked.without)
    if len(used) < LEAST_BATCHES:
        raise UserError(
            f"{asked.folder} holds {len(used)} harvested batches to learn from; at least {LEAST_BATCHES} are needed to "
            "tell how donors differ"
        )
    prior = Twin.from_data(dict(read_pack(asked.pack).twin))
    fit = fit_and_check(prior, used, np.random.default_rng([asked.seed, len(used)]))
    twin = replace(fit.twin, version=prior.version + 1, batches=tuple(each.batch for each in used))
    return Calibrated(fit=replace(fit, twin=twin), histories=used, notes=found.notes, batches=len(used))


def write_twin(twin: Twin, pack: str, path: Path) -> None:
    """The twin's figures in a file, to forecast with."""
    figures: dict[str, JSON] = {name: [mean, sd] for name, (mean, sd) in twin.figures().items()}
    held: dict[str, JSON] = {
        "twin": twin.twin, "version": twin.version, "pack": pack, "batches": list(twin.batches), "figures": figures,
    }  # fmt: skip
    keep(path, canonical({**held, "sha256": digest(held)}) + b"\n", mode=0o644)


def read_twin(path: Path) -> tuple[Twin, Pack]:
    """The twin of a file and its pack; UserError when it is none, or was changed since."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        pack = read_pack(held["pack"])
        figures = {name: (float(mean), float(sd)) for name, (mean, sd) in held["figures"].items()}
        prior = Twin.from_data(dict(pack.twin))
        twin = prior.with_figures(figures, version=int(held["version"]), batches=held["batches"])
        told = held.pop("sha256")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is no twin ({type(error).__name__}); write one: cytoloop twin calibrate --out"
        ) from error
    if digest(held) != told:
        raise UserError(f"{path} was changed since it was written; calibrate again")
    return twin, pack


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """A forecast beside what came of the batch, where that is known."""

    forecast: Forecast
    harvest_at: float
    count: tuple[float, float] | None
    """The last count of viable cells after the hour of the forecast: hour, 1e6 cells/mL."""
    product: Mapping[str, float] = field(hash=False)


def foretold(asked: Asked, batch: str, at: float, twin_file: Path, *, weight: float) -> Foretold:
    """The forecast of a batch from what was known at hour `at` of its culture; UserError when that is too little."""
    twin, pack = read_twin(twin_file)
    if batch in twin.batches:
        raise UserError(
            f"the twin was fitted on {batch}: a forecast of it proves nothing; hold it out (--without {batch})"
        )
    found = batches_from_tables(asked.folder, asked.product)
    _known((batch,), [each.batch for each in found.batches])
    history = next(each for each in found.batches if each.batch == batch)
    targets = {name: each.target for name, each in pack.recipe.parameters().items()}
    planned = history.start.expansion_at + targets["expansion.culture_duration"]
    harvest_at = history.harvest_at or planned
    made = forecast(
        twin, history, at=at, harvest_at=harvest_at, limits=release_limits(pack.product, weight),
        generator=np.random.default_rng([asked.seed, 1]),
    )  # fmt: skip
    if isinstance(made, NotEnoughData):
        raise UserError(f"batch {batch}: {made.reason}; ask for a later hour")
    counts = [pair for pair in history.observations.get("viable_cell_density", ()) if pair[0] > at]
    return Foretold(forecast=made, harvest_at=harvest_at, count=counts[-1] if counts else None, product=history.product)


def proposed(asked: Asked, learned: Calibrated, *, weight: float) -> Proposal | NoProposal:
    """What the tables' batches speak for under the pack's recipe, or why nothing."""
    problem = problem_with_batches(learned.histories) or problem_with_model(learned.fit, learned.histories)
    if problem is not None:
        return NoProposal(reason=problem)
    pack = read_pack(asked.pack)
    master = pack.master
    limits: Limits = release_limits(pack.product, weight)
    return propose(
        learned.fit,
        parameters={name: each.target for name, each in pack.recipe.parameters().items()},
        levers=proposal_levers(master),
        patients=[limits] * learned.batches,
        generator=np.random.default_rng([asked.seed, 2]),
    )


def _known(wanted: Sequence[str], batches: Sequence[str]) -> None:
    unknown = [name for name in wanted if name not in batches]
    if unknown:
        raise UserError(f"the tables hold no batch {', '.join(unknown)}; they have {', '.join(batches)}")
