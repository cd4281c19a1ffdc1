"""do-mpc: one control step on the culture model (six states, twenty intervals of 12 h), its time and its plan.

The model is the twin's equations (1) to (9), written in CasADi's symbols; maximised is the viable density at the end,
with the memory fraction at its limit or above. Prints the milliseconds of warm steps and the plan found.
"""

import contextlib
import io
import json
import sys
from time import perf_counter

import do_mpc
import numpy as np
from casadi import exp, fmax

asked = json.loads(sys.argv[1])
p, f = asked["parameters"], asked["fixed"]
model = do_mpc.model.Model("continuous")
x, d, g, lac, i, m = (model.set_variable("_x", name) for name in ("x", "d", "g", "lac", "i", "m"))
rate, medium = model.set_variable("_u", "rate"), model.set_variable("_u", "medium")
hour = model.set_variable("_tvp", "hour")

late = hour - p["lag"]
signal = exp(-p["wane"] * fmax(0.0, late)) / (1.0 + exp(-late / f["ramp_width"]))
sated, bound, inhibited = g / (f["glucose_half"] + g), i / (f["il2_half"] + i), lac / f["lactate_half"]
growth = p["mu_max"] * signal * (p["il2_independent"] + (1.0 - p["il2_independent"]) * bound) * sated
growth = growth / (1.0 + inhibited**2) * (1.0 - x / p["density_limit"])
death = p["death"] * (1.0 + f["starvation"] * (1.0 - sated))
uptake = p["glucose_uptake"] * (0.3 + 0.7 * signal) * sated * x
flow = rate / 24.0
model.set_rhs("x", (growth - death) * x)
model.set_rhs("d", death * x - f["lysis"] * d)
model.set_rhs("g", flow * (p["medium_glucose"] - g) - uptake)
model.set_rhs("lac", p["lactate_yield"] * uptake - flow * lac)
model.set_rhs("i", flow * (100.0 * medium - i) - f["il2_uptake"] * x * bound - f["il2_decay"] * i)
model.set_rhs("m", -p["memory_loss"] * signal * (1.0 + p["il2_memory"] * bound) * m)
model.setup()

mpc = do_mpc.controller.MPC(model)
mpc.set_param(
    n_horizon=asked["intervals"],
    t_step=asked["hours"],
    n_robust=0,
    store_full_solution=True,
    nlpsol_opts={"ipopt.print_level": 0, "print_time": 0, "ipopt.sb": "yes"},
)
mpc.set_objective(mterm=-x, lterm=0.0 * x)
mpc.set_rterm(rate=1e-4, medium=1e-4)
for name in ("x", "d", "g", "lac", "i", "m"):
    mpc.bounds["lower", "_x", name] = 0.0
mpc.terminal_bounds["lower", "m"] = asked["least_memory"]
mpc.bounds["lower", "_u", "rate"], mpc.bounds["upper", "_u", "rate"] = asked["rate"]
mpc.bounds["lower", "_u", "medium"], mpc.bounds["upper", "_u", "medium"] = (each / 100.0 for each in asked["il2"])
template = mpc.get_tvp_template()


def told(now):
    for k in range(asked["intervals"] + 1):
        template["_tvp", k, "hour"] = asked["at"] + asked["hours"] * (k + 0.5)
    return template


mpc.set_tvp_fun(told)
spent = []
with contextlib.redirect_stdout(io.StringIO()):
    mpc.setup()
    states = np.array(asked["states"]).reshape(-1, 1)
    mpc.x0 = states
    mpc.set_initial_guess()
    for _ in range(asked["steps"] + 2):
        begun = perf_counter()
        mpc.make_step(states)
        spent.append(1e3 * (perf_counter() - begun))
plan = [
    [
        float(mpc.opt_x_num["_u", k, 0][0]) * float(mpc.opt_x_scaling["_u", k, 0][0]),
        float(mpc.opt_x_num["_u", k, 0][1]) * float(mpc.opt_x_scaling["_u", k, 0][1]) * 100.0,
    ]
    for k in range(asked["intervals"])
]
warm = spent[2:]
print(json.dumps({"p99_ms": float(np.percentile(warm, 99)), "median_ms": float(np.median(warm)), "plan": plan}))
