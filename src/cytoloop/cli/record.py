"""`cytoloop verify` and `cytoloop serve`: the record checked, and the record as pages."""

from pathlib import Path

import typer

from cytoloop.app.records import readable_record, readable_store
from cytoloop.app.verifying import Checked, Noted, verify_record
from cytoloop.app.verifying_telemetry import TelemetryChecked, verify_telemetry_of
from cytoloop.cli.bundle import verify_bundle
from cytoloop.cli.data import newest, tree_head
from cytoloop.cli.output import err, out, progress, read_text, say_json
from cytoloop.core.errors import UserError
from cytoloop.record.bundle import MANIFEST
from cytoloop.record.note import parse_key


def verify(
    folder: Path = typer.Argument(..., metavar="PATH", help="Data folder, or a bundle (a file)."),
    head: str | None = typer.Option(None, metavar="HEX", help="Tree head of a data folder that was noted before."),
    checkpoint: Path | None = typer.Option(
        None, metavar="FILE", help="Checkpoint that was noted before; the record must begin with it."
    ),
    key: str | None = typer.Option(
        None, metavar="VKEY", help="Verifier key that was handed over by another way; it must have signed."
    ),
    tsa_ca: Path | None = typer.Option(
        None, metavar="PEM", help="Certificates of the time-stamping authority, for the time stamps of a bundle."
    ),
    processes: int = typer.Option(0, min=0, max=64, help="Processes that share the work; 0: as many as pay."),
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """Recompute the record, or check a bundle, and name the first thing that does not fit (exit 1)."""
    if folder.is_file():
        _only("--head", head, "a data folder; of a bundle name a checkpoint with --checkpoint")
        verify_bundle(folder, key=key, checkpoint=checkpoint, authority=tsa_ca, json=json)
        return
    _only("--tsa-ca", tsa_ca, "a bundle; export one and name it")
    _check_folder(folder)
    noted = Noted(
        root=tree_head(head),
        checkpoint=read_text(checkpoint, "checkpoint") if checkpoint else None,
        key=None if key is None else parse_key(key),
    )
    with progress() as bars:
        task = bars.add_task("verify", total=_size(folder))
        checked = verify_record(folder, noted, lambda done: bars.update(task, completed=done), processes)
        telemetry = verify_telemetry_of(folder)
    if json:
        say_json(
            {
                "entries": checked.head.size,
                "tree_head": checked.head.root.hex(),
                "checkpoints": checked.checkpoints,
                "published": checked.published,
                "witnesses": list(checked.witnesses),
                "telemetry": {
                    "segments": telemetry.segments,
                    "readings": telemetry.readings,
                    "unsealed": telemetry.unsealed,
                    "elsewhere": telemetry.elsewhere,
                },
                "verified": True,
            }
        )
        return
    _say(checked)
    _say_telemetry(telemetry)


def _only(option: str, value: object, of: str) -> None:
    """UserError when an option is given that would be passed over here: nobody may take it for checked."""
    if value is not None:
        raise UserError(f"{option} is for {of}")


def _check_folder(folder: Path) -> None:
    """UserError when there is no folder, or when it is a bundle that was unpacked."""
    if not folder.is_dir():
        raise UserError(f"there is no data folder and no bundle at {folder}; name one or the other")
    if (folder / MANIFEST).exists():
        raise UserError(
            f"{folder} is a bundle that was unpacked; name the file as it was exported, or check the folder with "
            f"`python verify.py {folder}`"
        )


def _say(checked: Checked) -> None:
    size, root = checked.head
    out.print(f"{size:,} entries fit; tree head {root.hex()}", highlight=False, soft_wrap=True)
    if checked.checkpoints:
        holds = "1 checkpoint holds" if checked.checkpoints == 1 else f"{checked.checkpoints} checkpoints hold"
        out.print(
            f"{holds}, the newest over {checked.published:,} entries"
            + (f"; witnessed by {', '.join(checked.witnesses)}" if checked.witnesses else ""),
            highlight=False,
            soft_wrap=True,
        )
    for name in checked.strangers:
        out.print(f"note: {name} cosigned and is not in witnesses.txt: not checked", highlight=False, soft_wrap=True)


def _say_telemetry(checked: TelemetryChecked) -> None:
    if checked.segments:
        out.print(f"{checked.readings:,} readings in {checked.segments} segments fit", highlight=False)
    if checked.elsewhere:
        out.print(
            f"{checked.elsewhere:,} segments are in other folders of this record: not checked here", highlight=False
        )
    if checked.unsealed:
        out.print(f"{checked.unsealed:,} readings are not sealed yet: nothing protects them", highlight=False)


def _size(folder: Path) -> int:
    with readable_store(folder) as store:
        kept = store.head()
    return kept.size if kept else 0


def serve(
    folder: Path | None = typer.Argument(None, metavar="[DIR]", help="Data folder; the newest when left out."),
    host: str = typer.Option("127.0.0.1", help="Address to serve on."),
    port: int = typer.Option(8818, min=0, max=65535, help="Port; 0 for any free one."),
) -> None:
    """Serve the pages of a data folder until Ctrl-C."""
    serve_folder(newest(folder), host, port)


def serve_folder(folder: Path, host: str, port: int) -> None:
    """Serve the pages of `folder`; returns when it was stopped."""
    from cytoloop.web.app import demand_people, make_app  # noqa: PLC0415  (charts take a second to import)
    from cytoloop.web.serve import caution  # noqa: PLC0415
    from cytoloop.web.serve import serve as serve_app  # noqa: PLC0415

    with readable_record(folder) as ledger:
        app = make_app(lambda: ledger, folder)
        demand_people(app, folder, host)
        if note := caution(host):
            err.print(f"[yellow]note:[/] {note}", highlight=False, soft_wrap=True)
        serve_app(app, host, port, lambda address: out.print(f"pages:  {address}   (Ctrl-C stops)", highlight=False))
