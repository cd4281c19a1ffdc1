"""`cytoloop checkpoint stamp`: an authority outside says when the checkpoint was there already (RFC 3161)."""

from contextlib import closing
from pathlib import Path

import typer

from cytoloop.adapters.timestamp import authority
from cytoloop.app.records import open_record
from cytoloop.app.stamping import stamp
from cytoloop.cli.data import DATA, newest
from cytoloop.cli.output import out
from cytoloop.core.errors import UserError


def stamp_command(
    tsa: str = typer.Option(..., "--tsa", metavar="URL", help="Address of the time-stamping authority."),
    tsa_ca: Path | None = typer.Option(None, metavar="PEM", help="The authority's certificates, to check its answer."),
    again: bool = typer.Option(False, help="Renew the newest time stamp before its algorithms or certificates age."),
    data: Path | None = DATA,
) -> None:
    """Have the newest checkpoint time-stamped, so that nobody, not even the key's holder, can have made it later."""
    chain = _read(tsa_ca) if tsa_ca else None
    ask = authority(tsa, "SHA512" if again else "SHA256", chain)
    with closing(open_record(newest(data))) as store:
        stamped = stamp(store, ask, again=again)
    checked = "its signature holds" if chain else "its signature was not checked: name its certificates with --tsa-ca"
    out.print(
        f"time stamp {stamped.number} over the checkpoint of {stamped.size:,} entries is kept; {checked}",
        highlight=False,
        soft_wrap=True,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); name another file") from error
