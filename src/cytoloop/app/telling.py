"""Telling: each fact as one sentence that a person reads, in both languages, from the same fields."""

from collections.abc import Mapping

from cytoloop.app.names import DECISIONS, DEVIATIONS, DISPOSITIONS, GATE_ANSWERS, VERDICTS, act, named
from cytoloop.app.telling_claim import tell_claim
from cytoloop.app.telling_equipment import tell_equipment
from cytoloop.app.telling_flow import tell_flow
from cytoloop.app.telling_foresight import tell_foresight
from cytoloop.app.telling_monitoring import tell_monitoring
from cytoloop.app.telling_people import tell_people
from cytoloop.app.telling_record import tell_record
from cytoloop.core.entry import Fact
from cytoloop.core.facts import allotment, answer, clinic, compliance, feedback, production, quality, shadow
from cytoloop.core.json import JSON
from cytoloop.core.words import Words
from cytoloop.record.codec import Unread


def tell(fact: Fact) -> Words:
    """The sentence of a fact; for a name this program does not know, the name and its data."""
    told = _clinic(fact) or _production(fact) or _quality(fact) or _compliance(fact) or _feedback(fact)
    told = told or _answer(fact) or tell_monitoring(fact) or tell_record(fact) or tell_people(fact)
    told = told or tell_equipment(fact) or tell_foresight(fact) or tell_claim(fact)
    if told is None:
        name, data = (fact.name, fact.data) if isinstance(fact, Unread) else (fact.NAME, {})
        return Words(en=f"{name} {_pairs(data)}", zh=f"{name} {_pairs(data)}")
    return Words(en=told[0], zh=told[1])


def _answer(fact: Fact) -> tuple[str, str] | None:
    match fact:
        case answer.AnswerGiven(done=False) as f:
            return f"{f.step}: it cannot be done: {f.reason}", f"{f.step}：无法执行：{f.reason}"
        case answer.AnswerGiven() as f:
            why = (f" ({f.reason})", f"（{f.reason}）") if f.reason else ("", "")
            values = _pairs(f.values)
            return f"{f.step} answered: {values}".rstrip(": ") + why[0], f"{f.step} 已作答：{values}".rstrip(
                "："
            ) + why[1]
        case answer.AnswerVerified() as f:
            by = f.signature.printed_name
            if f.confirmed:
                return f"answer to {f.step} confirmed by {by}", f"{f.step} 的答复由 {by} 复核确认"
            return f"answer to {f.step} not confirmed by {by}: {f.reason}", f"{f.step} 的答复未获 {by} 确认：{f.reason}"
        case _:
            return None


def _clinic(fact: Fact) -> tuple[str, str] | None:
    match fact:
        case clinic.StudyRegistered() as f:
            return f"study {f.study} registered: {f.title}", f"登记研究 {f.study}：{f.title}"
        case clinic.ReviewDecided() as f:
            return (
                f"{f.review} review of protocol {f.protocol_version} by {f.board}: {f.result}",
                f"{_REVIEWS[f.review]}审查（方案 {f.protocol_version}，{f.board}）：{_RESULTS[f.result]}",
            )
        case clinic.StudyFiled() as f:
            return (
                f"study filed with protocol {f.protocol_version}, receipt {f.receipt}",
                f"研究已备案（方案 {f.protocol_version}，回执 {f.receipt}）",
            )
        case clinic.StudyEnded() as f:
            return f"study ended: {f.reason}", f"研究结束：{f.reason}"
        case clinic.SubjectEnrolled() as f:
            return f"subject {f.subject} enrolled in {f.study}", f"受试者 {f.subject} 入组 {f.study}"
        case clinic.ConsentSigned() as f:
            return (
                f"consent to protocol {f.protocol_version} signed by the {f.signer_role}",
                f"{_SIGNERS[f.signer_role]}签署知情同意（方案 {f.protocol_version}）",
            )
        case clinic.ClinicalObservationRecorded() as f:
            value = f"{f.comparator or ''}{f.value} {f.unit or ''}".strip()
            return f"observation {f.code}: {value}", f"临床观察 {f.code}：{value}"
        case clinic.ResourceImported() as f:
            return f"FHIR {f.resource_type} imported", f"导入 FHIR 资源 {f.resource_type}"
        case clinic.OrderPlaced() as f:
            return (
                f"order {f.order} of {f.product} placed for {f.subject} ({f.weight:g} kg)",
                f"为 {f.subject} 下达订单 {f.order}（{f.product}，体重 {f.weight:g} kg）",
            )
        case clinic.MaterialCollected() as f:
            return f"starting material collected, chain of identity {f.coi}", f"采集起始材料，同一性链 {f.coi}"
        case clinic.ProductAdministered() as f:
            return (
                f"batch {f.batch} administered: {f.viable_car_cells:.0f}e6 viable CAR+ cells",
                f"给药批次 {f.batch}：CAR+ 活细胞 {f.viable_car_cells:.0f}×10⁶",
            )
        case clinic.OutcomeRecorded() as f:
            return (
                f"day {f.visit_day}: response {f.response}, cytokine release grade {f.cytokine_release_grade}",
                f"第 {f.visit_day} 天：缓解 {_RESPONSES[f.response]}，细胞因子释放 {f.cytokine_release_grade} 级",
            )
        case _:
            return None


