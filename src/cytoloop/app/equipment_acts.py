"""Acts on equipment and qualifications: each is first a value that is shown and signed, then an entry."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

from cytoloop.adapters.devices.library import model_of
from cytoloop.app.equipment import EQUIPMENT, QUALIFICATION, UNREGISTERED, people_register, unverified
from cytoloop.app.people import People, Signer
from cytoloop.app.permissions import Act, Circle
from cytoloop.core.entry import Draft, Fact, Recorded
from cytoloop.core.errors import UserError
from cytoloop.core.facts.equipment import (
    EquipmentCalibrated,
    EquipmentCleaned,
    EquipmentRegistered,
    EquipmentReturnedToService,
    EquipmentTakenOutOfService,
    Need,
    PersonQualified,
    QualificationWithdrawn,
)
from cytoloop.core.json import JSON, digest
from cytoloop.core.signature import Meaning
from cytoloop.core.time import Instant, instant
from cytoloop.production.register import Register, Unit, fold
from cytoloop.record.ledger import Ledger

NEEDS: tuple[Need, ...] = get_args(Need)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An act on the register as it is shown before it is signed. Nothing is written yet."""

    act: Act
    meaning: Meaning
    stream: str
    position: int
    entry: str
    """Name of the fact that it writes."""
    make: Callable[..., Fact]
    """Makes the fact of `fields` and the signature."""
    fields: Mapping[str, Any] = field(hash=False)
    circle: Circle = field(default_factory=Circle)

    @property
    def shown(self) -> dict[str, JSON]:
        """What the signature will stand over."""
        said: dict[str, JSON] = {name: _plain(value) for name, value in self.fields.items()}
        return {"entry": self.entry, "stream": self.stream, "position": self.position, **said}

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of what is shown."""
        return digest(self.shown)


def sign_entry(people: People, by: Signer, asked: Asked) -> Recorded:
    """Have `by` sign what is shown, and write it; refusals are entries.

    Raises RefusedError when they may not, ConflictError when the stream grew meanwhile: show it again.
    """
    signature = people.sign_for(
        asked.act, by, meaning=asked.meaning, shown=asked.shown, subject=asked.stream, circle=asked.circle
    )
    draft = Draft(
        fact=asked.make(**asked.fields, signature=signature),
        actor=f"person:{signature.signer}",
        happened_at=signature.signed_at,
    )
    (recorded,) = people.registrar.ledger.append(asked.stream, [draft], expected=asked.position)
    return recorded


def registration(
    ledger: Ledger,
    equipment: str,
    *,
    equipment_class: str,
    device_type: str,
    serial: str,
    door: str,
    needs: tuple[str, ...],
) -> Asked:
    """Put a unit into the register, or say anew what it is. UserError for a device type or a need there is not."""
    kind = model_of(device_type).kind if device_type else None
    if kind is not None and equipment_class and equipment_class != kind.equipment_class:
        raise UserError(
            f"a {device_type} stands for the class {kind.equipment_class}, not {equipment_class}; leave --class out"
        )
    of_class = equipment_class or (kind.equipment_class if kind else "")
    if not of_class or not equipment.strip():
        raise UserError("a unit has an id and an equipment class; name it with --class or by its --type")
    strange = [need for need in needs if need not in NEEDS]
    if strange:
        raise UserError(f"{strange[0]!r} is nothing that equipment can need; choose from {', '.join(NEEDS)}")
    fields = {
        "equipment": equipment,
        "equipment_class": of_class,
        "device_type": device_type,
        "serial": serial,
        "door": door,
        "needs": tuple(need for need in NEEDS if need in needs),
        "unverified": unverified(kind) if kind else "",
    }
    return _on_unit(ledger, "register-equipment", "approved", EquipmentRegistered, fields)


def calibration(ledger: Ledger, equipment: str, *, certificate: str, valid_until: Instant, now: Instant) -> Asked:
    """Say that a unit was calibrated. UserError for a unit that is not registered, or a day that has passed."""
    _known(ledger, equipment)
    _demand_later(valid_until, now)
    fields = {"equipment": equipment, "certificate": _said(certificate, "certificate"), "valid_until": valid_until}
    return _on_unit(ledger, "calibrate-equipment", "performed", EquipmentCalibrated, fields)


def cleaning(ledger: Ledger, equipment: str, *, procedure: str, valid_until: Instant | None, now: Instant) -> Asked:
    """Say that a unit was cleaned. UserError as `calibration`."""
    _known(ledger, equipment)
    if valid_until is not None:
        _demand_later(valid_until, now)
    fields = {"equipment": equipment, "procedure": _said(procedure, "procedure"), "valid_until": valid_until}
    return _on_unit(ledger, "clean-equipment", "performed", EquipmentCleaned, fields)


def taking_out(ledger: Ledger, equipment: str, reason: str) -> Asked:
    """Take a unit out of service. UserError when it is not registered, or is out already."""
    if _known(ledger, equipment).out_of_service is not None:
        raise UserError(f"{equipment} is out of service already; see `cytoloop equipment show {equipment}`")
    fields = {"equipment": equipment, "reason": _said(reason, "reason")}
    return _on_unit(ledger, "stop-equipment", "performed", EquipmentTakenOutOfService, fields)


def returning(ledger: Ledger, equipment: str, reason: str) -> Asked:
    """Return a unit to service. UserError when it is not registered, or in service."""
    if _known(ledger, equipment).out_of_service is None:
        raise UserError(f"{equipment} is in service; there is nothing to return")
    fields = {"equipment": equipment, "reason": _said(reason, "reason")}
    return _on_unit(ledger, "return-equipment", "approved", EquipmentReturnedToService, fields)


def qualification(
    people: People, user: str, subject: str, *, evidence: str, valid_until: Instant, now: Instant
) -> Asked:
    """Say that a person is qualified; nobody says it of themselves. UserError for a person there is not."""
    _demand_person(people, user)
    _demand_later(valid_until, now)
    fields = {
        "user": user,
        "subject": _said(subject, "subject"),
        "evidence": _said(evidence, "evidence"),
        "valid_until": valid_until,
    }
    return _on_person(people.registrar.ledger, PersonQualified, fields)


def withdrawal(people: People, user: str, subject: str, reason: str) -> Asked:
    """Withdraw a qualification. UserError when the person has none for it."""
    _demand_person(people, user)
    if (user, subject) not in people_register(people.registrar.ledger).qualified:
        raise UserError(f"{user} has no qualification for {subject!r}; see `cytoloop equipment list`")
    fields = {"user": user, "subject": subject, "reason": _said(reason, "reason")}
    return _on_person(people.registrar.ledger, QualificationWithdrawn, fields)


def _on_unit(ledger: Ledger, act: Act, meaning: Meaning, fact: type[Fact], fields: Mapping[str, Any]) -> Asked:
    stream = f"{EQUIPMENT}{fields['equipment']}"
    position = ledger.position(stream)
    return Asked(act=act, meaning=meaning, stream=stream, position=position, entry=fact.NAME, make=fact, fields=fields)


def _on_person(ledger: Ledger, fact: type[Fact], fields: Mapping[str, Any]) -> Asked:
    stream = f"{QUALIFICATION}{fields['user']}"
    return Asked(
        act="qualify-person",
        meaning="approved",
        stream=stream,
        position=ledger.position(stream),
        entry=fact.NAME,
        make=fact,
        fields=fields,
        circle=Circle(owner=fields["user"]),
    )


def _known(ledger: Ledger, equipment: str) -> Unit:
    unit = fold(Register(), ledger.stream(EQUIPMENT + equipment)).units.get(equipment)
    if unit is None:
        raise UserError(UNREGISTERED.filled(equipment))
    return unit


def _demand_person(people: People, user: str) -> None:
    if people.person(user) is None:
        raise UserError(f"nobody has the user id {user!r}; see `cytoloop people list`")


def until_named(text: str, zone: str) -> Instant:
    """The moment that `text` names: with an offset as it stands; a bare day lasts to its end in the site's zone."""
    try:
        if len(text) > len("2026-06-01"):
            return instant(text)
        last = date.fromisoformat(text)
    except ValueError as error:
        raise UserError(f"{text!r} is no day and no moment: {error}; write it as 2027-03-31") from error
    return datetime.combine(last + timedelta(days=1), time(), ZoneInfo(zone)).astimezone(UTC)


def _demand_later(moment: Instant, now: Instant) -> None:
    if moment <= now:
        raise UserError(f"{moment:%Y-%m-%d %H:%M} UTC has passed; say until when it is valid")


def _said(text: str, what: str) -> str:
    if not text.strip():
        raise UserError(f"the {what} must not be empty; say it in a few words")
    return text.strip()


def _plain(value: object) -> JSON:
    """A field as plain JSON."""
    if isinstance(value, Instant):
        return value.isoformat()
    if isinstance(value, tuple):
        return [str(each) for each in value]
    return None if value is None else str(value)
