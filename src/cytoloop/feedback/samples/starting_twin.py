"""Starting twin: how often the twin's virtual donors fail for a patient under a recipe, before any of its culture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cytoloop.feedback.calibrate import values_of
from cytoloop.feedback.culture import D, Floats, X, begin, schedule, simulate
from cytoloop.feedback.forecast import Limits, measured, meets, results_at
from cytoloop.feedback.proposal.virtual import plan_of
from cytoloop.feedback.twin import DRIFT, NAMES, Twin

SHARES = (0.03, 0.1, 0.2, 0.35, 0.6, 1.0)
"""Shares of the wanted cells at which virtual donors are simulated; between them the chance is interpolated."""
DONORS = 128
"""Virtual donors at each share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualDonors:
    """Release results of virtual donors under one recipe: attribute -> (SHARES * DONORS,), share by share."""

    results: Mapping[str, Floats] = field(hash=False)

    def failure(self, limits: Limits, seeded: Sequence[float] = ()) -> float:
        """Share of virtual donors out of specification for a patient with these limits; never quite 0 or 1.

        `seeded`: shares of the wanted cells that a collection like this one may give, all as likely; empty: all of it.
        """
        out = ~meets(self.results, limits).reshape(len(SHARES), DONORS)
        by_share = (out.sum(axis=1) + 0.5) / (DONORS + 1.0)
        wanted = np.log(np.clip(np.asarray(seeded if len(seeded) else (1.0,)), SHARES[0], 1.0))
        return float(np.mean(np.interp(wanted, np.log(SHARES), by_share)))


def virtual_donors(twin: Twin, parameters: Mapping[str, float], generator: np.random.Generator) -> VirtualDonors:
    """Virtual donors of the twin's population under a recipe's `parameters` ("<operation>.<parameter>" -> target)."""
    start, controls, harvest_at = plan_of(parameters)
    donors = values_of(twin, generator.standard_normal((DONORS, len(NAMES))))
    values = np.tile(donors, (len(SHARES), 1))  # the same donors at each share: what differs is the cells seeded
    states = begin(values, start)
    states[:, X : D + 1] *= np.repeat(SHARES, DONORS)[:, None]
    plan = schedule(controls, start.il2, harvest_at)
    ended = simulate(twin, values, states, plan)[:, -1]
    shocks = np.tile(generator.standard_normal((len(DRIFT), DONORS)), len(SHARES))
    ahead = harvest_at - start.expansion_at
    true = results_at(twin, values, ended, start, ahead=ahead, shocks=shocks, centred=0.0)
    return VirtualDonors(results=measured(twin, true, generator))
