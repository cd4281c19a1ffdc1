"""Report of a batch: the parts in the order in which a reviewer asks."""

from collections.abc import Mapping

from cytoloop.app.names import DISPOSITIONS
from cytoloop.app.report import production, quality, trail
from cytoloop.app.report.trail import Standing
from cytoloop.app.report.words import Says, cell, pairs
from cytoloop.app.views_batch import BatchView, batch_view
from cytoloop.app.views_shelf import Shelf
from cytoloop.core.batch import Batch
from cytoloop.core.report import Paragraph, Report, Section
from cytoloop.core.words import Language, Words

BATCH_STATES: Mapping[str, tuple[str, str]] = {
    "running": ("in production", "生产中"),
    "held": ("held by a deviation", "因偏差暂停"),
    "finished": ("production finished", "生产已完成"),
    "aborted": ("production ended early", "生产提前终止"),
}

__all__ = ["Standing", "batch_report"]


def batch_report(
    shelf: Shelf, number: str, *, standing: Standing, duties: Mapping[str, Words], language: Language
) -> Report:
    """The whole record of the batch, from the entries on `shelf` and nothing else.

    `duties`: locus of a rule of law -> the duty in our words. UserError when there is no such batch.
    """
    says = Says(language=language, zone=standing.zone)
    view, batch, entries = batch_view(shelf, number), shelf.batch(number), shelf.entries()
    stream = shelf.stream(f"batch/{number}")
    return Report(
        language=language,
        title=says(f"Batch record {number}", f"批记录 {number}"),
        subtitle=f"{says.words(view.product)} · {says('chain of identity', '同一性链')} {view.coi}",
        made_at=standing.made_at,
        footer=f"{number} · {standing.origin} · {standing.head.size:,} · {standing.head.root.hex()[:16]}",
        sections=(
            _overview(says, view, batch),
            quality.signatures(says, entries),
            production.changes(says, view, batch),
            quality.deviations(says, view),
            quality.results(says, view),
            quality.disposition(says, stream),
            production.steps(says, view, batch),
            production.curves(says, view),
            trail.telemetry(says, stream),
            quality.law(says, view, duties, entries),
            trail.trail(says, entries),
            trail.stands_on(says, standing),
        ),
    )


def _overview(says: Says, view: BatchView, batch: Batch) -> Section:
    state = BATCH_STATES.get(view.state, (view.state, view.state))
    decided = says.named(DISPOSITIONS, view.disposition) if view.disposition else says("none yet", "尚无")
    classes = {each.equipment_class: each.words for each in batch.master.plant.classes}
    equipment = "; ".join(f"{says.named(classes, each)}: {unit}" for each, unit in view.equipment.items())
    as_written = says(
        "Reasons, methods and other texts that people or programs wrote stand as they were recorded, in the language "
        "they were recorded in.",
        "人员或程序写入的理由、方法等文字按记录原文显示，不作翻译。",
    )
    version = view.recipe_version
    recipe = says(f"{view.recipe}, version {version}", f"{view.recipe} 第 {version} 版")
    rows = pairs(
        (says("Batch", "批号"), view.number),
        (says("Product", "产品"), says.words(view.product)),
        (says("Chain of identity", "同一性链"), view.coi),
        (says("Order", "订单"), view.order),
        (says("Subject (pseudonym)", "受试者（假名）"), cell(view.subject, "code")),
        (says("Study", "研究"), view.study),
        (says("Weight of the patient", "患者体重"), f"{view.weight:g} kg"),
        (says("Line", "产线"), view.line),
        (says("Recipe", "配方"), recipe),
        (says("SHA-256 of the recipe", "配方 SHA-256"), cell(view.recipe_sha256, "code")),
        (says("Equipment", "设备"), equipment),
        (says("Created", "建立"), says.time(view.created_at)),
        (says("Production ended", "生产结束"), says.time(view.ended_at)),
        (says("State", "状态"), says(*state)),
        (says("Disposition", "处置"), decided),
        (says("Entries of the batch", "批次条目数"), str(view.entries)),
        (says("Times are shown in", "时间所用时区"), says.zone),
    )
    return Section(title=says("Overview", "概览"), blocks=(rows, Paragraph(cell=cell(as_written, "quiet"))))
