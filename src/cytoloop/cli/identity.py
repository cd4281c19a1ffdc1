"""`cytoloop identity`: who a pseudonym is. Every look is signed and stands in the record before anything is shown."""

import os
from pathlib import Path

import typer

from cytoloop.app.identities import NEW_PASSPHRASE, erase, look_up, open_vault, rekey
from cytoloop.cli.acting import acting
from cytoloop.cli.data import DATA, newest
from cytoloop.cli.output import out, say_json
from cytoloop.cli.signer import AS, signer

app = typer.Typer(help="Who a pseudonym is: list, look up, erase, encrypt anew.", no_args_is_help=True)

SUBJECT = typer.Argument(..., metavar="SUBJECT", help="Subject pseudonym.")
WHY = typer.Option(..., "--why", metavar="TEXT", help="Reason, in a sentence.", prompt="Reason")


@app.command("list")
def list_identities(
    data: Path | None = DATA, json: bool = typer.Option(False, "--json", help="Say it as JSON.")
) -> None:
    """Pseudonyms whose identity is kept; no identity is shown."""
    subjects = open_vault(newest(data)).subjects()
    if json:
        say_json(list(subjects))
        return
    for subject in subjects:
        out.print(subject, highlight=False)
    out.print(f"{len(subjects)} identities are kept, encrypted", highlight=False)


@app.command("show")
def show(subject: str = SUBJECT, why: str = WHY, user: str = AS, data: Path | None = DATA) -> None:
    """Look up who a pseudonym is. The signed look-up is in the record before the identity is shown."""
    with acting(data) as desk:
        found = look_up(desk.people, open_vault(desk.folder), signer(user), subject, why)
    for name, value in found.items():
        told = ", ".join(str(each) for each in value) if isinstance(value, list) else str(value)
        out.print(f"{name.replace('_', ' ') + ':':<14}{told}", highlight=False, soft_wrap=True, markup=False)


@app.command("erase")
def erase_identity(subject: str = SUBJECT, why: str = WHY, user: str = AS, data: Path | None = DATA) -> None:
    """Erase who a pseudonym is, for good. The record keeps the pseudonym, and nobody can resolve it again."""
    with acting(data) as desk:
        erase(desk.people, open_vault(desk.folder), signer(user), subject, why)
    out.print(f"the identity of {subject} is erased here; erase it in copies made before, too", highlight=False)


@app.command("rekey")
def rekey_identities(why: str = WHY, user: str = AS, data: Path | None = DATA) -> None:
    """Encrypt all identities again under a new key; CYTOLOOP_VAULT_NEW_PASSPHRASE wraps it with a passphrase."""
    with acting(data) as desk:
        new = os.environ.get(NEW_PASSPHRASE) or None
        count = rekey(desk.people, open_vault(desk.folder), signer(user), why, new)
    out.print(f"{count} identities are encrypted under a new key", highlight=False)
