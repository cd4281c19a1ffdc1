"""A mechanistic model as data: what it is of, its quantities with units and sources, and its compiled equations."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cytoloop.feedback.models.integrate import RTOL, Plan, integrate
from cytoloop.feedback.models.kernel import Floats, Kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A quantity that the model carries forward."""

    name: str
    symbol: str
    unit: str
    floor: float
    """So little of it means nothing: the error is relative to the value, or to this where the value is smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A figure of the model."""

    name: str
    unit: str
    scale: str
    """"log" or "logit" where it varies between donors or batches, else "fixed"."""
    figure: float
    """What is believed of it beforehand."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A quantity that the process sets, constant between switches."""

    name: str
    unit: str
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One mechanistic model."""

    name: str
    about: str
    states: tuple[State, ...]
    controls: tuple[Control, ...]
    parameters: tuple[Parameter, ...]
    """That vary; first in every array of values."""
    fixed: tuple[Parameter, ...]
    """After them."""
    observables: Mapping[str, tuple[str, str]] = field(hash=False)
    """What a sample shows -> its unit and how it follows from the states."""
    equations: str
    """The numbered, cited equations as text."""
    kernel: Kernel
    tangent: Kernel | None = None
    """States and their derivative along one direction of the varied parameters: values, then that direction."""
    kink: int | None = None
    """Place of the parameter that is the time of the kink."""

    def figures(self) -> Floats:
        """What is believed beforehand, in the order of the arrays."""
        return np.array([each.figure for each in (*self.parameters, *self.fixed)])

    @property
    def floors(self) -> Floats:
        """Each state's floor."""
        return np.array([state.floor for state in self.states])


def run(
    model: Model, values: Floats, states: Floats, plan: Plan, grid: Floats, *, rtol: float = RTOL, threads: int = 1
) -> Floats:
    """Trajectories at the times of `grid`; values (n, parameters), states (n, states) -> (n, len(grid), states)."""
    kinks = None if model.kink is None else values[:, model.kink]
    return integrate(
        model.kernel, values, states, plan, grid, atol=rtol * model.floors, rtol=rtol, kinks=kinks, threads=threads
    )


def run_with_slopes(
    model: Model,
    values: Floats,
    states: Floats,
    plan: Plan,
    grid: Floats,
    *,
    directions: Floats,
    state_slopes: Floats,
    rtol: float = RTOL,
    threads: int = 1,
) -> tuple[Floats, Floats]:
    """Trajectories and how they change along each of d directions of the varied parameters.

    directions (d, varied); state_slopes (n, states, d), how the states at the begin change along them. Gives
    (n, len(grid), states) and (n, len(grid), states, d): the derivative of the integrator's own result at its steps,
    since the states alone decide the steps (internal differentiation, Bock 1981).
    """
    assert model.tangent is not None, f"{model.name} has no tangents"
    count, ways, size = len(values), len(directions), len(model.states)
    both = np.hstack([np.repeat(values, ways, axis=0), np.tile(directions, (count, 1))])
    begins = np.hstack([np.repeat(states, ways, axis=0), state_slopes.transpose(0, 2, 1).reshape(count * ways, size)])
    kinks = None if model.kink is None else both[:, model.kink]
    atol = rtol * np.concatenate([model.floors, model.floors])
    out = integrate(model.tangent, both, begins, plan, grid, atol=atol, rtol=rtol, kinks=kinks, threads=threads)
    shaped = out.reshape(count, ways, len(grid), 2 * size)
    return shaped[:, 0, :, :size].copy(), shaped[..., size:].transpose(0, 2, 3, 1)
