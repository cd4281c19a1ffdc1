"""Parts of the report on production: steps with their values, what was changed and by whom, curves."""

from collections.abc import Iterator, Mapping

from cytoloop.app.names import VALUES
from cytoloop.app.report.words import Says, cell, number, row, shown, table
from cytoloop.app.views_batch import BatchView
from cytoloop.app.views_results import Curve
from cytoloop.app.views_steps import OperationLine, StepLine
from cytoloop.core.batch import Batch
from cytoloop.core.json import JSON
from cytoloop.core.recipe import Instruction, Operation, phases
from cytoloop.core.report import Block, Cell, Chart, Paragraph, Section
from cytoloop.core.words import Words

STATES: Mapping[str, tuple[str, str]] = {
    "running": ("running", "进行中"),
    "in-doubt": ("in doubt", "待定"),
    "done": ("done", "完成"),
    "failed": ("failed", "失败"),
    "not-done": ("not done", "未完成"),
}


def changes(says: Says, view: BatchView, batch: Batch) -> Section:
    """Everything whose value was changed after it was first written or set, with who and why."""
    columns = (
        (says("When", "时间"), 3),
        (says("What", "内容"), 4),
        (says("Old and new value", "原值与新值"), 3),
        (says("Who", "何人"), 3),
        (says("Why", "原因"), 6),
    )
    rows = [*_corrected(says, batch), *_moved(says, view)]
    if not rows:
        none = says("No value of this batch was changed.", "本批没有任何数值被更改。")
        return Section(title=says("Changed values", "更改的数值"), blocks=(Paragraph(cell=cell(none)),))
    return Section(title=says("Changed values", "更改的数值"), blocks=(table(columns, rows),))


def _corrected(says: Says, batch: Batch) -> Iterator[tuple[Cell, ...]]:
    for told in batch.corrections:
        fact, by = told.fact, told.fact.signature
        name, unit = _named(_names_at(batch, fact.corrects), fact.field)
        where = says(f", entry {fact.corrects} of the batch", f"，批次第 {fact.corrects} 条目")
        yield row(
            says.time(told.happened_at),
            f"{says.words(name)}{where}",
            cell(says.amount(shown(fact.new), unit), "changed", old=says.amount(shown(fact.old), unit)),
            f"{by.printed_name} ({says.role(by.role)})",
            fact.reason,
        )


def _moved(says: Says, view: BatchView) -> Iterator[tuple[Cell, ...]]:
    for move in view.moves:
        yield row(
            says.time(move.at),
            says.words(move.words),
            cell(says.amount(shown(move.new), move.unit), "changed", old=says.amount(shown(move.old), move.unit)),
            says(f"controller, gate row {move.gate_row}", f"控制器，变更关口第 {move.gate_row} 行"),
            move.reason,
        )


def steps(says: Says, view: BatchView, batch: Batch) -> Section:
    """Every operation that was begun, step by step; a corrected value shows what stood there before."""
    blocks: list[Block] = []
    for operation in view.operations:
        if operation.steps:
            blocks += _operation(says, operation, batch)
    return Section(title=says("Steps as carried out", "执行步骤"), blocks=tuple(blocks))


def _operation(says: Says, operation: OperationLine, batch: Batch) -> Iterator[Block]:
    title = f"{says.words(operation.unit_procedure)} · {says.words(operation.words)} · {operation.equipment}"
    yield Paragraph(cell=cell(title))
    columns = (
        (says("Step", "步骤"), 5),
        (says("Began and ended", "开始与结束"), 5),
        (says("State", "状态"), 2),
        (says("Values", "数值"), 8),
    )
    yield table(columns, [_step(says, step, batch) for step in operation.steps])


def _step(says: Says, step: StepLine, batch: Batch) -> tuple[Cell, ...]:
    told = "" if step.round is None else says(f", round {step.round + 1}", f"，第 {step.round + 1} 轮")
    again = says(f", attempt {step.attempt}", f"，第 {step.attempt} 次") if step.attempt > 1 else ""
    state = STATES[step.state]
    return row(
        f"{says.words(step.words)}{told}{again}",
        f"{says.time(step.started_at)}\n{says.time(step.ended_at)}",
        cell(says(*state), "good" if step.state == "done" else "bad"),
        _values(says, step, batch),
    )


