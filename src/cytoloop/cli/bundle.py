"""`cytoloop batch export` and `cytoloop verify FILE`: a batch taken out as a bundle, and a bundle checked."""

from pathlib import Path
from zoneinfo import ZoneInfo

import typer

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.documents.pdf import render_pdf
from cytoloop.app.bundle import export, exporter
from cytoloop.app.bundle_check import Checked, check_bundle
from cytoloop.app.bundle_source import bundle_source
from cytoloop.app.bundle_trust import Trust
from cytoloop.app.people import people_at
from cytoloop.cli.data import DATA, newest
from cytoloop.cli.output import out, read_text, say_json
from cytoloop.cli.signer import signer
from cytoloop.core.errors import UserError
from cytoloop.record.container import LARGEST
from cytoloop.record.note import parse_key


def export_batch(
    batch: str = typer.Argument(..., help="Batch number."),
    to: Path = typer.Option(..., "--to", metavar="FILE", help="File to write, for example B-C001.cytoloop.zip."),
    data: Path | None = DATA,
    pdf: bool = typer.Option(True, help="Also the reports as PDF, where the extra `pdf` is installed."),
    by: str | None = typer.Option(None, "--as", metavar="USER", help="Who takes it out, in a record that has people."),
) -> None:
    """Take a batch out as one file that anybody can check without us, for thirty years (`cytoloop verify FILE`)."""
    folder, clock = newest(data), ScaledClock()
    with bundle_source(folder, clock) as source:
        actor = exporter(people_at(folder, source.ledger, clock), batch, signer(by) if by else None)
        exported = export(source, batch, to, typeset=render_pdf if pdf else None, actor=actor)
    size = f"{exported.size / 1e6:.1f} MB"
    out.print(f"{exported.entries} entries of {batch} written to {to} ({size})", highlight=False, soft_wrap=True)
    if exported.unsealed:
        out.print(f"{exported.unsealed:,} readings are not in it: they are not sealed yet", highlight=False)
    out.print(f"check it with: cytoloop verify {to}", highlight=False, soft_wrap=True)


def verify_bundle(
    file: Path, *, key: str | None, checkpoint: Path | None, authority: Path | None, json: bool = False
) -> None:
    """Check the bundle in `file` and say what holds; FindingError with the first thing that does not."""
    trust = Trust(
        key=None if key is None else parse_key(key),
        checkpoint=read_text(checkpoint, "checkpoint") if checkpoint else None,
        authority=_read(authority) if authority else None,
    )
    checked = check_bundle(_read(file), trust)
    if json:
        say_json(
            {
                "batch": checked.batch,
                "entries": checked.entries,
                "origin": checked.origin,
                "tree_size": checked.head.size,
                "tree_head": checked.head.root.hex(),
                "keys": list(checked.keys),
                "trusted": checked.trusted,
                "witnesses": list(checked.witnesses),
                "signatures": checked.bound.signatures,
                "signatures_over_what_was_shown": checked.bound.fitting,
                "passkeys": checked.passkeys,
                "segments": checked.segments,
                "time_stamps": [each.at.isoformat() if each.at else None for each in checked.stamps],
                "reports_compared": checked.reports_compared,
                "verified": True,
            }
        )
        return
    for line in _lines(checked):
        out.print(line, highlight=False, soft_wrap=True)


def _lines(checked: Checked) -> list[str]:
    """What holds, and what this check cannot say."""
    lines = [
        f"{checked.batch}: {checked.entries} entries fit, under a checkpoint over {checked.head.size:,} entries of "
        f"{checked.origin}",
        f"tree head {checked.head.root.hex()}",
        f"signed by {', '.join(checked.keys)}",
    ]
    if not checked.trusted:
        lines.append("compare this key with the one you got by another way, or name that one with --key")
    if checked.witnesses:
        lines.append(f"witnessed by {', '.join(checked.witnesses)} (compare their keys in keys.json)")
    bound = checked.bound
    lines.append(f"{bound.fitting} of {bound.signatures} signatures of the batch are over exactly what was shown")
    if bound.fitting < bound.signatures:
        lines.append("what the other signers were shown cannot be put together again by this version")
    lines.append(f"{checked.segments} segments of readings and {checked.passkeys} signatures by passkeys hold")
    for stamp in checked.stamps:
        when = stamp.at.astimezone(ZoneInfo("UTC")).isoformat() if stamp.at else f"not read here: {stamp.remark}"
        authority = "its authority's signature holds" if stamp.trusted else "name its certificates: --tsa-ca"
        lines.append(f"time stamp {stamp.number}: {when} ({authority})")
    if not checked.stamps:
        lines.append("there is no time stamp in it")
    if not checked.reports_compared:
        lines.append(f"the reports were made by {checked.made_by}: only that version can compare them with the entries")
    return lines


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path} is larger than any bundle, which ends at 4 GiB; name another file")
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); name another file") from error
