"""State Council Decree 818 (in force 2026-05-01): research and clinical translation of new biomedical technologies.

One function per clause. Each carries its citation, the duty in our own words and the SHA-256 of the article's line
in `decree818_zh.txt` (UTF-8, the line from "第" to its last character, without the line end). An engineering
reading, not legal advice; where the reading needs an assumption, the assumption is named in the evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from cytoloop.compliance.view import Consent, Review, StudyView, SubjectView
from cytoloop.compliance.workdays import CALENDAR, TRIGGER_DAY, ZONE, deadline, local_day, workdays_after
from cytoloop.core.json import JSON
from cytoloop.core.rule import Clause, Finding, Severity, Verdict
from cytoloop.core.time import Instant

IN_FORCE = date(2026, 5, 1)
FILING_DAYS = 5
RETENTION_YEARS = 30
DISCLOSURES = ("purpose", "protocol", "risks", "rights")
"""What Art. 19 para. 2 wants told to the subject, as consent forms name it."""


def _clause(article: str, severity: Severity, text_sha256: str, duty: str, duty_zh: str) -> Clause:
    return Clause(
        locus=f"CN-SC818:{article}",
        duty=duty,
        duty_zh=duty_zh,
        status="in_force",
        severity=severity,
        text_sha256=text_sha256,
    )


ART_14 = _clause(
    "14",
    "S1",
    "1960056b35ece0593a2d010258eb73ab7c96778e921e8fb9829abab654718d9b",
    "No research on a subject before the site's academic and ethics committees have both passed the protocol.",
    "机构的学术委员会和伦理委员会均通过方案之前，不得对受试者开展研究。",
)
ART_15 = _clause(
    "15.1",
    "S1",
    "50e0514ddedc2449ca7bc41dc94e4d8e7201422af9f879815b22696c8f4a3f1a",
    "The site files the study with the health authority within five working days of passing both reviews.",
    "机构在两项审查均通过后五个工作日内向卫生健康主管部门备案。",
)
ART_19_1 = _clause(
    "19.1",
    "S1",
    "8d4a2dad394acb5075d712b52f84db207f889874bb2940c0fb209912bde9338c",
    "Written informed consent of the subject, or of the guardian of a person without full capacity, comes first.",
    "先取得受试者的书面知情同意；受试者不具备完全民事行为能力的，取得其监护人的书面同意。",
)
ART_19_2 = _clause(
    "19.2",
    "S2",
    "8d4a2dad394acb5075d712b52f84db207f889874bb2940c0fb209912bde9338c",
    "Purpose, protocol, risks and rights are told understandably; consent is not got by deceit or inducement.",
    "以易于理解的方式告知目的、方案、风险和权利；不得以欺骗、利诱取得同意。",
)
ART_22 = _clause(
    "22.1",
    "S1",
    "0270526514896b347b9517f2bf035a6276d4caed577def6a5a55fd2a77c4f759",
    "Records and raw materials are kept thirty years from the study's end, for ever when offspring are involved.",
    "记录和原始材料自研究结束起保存三十年；涉及子代的，永久保存。",
)
ART_55 = _clause(
    "55",
    "S1",
    "4fac9fbc160ff207ac679d4e45e61853e6f76e908ce84a3df100476bae4c0c1f",
    "A trial run to develop a drug or a device follows drug and device law instead of this decree.",
    "以研制药品、医疗器械为目的的试验，适用药品、医疗器械法规，不适用本条例。",
)
CLAUSES = (ART_14, ART_15, ART_19_1, ART_19_2, ART_22, ART_55)
"""Every clause that is read here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """An act on a subject that is about to happen (or did): collection, administration."""

    what: str
    """ "collection of order O-0001"."""
    at: Instant


