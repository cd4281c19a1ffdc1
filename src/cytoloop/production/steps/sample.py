"""Sample: take material from the unit and have it tested as the sampling plan says."""

from cytoloop.core.batch import Batch
from cytoloop.core.entry import Fact
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.facts.quality import ResultRecorded
from cytoloop.core.recipe import Sample
from cytoloop.production.walk import Planned


def command(batch: Batch, planned: Planned, phase: Sample, key: str) -> Command:
    """Ask the laboratory to test material from the unit."""
    plan = batch.master.product.sampling[phase.plan]
    return Command(
        key=key,
        target=batch.created.equipment["qc_laboratory"],
        verb="sample",
        arguments={
            "plan": plan.plan,
            "attributes": list(plan.attributes),
            "volume": plan.volume,
            "from": planned.equipment,
            "coi": batch.created.coi,
        },
    )


def facts(batch: Batch, planned: Planned, phase: Sample, outcome: Outcome) -> tuple[Fact, ...]:
    """One result for each attribute that the laboratory answered."""
    results = outcome.values.get("results")
    if not isinstance(results, dict):
        return ()
    stage = batch.master.product.sampling[phase.plan].stage
    found: list[Fact] = []
    for attribute, result in results.items():
        if not isinstance(result, dict) or not isinstance(value := result.get("value"), int | float):
            continue
        found.append(
            ResultRecorded(
                sample=planned.step,
                attribute=attribute,
                stage=stage,
                value=float(value),
                unit=str(result.get("unit")),
                method=str(result.get("method")),
                tested_by=outcome.by,
            )
        )
    return tuple(found)
