"""Stage 4, data feedback: dataset, twin, calibration, forecast, control, optimisation, proposal, claim.

Pure; numpy and numba live here. What any simulator or plant can drive, without a record:

    from cytoloop.feedback import Campaign, Controller, Twin

    Campaign(space, objectives, prior=None, seed=0)    suggest(n=1), observe(parameters, values)
    Twin.fit(batches), twin.forecast(readings, at)
    Controller(twin, gate).step(readings, at)

docs/reference/feedback-api.md describes them with examples that ran. A name is loaded when it is first asked for:
numba and scipy take a second, and most commands need neither.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cytoloop.feedback.control.controller import Controller, Decision, Gate, Lever, Move, Moved, Verdict
    from cytoloop.feedback.forecast import Forecast, NotEnoughData
    from cytoloop.feedback.optimise.campaign import ArrayPrior, Campaign, Factor, Limit, Observation, Total
    from cytoloop.feedback.twin import Twin

__all__ = [
    "ArrayPrior",
    "Campaign",
    "Controller",
    "Decision",
    "Factor",
    "Forecast",
    "Gate",
    "Lever",
    "Limit",
    "Move",
    "Moved",
    "NotEnoughData",
    "Observation",
    "Total",
    "Twin",
    "Verdict",
]

_MODULES = {
    "control.controller": ("Controller", "Decision", "Gate", "Lever", "Move", "Moved", "Verdict"),
    "forecast": ("Forecast", "NotEnoughData"),
    "optimise.campaign": ("ArrayPrior", "Campaign", "Factor", "Limit", "Observation", "Total"),
    "twin": ("Twin",),
}
"""Module -> the public names it holds."""


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            found: object = getattr(import_module(f"{__name__}.{module}"), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
