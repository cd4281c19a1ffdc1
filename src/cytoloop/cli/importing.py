"""`cytoloop import`: bring data of others in."""

from pathlib import Path

import typer

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.app.bootstrap import writable_record
from cytoloop.app.importing import import_fhir
from cytoloop.cli.data import HOME
from cytoloop.cli.output import err, out, progress, say_json

app = typer.Typer(help="Bring data of others in.", no_args_is_help=True)


@app.command("fhir")
def fhir(
    source: Path = typer.Argument(..., metavar="DIR", help="Folder of FHIR R4 JSON files."),
    data: Path = typer.Option(HOME / "import", "--data", metavar="DIR", help="Data folder to import into."),
    json: bool = typer.Option(False, "--json", help="Say it as JSON."),
) -> None:
    """Read FHIR R4 Patient and Observation files under pseudonyms; other resources by reference and hash."""
    clock = ScaledClock()
    with writable_record(data, clock) as ledger, progress() as bars:
        task = bars.add_task("import", total=1)
        report = import_fhir(ledger, clock, data, source)
        bars.advance(task)
    if json:
        say_json(
            {
                "data": str(data),
                "resources": dict(report.counts),
                "new": report.new,
                "subjects": report.subjects,
                "observations": report.observations,
                "warnings": list(report.warnings),
            }
        )
        return
    for warning in report.warnings:
        err.print(f"[yellow]note:[/] {warning}", highlight=False, soft_wrap=True)
    total = sum(report.counts.values())
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(report.counts.items()))
    out.print(
        f"{total} resources ({kinds}), {report.new} new; {report.subjects} subjects in {data}",
        highlight=False,
        soft_wrap=True,
    )
    out.print(f"next: cytoloop demo --patients-from {data}", highlight=False, soft_wrap=True)
