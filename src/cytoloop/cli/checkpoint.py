"""`cytoloop checkpoint`: publish the tree head, prove what is under it, and let others witness it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import typer

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.keys import load_key
from cytoloop.app.keyring import Keyring, held, rotate_key
from cytoloop.app.publishing import accept_cosignature, publish, published, states
from cytoloop.app.records import open_record, readable_store
from cytoloop.app.settings import read_settings
from cytoloop.app.witnessing import cosign, new_witness
from cytoloop.cli.data import DATA, newest
from cytoloop.cli.output import out, read_text, say_json, table, write_text
from cytoloop.cli.stamp import stamp_command
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON
from cytoloop.core.store import Store
from cytoloop.record.checkpoint import continuation_text, parse_checkpoint, proof_text
from cytoloop.record.ledger import Ledger
from cytoloop.record.note import parse_key, parse_note
from cytoloop.record.proof import Levels

app = typer.Typer(
    help="Checkpoints: publish the tree head as a signed note, prove what is under it, let others witness it.",
    no_args_is_help=True,
)
app.command("stamp")(stamp_command)

TO = typer.Option(None, "--to", metavar="FILE", help="File to write; the output when left out.")
AT = typer.Option(None, "--at", metavar="SIZE", help="The checkpoint over so many entries; the newest when left out.")


@app.command("publish")
def publish_command(data: Path | None = DATA, to: Path | None = TO) -> None:
    """Sign the tree head as a checkpoint and hand it out; the first time the record gets its key and its name."""
    folder = newest(data)
    with _acting(folder) as (ledger, store):
        note = publish(ledger, store, folder, ScaledClock(), read_settings(folder).origin)
    _hand_out(note, to)


@app.command("show")
def show(data: Path | None = DATA, json: bool = typer.Option(False, "--json", help="Say it as JSON.")) -> None:
    """How many entries are sequenced, integrated, published and witnessed, and the keys that sign."""
    with readable_store(newest(data)) as store:
        found = states(Ledger(store, ScaledClock()), store)
    counts = {each: getattr(found, each) for each in ("sequenced", "integrated", "published", "witnessed")}
    if json:
        keys: list[JSON] = [{"key": k.key.text, "introduced": k.introduced, "retired": k.retired} for k in found.keys]
        say_json({"origin": found.origin, **counts, "keys": keys})
        return
    out.print(f"record {found.origin or 'without a name: nothing was published yet'}", highlight=False, soft_wrap=True)
    for name, count in counts.items():
        out.print(f"{name:<11} {count:>9,} entries", highlight=False)
    for each in found.keys:
        until = "in force" if each.retired is None else f"to entry {each.retired}"
        out.print(f"key {each.key.text} (from entry {each.introduced}, {until})", highlight=False, soft_wrap=True)


@app.command("list")
def list_checkpoints(data: Path | None = DATA, json: bool = typer.Option(False, "--json", help="As JSON.")) -> None:
    """Every checkpoint that was published, with who signed it."""
    with readable_store(newest(data)) as store:
        sizes = sorted({each.size for each in store.attestations() if each.kind == "checkpoint"})
        notes = [parse_note(str(published(store, size))) for size in sizes]
    lines = [(parse_checkpoint(note.text).head, [line.name for line in note.lines]) for note in notes]
    if json:
        say_json([{"size": head.size, "root": head.root.hex(), "signed_by": [*names]} for head, names in lines])
        return
    shown = table(None, ">entries", "root", "signed by")
    for head, names in lines:
        shown.add_row(f"{head.size:,}", head.root.hex(), ", ".join(names))
    out.print(shown)


@app.command("prove")
def prove(
    entry: int = typer.Argument(..., min=0, help="Sequence of the entry."),
    data: Path | None = DATA,
    at: int | None = AT,
    to: Path | None = TO,
) -> None:
    """Proof that an entry is under a checkpoint, as one text (C2SP tlog-proof)."""
    with readable_store(newest(data)) as store:
        note = _published(store, at)
        size = parse_checkpoint(parse_note(note).text).head.size
        text = proof_text(entry, Levels(store.leaf_hashes()).inclusion(entry, size), note)
    _hand_out(text, to)


@app.command("consistency")
def consistency(
    old: int = typer.Argument(..., min=0, help="Entries under the older checkpoint."),
    new: int | None = typer.Argument(None, min=0, help="Entries under the newer one; the newest when left out."),
    data: Path | None = DATA,
    to: Path | None = TO,
) -> None:
    """Proof that a checkpoint continues an older one: what a witness asks for (C2SP tlog-witness)."""
    with readable_store(newest(data)) as store:
        note = _published(store, new)
        size = parse_checkpoint(parse_note(note).text).head.size
        text = continuation_text(old, Levels(store.leaf_hashes()).consistency(old, size), note)
    _hand_out(text, to)


@app.command("accept")
def accept(
    file: Path = typer.Argument(..., metavar="FILE", help="Checkpoint with a witness's line under it."),
    data: Path | None = DATA,
) -> None:
    """Keep what a witness signed; whom to trust stands in `witnesses.txt` of the data folder."""
    folder = newest(data)
    with closing(open_record(folder)) as store:
        by = accept_cosignature(store, folder, read_text(file, "checkpoint"))
    names = ", ".join(each.key.name for each in by)
    out.print(f"kept: cosigned by {names}", highlight=False, soft_wrap=True)


@app.command("rotate-key")
def rotate(
    reason: str = typer.Option(..., help="Why the key changes; it stands in the record."),
    lost: bool = typer.Option(False, "--lost", help="The old key is gone: nothing but the record vouches for the new."),
    data: Path | None = DATA,
    to: Path | None = TO,
) -> None:
    """Put a new key in the place of the old one, which signs for it once more and is destroyed."""
    folder = newest(data)
    with _acting(folder) as (ledger, store):
        ring = Keyring(ledger=ledger, store=store, folder=folder, clock=ScaledClock())
        with held(ring):
            key = rotate_key(ring, reason, lost=lost)
        note = publish(ledger, store, folder, ScaledClock())
    out.print(f"new key {key.text}", highlight=False, soft_wrap=True)
    _hand_out(note, to)


@app.command("witness-key")
def witness_key(
    name: str = typer.Argument(..., help="Name of the witness, like witness.example.org."),
    to: Path = typer.Option(..., "--to", metavar="FILE", help="File to keep the private key in."),
) -> None:
    """Make a key to witness other records with; its public half goes into their `witnesses.txt`."""
    out.print(new_witness(name, to).text, highlight=False, soft_wrap=True)


@app.command("cosign")
def cosign_command(
    file: Path = typer.Argument(..., metavar="FILE", help="What `checkpoint consistency` or `publish` gave."),
    key: Path = typer.Option(..., metavar="KEYFILE", help="The witness's own key (`checkpoint witness-key`)."),
    log: str = typer.Option(..., metavar="VKEY", help="Verifier key of the record that is witnessed."),
    since: Path = typer.Option(..., metavar="FILE", help="Where the checkpoint signed last is remembered."),
    first: bool = typer.Option(False, "--first", help="This is the first checkpoint of that record ever seen here."),
    to: Path | None = TO,
) -> None:
    """Sign, as a witness, that a record only grew since the checkpoint signed last; a fork is refused (exit 1)."""
    note = cosign(
        read_text(file, "checkpoint"),
        key=load_key(key),
        log=parse_key(log),
        seen=since,
        clock=ScaledClock(),
        first=first,
    )
    _hand_out(note.document, to)


@contextmanager
def _acting(folder: Path) -> Iterator[tuple[Ledger, Store]]:
    with closing(open_record(folder)) as store:
        yield Ledger(store, ScaledClock()), store


def _published(store: Store, size: int | None) -> str:
    note = published(store, size)
    if note is None:
        over = "" if size is None else f" over {size} entries"
        raise UserError(f"there is no checkpoint{over}; `cytoloop checkpoint list` names them, `publish` makes one")
    return note


def _hand_out(text: str, to: Path | None) -> None:
    if to is None:
        typer.echo(text, nl=False)
    else:
        write_text(text, to)
        out.print(f"written to {to}", highlight=False, soft_wrap=True)
