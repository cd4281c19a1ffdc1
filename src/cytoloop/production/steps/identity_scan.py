"""Identity scan: a person scans a label; it must carry the batch's chain of identity, or the step fails."""

from cytoloop.core.batch import Batch
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.recipe import IdentityScan


def command(phase: IdentityScan, key: str) -> Command:
    """Scan the label named in the recipe."""
    return Command(key=key, target="person:operator", verb="scan", arguments={"label": phase.label})


def mismatch(batch: Batch, phase: IdentityScan, outcome: Outcome) -> str | None:
    """Why the label is not this patient's; None when it is."""
    scanned, expected = outcome.values.get("code"), batch.created.coi
    if scanned == expected:
        return None
    return f"identity mismatch: the label on {phase.label} reads {scanned}, this batch is {expected}"
