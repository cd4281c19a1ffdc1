"""Where the controller's yield is lost, what a twin of few batches does, and a plant that nobody tuned to.

The clairvoyant moves the same levers at the same hours, in the same steps; what the controller is below him is told
apart by taking things away: the noise of the readings, then every error of the estimate (the donor's own figures are
told, in a plant of the twin's equations), then the guards too. What then still lacks is the search's: its horizon of
counts, its one pass, its integrator.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from cytoloop.bench.feedback_control_clairvoyant import clairvoyant
from cytoloop.bench.feedback_control_plants import MISMATCH, Donor, FacilityDonor, TwinDonor, facility_donor
from cytoloop.bench.feedback_control_runs import PACK, controlled, finished, fixed
from cytoloop.bench.feedback_control_third import gompertz_donor
from cytoloop.bench.frame import Goal, Options, Row, row
from cytoloop.feedback.calibrate import Donor as Fitted
from cytoloop.feedback.calibrate import scales
from cytoloop.feedback.culture import Floats
from cytoloop.feedback.dataset import BatchHistory
from cytoloop.feedback.twin import NAMES, POPULATION, Twin, to_scale

DONORS = 40
TAKEN = 30
"""Donors on whom the gap is taken apart."""
FEW = 3
"""Finished batches of a twin that hardly knows its plant."""
_FREE = {
    "caution": 0.0,
    "foresight": 0.0,
    "patience": 0.0,
    "strange": 0.0,
    "dead_band": 0.001,
    "loss": 1e9,
}
"""A controller without guards."""

Fit = Callable[[Sequence[BatchHistory], int], Twin]


def gap_rows(twin: Twin, name: str, plant: str, donors: Sequence[FacilityDonor | TwinDonor]) -> list[Row]:
    """Below the clairvoyant of both modes: as it is, seen clearly, with the donor told, and without guards."""
    found = []
    for several in (False, True):
        top = sum(clairvoyant(donor, PACK, several=several) for donor in donors)
        mode = f"{plant}, {'design space' if several else 'one lever'}, {len(donors)} donors"
        for part, (said, yields) in _parts(twin, donors, several=several).items():
            below = [100.0 * (1.0 - float(yields.sum()) / max(top, 1e-9))]
            found.append(row(f"{name}{2 if several else 1}.gap.{part}", f"below the clairvoyant, {said}: {mode}", below,
                             "%", better="less"))  # fmt: skip
    return found


def _parts(twin: Twin, donors: Sequence[FacilityDonor | TwinDonor], *, several: bool) -> dict[str, tuple[str, Floats]]:
    def run(using: Twin, *, clear: bool = False, known: bool = False, **figures: float) -> Floats:
        return np.array(
            [
                controlled(
                    using, replace(each, clear=clear), PACK, several=several, known=_told(twin, each, known), **figures
                ).gain
                for each in donors
            ]
        )

    found = {"all": ("as it is", run(twin)), "clear": ("readings without noise", run(twin, clear=True))}
    if isinstance(donors[0], TwinDonor):
        exact = replace(twin, drift=dict.fromkeys(twin.drift, (0.0, 1e-06)), residual={})
        found["known"] = ("the donor's own figures told", run(exact, clear=True, known=True))
        found["free"] = ("the same without guards", run(exact, clear=True, known=True, **_FREE))
    return found


def _told(twin: Twin, donor: FacilityDonor | TwinDonor, known: bool) -> Fitted | None:
    """The donor as a perfect fit would find it."""
    if not known or not isinstance(donor, TwinDonor):
        return None
    means, sds = scales(twin)
    theta = [to_scale(POPULATION[name][0], float(value)) for name, value in zip(NAMES, donor.values[0], strict=True)]
    z = (np.array(theta) - means) / sds
    return Fitted(z=z, covariance=1e-9 * np.eye(len(z)), misfit=1.0, observations=100, residuals=np.zeros(0))


def few_rows(options: Options, fit: Fit, donors: Sequence[Donor]) -> list[Row]:
    """A twin fitted on three batches: what it gains, and whether it harms."""
    past = [finished(facility_donor(options.seed + 500, n, 0.0), PACK, f"B-{n}") for n in range(FEW)]
    twin, said = fit(past, options.seed), f"twin fitted on {FEW} batches, simulated facility"
    return _both("O5f", said, twin, donors, top=False)


def third_rows(options: Options, fit: Fit, past: int) -> list[Row]:
    """The plant of `feedback_control_third`, its twin fitted on its own batches."""
    seen = [finished(gompertz_donor(options.seed, n), PACK, f"B-{n}") for n in range(past)]
    donors = [gompertz_donor(options.seed + 1000, n) for n in range(DONORS)]
    return _both("O5t", "Gompertz plant", fit(seen, options.seed), donors, top=True)


def _both(name: str, said: str, twin: Twin, donors: Sequence[Donor], *, top: bool) -> list[Row]:
    pack, found = np.array([fixed(donor, PACK) for donor in donors]), []
    scale = max(float(pack.mean()), 1e-9)
    for several in (False, True):
        head, mode = f"{name}{2 if several else 1}", f"{said}, {'design space' if several else 'one lever'}"
        ours = np.array([controlled(twin, donor, PACK, several=several).gain for donor in donors])
        found += [
            row(f"{head}.pack", f"yield over the pack's recipe: {mode}", [100.0 * (float(ours.mean()) / scale - 1.0)],
                "%", goal=Goal(bound=28.0 if top else 0.0)),
            row(f"{head}.p5", f"5th percentile of the gain over the pack's recipe: {mode}",
                [100.0 * float(np.percentile(ours - pack, 5)) / scale], "%", goal=Goal(bound=0.0)),
            row(f"{head}.lost", f"donors with less than by the pack's recipe: {mode}",
                [100.0 * float(np.mean(ours < pack - 1e-3 * scale))], "%", better="less"),
        ]  # fmt: skip
        if top:
            best = sum(clairvoyant(donor, PACK, several=several) for donor in donors)
            below = [100.0 * (1.0 - float(ours.sum()) / max(best, 1e-9))]
            found.append(row(f"{head}.gap", f"below the clairvoyant: {mode}", below, "%",
                             goal=Goal(bound=2.0, better="less")))  # fmt: skip
    return found


def facility(options: Options, count: int) -> list[FacilityDonor]:
    """The facility's donors of the benchmark."""
    return [facility_donor(options.seed + 1000, n, MISMATCH) for n in range(count)]
