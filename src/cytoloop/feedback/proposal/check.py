"""Checks of a proposal: what is wrong with a model, with the data behind it or with a move, said before it is drafted.

A model that is poisoned, sign-flipped, stale or no better than a guess proposes nothing, with a reason. Missing
evidence is never a licence: what cannot be checked stays a reason not to move, or is left to the claim to test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

import numpy as np

from cytoloop.core.facts.feedback import Interval, ParameterMove
from cytoloop.core.recipe import Parameter, operation_of
from cytoloop.core.words import Words
from cytoloop.feedback.calibrate import PopulationFit
from cytoloop.feedback.dataset import BatchHistory
from cytoloop.feedback.predict import on_scale

LEAST_BATCHES = 3
SPEAKS = 2.5
"""Standard errors of a slope at which the batches speak for themselves against the model's sign."""
_SCATTER = 0.76
"""Standard deviation of the absolute value of a normal error over its mean: sqrt(pi / 2 - 1)."""
LEAST_VARIED = 6
"""Batches of which a slope may speak at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """A finished batch as the sign of an effect is held against it."""

    batch: str
    parameters: Mapping[str, float] = field(hash=False)
    """Parameter -> value as it was executed at the end."""
    results: Mapping[str, float] = field(hash=False)
    """Attribute -> release result."""
    context: Mapping[str, float] = field(default_factory=dict, hash=False)
    """What was known of the donor's cells before anything was done to them."""


def problem_with_batches(histories: Sequence[BatchHistory]) -> Words | None:
    """Why these batches are no ground for a proposal; None when nothing stands against them."""
    if len(histories) < LEAST_BATCHES:
        return too_few(len(histories))
    names = [history.batch for history in histories]
    if len(set(names)) < len(names):
        return Words(en="a batch stands twice among the evidence", zh="证据中同一批次出现两次")
    return None


def problem_with_model(fit: PopulationFit, histories: Sequence[BatchHistory]) -> Words | None:
    """Why this fitted twin may propose nothing: not finite, stale, or no better than the mean of the other batches."""
    figures = [each for pair in fit.twin.figures().values() for each in pair]
    points = [float(value) for donor in fit.donors for value in (*donor.z, *np.diag(donor.covariance))]
    if not all(isfinite(each) for each in (*figures, *points)) or any(sd < 0 for _, sd in fit.twin.figures().values()):
        return Words(en="the fitted twin holds figures that are no finite numbers", zh="拟合的孪生模型含有非有限数值")
    known, given = set(fit.twin.batches), {history.batch for history in histories}
    if known != given:
        return Words(
            en="the twin is stale: it was not fitted on the batches that are the evidence",
            zh="孪生模型已过时：其拟合批次与所依据的批次不一致",
        )
    naive = naive_error(histories)
    if fit.error is not None and naive is not None and plainly_worse(fit.error, naive, len(histories)):
        return Words(
            en=f"on batches left out in turn the twin errs by {fit.error:.0%}; the mean of the others by {naive:.0%}",
            zh=f"逐批留出检验：孪生模型误差 {fit.error:.0%}，其他批次均值误差 {naive:.0%}，模型不优于均值",
        )
    return None


def plainly_worse(error: float, naive: float, batches: int) -> bool:
    """Whether a mean absolute error is above another by more than a standard error of their difference.

    Absolute values of normal errors scatter by 0.76 of their mean, so the mean of few batches says little.
    """
    return error > naive + _SCATTER * float(np.hypot(error, naive)) / float(np.sqrt(batches))


def naive_error(histories: Sequence[BatchHistory]) -> float | None:
    """Mean relative error of the last viable cell density foretold as the geometric mean of the other batches'."""
    lasts = [pairs[-1][1] for history in histories if (pairs := history.observations.get("viable_cell_density"))]
    if len(lasts) < LEAST_BATCHES:
        return None
    logs = np.log(np.maximum(lasts, 1e-9))
    others = (logs.sum() - logs) / (len(logs) - 1)
    return float(np.mean(np.abs(np.expm1(others - logs))))


def problem_with_figures(predicted: Mapping[str, Interval]) -> Words | None:
    """Why the predicted effects cannot be: not finite, or an interval whose ends are crossed."""
    for name, each in predicted.items():
        if not all(isfinite(value) for value in (each.low, each.median, each.high)):
            return Words(en=f"the predicted change of {name} is no finite number", zh=f"{name} 的预测变化不是有限数值")
        if not each.low <= each.median <= each.high:
            return Words(en=f"the interval of {name} is crossed", zh=f"{name} 的区间上下限颠倒")
    return None


