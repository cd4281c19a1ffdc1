"""Dice that do not depend on who throws first: one generator for each purpose, keyed by seed and names.

The same donor meets the same biology, noise and misfortune in two arms of a comparison, whatever else happens
in the facility (common random numbers).
"""

from hashlib import blake2b

import numpy as np
from numpy.random import Generator


def stream(seed: int, *names: object) -> Generator:
    """The generator for one purpose: the same seed and names always give the same draws."""
    text = "\x1f".join(map(str, (seed, *names))).encode()
    return np.random.default_rng(int.from_bytes(blake2b(text, digest_size=16).digest(), "big"))
