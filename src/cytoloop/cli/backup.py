"""`cytoloop backup`, `cytoloop restore`, `cytoloop upgrade`: the record put away, brought back, carried forward."""

import os
from pathlib import Path

import typer

from cytoloop.adapters.archive import read_archive
from cytoloop.adapters.clocks import ScaledClock
from cytoloop.app.backup import back_up
from cytoloop.app.restoring import Wish, restore
from cytoloop.app.upgrading import upgrade
from cytoloop.cli.data import DATA, newest, tree_head
from cytoloop.cli.output import out, progress, say_json
from cytoloop.core.errors import UserError

PASSPHRASE = "CYTOLOOP_BACKUP_PASSPHRASE"
"""Name of the environment variable that opens the keys in a backup; asked for when it is not set."""
SHORTEST = 12
"""Characters of a passphrase at least."""


def backup(
    to: Path = typer.Option(..., "--to", metavar="FILE", help="New file to write."),
    data: Path | None = DATA,
    with_keys: bool = typer.Option(
        False, "--with-keys", help=f"Also the keys, sealed with a passphrase ({PASSPHRASE}, or asked for)."
    ),
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """Copy a data folder into one file, also while it is in use. All of it is verified first."""
    folder = newest(data)
    passphrase = _new_passphrase() if with_keys else None
    with progress() as bars:
        task = bars.add_task("verify", total=None)
        made = back_up(
            folder, to, ScaledClock(), passphrase=passphrase, tick=lambda done: bars.update(task, completed=done)
        )
    root = made.head.root.hex()
    if json:
        say_json({"entries": made.head.size, "tree_head": root, "sha256": made.sha256, "keys": made.keys})
        return
    _say(f"{made.head.size:,} entries backed up to {to}; tree head {root}")
    _say(f"sha256 {made.sha256}")
    if made.keys_left_out:
        _say("without its keys, which pseudonyms, identities and checkpoints need; --with-keys puts them in, sealed")
    if not made.told:
        _say(f"the record is of an earlier release and has no entry of this backup; `cytoloop upgrade {folder}`")


def restore_command(
    file: Path = typer.Argument(..., metavar="FILE", help="Backup."),
    to: Path = typer.Option(..., "--to", metavar="DIR", help="Data folder to make: not there yet, or empty."),
    why: str = typer.Option(..., "--why", prompt="Why is it restored", help="Reason; it becomes an entry."),
    store: str | None = typer.Option(None, metavar="URL", help="Keep the record in this PostgreSQL database instead."),
    head: str | None = typer.Option(None, metavar="HEX", help="Tree head that was noted before; it must be the same."),
    without_keys: bool = typer.Option(False, "--without-keys", help="Leave the keys in the backup."),
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """Bring a backup back into an empty place, once its record gave the same tree head again."""
    if not why.strip():
        raise UserError("a record is not restored without a reason; say it with --why")
    wanted = not without_keys and read_archive(file).has_keys
    wish = Wish(
        backup=file, to=to, reason=why.strip(), store=store, root=tree_head(head),
        passphrase=_passphrase() if wanted else None,
    )  # fmt: skip
    with progress() as bars:
        task = bars.add_task("verify", total=None)
        proven = restore(wish, ScaledClock(), lambda done: bars.update(task, completed=done))
    root = proven.root.hex()
    if json:
        say_json({"entries": proven.size, "tree_head": root, "verified": True})
    else:
        _say(f"{proven.size:,} entries restored into {to}; every one fits; tree head {root}, as it was backed up")


def upgrade_command(
    folder: Path = typer.Argument(..., metavar="DIR", help="Data folder."),
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """Bring a record of an earlier release to today's format. No entry is touched; the old file is kept."""
    with progress() as bars:
        task = bars.add_task("verify", total=None)
        done = upgrade(folder, ScaledClock(), lambda entries: bars.update(task, completed=entries))
    if json:
        say_json({"upgraded": done is not None})
    elif done is None:
        _say(f"the record of {folder} has today's format already; nothing was changed")
    else:
        _say(
            f"the record of {folder} went from format {done.from_format} to {done.to_format}; its "
            f"{done.before.size:,} entries are as they were, tree head {done.before.root.hex()}; the old file is "
            f"{done.kept}"
        )


def _new_passphrase() -> str:
    found = os.environ.get(PASSPHRASE) or typer.prompt(
        "Passphrase of the keys", hide_input=True, confirmation_prompt=True, err=True
    )
    if len(found) < SHORTEST:
        raise UserError(f"the passphrase has {len(found)} characters; choose one of at least {SHORTEST}")
    return str(found)


def _passphrase() -> str:
    return os.environ.get(PASSPHRASE) or str(typer.prompt("Passphrase of the keys", hide_input=True, err=True))


def _say(text: str) -> None:
    out.print(text, highlight=False, soft_wrap=True, markup=False)