def _production(fact: Fact) -> tuple[str, str] | None:
    match fact:
        case production.RecipeApproved() as f:
            by = f.signature.printed_name
            return (
                f"recipe {f.recipe} version {f.version} in force on line {f.line}, approved by {by}",
                f"配方 {f.recipe} 第 {f.version} 版在产线 {f.line} 生效，批准人 {by}",
            )
        case production.BatchCreated() as f:
            return (
                f"batch {f.batch} created for order {f.order}, recipe version {f.recipe_version}",
                f"为订单 {f.order} 建立批次 {f.batch}，配方第 {f.recipe_version} 版",
            )
        case allotment.EquipmentAllotted() as f:
            units = ", ".join(sorted(f.equipment.values()))
            by = f.signature.printed_name
            return f"{by} had batch {f.batch} created, with {units}", f"{by} 创建批次 {f.batch}，分配 {units}"
        case production.StepStarted() as f:
            return f"{f.step} started: {f.verb} on {f.target}", f"{f.step} 开始：{f.target} {f.verb}"
        case production.StepCompleted() as f:
            again = (" (read back)", "（回读）") if f.recovered else ("", "")
            values = _pairs(f.values)
            return f"{f.step} done{again[0]} {values}".rstrip(), f"{f.step} 完成{again[1]} {values}".rstrip()
        case production.StepFailed() as f:
            return f"{f.step} failed: {f.reason}", f"{f.step} 失败：{f.reason}"
        case production.StepInDoubt() as f:
            return f"{f.step} is in doubt: started, outcome unknown", f"{f.step} 待定：已开始，结果未知"
        case production.StepResolved() as f:
            return f"{f.step} settled: {f.resolution} ({f.reason})", f"{f.step} 已澄清：{f.resolution}（{f.reason}）"
        case production.ReadingsRecorded() as f:
            signals = sorted({reading.signal for reading in f.readings})
            return (
                f"{len(f.readings)} readings of {', '.join(signals)}",
                f"{len(f.readings)} 个读数：{', '.join(signals)}",
            )
        case production.SetPointMoved() as f:
            return (
                f"{f.parameter} moved from {f.old:g} to {f.new:g} {f.unit}, gate row {f.gate_row}: {f.reason}",
                f"{f.parameter} 由 {f.old:g} 调至 {f.new:g} {f.unit}，依据第 {f.gate_row} 行：{f.reason}",
            )
        case production.ValueCorrected() as f:
            by = f.signature.printed_name
            return (
                f"{f.field} of entry {f.corrects} in the batch corrected from {f.old} to {f.new} by {by}: {f.reason}",
                f"批次第 {f.corrects} 条的 {f.field} 由 {f.old} 更正为 {f.new}，更正人 {by}：{f.reason}",
            )
        case production.BatchFinished():
            return "every step of the recipe is done", "配方全部步骤完成"
        case production.BatchHeld() as f:
            return f"batch stands still at {f.step}: {f.reason}", f"批次停在 {f.step}：{f.reason}"
        case production.BatchAborted() as f:
            if not f.deviation:
                return f"batch ended by order: {f.reason}", f"批次按指令终止：{f.reason}"
            return f"batch ended by deviation {f.deviation}: {f.reason}", f"批次因偏差 {f.deviation} 终止：{f.reason}"
        case _:
            return tell_flow(fact)


def _quality(fact: Fact) -> tuple[str, str] | None:
    match fact:
        case quality.ResultRecorded() as f:
            return (
                f"{f.stage.replace('_', ' ')} result {f.attribute} = {f.value:.4g} {f.unit} ({f.method})",
                f"{_STAGES[f.stage]}结果 {f.attribute} = {f.value:.4g} {f.unit}（{f.method}）",
            )
        case quality.DeviationOpened() as f:
            kind = named(DEVIATIONS, f.kind)
            return f"deviation {f.deviation} ({kind.en}): {f.what}", f"偏差 {f.deviation}（{kind.zh}）：{f.what}"
        case quality.DeviationClosed() as f:
            by = f.signature.printed_name
            return (
                f"deviation {f.deviation} closed by {by}: {f.decision}, {f.reason}",
                f"偏差 {f.deviation} 由 {by} 关闭：{named(DECISIONS, f.decision).zh}，{f.reason}",
            )
        case quality.DispositionSigned() as f:
            by = f.signature.printed_name
            return (
                f"{f.disposition}, signed by {by}: {f.reason}",
                f"{named(DISPOSITIONS, f.disposition).zh}，签署人 {by}：{f.reason}",
            )
        case quality.RecordReviewed() as f:
            by, remarks = f.signature.printed_name, f.remarks or "–"
            return (
                f"record of {f.batch} reviewed up to entry {f.position} by {by}: {remarks}",
                f"{f.batch} 的批记录审核至第 {f.position} 条，审核人 {by}：{remarks}",
            )
        case _:
            return None


