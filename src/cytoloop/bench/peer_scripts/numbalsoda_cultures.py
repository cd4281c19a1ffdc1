"""numbalsoda's LSODA on the T-cell cultures of a file, by as many threads as there are cores: cultures a second, and
the ends of the first ones. Restarted at the switches and at each culture's kink.
"""

import json
import math
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numba import cfunc, njit
from numbalsoda import lsoda, lsoda_sig

given = json.loads(sys.argv[1])
file = np.load(given["file"])
count, checked = given["count"], given["checked"]
values, states = file["values"][:count], file["states"][:count]
times, set_points, floors = file["times"], file["set_points"], file["floors"]


@cfunc(lsoda_sig)
def slopes(t, y, d, p):
    late = t - p[1]
    signal = math.exp(-p[3] * late * p[23]) / (1.0 + math.exp(-late / p[13]))
    sated, bound, inhibited = y[2] / (p[14] + y[2]), y[4] / (p[16] + y[4]), y[3] / p[15]
    room = max(0.0, 1.0 - y[0] / p[5])
    growth = p[0] * signal * (p[11] + (1.0 - p[11]) * bound) * sated / (1.0 + inhibited * inhibited) * room
    death = p[4] * (1.0 + p[17] * (1.0 - sated))
    uptake = p[6] * (0.3 + 0.7 * signal) * sated * y[0]
    d[0] = (growth - death) * y[0]
    d[1] = death * y[0] - p[18] * y[1]
    d[2] = p[21] * (p[8] - y[2]) - uptake
    d[3] = p[7] * uptake - p[21] * y[3]
    d[4] = p[21] * (p[22] - y[4]) - p[19] * y[0] * bound - p[20] * y[4]
    d[5] = -p[10] * signal * (1.0 + p[12] * bound) * y[5]


address = slopes.address


@njit(nogil=True)
def solve(first, last, given, ends):
    values, states, times, set_points, rtol, atol = given
    p, span = np.zeros(24), np.zeros(2)
    for n in range(first, last):
        p[:21] = values[n]
        y, lag = states[n].copy(), values[n, 1]
        for place in range(len(set_points)):
            p[21], p[22] = set_points[place, 0], set_points[place, 1]
            middle = min(max(lag, times[place]), times[place + 1])
            for start, stop, after in ((times[place], middle, 0.0), (middle, times[place + 1], 1.0)):
                if stop > start:
                    p[23], span[0], span[1] = after, start, stop
                    found, _ = lsoda(address, y, span, p, rtol, atol)
                    y = found[1].copy()
        ends[n] = y


threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
ends = np.zeros((count, 6))
# One absolute tolerance is taken: the smallest of the states'.
fixed = (values, states, times, set_points, given["rtol"], given["rtol"] * float(floors.min()))
solve(0, 1, fixed, ends)
bounds = np.linspace(0, count, 4 * threads + 1).astype(int).tolist()
rate = 0.0
with ThreadPoolExecutor(threads) as pool:
    for _ in range(given["turns"]):
        began = time.perf_counter()
        for done in [pool.submit(solve, a, b, fixed, ends) for a, b in pairwise(bounds)]:
            done.result()
        rate = max(rate, count / (time.perf_counter() - began))
print(json.dumps({"rate": rate, "ends": ends[:checked].tolist()}))
