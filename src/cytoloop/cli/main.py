"""`cytoloop`: the command line's entry, and the one place where errors become exit codes.

0: done. 1: something was found (a record that does not fit, a pack with mistakes). 2: the user's mistake.
"""

import sys
from importlib import import_module

import typer

from cytoloop import __version__
from cytoloop.cli.output import err
from cytoloop.core.errors import CytoloopError, FindingError

STOPPED = 130
"""Exit code after Ctrl-C, as shells count it."""

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "demo"),
    "serve": ("record", "serve"),
    "worker": ("worker", "worker"),
    "verify": ("record", "verify"),
    "audit": ("audit", "audit"),
    "simulate": ("simulate", "simulate"),
    "init": ("store", "init"),
    "backup": ("backup", "backup"),
    "restore": ("backup", "restore_command"),
    "upgrade": ("backup", "upgrade_command"),
}
"""Command -> the module of `cytoloop.cli` it stands in, and its function there."""

GROUPS: dict[str, str] = {
    "alarm": "alarm",
    "batch": "batch",
    "checkpoint": "checkpoint",
    "dataset": "dataset",
    "recipe": "recipe",
    "proposal": "proposal",
    "pack": "pack",
    "people": "people",
    "import": "importing",
    "identity": "identity",
    "telemetry": "telemetry",
    "twin": "twin",
    "campaign": "campaign",
    "plant": "plant",
    "line": "line",
    "order": "order",
    "outcome": "outcome",
    "work": "work",
    "equipment": "equipment",
    "bench": "bench",
    "store": "store",
}
"""Group of commands -> the module whose `app` it is."""


def app_of(first: str | None = None) -> typer.Typer:
    """The command line: whole, or with the command or group `first` alone, so that no other is loaded."""
    app = typer.Typer(
        name="cytoloop",
        help="Runs a cell or gene therapy as one closed loop: clinic, production, quality and compliance, feedback, a "
        "signed change, the next batch.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    known = first in COMMANDS or first in GROUPS
    for name, (module, function) in COMMANDS.items():
        if not known or name == first:
            app.command(name)(getattr(import_module(f"cytoloop.cli.{module}"), function))
    for name, module in GROUPS.items():
        if not known or name == first:
            app.add_typer(import_module(f"cytoloop.cli.{module}").app, name=name)
    return app


def _version(shown: bool) -> None:
    if shown:
        typer.echo(f"cytoloop {__version__}")
        raise typer.Exit


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
        words = sys.argv[1:] if arguments is None else arguments
        first = next((word for word in words if not word.startswith("-")), None)
        code = app_of(first)(words, standalone_mode=False, prog_name="cytoloop")
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
