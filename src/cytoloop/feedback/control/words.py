"""The controller's reasons, as a person reads them."""

from cytoloop.core.words import Words
from cytoloop.feedback.control.plan import Plan

HOLD = Words(en="no move gains more than the dead band: hold", zh="任何调整的收益均未超过死区：维持")
RISKY = Words(
    en="the move would gain on average and lose in the worst scenarios: hold", zh="平均有收益但最差情形受损：维持"
)
WAITING = Words(
    en="the best move is not due yet, or too small to be worth one: hold", zh="最佳调整尚未到时或幅度过小：维持"
)
UNDECIDED = Words(
    en="which lever to choose is still open, and the next counts will tell more than the delay costs: hold",
    zh="尚不能确定应调整哪一参数，等待后续计数更有利：维持",
)
NOT_TRUSTED = Words(
    en="the twin does not describe what was seen of this batch: hold the recipe",
    zh="孪生模型与本批观测不符：按既定配方执行",
)
POISONED = Words(
    en="the twin gives no finite numbers for this batch: hold the recipe",
    zh="孪生模型对本批给出非有限数值：按既定配方执行",
)
UNFITTED = Words(
    en="the twin was fitted on too few finished batches: hold the recipe",
    zh="孪生模型所依据的已完成批次过少：按既定配方执行",
)
TOO_EARLY = Words(en="too few counts yet: hold", zh="计数尚少：维持")
RESTING = Words(en="moved lately or often enough: hold", zh="近期已调整或次数已满：维持")
ENDING = Words(en="harvest is due: hold", zh="即将收获：维持")
SHADOW = Words(en="shadow mode: it says what it would do and moves nothing", zh="影子模式：仅记录拟作调整，不执行")


def gain(plan: Plan) -> Words:
    """What a plan promises against holding."""
    more, least, hours = plan.gain, plan.tail, plan.harvest_at - plan.held_until
    when = f"; harvest {abs(hours):g} h {'later' if hours > 0 else 'earlier'}" if hours else ""
    when_zh = f"；收获{'推迟' if hours > 0 else '提前'} {abs(hours):g} 小时" if hours else ""
    return Words(
        en=f"yield in specification expected {more:+.0%}, {least:+.0%} in the worst scenarios, against the parameters "
        f"as they stand{when}",
        zh=f"相对维持现参数，预期合格产量 {more:+.0%}，最差情形 {least:+.0%}{when_zh}",
    )


def refused(reason: str) -> Words:
    """The gate did not let the moves through."""
    return Words(en=f"the gate refused: {reason}", zh=f"变更门拒绝：{reason}")


def failed_reading(name: str) -> Words:
    """A reading is no finite number."""
    return Words(
        en=f"a reading of {name} is no finite number: hold the recipe", zh=f"{name} 的读数非有限数值：按既定配方执行"
    )


def failed(error: ArithmeticError | ValueError) -> Words:
    """Numbers failed on the way (`numpy.linalg.LinAlgError` is a ValueError)."""
    kind = type(error).__name__
    return Words(
        en=f"the numbers failed ({kind}: {error}): hold the recipe",
        zh=f"数值计算失败（{kind}：{error}）：按既定配方执行",
    )
