"""Joined forms: the columns of the dataset's tables, with what each means in both languages."""

from cytoloop.core.words import Words
from cytoloop.feedback.joined.tables import CellKind, Column, Form

ROW = "row"
"""The unit of a column whose rows name their own unit."""


def _c(name: str, kind: CellKind, en: str, zh: str, unit: str = "") -> Column:
    return Column(name=name, kind=kind, unit=unit, meaning=Words(en=en, zh=zh))


SOURCE = (
    _c("stream", "text", "stream of the entry the row stands on", "该行所依据条目所在的流"),
    _c("position", "whole", "position of that entry in its stream, from 0", "该条目在流中的位置，从 0 起"),
    _c("entry", "text", "leaf hash of that entry (RFC 6962)", "该条目的叶哈希（RFC 6962）"),
)
"""The last columns of every table."""

_BATCH = _c("batch", "text", "batch number", "批号")
_UNIT = _c("unit", "text", "house unit of the row's values", "该行数值的统一单位")
_HOURS = _c("hours", "number", "hours since the batch's hour zero", "自该批零时起的小时数", "h")


def _form(name: str, en: str, zh: str, *columns: Column) -> Form:
    return Form(name=name, meaning=Words(en=en, zh=zh), columns=(*columns, *SOURCE))


BATCHES = _form(
    "batches",
    "every batch, also those that failed, were aborted or are held: what it was and what came of it",
    "所有批次（包括失败、中止及暂停的批次）：其基本情况与结果",
    _BATCH,
    _c("line", "text", "production line", "产线"),
    _c("product", "text", "product", "产品"),
    _c("recipe", "text", "recipe", "配方"),
    _c("recipe_version", "whole", "recipe version the batch is pinned to", "批次所固定的配方版本"),
    _c("recipe_sha256", "text", "SHA-256 of that master recipe", "该主配方的 SHA-256"),
    _c("order", "text", "order", "订单"),
    _c("subject", "text", "subject pseudonym: the same donor, the same pseudonym", "受试者假名：同一供者同一假名"),
    _c("study", "text", "study", "研究"),
    _c("weight", "number", "weight of the patient when the dose was ordered", "下单时患者体重", "kg"),
    _c("collected_at", "instant", "when the starting material was collected", "起始材料采集时间"),
    _c("created_at", "instant", "when the batch was created", "批次建立时间"),
    _c("hour_zero_at", "instant", "hour zero: when the culture was seeded, else when the batch was created",
       "零时：接种时间；未接种则为批次建立时间"),
    _c("seeded", "flag", "whether hour zero is the seeding", "零时是否为接种"),
    _c("state", "text", "running, held, finished or aborted", "运行中、已停住、已完成或已中止"),
    _c("reached", "text", "last operation that a step was started of", "已开始步骤的最后一个操作"),
    _c("operations_reached", "whole", "operations begun", "已开始的操作数"),
    _c("operations", "whole", "operations of the recipe", "配方的操作总数"),
    _c("ended_hours", "number", "hours from hour zero to the end of production", "零时至生产结束的小时数", "h"),
    _c("deviations", "whole", "deviations opened", "已打开的偏差数"),
    _c("moves", "whole", "set-points moved", "已调整的设定值数"),
    _c("in_specification", "flag", "whether every judged release result is in specification; empty without one",
       "所有已判定的放行结果是否均合格；无结果则为空"),
    _c("disposition", "text", "the qualified person's decision", "放行人的处置决定"),
    _c("administered", "flag", "whether the subject received it", "受试者是否已接受给药"),
    _c("response", "text", "response at the last visit", "末次访视的缓解情况"),
    _c("cytokine_release_grade", "whole", "highest grade of cytokine release over the visits",
       "各次访视中细胞因子释放的最高级别"),
)  # fmt: skip

MATERIAL = _form(
    "material",
    "donor and starting material, known before hour zero: observations of the subject, tests of what was collected",
    "供者与起始材料（零时之前已知）：受试者的临床观察及采集物的检验",
    _BATCH,
    _c("what", "text", "observation (of the subject) or result (of a sample)",
       "observation：受试者观察；result：样品检验"),
    _c("name", "text", "LOINC or other code of the observation; stage/attribute of the result",
       "观察的 LOINC 等代码；检验结果的 阶段/属性"),
    _c("value", "number", "value", "数值", ROW),
    _UNIT,
    _HOURS,
)  # fmt: skip