def _compliance(fact: Fact) -> tuple[str, str] | None:
    match fact:
        case compliance.FindingRecorded() as f:
            verdict, asked = named(VERDICTS, f.verdict).zh, act(f.act).zh
            return (
                f"{f.locus} before {f.act}: {f.verdict} ({f.reason})",
                f"{f.locus}（{asked}）：{verdict}（{f.reason}）",
            )
        case compliance.GateJudged() as f:
            answer = named(GATE_ANSWERS, f.answer).zh
            return (
                f"change gate row {f.row}, {f.answer}: {f.subject} ({f.reason})",
                f"变更关口第 {f.row} 行，{answer}：{f.subject}（{f.reason}）",
            )
        case _:
            return None


def _feedback(fact: Fact) -> tuple[str, str] | None:
    match fact:
        case feedback.TwinFitted() as f:
            return (
                f"twin {f.twin} version {f.version} fitted on {len(f.batches)} batches",
                f"孪生模型 {f.twin} 第 {f.version} 版，基于 {len(f.batches)} 批拟合",
            )
        case feedback.TwinReleased() as f:
            by = f.signature.printed_name
            return (
                f"twin {f.twin} version {f.version} released by {by}: {f.ground}",
                f"孪生模型 {f.twin} 第 {f.version} 版由 {by} 放行：{f.ground}",
            )
        case feedback.ForecastMade() as f:
            hour, share = f.harvest_at, f.in_specification
            return (
                f"forecast at {f.elapsed:.0f} h: harvest at {hour:.0f} h, in specification {share:.0%}{_expected(f)}",
                f"第 {f.elapsed:.0f} 小时预测：{hour:.0f} 小时收获，合格概率 {share:.0%}{_expected(f)}",
            )
        case feedback.ProposalDrafted() as f:
            moves = "; ".join(f"{m.parameter} {m.old:g} -> {m.new:g} {m.unit}" for m in f.moves)
            return f"proposal {f.proposal}: {moves}; {f.risk}", f"提案 {f.proposal}：{moves}；{f.risk_zh or f.risk}"
        case feedback.ChangeSigned() as f:
            by = f.signature.printed_name
            return (
                f"change {f.change} signed by {by}: recipe version {f.to_version}",
                f"变更 {f.change} 由 {by} 签署：配方第 {f.to_version} 版",
            )
        case shadow.ControllerReleased() as f:
            by, mode = f.signature.printed_name, {"shadow": "影子模式", "moves": "调整参数"}[f.mode]
            return f"controller released by {by} for {f.mode}: {f.ground}", f"控制器由 {by} 放行用于{mode}：{f.ground}"
        case shadow.ShadowMove() as f:
            asked = f"{f.parameter} {f.old:g} -> {f.new:g} {f.unit}"
            return f"shadow mode, nothing moved: {asked} ({f.reason})", f"影子模式，未执行：{asked}（{f.reason}）"
        case shadow.ShadowCompared() as f:
            return _compared(f)
        case feedback.ProposalDeclined() as f:
            return f"proposal {f.proposal} declined: {f.reason}", f"提案 {f.proposal} 未采纳：{f.reason}"
        case _:
            return None


def _compared(f: shadow.ShadowCompared) -> tuple[str, str]:
    share = f"{f.gain.median:+.0%} ({f.gain.low:+.0%}, {f.gain.high:+.0%})"
    return (
        f"shadow of batch {f.batch}: {f.moves} moves not made, yield in specification {share} had they been made",
        f"批次 {f.batch} 的影子结果：{f.moves} 项调整未执行，若执行则合格产量 {share}",
    )


def _expected(fact: feedback.ForecastMade) -> str:
    cells = fact.quantities.get("viable_car_cells")
    return f", CAR+ {cells.median:.0f} ({cells.low:.0f}-{cells.high:.0f}) {cells.unit}" if cells else ""


def _pairs(values: Mapping[str, JSON]) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in values.items())


def _short(value: JSON) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


_REVIEWS = {"academic": "学术", "ethics": "伦理"}
_RESULTS = {"pass": "通过", "fail": "不通过"}
_SIGNERS = {"subject": "受试者", "guardian": "监护人"}
_RESPONSES = {"complete": "完全", "partial": "部分", "none": "无"}
_STAGES = {"incoming": "来料", "in_process": "过程", "release": "放行"}
