"""statsmodels: how often the Wald interval of a logistic slope holds the true one. No interval does not hold it."""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import statsmodels.api as sm
from statsmodels.tools.sm_exceptions import PerfectSeparationError

warnings.simplefilter("ignore")
asked = json.loads(sys.argv[1])


def interval(effect, attribute, outcome):
    """The interval's ends; None where the fit gives none."""
    try:
        fit = sm.Logit(np.array(outcome), sm.add_constant(np.array(attribute))).fit(disp=0, maxiter=100)
        low, high = fit.conf_int(1 - asked["level"])[1]
    except (np.linalg.LinAlgError, ValueError, PerfectSeparationError):
        return None
    return (low, high) if fit.mle_retvals["converged"] and np.isfinite([low, high]).all() else None


cohorts = json.loads(Path(asked["file"]).read_text())
found = [(each[0], interval(*each)) for each in cohorts]
held = [ends is not None and ends[0] <= effect <= ends[1] for effect, ends in found]
widths = [1e9 if ends is None else ends[1] - ends[0] for _, ends in found]
usable = [width < asked["usable"] for width in widths]
print(json.dumps({"coverage": float(np.mean(held)), "usable": float(np.mean(usable))}))
