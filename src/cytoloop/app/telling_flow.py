"""Telling: what a batch's way through its recipe left in the record, as sentences in both languages."""

from cytoloop.core.entry import Fact
from cytoloop.core.facts import production

WAYS = {"again": "再来一轮", "enough": "已满足", "exhausted": "次数用尽"}


def tell_flow(fact: Fact) -> tuple[str, str] | None:
    """The sentence of a fact about waits, ways, orders, materials, labels and signatures of steps."""
    match fact:
        case production.BatchCarried() as f:
            again = f"; {f.decisions} earlier decisions asked again, all the same" if f.decisions else ""
            once = f"；复核 {f.decisions} 项既往决定，结果一致" if f.decisions else ""
            return f"carried by release {f.release}{again}", f"由版本 {f.release} 执行{once}"
        case production.StepBlocked() as f:
            return f"{f.step} may not start: {f.reason}", f"{f.step} 不能开始：{f.reason}"
        case production.DeadlineMissed() as f:
            by = f.deadline.isoformat()
            return (
                f"{f.step} did not start by {by}, the end of its maximum wait",
                f"{f.step} 未在最长等待期限 {by} 前开始",
            )
        case production.WayTaken() as f:
            return f"{f.step}: {f.way}, because {f.because}", f"{f.step}：{WAYS.get(f.way, f.way)}，依据 {f.because}"
        case production.MaterialAdded() as f:
            return (
                f"{f.quantity:g} {f.unit} of {f.material} added, lot {f.lot}, expiry {f.expiry}, {f.left:g} left",
                f"加入 {f.material} {f.quantity:g} {f.unit}，批号 {f.lot}，有效期至 {f.expiry}，余量 {f.left:g}",
            )
        case production.MaterialTransferred() as f:
            return f"material moved from {f.source} to {f.destination}", f"物料由 {f.source} 转移至 {f.destination}"
        case _:
            return _signed(fact)


def _signed(fact: Fact) -> tuple[str, str] | None:
    match fact:
        case production.LabelsPrinted() as f:
            return (
                f"labels {f.label}: {f.printed} printed, {f.used} used, {f.destroyed} destroyed",
                f"标签 {f.label}：打印 {f.printed}，使用 {f.used}，销毁 {f.destroyed}",
            )
        case production.DecisionSigned() as f:
            by = f.signature.printed_name
            return (
                f"{f.step} decided by {by}: {f.decision} ({f.reason})",
                f"{by} 对 {f.step} 作出决定：{f.decision}（{f.reason}）",
            )
        case production.StepSigned() as f:
            return f"{f.step} signed by {f.signature.printed_name}", f"{f.step} 由 {f.signature.printed_name} 签名"
        case production.HoldOrdered() as f:
            return (
                f"put on hold by {f.signature.printed_name}: {f.reason}",
                f"{f.signature.printed_name} 暂停批次：{f.reason}",
            )
        case production.HoldLifted() as f:
            return (
                f"hold lifted by {f.signature.printed_name}: {f.reason}",
                f"{f.signature.printed_name} 解除暂停：{f.reason}",
            )
        case production.AbortOrdered() as f:
            return (
                f"abort ordered by {f.signature.printed_name}: {f.reason}",
                f"{f.signature.printed_name} 下令中止：{f.reason}",
            )
        case _:
            return None
