"""Correct: what batches at other values of a parameter really showed, against what the twin expects of moving it.

A campaign (`optimise.py`) over the parameters that varied, with the twin as its prior, sees the finished batches as
experiments with their donor as context. Where its expectation of a move departs from the twin's own, the prediction is
shifted by the difference, and doubted by as much again. A parameter that never varied is left to the twin and to the
claim: nothing is read out of nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cytoloop.core.facts.feedback import Interval, ParameterMove
from cytoloop.core.words import Words
from cytoloop.feedback.attributes import IN_PRODUCT
from cytoloop.feedback.control.controller import Lever
from cytoloop.feedback.optimise.campaign import Campaign
from cytoloop.feedback.predict import on_scale
from cytoloop.feedback.proposal.check import LEAST_VARIED, Executed, problem_with_sign

Outlook = Callable[[Mapping[str, float]], Mapping[str, float]]
"""Targets -> median of each attribute over donors, as the twin expects it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the finished batches show, as a correction of the twin."""

    executed: Sequence[Executed] = field(hash=False)
    levers: Mapping[str, Lever] = field(hash=False)
    targets: Mapping[str, float] = field(hash=False)
    outlook: Outlook
    seed: int

    def shifts(self, move: ParameterMove, predicted: Mapping[str, Interval]) -> Mapping[str, float] | Words:
        """Attribute -> shift of the predicted change on its scale; or why the batches speak against the move."""
        against = problem_with_sign(move, predicted, self.executed)
        if against is not None:
            return against
        names, attributes = varied(self.executed, self.levers), measured(self.executed)
        if move.parameter not in names or not attributes:
            return {}
        campaign = self._campaign(names, attributes)
        here = {name: self.targets[name] for name in names}
        there = {**here, move.parameter: move.new}
        seen, expected = _difference(campaign.predict, here, there), self._expected(here, there)
        found = {name: seen[name] - expected[name] for name in attributes}
        return {name: shift for name, shift in found.items() if np.isfinite(shift)}

    def _campaign(self, names: Sequence[str], attributes: Sequence[str]) -> Campaign:
        """The finished batches as experiments; a batch without results is a failed one."""
        campaign = Campaign(
            {name: (self.levers[name].low, self.levers[name].high) for name in names},
            dict.fromkeys(attributes, "maximise"),
            prior=self._said,
            seed=self.seed,
        )
        for each in self.executed:
            ran_at = {name: _inside(each.parameters[name], self.levers[name]) for name in names}
            values = {name: _scaled(name, each.results[name]) for name in attributes if name in each.results}
            campaign.observe(ran_at, values or None, each.context)
        return campaign

    def _said(self, parameters: Mapping[str, float]) -> dict[str, float]:
        medians = self.outlook({**self.targets, **parameters})
        return {name: _scaled(name, value) for name, value in medians.items()}

    def _expected(self, here: Mapping[str, float], there: Mapping[str, float]) -> dict[str, float]:
        before, after = self._said(here), self._said(there)
        return {name: after[name] - before[name] for name in before}


def varied(executed: Sequence[Executed], levers: Mapping[str, Lever]) -> list[str]:
    """Parameters that batches ran at different values of: at least two values, in enough batches."""
    known = [name for name in levers if sum(name in each.parameters for each in executed) >= LEAST_VARIED]
    return [name for name in known if len({each.parameters.get(name) for each in executed}) > 1]


def measured(executed: Sequence[Executed]) -> list[str]:
    """Attributes that enough batches have a release result of."""
    return [name for name in IN_PRODUCT if sum(name in each.results for each in executed) >= LEAST_VARIED]


def _difference(
    predict: Callable[[Mapping[str, float]], Mapping[str, tuple[float, float]]],
    here: Mapping[str, float],
    there: Mapping[str, float],
) -> dict[str, float]:
    before, after = predict(here), predict(there)
    return {name: after[name][0] - before[name][0] for name in before}


def _inside(value: float, lever: Lever) -> float:
    return min(max(value, lever.low), lever.high)


def _scaled(name: str, value: float) -> float:
    return float(on_scale(name, np.array(value)))
