"""What an entry changed, from what to what, and why: read from the fact, and from the one of its kind before it."""

from collections.abc import Iterator
from dataclasses import dataclass

from cytoloop.app.directory import ENROLLED
from cytoloop.app.views_shelf import Shelf
from cytoloop.core.entry import Fact, Recorded
from cytoloop.core.facts import (
    answer,
    claim,
    clinic,
    compliance,
    equipment,
    feedback,
    monitoring,
    people,
    production,
    quality,
    record,
    shadow,
)
from cytoloop.core.json import JSON
from cytoloop.production.difference import difference

CHANGING: tuple[type[Fact], ...] = (
    production.SetPointMoved, production.ValueCorrected, production.StepResolved, production.BatchAborted,
    production.HoldOrdered, production.HoldLifted, production.AbortOrdered,
    production.RecipeApproved, quality.DeviationClosed, quality.DispositionSigned, clinic.StudyEnded,
    feedback.TwinReleased, feedback.ChangeSigned, feedback.ProposalDeclined, people.RolesChanged,
    people.AccountConfirmed, people.AccountLocked, people.AccountUnlocked, people.AccountClosed, record.KeyRetired,
    record.RecordUpgraded, record.ClockStepped, record.IdentityErased, equipment.EquipmentRegistered,
    equipment.EquipmentTakenOutOfService, equipment.EquipmentReturnedToService, equipment.QualificationWithdrawn,
)  # fmt: skip
"""Facts that may change something that stood before. All others add something new and change nothing."""


BESIDE_THE_ONE_BEFORE = (
    production.RecipeApproved, quality.DispositionSigned, feedback.TwinReleased, equipment.EquipmentRegistered,
)  # fmt: skip
"""Facts whose change shows only beside the one of their kind before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that is different since an entry."""

    what: str
    """Name of the parameter, value, account or thing."""
    old: JSON
    new: JSON
    unit: str = ""


def changes_of(recorded: Recorded, shelf: Shelf) -> tuple[Change, ...]:
    """What the entry changed; empty when it only added something."""
    fact = recorded.fact
    if not isinstance(fact, CHANGING):
        return ()
    if isinstance(fact, BESIDE_THE_ONE_BEFORE):
        return tuple(_since(fact, _before(recorded, shelf), shelf))
    return tuple(_own(fact))


def reason_of(fact: Fact) -> tuple[str, bool]:
    """Why, and whether the program asked a person for it at the act; ("", False) when the entry gives no reason."""
    match fact:
        case (
            production.ValueCorrected()
            | production.BatchAborted()
            | production.HoldOrdered()
            | production.HoldLifted()
            | production.AbortOrdered()
            | production.DecisionSigned()
            | quality.DeviationClosed()
            | monitoring.AlarmAcknowledged()
            | people.RolesChanged()
            | people.AccountUnlocked()
            | people.AccountClosed()
            | record.KeyRetired()
            | record.RecordRestored()
            | record.IdentityLookedUp()
            | record.IdentityErased()
            | record.IdentitiesRekeyed()
            | equipment.EquipmentTakenOutOfService()
            | equipment.EquipmentReturnedToService()
            | equipment.QualificationWithdrawn()
        ):
            return fact.reason, True
        case production.StepResolved():
            return fact.reason, fact.signature is not None
        case answer.AnswerGiven() | answer.AnswerVerified():
            return fact.reason, fact.reason != ""
        case people.EnrolmentCodeIssued():
            return fact.reason, fact.reason != ENROLLED
        case quality.RecordReviewed():
            return fact.remarks, True
        case feedback.TwinReleased() | shadow.ControllerReleased():
            return fact.ground, False
        case shadow.ShadowMove():
            return fact.reason, False
        case people.MisuseAlerted():
            return fact.what, False
        case (
            production.SetPointMoved()
            | production.StepFailed()
            | production.BatchHeld()
            | production.StepBlocked()
            | quality.DispositionSigned()
            | clinic.StudyEnded()
            | feedback.ProposalDeclined()
            | feedback.ChangeSigned()
            | claim.ClaimDecided()
            | claim.ProposalWithheld()
            | compliance.GateJudged()
            | compliance.FindingRecorded()
            | people.ActRefused()
            | people.SignedOut()
        ):
            return fact.reason, False
        case _:
            return "", False


