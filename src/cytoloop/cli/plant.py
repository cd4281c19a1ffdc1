"""`cytoloop plant`: the simulated facility as a plant of its own, and what a secured connection to a plant needs."""

import asyncio
import logging
from pathlib import Path

import typer

from cytoloop.adapters.opcua.certificates import DAYS, make_certificate
from cytoloop.adapters.opcua.security import PASSWORD, Access, ServerSecurity, password_from
from cytoloop.adapters.opcua.users import add_user
from cytoloop.app.packs import read_pack
from cytoloop.app.plant import look_at, run_plant
from cytoloop.cli import sparkplug
from cytoloop.cli.connection import MODE, PASSWORD_FILE, POLICY, SECURITY, USER
from cytoloop.cli.output import out, table

app = typer.Typer(help="The simulated facility, and the connection to a plant behind OPC UA.", no_args_is_help=True)


@app.command("serve")
def serve(
    pack: str = typer.Option("car_t_cd19", help="Pack whose plant is simulated."),
    host: str = typer.Option("127.0.0.1", help="Address to serve on."),
    port: int = typer.Option(4840, min=1, max=65535, help="Port of the OPC UA endpoint."),
    seed: int = typer.Option(1, min=0, help="Seed of donors, noise and faults."),
    factor: float = typer.Option(1.0, min=0.001, help="How many times as fast as the wall the plant's clock runs."),
    nodesets: Path | None = typer.Option(
        None,
        metavar="DIR",
        help="Folder of the OPC Foundation's nodesets (DI, Machinery, LADS); else types are declared.",
    ),
    security: Path | None = typer.Option(
        None, metavar="DIR", help="Security folder: encrypted lines from trusted certificates only."
    ),
    users: Path | None = typer.Option(
        None, metavar="FILE", help="Users who may sign in (`cytoloop plant user`); needs --security."
    ),
) -> None:
    """Serve the simulated facility as a LADS server (OPC 30500-1) until Ctrl-C."""
    _quiet()
    endpoint = f"opc.tcp://{host}:{port}/cytoloop"
    asked = ServerSecurity(folder=security, users=users)
    served = run_plant(read_pack(pack), endpoint, seed, factor, _say, nodesets=nodesets, security=asked)
    asyncio.run(served)


@app.command("look")
def look(
    endpoint: str = typer.Argument(help="For example opc.tcp://127.0.0.1:4840/cytoloop."),
    security: Path | None = SECURITY,
    policy: str = POLICY,
    mode: str = MODE,
    user: str = USER,
    password_file: Path | None = PASSWORD_FILE,
) -> None:
    """Say what equipment is behind an OPC UA endpoint, found by the types of LADS, and how its clock stands."""
    _quiet()
    access = Access(folder=security, policy=policy, mode=mode, user=user, password_file=password_file)
    seen = asyncio.run(look_at(endpoint, access))
    shown = table(
        f"{endpoint}: {len(seen.equipment)} devices", "equipment", "class", "signals", "set-points", "programs"
    )
    for each in seen.equipment:
        shown.add_row(each.name, each.equipment_class, *(", ".join(names) for names in each.names))
    out.print(shown)
    memory = (
        "remembers commands by their keys" if seen.remembers else "follows LADS alone: a person is asked after a crash"
    )
    _say(f"clock: {seen.difference:+.1f} s against ours; {memory}")


@app.command("certificate")
def certificate(
    to: Path = typer.Option(..., metavar="DIR", help="Security folder to make it in."),
    uri: str = typer.Option("", help="Application URI: urn:<host>:cytoloop when left out."),
    host: str = typer.Option("", help="Name or address of this machine on its network."),
    days: int = typer.Option(DAYS, min=1, max=3650, help="Days that it is valid."),
) -> None:
    """Make an own certificate and its key for an OPC UA connection."""
    path = make_certificate(to, uri, host, days=days)
    out.print(
        f"certificate: {path}; give it to the other side to trust, never the key beside it",
        highlight=False,
        soft_wrap=True,
    )


@app.command("user")
def user(
    name: str = typer.Argument(help="User name."),
    users: Path = typer.Option(..., metavar="FILE", help="File of users; made when it is not there."),
    password_file: Path | None = PASSWORD_FILE,
) -> None:
    """Let a user sign in to a served plant; the password is read from a file or the environment, or asked for."""
    password = password_from(password_file) or typer.prompt("password", hide_input=True, confirmation_prompt=True)
    add_user(users, name, password)
    out.print(
        f"{name} may sign in with the password given ({PASSWORD} or a file on the other side)",
        highlight=False,
        soft_wrap=True,
    )


def _say(text: str) -> None:
    out.print(text, highlight=False, soft_wrap=True)


def _quiet() -> None:
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # what goes wrong is said in one sentence of our own


app.command("sparkplug")(sparkplug.serve)
app.command("listen")(sparkplug.listening)
