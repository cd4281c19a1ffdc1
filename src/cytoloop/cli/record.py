"""`cytoloop verify` and `cytoloop serve`: the record checked, and the record as pages."""

from pathlib import Path

import typer

from cytoloop.app.bootstrap import readable_record, readable_store
from cytoloop.cli.data import newest
from cytoloop.cli.output import out, progress, say_json
from cytoloop.record.verify import verify as verify_store


def verify(
    folder: Path = typer.Argument(..., metavar="DIR", help="Data folder."),
    head: str | None = typer.Option(None, metavar="HEX", help="Tree head that was noted before; it must be the same."),
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """Recompute the record and name the first entry that does not fit (exit 1)."""
    with readable_store(folder) as store, progress() as bars:
        kept = store.head()
        task = bars.add_task("verify", total=kept.size if kept else 0)
        verified = verify_store(store, lambda done: bars.update(task, completed=done), expected_root=head)
    root = verified.tree_head.root.hex()
    if json:
        say_json({"entries": verified.entries, "tree_head": root, "verified": True})
    else:
        out.print(f"{verified.entries:,} entries fit; tree head {root}", highlight=False, soft_wrap=True)


def serve(
    folder: Path | None = typer.Argument(None, metavar="[DIR]", help="Data folder; the newest when left out."),
    host: str = typer.Option("127.0.0.1", help="Address to serve on."),
    port: int = typer.Option(8818, min=0, max=65535, help="Port; 0 for any free one."),
) -> None:
    """Serve the pages of a data folder until Ctrl-C."""
    serve_folder(newest(folder), host, port)


def serve_folder(folder: Path, host: str, port: int) -> None:
    """Serve the pages of `folder`; returns when it was stopped."""
    from cytoloop.web.app import make_app  # noqa: PLC0415  (charts take a second to import)
    from cytoloop.web.serve import serve as serve_app  # noqa: PLC0415

    with readable_record(folder) as ledger:
        app = make_app(lambda: ledger)
        serve_app(app, host, port, lambda address: out.print(f"pages:  {address}   (Ctrl-C stops)", highlight=False))
