"""Stage 4, data feedback: dataset, twin, calibration, forecast, control, optimisation, proposal, claim.

Pure; numpy and numba live here. What any simulator or plant can drive, without a record:

    Campaign(space, objectives, prior=None, seed=0)    suggest(n=1), observe(parameters, values)
    Twin.fit(batches), twin.forecast(readings, at)
    Controller(twin, gate).step(readings, at)

They are described with examples in docs/reference/feedback-api.md.
"""

from cytoloop.feedback.control import Controller, Decision, Gate, Lever, Move, Moved, Verdict
from cytoloop.feedback.forecast import Forecast, NotEnoughData
from cytoloop.feedback.optimise import Campaign, Factor, Limit, Observation, Total
from cytoloop.feedback.twin import Twin

__all__ = [
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
