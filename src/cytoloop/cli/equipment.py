"""`cytoloop equipment`: the register of units and qualifications, each act signed, and the types of devices."""

from pathlib import Path

import typer

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.devices.library import types
from cytoloop.app import equipment_acts as acts
from cytoloop.app.bootstrap import readable_record
from cytoloop.app.equipment import Fitness, unit_named, units, unverified
from cytoloop.app.settings import read_settings
from cytoloop.app.telling import tell
from cytoloop.cli.acting import Desk, acting, show_what_is_signed
from cytoloop.cli.data import DATA, newest
from cytoloop.cli.output import out, plain, say_json, table
from cytoloop.cli.signer import AS, signer
from cytoloop.core.device import DeviceType
from cytoloop.core.json import JSON
from cytoloop.core.time import Instant
from cytoloop.core.words import Words
from cytoloop.production.register import Register, Unit

app = typer.Typer(help="Equipment, its fitness, and who is qualified for it.", no_args_is_help=True)

UNIT = typer.Argument(..., metavar="EQUIPMENT", help="Equipment id, for example bioreactor-03.")
WHY = typer.Option(..., "--why", metavar="TEXT", help="Reason, in a sentence.", prompt="Reason")
UNTIL = typer.Option(..., "--until", metavar="DAY", help="Last day it is valid, or a moment with an offset (ISO 8601).")
NEED = typer.Option(
    [], "--need", metavar="WORD", help=f"What it needs before a step starts, each once: {', '.join(acts.NEEDS)}."
)
JSON_TOO = typer.Option(False, "--json", help="Say it as JSON.")


@app.command("types")
def device_types(json: bool = JSON_TOO) -> None:
    """The types of the device library, and whether a driver of each has met its device."""
    if json:
        say_json([_type_document(kind) for kind in types()])
        return
    for kind in types():
        out.print(
            f"[bold]{kind.device_type}[/] (class {kind.equipment_class}): {_met(kind)}", highlight=False, soft_wrap=True
        )
        for name, said in _parts(kind).items():
            out.print(f"  {name:<11}{said}", highlight=False, soft_wrap=True)


@app.command("list")
def everything(data: Path | None = DATA, json: bool = JSON_TOO) -> None:
    """Every registered unit, whether a new batch may use it now, and every qualification."""
    now = ScaledClock().now()
    with readable_record(newest(data)) as ledger:
        register = Fitness(ledger).register()
    known = units(register, now)
    if json:
        say_json([_document(unit, why) for unit, why in known])
        return
    shown = table(None, "unit", "class", "type", "calibrated until", "cleaned until", "fit for a new batch")
    for unit, why in known:
        calibrated = _day(unit.calibrated.valid_until if unit.calibrated else None)
        cleaned = _day(unit.cleaned.valid_until if unit.cleaned else None)
        said = unit.registered
        shown.add_row(
            said.equipment,
            said.equipment_class,
            said.device_type or "–",
            calibrated,
            cleaned,
            plain(why.en) if why else "yes",
        )
    out.print(shown)
    _doubts(known)
    _people(register, now)


@app.command("show")
def show(equipment: str = UNIT, data: Path | None = DATA, json: bool = JSON_TOO) -> None:
    """One unit: what it is and needs, whether a new batch may use it now, and its log."""
    with readable_record(newest(data)) as ledger:
        unit, why, log = unit_named(ledger, equipment, ScaledClock().now())
    if json:
        say_json(_document(unit, why))
        return
    shown = table(None, "", "")
    for name, value in _document(unit, why).items():
        shown.add_row(name, plain(", ".join(map(str, value)) if isinstance(value, list) else str(value)))
    out.print(shown)
    for recorded in log:
        at = f"{recorded.entry.happened_at:%Y-%m-%d %H:%M}"
        out.print(f"{at}  {plain(tell(recorded.fact).en)}", highlight=False, soft_wrap=True)


@app.command("register")
def register(
    equipment: str = UNIT,
    type_: str = typer.Option("", "--type", metavar="TYPE", help="Device type (`cytoloop equipment types`)."),
    class_: str = typer.Option("", "--class", metavar="CLASS", help="Equipment class; left out, that of the type."),
    serial: str = typer.Option("", "--serial", metavar="TEXT", help="Maker's serial or the house's inventory number."),
    door: str = typer.Option("", "--door", metavar="ADDRESS", help="Where it is reached, for example opc.tcp://…"),
    need: list[str] = NEED,
    by: str = AS,
    data: Path | None = DATA,
) -> None:
    """Put a unit into the register, or say anew what it is. From then on it is looked at before a step starts on it."""
    with acting(data) as desk:
        asked = acts.registration(
            desk.ledger, equipment, equipment_class=class_, device_type=type_, serial=serial, door=door,
            needs=tuple(need),
        )  # fmt: skip
        _sign(desk, by, asked)
        if doubt := asked.fields["unverified"]:
            out.print(f"[bold yellow]{equipment}: {doubt}[/]", highlight=False, soft_wrap=True)


@app.command("calibrate")
def calibrate(
    equipment: str = UNIT,
    certificate: str = typer.Option(..., "--certificate", metavar="REF", help="Reference of the certificate."),
    until: str = UNTIL,
    by: str = AS,
    data: Path | None = DATA,
) -> None:
    """Say that a unit was calibrated."""
    with acting(data) as desk:
        valid, now = _until(desk, until), desk.people.registrar.clock.now()
        _sign(desk, by, acts.calibration(desk.ledger, equipment, certificate=certificate, valid_until=valid, now=now))


