"""Campaign: in-silico campaigns of virtual batches of a pack, on the simulated facility or on the pack's twin.

What is asked becomes a plan (`feedback.in_silico`) and blocks of work that any worker can do; workers are this
machine's cores or a cluster's. Nothing here touches a record: a virtual batch is nobody's batch.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from cytoloop import __version__
from cytoloop.adapters.cluster import cluster
from cytoloop.adapters.plant.campaign import Site
from cytoloop.adapters.plant.donors import Distribution
from cytoloop.adapters.plant.faults import Faults
from cytoloop.adapters.plant.virtual import PARAMETERS
from cytoloop.adapters.processes import processes
from cytoloop.app.campaign_work import Block, Done, Row, Setting, made
from cytoloop.app.packs import read_pack
from cytoloop.app.steering import release_limits
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON, digest
from cytoloop.feedback.in_silico.design import experiments, round_of
from cytoloop.feedback.in_silico.plan import CampaignPlan, Experiment, blocks
from cytoloop.feedback.in_silico.twin import KNOWN
from cytoloop.feedback.optimise.campaign import Campaign
from cytoloop.feedback.twin import Twin
from cytoloop.production.pack import Pack

T = TypeVar("T")
R = TypeVar("R")

On = Literal["plant", "twin"]

BLOCK = 50
"""Virtual batches that a worker does at a time."""

YIELD = "in_specification_yield"
GOOD = "in_specification"


class Workers(Protocol):
    """Who does the work."""

    def each(self, work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """The results, as they are done."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What virtual batches are made with."""

    pack: str
    on: On = "plant"
    weight: float = 70.0
    """kg of the patients, for limits per kilogram."""
    faults: bool = True
    """Whether the facility's equipment fails as often as in the demonstration."""

    def document(self) -> dict[str, JSON]:
        """As plain JSON."""
        return {"pack": self.pack, "on": self.on, "weight": self.weight, "faults": self.faults}


def setting_of(subject: Subject, factors: Sequence[str], seed: int) -> tuple[Setting, dict[str, JSON]]:
    """What workers need, and what it is by its digests; UserError names a factor that it does not know."""
    pack = read_pack(subject.pack)
    parameters = pack.recipe.parameters()
    known = KNOWN if subject.on == "twin" else PARAMETERS
    unknown = [name for name in factors if name not in known or name not in parameters]
    if unknown:
        raise UserError(
            f"{', '.join(unknown)}: no factor that the {subject.on} of pack {subject.pack} answers to; use one of "
            f"{', '.join(name for name in known if name in parameters)}"
        )
    limits = release_limits(pack.product, subject.weight)
    targets = {name: parameter.target for name, parameter in parameters.items()}
    site = Site(
        targets=targets, limits=limits, dose=pack.product.dose_attribute, seed=seed,
        donors=Distribution.from_data(pack.donors), faults=Faults() if subject.faults else Faults.none(),
    )  # fmt: skip
    twin = Twin.from_data(dict(pack.twin)) if subject.on == "twin" else None
    return Setting(site=site, twin=twin), _named(pack, subject, targets, limits, twin)


def _named(
    pack: Pack, subject: Subject, targets: Mapping[str, float], limits: Mapping[str, tuple[float | None, float | None]],
    twin: Twin | None,
) -> dict[str, JSON]:  # fmt: skip
    """What decides the results beside the plan."""
    held: JSON = {name: list(pair) for name, pair in limits.items()}
    donors: JSON = dict(pack.donors)
    return {
        **subject.document(), "release": __version__, "recipe": f"{pack.recipe.recipe}/{pack.recipe.version}",
        "targets": digest(dict(targets)), "limits": digest(held), "donors": digest(donors),
        "twin": twin.key if twin else None,
    }  # fmt: skip


def run(
    plan: CampaignPlan, setting: Setting, workers: Workers, kept: Mapping[int, Done], keep: Callable[[Done], None]
) -> list[Row]:
    """Every virtual batch of the plan in order. `kept`: blocks done before, by their first batch; `keep` takes more."""
    if plan.design != "optimise":
        return _rows(blocks(experiments(plan), BLOCK), setting, workers, kept, keep)
    campaign, rows = Campaign(dict(plan.space), {YIELD: "maximise"}, seed=plan.seed), list[Row]()
    for number in range(plan.rounds):
        settings = campaign.suggest(1)[0]
        found = _rows(blocks(round_of(plan, number, settings), BLOCK), setting, workers, kept, keep)
        campaign.observe(settings, {YIELD: sum(row[YIELD] for row in found) / len(found)})
        rows += found
    return rows


def _rows(
    todo: Sequence[tuple[Experiment, ...]], setting: Setting, workers: Workers, kept: Mapping[int, Done],
    keep: Callable[[Done], None],
) -> list[Row]:  # fmt: skip
    done = {block[0].batch: kept[block[0].batch] for block in todo if block[0].batch in kept}
    left = [Block(setting=setting, experiments=block) for block in todo if block[0].batch not in done]
    for each in workers.each(made, left):
        keep(each)
        done[each.first] = each
    return [row for block in todo for row in done[block[0].batch].rows]


def workers_of(number: int, address: str | None) -> AbstractContextManager[Workers]:
    """The workers at hand: so many processes of this machine, or those of a cluster."""
    return processes(number) if address is None else cluster(address)
