"""`cytoloop people`: who may act in a record. Founding, accounts, credentials, roles."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import typer

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.credentials import INVITED_HOURS, Provisioning
from cytoloop.app.accounts import AccountAct, Accounts, ChangeRoles, Close, Confirm, Enrol, Plan, Reset, Unlock
from cytoloop.app.directory import Person
from cytoloop.app.founding import Founder, demand_nobody, found
from cytoloop.app.people import people_at
from cytoloop.app.permissions import ROLES
from cytoloop.app.records import acting_record, holds_record, readable_record, writable_record
from cytoloop.app.settings import ZONE, read_settings
from cytoloop.cli.data import DATA, newest
from cytoloop.cli.output import out, say_json, table
from cytoloop.cli.signer import AS, asked, signer
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON

app = typer.Typer(help="People: accounts, credentials, roles.", no_args_is_help=True)

USER = typer.Argument(..., metavar="USER", help="User id.")
WHY = typer.Option(..., "--why", metavar="TEXT", help="Reason; it is kept with the act.")
ROLE = typer.Option(..., "--role", help=f"Role; more than once for several: {', '.join(ROLES)}.")
ENROLMENT, NEW_SECRET = "CYTOLOOP_ENROLMENT_CODE", "CYTOLOOP_NEW_SECRET"


@app.command("found")
def found_record(
    administrator: str = typer.Option(..., help="User id of the first administrator."),
    administrator_name: str = typer.Option(..., help="Their name, as it stands under signatures."),
    quality: str = typer.Option(..., help="User id of the first person of quality assurance."),
    quality_name: str = typer.Option(..., help="Their name, as it stands under signatures."),
    zone: str | None = typer.Option(None, help="IANA time zone of both; the site's when left out."),
    data: Path | None = DATA,
) -> None:
    """Give a record its first two people, both present: each types a password of their own and scans a code."""
    folder = newest(data)
    clock, where = ScaledClock(), zone or read_settings(folder).zone
    with acting_record(folder, clock) if holds_record(folder) else writable_record(folder, clock) as ledger:
        people = people_at(folder, ledger, clock)
        demand_nobody(people)
        founders = [
            Founder(user=user, printed_name=name, zone=where, secret=_new_password(name, variable))
            for user, name, variable in (
                (administrator, administrator_name, "CYTOLOOP_ADMINISTRATOR_SECRET"),
                (quality, quality_name, "CYTOLOOP_QUALITY_SECRET"),
            )
        ]
        first, second = found(people, administrator=founders[0], quality=founders[1], show=_shown_to_founder)
    out.print(f"{first.user} is administrator, {second.user} is quality assurance; both may sign now", highlight=False)


@app.command("enrol")
def enrol(
    user: str = USER,
    name: str = typer.Option(..., help="Name, as it stands under signatures."),
    role: list[str] = ROLE,
    zone: str = typer.Option(ZONE, help="IANA name of the person's time zone."),
    by: str = AS,
    data: Path | None = DATA,
) -> None:
    """Make an account and print the one-time code to hand to its owner."""
    _do(data, Enrol(user=user, printed_name=name, roles=tuple(role), zone=zone), by)


@app.command("reset")
def reset(user: str = USER, why: str = WHY, by: str = AS, data: Path | None = DATA) -> None:
    """End a credential that is lost, or a code that is too old, and print a new one-time code."""
    _do(data, Reset(user=user, reason=why), by)


@app.command("activate")
def activate(user: str = USER, data: Path | None = DATA) -> None:
    """Set your own password and codes, with the one-time code you were given."""
    with _accounts(newest(data)) as accounts:
        code = asked("One-time code", ENROLMENT)
        provisioning = accounts.set_password(user, code, _new_password(user, NEW_SECRET))
        _show(user, provisioning)
        accounts.prove_code(user, code, asked("Code that the app says now"))
    out.print(f"{user}: set; somebody who did not issue the code confirms it next (`cytoloop people confirm {user}`)")


@app.command("password")
def password(user: str = USER, data: Path | None = DATA) -> None:
    """Give yourself another password; your codes stay."""
    with _accounts(newest(data)) as accounts:
        proof = signer(user).proof
        accounts.change_password(user, proof, _new_password(user, NEW_SECRET))
    out.print(f"{user}: changed", highlight=False)


@app.command("confirm")
def confirm(user: str = USER, by: str = AS, data: Path | None = DATA) -> None:
    """Confirm that USER, whom you have seen, set the credential. Not for its owner, nor for who issued the code."""
    _do(data, Confirm(user=user), by)


@app.command("unlock")
def unlock(user: str = USER, why: str = WHY, by: str = AS, data: Path | None = DATA) -> None:
    """Unlock an account after wrong tries."""
    _do(data, Unlock(user=user, reason=why), by)


@app.command("roles")
def roles(user: str = USER, role: list[str] = ROLE, why: str = WHY, by: str = AS, data: Path | None = DATA) -> None:
    """Give a person other roles: those named here and no others."""
    _do(data, ChangeRoles(user=user, roles=tuple(role), reason=why), by)


@app.command("close")
def close(user: str = USER, why: str = WHY, by: str = AS, data: Path | None = DATA) -> None:
    """Close an account for good. Its user id is never given again."""
    _do(data, Close(user=user, reason=why), by)


@app.command("list")
def everybody(data: Path | None = DATA, json: bool = typer.Option(False, "--json", help="Say it as JSON.")) -> None:
    """Everybody that the record knows."""
    folder = newest(data)
    with readable_record(folder) as ledger:
        known = people_at(folder, ledger, ScaledClock()).everybody()
    if json:
        say_json([_document(each) for each in known])
        return
    shown = table(None, "user", "name", "roles", "state", "by", "credential set")
    for each in known:
        shown.add_row(each.user, each.printed_name, ", ".join(each.roles), *_said(each))
    out.print(shown)


@app.command("show")
def show(
    user: str = USER, data: Path | None = DATA, json: bool = typer.Option(False, "--json", help="Say it as JSON.")
) -> None:
    """One person: roles, state, how they prove who they are."""
    folder = newest(data)
    with readable_record(folder) as ledger:
        person = people_at(folder, ledger, ScaledClock()).person(user)
    if person is None:
        raise UserError(f"nobody has the user id {user!r}; see `cytoloop people list`")
    if json:
        say_json(_document(person))
        return
    shown = table(None, "", "")
    for name, value in _document(person).items():
        shown.add_row(name, ", ".join(map(str, value)) if isinstance(value, list) else str(value))
    out.print(shown)


@contextmanager
def _accounts(folder: Path) -> Iterator[Accounts]:
    """The accounts of the record of `folder`, for one act."""
    clock = ScaledClock()
    with acting_record(folder, clock) as ledger:
        yield Accounts(people_at(folder, ledger, clock))


def _do(data: Path | None, wanted: AccountAct, by: str) -> None:
    """Show what is signed, ask who signs, do it."""
    with _accounts(newest(data)) as accounts:
        _print(accounts.plan(wanted))
        code = accounts.do(wanted, signer(by))
    if code is None:
        out.print(f"{wanted.user}: done", highlight=False)
    else:
        out.print(f"one-time code for {wanted.user}, good for {INVITED_HOURS} h:  {code}", highlight=False)
        out.print(f"next: {wanted.user} runs `cytoloop people activate {wanted.user}`", highlight=False)


def _print(plan: Plan) -> None:
    said = ", ".join(f"{name} {value}" for name, value in plan.fields.items() if value is not None)
    out.print(f"you sign: {plan.act} ({said})", highlight=False, markup=False, soft_wrap=True)


def _shown_to_founder(founder: Founder, provisioning: Provisioning) -> str:
    _show(founder.printed_name, provisioning)
    return asked(f"Code that the app of {founder.printed_name} says now")


def _show(whose: str, provisioning: Provisioning) -> None:
    """The picture for the authenticator app, and its secret for a device without a camera."""
    import segno  # noqa: PLC0415  (only who sets a credential needs it)

    out.print(f"{whose}: scan this with an authenticator app", highlight=False, markup=False)
    segno.make(provisioning.uri).terminal(compact=True)
    out.print(f"or type this secret into it:  {provisioning.secret}", highlight=False, soft_wrap=True)


def _new_password(whose: str, variable: str) -> str:
    return asked(f"New password of {whose}", variable, hidden=True, twice=True)


def _said(person: Person) -> tuple[str, str, str]:
    method = "scripted" if person.scripted else person.method or "–"
    return person.state, method, f"{person.credential_at:%Y-%m-%d}" if person.credential_at else "–"


def _document(person: Person) -> dict[str, JSON]:
    plain = asdict(person)
    kept = ("user", "printed_name", "zone", "scripted", "method", "fingerprint")
    return {
        **{name: plain[name] for name in kept},
        "roles": list(person.roles),
        "state": person.state,
        "issuers": sorted(person.issuers),
        "credential_at": person.credential_at.isoformat() if person.credential_at else None,
    }
