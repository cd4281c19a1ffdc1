"""Options of every command that goes over a connection to a plant."""

import typer

from cytoloop.adapters.opcua.security import DEFAULT, MODES, PASSWORD, POLICIES

SECURITY = typer.Option(
    None,
    "--security",
    metavar="DIR",
    help="Security folder with our certificate and those we trust; else no encryption.",
)
POLICY = typer.Option(DEFAULT[0], "--policy", help=f"Security policy: {', '.join(POLICIES)}.")
MODE = typer.Option(DEFAULT[1], "--mode", help=f"Message security: {' or '.join(MODES)}.")
USER = typer.Option("", "--user", help="User name to sign in with.")
PASSWORD_FILE = typer.Option(
    None, "--password-file", metavar="FILE", help=f"File with the password, its owner's only; else ${PASSWORD}."
)
