"""`cytoloop`: the command line's entry, and the one place where errors become exit codes.

0: done. 1: something was found (a record that does not fit, a pack with mistakes). 2: the user's mistake.
"""

import sys

import typer

from cytoloop import __version__
from cytoloop.cli import (
    alarm,
    audit,
    backup,
    batch,
    bench,
    checkpoint,
    dataset,
    demo,
    equipment,
    identity,
    importing,
    line,
    order,
    outcome,
    pack,
    people,
    plant,
    recipe,
    record,
    simulate,
    sparkplug,
    store,
    telemetry,
    twin,
    work,
    worker,
)
from cytoloop.cli.output import err
from cytoloop.core.errors import CytoloopError, FindingError

STOPPED = 130
"""Exit code after Ctrl-C, as shells count it."""

app = typer.Typer(
    name="cytoloop",
    help="Runs a cell or gene therapy as one closed loop: clinic, production, quality and compliance, feedback, a "
    "signed change, the next batch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("serve")(record.serve)
app.command("worker")(worker.worker)
app.command("verify")(record.verify)
app.command("audit")(audit.audit)
app.command("simulate")(simulate.simulate)
app.command("init")(store.init)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore_command)
app.command("upgrade")(backup.upgrade_command)
app.add_typer(alarm.app, name="alarm")
app.add_typer(batch.app, name="batch")
app.add_typer(checkpoint.app, name="checkpoint")
app.add_typer(dataset.app, name="dataset")
app.add_typer(recipe.app, name="recipe")
app.add_typer(pack.app, name="pack")
app.add_typer(people.app, name="people")
app.add_typer(importing.app, name="import")
app.add_typer(identity.app, name="identity")
app.add_typer(telemetry.app, name="telemetry")
app.add_typer(twin.app, name="twin")
plant.app.command("sparkplug")(sparkplug.serve)
plant.app.command("listen")(sparkplug.listening)
app.add_typer(plant.app, name="plant")
app.add_typer(line.app, name="line")
app.add_typer(order.app, name="order")
app.add_typer(outcome.app, name="outcome")
app.add_typer(work.app, name="work")
app.add_typer(equipment.app, name="equipment")
app.add_typer(bench.app, name="bench")
app.add_typer(store.app, name="store")


def _version(shown: bool) -> None:
    if shown:
        typer.echo(f"cytoloop {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Options of every command."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; errors are told in one sentence on the error stream."""
    try:
        code = app(arguments, standalone_mode=False, prog_name="cytoloop")
        if code == STOPPED:
            return _stopped()
        return code if isinstance(code, int) else 0
    except FindingError as error:
        return _told(error, 1)
    except CytoloopError as error:
        return _told(error, 2)
    except typer.TyperException as error:
        return _misread(error)
    except (typer.Abort, KeyboardInterrupt):
        return _stopped()
    except BrokenPipeError:
        return 0


def _misread(error: typer.TyperException) -> int:
    """A command line that cannot be read; a bare group (`cytoloop batch`) has shown its help instead."""
    said = error.format_message().rstrip(".")
    return _told(f"{said}; `--help` after a command shows what it takes", 2) if said else 2


def _stopped() -> int:
    return _told("stopped; everything that was acknowledged is in the record", STOPPED)


def _told(error: object, code: int) -> int:
    err.print(f"[bold red]cytoloop:[/] {_plain(str(error))}", highlight=False, soft_wrap=True)
    return code


def _plain(text: str) -> str:
    return text.replace("[", "\\[")


if __name__ == "__main__":
    main()
