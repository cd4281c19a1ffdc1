"""`cytoloop init` and `cytoloop store`: where a record is kept, and who may append to it."""

from pathlib import Path

import typer

from cytoloop.adapters import postgres
from cytoloop.adapters.engine import make_engine
from cytoloop.adapters.files import remove
from cytoloop.app.records import holds_record, open_record
from cytoloop.app.settings import FILE, ZONE, Settings, settings_text, write_settings
from cytoloop.app.working import engine_address
from cytoloop.cli.output import out
from cytoloop.core.errors import CytoloopError, UserError

app = typer.Typer(help="Stores: make a record's schema in a PostgreSQL database.", no_args_is_help=True)

STORE = typer.Option(
    None, metavar="URL", help="Keep the record in a PostgreSQL database: postgresql://role@host:port/database."
)


def init(
    folder: Path = typer.Argument(..., metavar="DIR", help="Data folder: not there yet, or without a record."),
    store: str | None = STORE,
    origin: str | None = typer.Option(None, metavar="NAME", help="The record's name on its checkpoints."),
    zone: str = typer.Option(ZONE, metavar="ZONE", help="The site's time zone."),
) -> None:
    """Make a data folder with its settings and an empty record."""
    settings = Settings(store=store, origin=origin, zone=zone)
    if (folder / FILE).exists():
        raise UserError(f"{folder} is in use already; its settings are in {folder / FILE}")
    if holds_record(folder):
        raise UserError(f"{folder} holds a record already; name a folder without one")
    entries = prepare(folder, settings)
    _say(f"{folder} is ready: a record of {entries:,} entries, settings in {folder / FILE}")


def prepare(folder: Path, settings: Settings, *, empty: bool = False) -> int:
    """Write the settings of a new data folder and make its record; how many entries the record has.

    A database may hold one already, which the folder then shares, unless it must be `empty`: then UserError. Nothing
    is written when the settings may not stand as they are, and no settings are left when the record cannot be made.
    """
    settings_text(folder, settings)
    kept = None
    if settings.store is not None:
        store = postgres.open_store(settings.store, create=True)
        kept = store.head()
        store.close()
    if kept is not None and empty:
        raise UserError(f"the database holds a record of {kept.size} entries; name another schema with ?schema=NAME")
    write_settings(folder, settings)
    try:
        open_record(folder, create=True).close()
    except CytoloopError:
        remove(folder / FILE)
        raise
    return kept.size if kept else 0


@app.command("init")
def init_store(
    url: str = typer.Argument(..., metavar="URL", help="Database, connected to as the role that owns it."),
    app_role: str | None = typer.Option(
        None, metavar="ROLE", help="Role the product runs as: it may read and append, nothing else."
    ),
    workers: bool = typer.Option(False, "--workers", help="Also make the engine's schema, for several workers."),
) -> None:
    """Make the schema of a record, as its owner; called again it changes nothing but the rights of --app-role."""
    where = postgres.address(url)
    made = postgres.make_record(where)
    if app_role is not None:
        postgres.grant_to(app_role, where)
    _say(f"schema {where.schema} of {where.shown} {'is made' if made else 'was there'}")
    if workers:
        engine = engine_address(url)
        made = make_engine(engine, app_role)
        _say(f"schema {engine.schema} of {engine.shown} {'is made' if made else 'was there'}, for workers")
    if app_role is not None:
        _say(f"{app_role} may read it and append to it, and nothing else")


def _say(text: str) -> None:
    out.print(text, highlight=False, soft_wrap=True, markup=False)