@app.command("clean")
def clean(
    equipment: str = UNIT,
    procedure: str = typer.Option(..., "--procedure", metavar="REF", help="Reference of the cleaning procedure."),
    until: str = typer.Option("", "--until", metavar="DAY", help="Until when it stays clean unused; left out: always."),
    by: str = AS,
    data: Path | None = DATA,
) -> None:
    """Say that a unit was cleaned."""
    with acting(data) as desk:
        valid, now = _until(desk, until) if until else None, desk.people.registrar.clock.now()
        _sign(desk, by, acts.cleaning(desk.ledger, equipment, procedure=procedure, valid_until=valid, now=now))


@app.command("out-of-service")
def out_of_service(equipment: str = UNIT, why: str = WHY, by: str = AS, data: Path | None = DATA) -> None:
    """Take a unit out of service: no step starts on it until it is returned."""
    with acting(data) as desk:
        _sign(desk, by, acts.taking_out(desk.ledger, equipment, why))


@app.command("return")
def return_(equipment: str = UNIT, why: str = WHY, by: str = AS, data: Path | None = DATA) -> None:
    """Return a unit to service."""
    with acting(data) as desk:
        _sign(desk, by, acts.returning(desk.ledger, equipment, why))


@app.command("qualify")
def qualify(
    user: str = typer.Argument(..., help="User id of the person."),
    subject: str = typer.Argument(..., help="Equipment class, or reference of a procedure."),
    evidence: str = typer.Option(..., "--evidence", metavar="REF", help="Reference of the training record."),
    until: str = UNTIL,
    by: str = AS,
    data: Path | None = DATA,
) -> None:
    """Say that a person is qualified for an equipment class or a procedure. Nobody says it of themselves."""
    with acting(data) as desk:
        valid, now = _until(desk, until), desk.people.registrar.clock.now()
        asked = acts.qualification(desk.people, user, subject, evidence=evidence, valid_until=valid, now=now)
        _sign(desk, by, asked)


@app.command("withdraw")
def withdraw(
    user: str = typer.Argument(..., help="User id of the person."),
    subject: str = typer.Argument(..., help="Equipment class, or reference of a procedure."),
    why: str = WHY,
    by: str = AS,
    data: Path | None = DATA,
) -> None:
    """Withdraw a person's qualification."""
    with acting(data) as desk:
        _sign(desk, by, acts.withdrawal(desk.people, user, subject, why))


def _sign(desk: Desk, by: str, asked: acts.Asked) -> None:
    """Show what is signed, ask for the signature, write."""
    show_what_is_signed(asked.shown, asked.digest)
    written = acts.sign_entry(desk.people, signer(by), asked)
    out.print(f"{plain(tell(written.fact).en)} (entry {written.entry.sequence})", highlight=False, soft_wrap=True)


def _until(desk: Desk, text: str) -> Instant:
    return acts.until_named(text, read_settings(desk.folder).zone)


def _doubts(known: list[tuple[Unit, Words | None]]) -> None:
    """Loudly, what drivers have never met their devices."""
    for unit, _ in known:
        if unit.registered.unverified:
            said = f"{unit.registered.equipment}: {unit.registered.unverified}"
            out.print(f"[bold yellow]{plain(said)}[/]", highlight=False, soft_wrap=True)


def _people(register: Register, now: Instant) -> None:
    if not register.qualified:
        return
    shown = table("qualifications", "person", "for", "until", "holds")
    for (user, subject), held in sorted(register.qualified.items()):
        shown.add_row(user, subject, _day(held.valid_until), "yes" if held.valid_until > now else "no: ran out")
    out.print(shown)


def _met(kind: DeviceType) -> str:
    return f"proven on {kind.met}" if kind.met else f"[bold yellow]{unverified(kind)}[/]"


def _parts(kind: DeviceType) -> dict[str, str]:
    """What a type answers, by kind of name; what it has none of is left out."""
    programs = (f"{name}({', '.join(needed)})" for name, needed in kind.programs.items())
    parts = {
        "signals": ", ".join(f"{name} {quantity.unit}" for name, quantity in kind.signals.items()),
        "set-points": ", ".join(f"{name} {quantity.unit}" for name, quantity in kind.set_points.items()),
        "programs": ", ".join(programs),
        "tests": ", ".join(kind.attributes),
    }
    return {name: said for name, said in parts.items() if said}


def _day(moment: Instant | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else "–"


def _document(unit: Unit, why: Words | None) -> dict[str, JSON]:
    said = unit.registered
    return {
        "equipment": said.equipment,
        "equipment_class": said.equipment_class,
        "device_type": said.device_type,
        "serial": said.serial,
        "door": said.door,
        "needs": list(said.needs),
        "unverified": said.unverified,
        "calibrated_until": unit.calibrated.valid_until.isoformat() if unit.calibrated else None,
        "cleaned_at": unit.cleaned_at.isoformat() if unit.cleaned_at else None,
        "out_of_service": unit.out_of_service.reason if unit.out_of_service else None,
        "why_not": why.en if why else None,
    }


def _type_document(kind: DeviceType) -> dict[str, JSON]:
    return {
        "device_type": kind.device_type,
        "equipment_class": kind.equipment_class,
        "signals": {name: quantity.unit for name, quantity in kind.signals.items()},
        "set_points": {name: quantity.unit for name, quantity in kind.set_points.items()},
        "programs": {name: list(needed) for name, needed in kind.programs.items()},
        "attributes": list(kind.attributes),
        "met": kind.met,
        "unverified": unverified(kind),
    }