def _own(fact: Fact) -> Iterator[Change]:
    """Changes that a fact tells by itself."""
    match fact:
        case production.SetPointMoved() as f:
            yield Change(what=f.parameter, old=f.old, new=f.new, unit=f.unit)
        case production.ValueCorrected() as f:
            yield Change(what=f.field, old=f.old, new=f.new)
        case production.StepResolved() as f:
            yield Change(what=f.step, old="in-doubt", new=f.resolution)
        case production.HoldOrdered():
            yield Change(what="batch", old="in-production", new="on-hold")
        case production.HoldLifted():
            yield Change(what="batch", old="on-hold", new="in-production")
        case production.AbortOrdered():
            yield Change(what="batch", old="in-production", new="aborting")
        case production.BatchAborted():
            yield Change(what="batch", old="in-production", new="aborted")
        case quality.DeviationClosed() as f:
            yield Change(what=f.deviation, old="open", new=f.decision)
        case clinic.StudyEnded():
            yield Change(what="study", old="open", new="ended")
        case feedback.ChangeSigned() as f:
            yield Change(what=f.proposal, old="open", new="signed")
        case feedback.ProposalDeclined() as f:
            yield Change(what=f.proposal, old="open", new="declined")
        case record.KeyRetired() as f:
            yield Change(what=f.key.partition("+")[0], old="in-use", new="retired")
        case record.RecordUpgraded() as f:
            yield Change(what="format", old=f.from_format, new=f.to_format)
        case record.ClockStepped() as f:
            yield Change(what="clock", old=f.before.isoformat(), new=f.after.isoformat())
        case record.IdentityErased() as f:
            yield Change(what=f.subject, old="kept", new="erased")
        case equipment.EquipmentTakenOutOfService() as f:
            yield Change(what=f.equipment, old="in-service", new="out-of-service")
        case equipment.EquipmentReturnedToService() as f:
            yield Change(what=f.equipment, old="out-of-service", new="in-service")
        case equipment.QualificationWithdrawn() as f:
            yield Change(what=f.subject, old="qualified", new="withdrawn")
        case _:
            yield from _account(fact)


def _account(fact: Fact) -> Iterator[Change]:
    match fact:
        case people.RolesChanged() as f:
            yield Change(what="roles", old=", ".join(f.old), new=", ".join(f.new))
        case people.AccountConfirmed():
            yield Change(what="account", old="unconfirmed", new="active")
        case people.AccountLocked():
            yield Change(what="account", old="active", new="locked")
        case people.AccountUnlocked():
            yield Change(what="account", old="locked", new="active")
        case people.AccountClosed():
            yield Change(what="account", old="open", new="closed")


def _before(recorded: Recorded, shelf: Shelf) -> Fact | None:
    """The fact of the same name before this one in its stream; None for the first."""
    earlier = shelf.stream(recorded.entry.stream)[: recorded.entry.position]
    return next((each.fact for each in reversed(earlier) if each.entry.name == recorded.entry.name), None)


def _since(fact: Fact, before: Fact | None, shelf: Shelf) -> Iterator[Change]:
    """Changes that show only beside the fact before; a first recipe or twin version changes nothing."""
    match fact, before:
        case production.RecipeApproved() as new, production.RecipeApproved() as old:
            first, second = shelf.master(old.content_sha256), shelf.master(new.content_sha256)
            if first is not None and second is not None:
                for each in difference(first.recipe, second.recipe):
                    yield Change(what=each.where, old=each.old, new=each.new)
        case feedback.TwinReleased() as new, feedback.TwinReleased() as old:
            yield Change(what=new.twin, old=old.version, new=new.version)
        case equipment.EquipmentRegistered() as new, equipment.EquipmentRegistered() as old:
            for name in ("equipment_class", "device_type", "serial", "door", "unverified"):
                if getattr(old, name) != getattr(new, name):
                    yield Change(what=name, old=getattr(old, name), new=getattr(new, name))
            if old.needs != new.needs:
                yield Change(what="needs", old=", ".join(old.needs), new=", ".join(new.needs))
        case quality.DispositionSigned() as new, _:
            stood = before.disposition if isinstance(before, quality.DispositionSigned) else "undecided"
            yield Change(what="disposition", old=stood, new=new.disposition)