def before_operation(study: StudyView, subject: SubjectView, act: Act) -> tuple[Finding, ...]:
    """Every rule that is read before an act on a subject; the act may go on when none of them blocks."""
    return (
        pathway(study),
        reviews(study, act),
        filing(study, act.at),
        consent(study, subject, act),
        disclosure(study, subject, act),
    )


def pathway(study: StudyView) -> Finding:
    """Art. 55: the router. Read first; what it sends to drug or device law is not judged here."""
    evidence: dict[str, JSON] = {"pathway": study.pathway, "basis": study.pathway_basis}
    if study.pathway is None:
        return _insufficient(ART_55, "the study names no pathway; say which law it follows", evidence)
    if study.pathway == "other":
        return _needs_human(ART_55, "the pathway is neither new technology, drug nor device", evidence)
    if not study.pathway_basis:
        reason = f"the study says {study.pathway} and names no document as the basis; name it"
        return _insufficient(ART_55, reason, evidence)
    if study.pathway == "newtech":
        reason = f"the study follows this decree by {study.pathway_basis}"
        return _finding(ART_55, Verdict.PASS, reason, evidence)
    reason = f"the study follows {study.pathway} law by {study.pathway_basis}"
    return _finding(ART_55, Verdict.NOT_APPLICABLE, reason, evidence)


def reviews(study: StudyView, act: Act) -> Finding:
    """Art. 14: both reviews of one protocol version passed before the act. The same day is no breach by itself."""
    outside = _outside(ART_14, study, act.at)
    if outside:
        return outside
    evidence: dict[str, JSON] = {
        "act": act.what,
        "at": act.at.isoformat(),
        "reviews": [_review_line(each) for each in study.reviews],
    }
    version = passed_version(study, act.at)
    if version is not None:
        reason = f"both committees passed protocol {version} before {act.what}"
        return _finding(ART_14, Verdict.PASS, reason, {**evidence, "protocol_version": version})
    missing = [kind for kind in ("academic", "ethics") if not any(r.review == kind for r in study.reviews)]
    if missing:
        return _insufficient(ART_14, f"no {' and no '.join(missing)} review is recorded", evidence)
    return _fail(ART_14, f"no protocol version had passed both reviews before {act.what}", evidence)


def filing(study: StudyView, at: Instant) -> Finding:
    """Art. 15 para. 1: filed within five working days of the later of the two passes (our reading of the trigger).

    While the clock runs and nothing is filed yet the finding is INSUFFICIENT_DATA, which holds acts on subjects:
    a choice of this house, stricter than the article.
    """
    outside = _outside(ART_15, study, at)
    if outside:
        return outside
    version = passed_version(study, at)
    if version is None:
        return _insufficient(ART_15, "both reviews have not passed one protocol version: the clock has not begun", {})
    trigger = _passed_at(study, version)
    filed = min((each.filed_at for each in study.filings if each.protocol_version == version), default=None)
    if filed is not None and filed < trigger:
        reason = f"protocol {version} was filed before both reviews had passed; a person says what that filing is"
        return _needs_human(ART_15, reason, {"trigger": trigger.isoformat(), "filed_at": filed.isoformat()})
    return _clock(version, trigger, filed if filed is not None and filed <= at else None, at)


def _clock(version: str, trigger: Instant, filed: Instant | None, at: Instant) -> Finding:
    day = local_day(trigger)
    end = local_day(filed or at)
    used = workdays_after(day, end)
    last = deadline(day, FILING_DAYS)
    evidence: dict[str, JSON] = {
        "protocol_version": version,
        "trigger": trigger.isoformat(),
        "trigger_definition": "the later of the two committees' passes",
        "filed_at": filed.isoformat() if filed else None,
        "working_days": used,
        "deadline": last.isoformat() if last else None,
        "calendar": CALENDAR,
        "zone": ZONE,
        "assumption": TRIGGER_DAY,
    }
    if last is None:
        return _insufficient(ART_15, f"{CALENDAR} has no working days for these dates", evidence)
    if end > last:
        what = "was filed" if filed else "is still not filed"
        return _fail(ART_15, f"protocol {version} {what} on {end}, the last day was {last}", evidence)
    if filed is None:
        reason = f"protocol {version} is not filed yet, working day {used} of {FILING_DAYS}; file it by {last}"
        return _insufficient(ART_15, reason, evidence)
    reason = f"protocol {version} was filed on working day {used} of {FILING_DAYS}"
    return _finding(ART_15, Verdict.PASS, reason, evidence)


