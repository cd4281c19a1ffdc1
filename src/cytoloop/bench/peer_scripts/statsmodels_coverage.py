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


def holds(effect, attribute, outcome):
    try:
        fit = sm.Logit(np.array(outcome), sm.add_constant(np.array(attribute))).fit(disp=0, maxiter=100)
        low, high = fit.conf_int(1 - asked["level"])[1]
    except (np.linalg.LinAlgError, ValueError, PerfectSeparationError):
        return False
    return bool(fit.mle_retvals["converged"] and np.isfinite([low, high]).all() and low <= effect <= high)


held = [holds(*each) for each in json.loads(Path(asked["file"]).read_text())]
print(json.dumps({"coverage": float(np.mean(held))}))