def _values(says: Says, step: StepLine, batch: Batch) -> Cell:
    """All values of a step in one cell; what stood there before a correction is struck through."""
    names, position = _names(batch, step.step), batch.steps[step.step].position
    parts = [_value(says, names, name, value) for name, value in step.values.items()]
    parts += _read(says, step.step, batch)
    olds = [
        _value(says, names, told.fact.field, told.fact.old)
        for told in batch.corrections
        if told.fact.corrects == position
    ]
    text = "; ".join([*parts, *([step.reason] if step.reason else [])]) or "–"
    return cell(text, "changed" if olds else "plain", old="; ".join(olds))


def _value(says: Says, names: Mapping[str, tuple[Words, str]], name: str, value: JSON) -> str:
    words, unit = _named(names, name)
    return says.amount(f"{says.words(words)} {shown(value)}", unit)


def _named(names: Mapping[str, tuple[Words, str]], name: str) -> tuple[Words, str]:
    """Words and unit of a value: as the recipe names it, as equipment reports it, or its bare name."""
    return names.get(name) or VALUES.get(name) or (Words(en=name, zh=name), "")


def _read(says: Says, step: str, batch: Batch) -> Iterator[str]:
    """What was read from the equipment at a step: of several readings of one signal, the lowest and the highest."""
    read = [reading for told in batch.readings if told.fact.step == step for reading in told.fact.readings]
    for signal, unit in dict.fromkeys((reading.signal, reading.unit) for reading in read):
        values = [reading.value for reading in read if reading.signal == signal]
        doubts = sum(reading.signal == signal and reading.quality != "good" for reading in read)
        low, high = number(min(values)), number(max(values))
        text = low if low == high else f"{low} … {high}"
        doubtful = says(f", {doubts} not good", f"，其中 {doubts} 个质量不良") if doubts else ""
        yield f"{says.amount(f'{says.words(_named({}, signal)[0])} {text}', unit)} (n={len(values)}{doubtful})"


def _names_at(batch: Batch, position: int) -> dict[str, tuple[Words, str]]:
    """The same of the step whose outcome stands at this position of the batch."""
    return next((_names(batch, each.step) for each in batch.steps.values() if each.position == position), {})


def _names(batch: Batch, step: str) -> dict[str, tuple[Words, str]]:
    """Name of a value of this step -> its words and unit: an answer that was asked, or a parameter of the operation."""
    for _, operation in batch.master.recipe.operations():
        if step.startswith(f"{operation.operation}/"):
            named = {name: (each.words, each.unit) for name, each in operation.parameters.items()}
            return named | dict(_answers(operation, step.rpartition("/")[2]))
    return {}


def _answers(operation: Operation, phase: str) -> Iterator[tuple[str, tuple[Words, str]]]:
    for each in phases(operation.steps):
        if isinstance(each, Instruction) and each.phase == phase:
            yield from ((answer.name, (answer.words, answer.unit)) for answer in each.answers)


def curves(says: Says, view: BatchView) -> Section:
    """What was read and counted over the culture."""
    sampled = [*((view.counts,) if view.counts else ()), *view.metabolites]
    read = [_chart(says, view, curve, says("read by the equipment", "设备读数")) for curve in view.readings]
    tested = [_chart(says, view, curve, says("tested in samples", "样品检验")) for curve in sampled]
    charts = tuple(chart for chart in (*read, *tested) if len(chart.points) > 1)
    none = Paragraph(
        cell=cell(says("Nothing was read or counted more than once.", "没有超过一次的读数或计数。"), "quiet")
    )
    return Section(title=says("Curves of the culture", "培养曲线"), blocks=charts or (none,))


def _chart(says: Says, view: BatchView, curve: Curve, how: str) -> Chart:
    words = view.attribute_words.get(curve.name) or _named({}, curve.name)[0]
    return Chart(
        title=f"{says.words(words)}{says(', ', '，')}{how}",
        across=says("hours since the culture began", "培养开始后的小时数"),
        unit=says.unit(curve.unit),
        points=tuple(zip(curve.hours, curve.values, strict=True)),
        low=curve.low,
        high=curve.high,
    )