def consent(study: StudyView, subject: SubjectView, act: Act) -> Finding:
    """Art. 19 para. 1: consent in writing before the act, by whom the law asks for."""
    outside = _outside(ART_19_1, study, act.at)
    if outside:
        return outside
    signed = _latest_consent(subject, act.at)
    evidence: dict[str, JSON] = {
        "subject": subject.subject,
        "act": act.what,
        "at": act.at.isoformat(),
        "capacity": subject.capacity,
        "consents": [_consent_line(each) for each in subject.consents],
    }
    if signed is None and subject.consents:
        return _fail(ART_19_1, f"{subject.subject} consented only after {act.what}", evidence)
    if signed is None:
        return _insufficient(ART_19_1, f"no written consent of {subject.subject} is recorded", evidence)
    if subject.capacity is None:
        reason = f"nobody recorded the capacity of {subject.subject}; record it to know who must consent"
        return _insufficient(ART_19_1, reason, evidence)
    expected = "subject" if subject.capacity == "full" else "guardian"
    if signed.signer_role != expected:
        reason = f"the {signed.signer_role} signed; with {subject.capacity} capacity the {expected} must"
        return _fail(ART_19_1, reason, evidence)
    version = passed_version(study, act.at)
    if version is not None and signed.protocol_version != version:
        reason = (
            f"consent is to protocol {signed.protocol_version}, {version} has passed; does the change touch rights?"
        )
        return _needs_human(ART_19_1, reason, evidence)
    return _finding(ART_19_1, Verdict.PASS, f"the {expected} consented in writing before {act.what}", evidence)


def disclosure(study: StudyView, subject: SubjectView, act: Act) -> Finding:
    """Art. 19 para. 2: what was told. How well it was understood, and how freely given, only a person can say."""
    outside = _outside(ART_19_2, study, act.at)
    if outside:
        return outside
    signed = _latest_consent(subject, act.at)
    told = signed.disclosures if signed else ()
    evidence: dict[str, JSON] = {"subject": subject.subject, "disclosures": list(told)}
    missing = [each for each in DISCLOSURES if each not in told]
    if missing:
        return _insufficient(ART_19_2, f"the consent does not record telling {', '.join(missing)}", evidence)
    reason = "purpose, protocol, risks and rights were told; whether understandably and freely, a person says"
    return _needs_human(ART_19_2, reason, evidence)


def retained_until(study: StudyView) -> date | Literal["permanent", "open"]:
    """The last day the study's records must be kept: "open" while it has not ended and no period runs."""
    if study.involves_offspring:
        return "permanent"
    if study.ended_at is None:
        return "open"
    end = local_day(study.ended_at)
    if (end.month, end.day) == (2, 29):
        end += timedelta(days=1)  # thirty years later there is no 29 February: the later day is the safe one
    return end.replace(year=end.year + RETENTION_YEARS)