PARAMETERS = _form(
    "parameters",
    "process parameters as executed, the plan beside them; a row for each value that was in force",
    "实际执行的工艺参数，并列计划值；每个生效值一行",
    _BATCH,
    _c("parameter", "text", "full name of the parameter", "参数全名"),
    _c("hours", "number", "hours since hour zero at which the value came into force; at which a duration had passed",
       "数值生效时（时长类参数为该时长结束时）自零时起的小时数", "h"),
    _c("planned", "number", "target of the recipe version", "配方版本的目标值", ROW),
    _c("executed", "number", "value as executed: as the equipment reported it, else as it was commanded; empty when it "
       "never came to it", "实际执行值：优先取设备报告值，否则取指令值；未执行则为空", ROW),
    _c("reported", "flag", "whether the equipment itself reported the value", "该值是否由设备报告"),
    _UNIT,
    _c("par_low", "number", "low end of the proven acceptable range", "已证明可接受范围下限", ROW),
    _c("par_high", "number", "high end of the proven acceptable range", "已证明可接受范围上限", ROW),
    _c("moved", "flag", "whether the parameter was deliberately moved in this batch", "该批中是否被有意调整"),
    _c("step", "text", "step that executed it", "执行步骤"),
)  # fmt: skip

TRAJECTORIES = _form(
    "trajectories",
    "what was seen over time: results of samples, and readings of equipment that the record's entries hold",
    "随时间的观测：样品检验结果与记录条目中的设备读数",
    _BATCH,
    _c("attribute", "text", "attribute or signal", "属性或信号"),
    _HOURS,
    _c("value", "number", "value", "数值", ROW),
    _UNIT,
    _c("kind", "text", "sample (tested) or online (read by equipment)", "sample：取样检验；online：设备在线读取"),
    _c("quality", "text", "good, uncertain or bad, as the equipment says; empty for samples",
       "设备给出的数据质量；样品为空"),
    _c("from", "text", "step that took the sample; equipment that read", "取样步骤；读数设备"),
)  # fmt: skip

RESULTS = _form(
    "results",
    "quality attributes as tested, at every stage, with their limits for this patient",
    "各阶段检验的质量属性及对该患者适用的限度",
    _BATCH,
    _c("stage", "text", "incoming, in_process or release", "来料、过程或放行"),
    _c("attribute", "text", "attribute", "质量属性"),
    _c("sample", "text", "step that took the sample", "取样步骤"),
    _HOURS,
    _c("value", "number", "value", "数值", ROW),
    _UNIT,
    _c("low", "number", "lower limit, included", "下限（含）", ROW),
    _c("high", "number", "upper limit, included", "上限（含）", ROW),
    _c("judgement", "text", "in, out, no-limit or cannot-judge", "合格、超标、无限度或无法判定"),
    _c("critical", "flag", "whether it is a critical quality attribute", "是否为关键质量属性"),
    _c("method", "text", "how it was tested", "检验方法"),
)

DEVIATIONS = _form(
    "deviations",
    "deviations and what was decided on them; what a person wrote stays in the record",
    "偏差及其决定；人员所写的文字保留在记录中",
    _BATCH,
    _c("deviation", "text", "deviation", "偏差编号"),
    _c("kind", "text", "kind of deviation", "偏差类别"),
    _c("step", "text", "step it was opened at", "偏差所在步骤"),
    _HOURS,
    _c("decision", "text", "continue, repeat, rework or terminate; empty while it is open", "决定；未关闭则为空"),
    _c("closed_hours", "number", "hours since hour zero at which it was decided on", "作出决定时自零时起的小时数", "h"),
)

OUTCOMES = _form(
    "outcomes",
    "what the subject received and how the subject fared, visit by visit",
    "受试者接受的产品及各次访视的结局",
    _BATCH,
    _c("visit_day", "whole", "day of the visit after administration", "给药后访视日", "d"),
    _c("response", "text", "complete, partial or none", "完全、部分或无"),
    _c("cytokine_release_grade", "whole", "grade of cytokine release, 0 to 4", "细胞因子释放级别，0 至 4"),
    _c("given", "number", "viable CAR+ cells given", "给予的 CAR 阳性活细胞数", "1e6 cells"),
    _c("given_per_kg", "number", "the same per kilogram of the patient", "每千克体重给予的细胞数", "1e6 cells/kg"),
)

EQUIPMENT = _form(
    "equipment",
    "equipment that was the batch's own",
    "分配给该批次的设备",
    _BATCH,
    _c("equipment_class", "text", "class of equipment", "设备类别"),
    _c("equipment", "text", "unit", "设备"),
)

LINEAGE = _form(
    "lineage",
    "cells that come from another entry than their row's own, one row for each such entry",
    "来自其他条目（非所在行依据条目）的单元格，每个条目一行",
    _c("table", "text", "table", "表"),
    _c("row", "whole", "row of that table, from 1, the header not counted", "该表的行号，从 1 起，不计表头"),
    _c("column", "text", "column of that table", "该表的列"),
)

FORMS = (BATCHES, MATERIAL, PARAMETERS, TRAJECTORIES, RESULTS, DEVIATIONS, OUTCOMES, EQUIPMENT)
"""Every table but `lineage`, which is made of them."""
