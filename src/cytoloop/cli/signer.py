"""Who signs at the console: `--as USER`, then the password and the code of the moment, asked each time.

For scripts the environment gives them: CYTOLOOP_SECRET and CYTOLOOP_CODE. A passkey is used on the pages only.
"""

import os

import typer

from cytoloop.app.people import Signer
from cytoloop.core.errors import UserError
from cytoloop.core.signature import Password

SECRET, CODE = "CYTOLOOP_SECRET", "CYTOLOOP_CODE"
CONSOLE = "console"

AS = typer.Option(..., "--as", metavar="USER", help="User id of who signs; password and code are asked.")


def signer(user: str) -> Signer:
    """Who acts, with the password and code they type now."""
    secret = asked(f"Password of {user}", SECRET, hidden=True)
    code = asked("Code of the moment", CODE)
    return Signer(user=user, proof=Password(secret=secret, code=code), source=CONSOLE)


def asked(question: str, variable: str | None = None, *, hidden: bool = False, twice: bool = False) -> str:
    """What the person types, or what the environment says; UserError when neither is there."""
    given = os.environ.get(variable) if variable else None
    if given is not None:
        return given
    try:
        return str(typer.prompt(question, hide_input=hidden, confirmation_prompt=twice, err=True))
    except typer.Abort as error:
        hint = f"; set {variable} where nobody types" if variable else ""
        raise UserError(f"{question}: nothing was typed{hint}") from error