def retention(study: StudyView, removal_at: Instant | None = None) -> Finding:
    """Art. 22 para. 1: how long the records are kept, and whether a removal at `removal_at` would be a breach."""
    if pathway(study).verdict is Verdict.NOT_APPLICABLE:
        return _elsewhere(ART_22, study)
    until = retained_until(study)
    if study.involves_offspring is None and until != "permanent":
        return _insufficient(ART_22, "the study does not say whether offspring are involved", {})
    kept = until if isinstance(until, str) else until.isoformat()
    evidence: dict[str, JSON] = {"retained_until": kept, "zone": ZONE}
    if removal_at is None:
        return _finding(ART_22, Verdict.PASS, f"nothing is to be removed; records are kept until: {kept}", evidence)
    day = local_day(removal_at)
    evidence["removal_on"] = day.isoformat()
    if isinstance(until, str) or day <= until:
        return _fail(ART_22, f"removal on {day} is too early; records are kept until: {kept}", evidence)
    return _finding(ART_22, Verdict.PASS, f"records were kept until {kept}", evidence)


def passed_version(study: StudyView, at: Instant) -> str | None:
    """The protocol version that both committees had passed before `at`, the newest when there are several."""
    passed = [version for version in _versions(study) if _passed(study, version, at)]
    return max(passed, key=lambda version: _passed_at(study, version), default=None)


def _versions(study: StudyView) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.protocol_version for each in study.reviews))


def _decision(study: StudyView, kind: str, version: str, at: Instant) -> Review | None:
    """The committee's last decision on `version` before `at`."""
    decided = [r for r in study.reviews if r.review == kind and r.protocol_version == version and r.decided_at < at]
    return max(decided, key=lambda each: each.decided_at, default=None)


def _passed(study: StudyView, version: str, at: Instant) -> bool:
    decisions = (_decision(study, "academic", version, at), _decision(study, "ethics", version, at))
    return all(decision is not None and decision.passed for decision in decisions)


def _passed_at(study: StudyView, version: str) -> Instant:
    """When the later of the two first passes of `version` was decided."""
    passes = [each for each in study.reviews if each.protocol_version == version and each.passed]
    firsts = {kind: min(p.decided_at for p in passes if p.review == kind) for kind in {p.review for p in passes}}
    return max(firsts.values())


def _latest_consent(subject: SubjectView, at: Instant) -> Consent | None:
    before = [each for each in subject.consents if each.signed_at < at]
    return max(before, key=lambda each: each.signed_at, default=None)


def _outside(clause: Clause, study: StudyView, at: Instant) -> Finding | None:
    """The finding when the decree does not govern, or did not yet; None when the rule is to be read."""
    if pathway(study).verdict is Verdict.NOT_APPLICABLE:
        return _elsewhere(clause, study)
    if local_day(at) < IN_FORCE:
        reason = f"{local_day(at)} is before {IN_FORCE}: a person reads the transitional rule (Art. 57)"
        return _needs_human(clause, reason, {"in_force": IN_FORCE.isoformat()})
    return None


def _elsewhere(clause: Clause, study: StudyView) -> Finding:
    reason = f"the study follows {study.pathway} law (Art. 55)"
    return _finding(clause, Verdict.NOT_APPLICABLE, reason, {"pathway": study.pathway})


def _review_line(review: Review) -> JSON:
    result = "pass" if review.passed else "fail"
    return f"{review.review} of {review.protocol_version}: {result} at {review.decided_at.isoformat()}"


def _consent_line(consent: Consent) -> JSON:
    return f"{consent.signer_role} to {consent.protocol_version} at {consent.signed_at.isoformat()}"


def _finding(clause: Clause, verdict: Verdict, reason: str, evidence: Mapping[str, JSON]) -> Finding:
    return Finding(clause=clause, verdict=verdict, reason=reason, evidence=evidence)


def _insufficient(clause: Clause, reason: str, evidence: Mapping[str, JSON]) -> Finding:
    return _finding(clause, Verdict.INSUFFICIENT_DATA, reason, evidence)


def _needs_human(clause: Clause, reason: str, evidence: Mapping[str, JSON]) -> Finding:
    return _finding(clause, Verdict.NEEDS_HUMAN, reason, evidence)


def _fail(clause: Clause, reason: str, evidence: Mapping[str, JSON]) -> Finding:
    return _finding(clause, Verdict.FAIL, reason, evidence)