def problem_with_sign(
    move: ParameterMove, predicted: Mapping[str, Interval], executed: Sequence[Executed]
) -> Words | None:
    """Where batches ran at different values of the moved parameter and plainly say the opposite of the model."""
    for name, expected in predicted.items():
        told = slope(move.parameter, name, executed)
        if told is None or not (expected.low > 0 or expected.high < 0):
            continue
        wanted = np.sign(expected.median) * np.sign(move.new - move.old)
        if np.sign(told[0]) == -wanted and abs(told[0]) > SPEAKS * told[1]:
            return Words(
                en=f"the batches contradict the model: {name} went the other way with {move.parameter}",
                zh=f"批次数据与模型相反：{name} 随 {move.parameter} 的变化方向相反",
            )
    return None


def slope(parameter: str, attribute: str, executed: Sequence[Executed]) -> tuple[float, float] | None:
    """Slope of an attribute over a parameter as executed, with its standard error; None when it never varied."""
    rows = [
        (each.parameters[parameter], each.results[attribute])
        for each in executed
        if parameter in each.parameters and attribute in each.results
    ]
    if len(rows) < LEAST_VARIED:
        return None
    x, y = np.array([row[0] for row in rows]), on_scale(attribute, np.array([row[1] for row in rows]))
    centred = x - x.mean()
    width = float(centred @ centred)
    if width <= 1e-12 * max(1.0, float(x @ x)):
        return None
    found = float(centred @ y) / width
    left = y - y.mean() - found * centred
    return found, float(np.sqrt(left @ left / (len(rows) - 2) / width))


def problem_with_moves(
    moves: Sequence[ParameterMove],
    parameters: Mapping[str, Parameter],
    design_space: frozenset[str] = frozenset(),
) -> Words | None:
    """Why these moves may not even be drafted; None when each is one move inside a range of provenance."""
    if not moves:
        return Words(en="the proposal moves nothing", zh="提案未作任何调整")
    names = [move.parameter for move in moves]
    if len(set(names)) < len(names):
        return Words(en="a parameter is moved twice", zh="同一参数被调整两次")
    for move in moves:
        found = _problem_with_move(move, parameters.get(move.parameter))
        if found is not None:
            return found
    for operation in {operation_of(name) for name in names}:
        together = {name for name in names if operation_of(name) == operation}
        if len(together) > 1 and not together <= design_space:
            listed = ", ".join(sorted(together))
            return Words(
                en=f"{listed} would move together in one unit operation without a design space",
                zh=f"{listed} 将在同一单元操作中同时调整，且无设计空间",
            )
    return None


def _problem_with_move(move: ParameterMove, parameter: Parameter | None) -> Words | None:
    name = move.parameter
    if parameter is None:
        return Words(en=f"the recipe has no parameter {name}", zh=f"配方中没有参数 {name}")
    if not (isfinite(move.old) and isfinite(move.new)):
        return Words(en=f"{name} would move to no finite number", zh=f"{name} 的目标值不是有限数值")
    if move.unit != parameter.unit:
        return Words(
            en=f"{name} is proposed in {move.unit}, the recipe has it in {parameter.unit}",
            zh=f"{name} 的提案单位为 {move.unit}，配方单位为 {parameter.unit}",
        )
    if move.old != parameter.target:
        return Words(
            en=f"{name} is proposed from {move.old:g}; its target in force is {parameter.target:g}: the draft is stale",
            zh=f"{name} 的提案原值为 {move.old:g}，现行目标为 {parameter.target:g}：提案已过时",
        )
    if move.new == move.old:
        return Words(en=f"{name} would not move at all", zh=f"{name} 并未调整")
    if not parameter.dossier_ref:
        return Words(en=f"the range of {name} names no dossier", zh=f"{name} 的范围没有申报依据")
    low, high = parameter.par
    if not low <= move.new <= high:
        return Words(
            en=f"{name} {move.new:g} is outside its proven acceptable range {low:g} to {high:g}",
            zh=f"{name} {move.new:g} 超出已证明可接受范围 {low:g} 至 {high:g}",
        )
    return None


def too_few(count: int) -> Words:
    """What is said when there are fewer than LEAST_BATCHES."""
    return Words(
        en=f"{count} finished batches are too few to propose anything; {LEAST_BATCHES} are needed",
        zh=f"已完成批次仅 {count} 批，至少需要 {LEAST_BATCHES} 批方可提出建议",
    )
