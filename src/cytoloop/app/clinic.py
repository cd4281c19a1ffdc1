"""Clinic, as the app runs it: study, subjects, orders, collection, administration. Acts pass the gates of law."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from cytoloop.app.registrar import Registrar
from cytoloop.clinic.order import coi_number
from cytoloop.clinic.study import Study, study
from cytoloop.compliance.cn_sc818 import DISCLOSURES, Act, before_operation, retention
from cytoloop.compliance.view import StudyView, study_view, subject_view
from cytoloop.core.errors import RefusedError
from cytoloop.core.facts.clinic import (
    ConsentSigned,
    MaterialCollected,
    OrderPlaced,
    ProductAdministered,
    ReviewDecided,
    StudyEnded,
    StudyFiled,
    StudyRegistered,
    SubjectEnrolled,
)
from cytoloop.core.facts.compliance import FindingRecorded
from cytoloop.core.rule import Finding
from cytoloop.core.time import Instant, after

CLINIC = "person:pi.wang"
REVIEWS: tuple[tuple[int, Literal["academic", "ethics"]], ...] = ((7, "academic"), (3, "ethics"))
"""Days that each committee of the demonstration takes, one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clinic:
    """One study at one site."""

    registrar: Registrar
    study: str
    protocol: str
    consent_form: str
    """Text of the consent form; its hash stands in every consent."""

    @property
    def view(self) -> StudyView:
        """The study as the law looks at it now."""
        return study_view(self.study, self.registrar.ledger.stream(f"study/{self.study}"))

    @property
    def known(self) -> Study:
        """The study as it stands now; RefusedError before it is registered."""
        found = study(self.registrar.ledger.stream(f"study/{self.study}"))
        if found is None:
            raise RefusedError(f"study {self.study} is not registered; register it first")
        return found

    async def open(self, registered: StudyRegistered) -> None:
        """Register the study, have both committees review it, and file it in time."""
        clock, stream = self.registrar.clock, f"study/{self.study}"
        self.registrar.say(stream, registered, actor=CLINIC)
        for days, kind in REVIEWS:
            await clock.until(after(clock.now(), 24.0 * days))
            review = ReviewDecided(
                review=kind, board=f"{kind} committee", protocol_version=self.protocol, result="pass"
            )
            self.registrar.say(stream, review, actor=f"person:{kind}-committee")
        await clock.until(after(clock.now(), 48.0))
        filed = StudyFiled(receipt=f"NHC-{self.study}", protocol_version=self.protocol)
        self.registrar.say(stream, filed, actor=CLINIC)

    def enroll(self, subject: SubjectEnrolled, signer: Literal["subject", "guardian"] = "subject") -> None:
        """Take a subject in and keep the written consent."""
        form = sha256(self.consent_form.encode()).hexdigest()
        consent = ConsentSigned(
            study=self.study,
            protocol_version=self.protocol,
            signer_role=signer,
            form_sha256=form,
            disclosures=DISCLOSURES,
        )
        self.registrar.say(f"subject/{subject.subject}", subject, consent, actor=CLINIC)

    def order(self, placed: OrderPlaced) -> None:
        """Place an order; RefusedError when the study is not open for one."""
        if not self.known.open:
            raise RefusedError(f"order {placed.order} cannot be placed: study {self.study} has ended")
        self.registrar.say(f"order/{placed.order}", placed, actor=CLINIC)

    def collect(self, placed: OrderPlaced, serial: int) -> MaterialCollected:
        """Take starting material from the subject, if no rule of law stands against it."""
        self.gate(placed, f"collection for order {placed.order}")
        coi = coi_number("DEMO", self.registrar.clock.now().year, serial)
        collected = MaterialCollected(order=placed.order, coi=coi, collection_site=self.known.registered.site)
        self.registrar.say(f"order/{placed.order}", collected, actor=CLINIC)
        return collected

    def administer(self, placed: OrderPlaced, given: ProductAdministered) -> None:
        """Give the product to the subject, if no rule of law stands against it."""
        self.gate(placed, f"administration for order {placed.order}")
        self.registrar.say(f"order/{placed.order}", given, actor=CLINIC)

    def gate(self, placed: OrderPlaced, what: str) -> None:
        """Read every rule that is asked before an act on a subject; keep the findings; RefusedError when one blocks."""
        ledger, now = self.registrar.ledger, self.registrar.clock.now()
        subject = subject_view(placed.subject, self.study, ledger.stream(f"subject/{placed.subject}"))
        found = before_operation(self.view, subject, Act(what=what, at=now))
        self._keep(f"order/{placed.order}", found, what)
        blocking = [finding for finding in found if finding.blocks]
        if blocking:
            said = "; ".join(f"{finding.clause.locus}: {finding.reason}" for finding in blocking)
            raise RefusedError(f"{what} may not go on: {said}")

    def end(self, reason: str) -> None:
        """End the study; from now on the retention period of its records runs (Art. 22)."""
        stream = f"study/{self.study}"
        self.registrar.say(stream, StudyEnded(reason=reason), actor=CLINIC)
        self._keep(stream, (retention(self.view),), "end of the study")

    def removal(self, at: Instant) -> Finding:
        """Whether the study's records might be removed at `at`. No command removes any; one that comes asks this."""
        return retention(self.view, at)

    def _keep(self, stream: str, findings: Iterable[Finding], act: str) -> None:
        self.registrar.say(stream, *(recorded_finding(each, act) for each in findings), actor="system:compliance")


def recorded_finding(finding: Finding, act: str) -> FindingRecorded:
    """A finding as the record keeps it."""
    return FindingRecorded(
        locus=finding.clause.locus,
        text_sha256=finding.clause.text_sha256,
        verdict=finding.verdict,
        severity=finding.clause.severity,
        reason=finding.reason,
        act=act,
        evidence=dict(finding.evidence),
    )
