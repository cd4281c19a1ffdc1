"""Campaign work: the virtual batches of one block, which any worker can make from plain values.

A worker begins by importing this module: it names nothing else than it needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cytoloop.adapters.plant.campaign import Site, release_results
from cytoloop.feedback.in_silico.plan import Experiment
from cytoloop.feedback.twin import Twin

Row = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What any worker needs to make virtual batches, as plain values."""

    site: Site
    twin: Twin | None
    """None: on the plant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What a worker does at a time."""

    setting: Setting = field(hash=False)
    experiments: tuple[Experiment, ...] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of a block."""

    first: int
    """Number of its first batch."""
    rows: tuple[Row, ...] = field(hash=False)


def made(block: Block) -> Done:
    """The virtual batches of a block: the work that is sent to workers."""
    site, twin = block.setting.site, block.setting.twin
    if twin is None:
        rows = [
            release_results(site, batch=each.batch, donor=each.donor, settings=each.settings)
            for each in block.experiments
        ]
    else:
        from cytoloop.feedback.in_silico.twin import twin_batches  # noqa: PLC0415  (the plant's workers begin sooner)

        rows = twin_batches(twin, block.experiments, targets=site.targets, limits=site.limits, seed=site.seed)
    told = [
        {"batch": float(each.batch), "donor": float(each.donor), **each.settings, **row}
        for each, row in zip(block.experiments, rows, strict=True)
    ]
    return Done(first=block.experiments[0].batch, rows=tuple(told))
