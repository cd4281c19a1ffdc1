"""`cytoloop batch create`, `correct`, `review`, `decide` and `dispose`: acts of people, each signed."""

from contextlib import suppress
from pathlib import Path

import typer

from cytoloop.app.acts import refusing
from cytoloop.app.allotting import batch_to_create, sign_creation
from cytoloop.app.audit.asked import Asked, zone_named
from cytoloop.app.correcting import propose, sign_correction
from cytoloop.app.disposing import batch_to_dispose, sign_disposition
from cytoloop.app.ordering import ACTS, Order, sign_order, to_order
from cytoloop.app.reviewing import deviation_to_decide, record_to_review, sign_decision, sign_off_record
from cytoloop.app.views import Shelf
from cytoloop.app.views_audit import audit_rows
from cytoloop.app.working import wake
from cytoloop.cli.acting import acting, show_what_is_signed
from cytoloop.cli.audit import audit_table, language_named
from cytoloop.cli.data import DATA
from cytoloop.cli.output import out
from cytoloop.cli.signer import AS, signer
from cytoloop.core.entry import Recorded
from cytoloop.core.errors import UserError

BATCH = typer.Argument(..., help="Batch number.")
WHY = typer.Option(..., "--why", metavar="TEXT", help="Reason, in a sentence.", prompt="Reason")


def create(
    order: str = typer.Argument(..., help="Order whose material was collected."),
    line: str = typer.Option(..., metavar="NAME", help="Production line whose recipe is in force."),
    recipe: str | None = typer.Option(None, metavar="NAME", help="Recipe; the only one of the line when left out."),
    number: str | None = typer.Option(None, metavar="B", help="Batch number; made from the order when left out."),
    user: str = AS,
    data: Path | None = DATA,
) -> None:
    """Create a batch for an order, with equipment of its own until it ends; workers take it at once."""
    with acting(data) as desk:
        with refusing(desk.people.registrar, "create-batch", f"order/{order}"):
            seen = batch_to_create(desk.ledger, order, line, recipe, number)
        show_what_is_signed(seen.shown, seen.digest)
        batch = sign_creation(desk.people, signer(user), seen)
        units = ", ".join(sorted(batch.created.equipment.values()))
        out.print(f"batch {batch.number} is created, with {units}", highlight=False, soft_wrap=True)
        wake(desk.folder, batch.number)


def correct(
    batch: str = BATCH,
    entry: int = typer.Option(..., "--entry", metavar="N", help="Number of the entry, as `batch show` has it."),
    field: str = typer.Option(..., "--field", metavar="NAME", help="The typed value to correct."),
    to: str = typer.Option(..., "--to", metavar="VALUE", help="The right value, in the question's unit."),
    why: str = WHY,
    user: str = AS,
    data: Path | None = DATA,
) -> None:
    """Correct a value that a person typed; the old one stays in the record. Asks for a reason and a signature."""
    with acting(data) as desk:
        with refusing(desk.people.registrar, "correct-value", f"batch/{batch}"):
            correction = propose(desk.ledger, batch, entry=entry, field=field, to=to, reason=why)
        show_what_is_signed(correction.shown, correction.digest)
        written = sign_correction(desk.people, signer(user), correction)
    _told(f"{field} of entry {entry} is {correction.new:g} {correction.question.unit} from now on", written[0])
    for each in written[1:]:
        _told("the new value is out of range: a deviation is open", each)


def review(
    batch: str = BATCH,
    remarks: str = typer.Option(..., "--remarks", metavar="TEXT", help="What was found.", prompt="Remarks"),
    user: str = AS,
    data: Path | None = DATA,
    lang: str = typer.Option("en", help="en or zh."),
) -> None:
    """Sign that you have read a batch's record with its audit trail. Only who took no part in the batch may."""
    language = language_named(lang)
    with acting(data) as desk:
        with refusing(desk.people.registrar, "review-record", f"batch/{batch}"):
            seen = record_to_review(desk.ledger, batch, remarks.strip())
        asked, zone = Asked(batch=batch, changes=True, descending=False), zone_named("")
        out.print(audit_table(audit_rows(Shelf(desk.ledger), asked), zone, language))
        out.print(f"[dim]every entry: cytoloop audit --batch {batch}[/]", highlight=False)
        show_what_is_signed(seen.content, seen.digest)
        (written,) = sign_off_record(desk.people, signer(user), seen)
    _told(f"the record of {batch} is reviewed up to entry {seen.batch.position}", written)


def decide(
    batch: str = BATCH,
    deviation: str = typer.Argument(..., help="Number of the deviation."),
    decision: str = typer.Option(..., "--decision", metavar="WORD", help="continue or terminate."),
    why: str = WHY,
    user: str = AS,
    data: Path | None = DATA,
) -> None:
    """Decide on a deviation that is open although production is over, as one that a correction showed."""
    with acting(data) as desk:
        with refusing(desk.people.registrar, "close-deviation", f"batch/{batch}"):
            seen = deviation_to_decide(desk.ledger, batch, deviation, decision, why)
        show_what_is_signed(seen.content, seen.digest)
        written = sign_decision(desk.people, signer(user), seen)
    _told(f"deviation {deviation} is closed: {decision}", written[0])


def dispose(
    batch: str = BATCH,
    disposition: str = typer.Option(
        ...,
        "--disposition",
        metavar="WORD",
        help="released, rejected, conditionally-released or supplied-out-of-specification.",
    ),
    why: str = WHY,
    user: str = AS,
    data: Path | None = DATA,
) -> None:
    """Sign the disposition of a batch. Only a qualified person who took no part in it may; what hinders it is told."""
    with acting(data) as desk:
        with refusing(desk.people.registrar, "dispose", f"batch/{batch}"):
            seen = batch_to_dispose(desk.ledger, batch, disposition, why)
        show_what_is_signed(seen.content, seen.digest)
        (written,) = sign_disposition(desk.people, signer(user), seen)
    _told(f"batch {batch} is {disposition}", written)


def hold(batch: str = BATCH, why: str = WHY, user: str = AS, data: Path | None = DATA) -> None:
    """Hold a batch: no step starts until the hold is lifted. What is underway in equipment goes on."""
    _told(f"batch {batch} is on hold", _ordered(batch, "hold", why, user, data))


def resume(batch: str = BATCH, why: str = WHY, user: str = AS, data: Path | None = DATA) -> None:
    """Lift the hold of a batch; whoever carries it goes on."""
    _told(f"the hold of batch {batch} is lifted", _ordered(batch, "resume", why, user, data))


def abort(batch: str = BATCH, why: str = WHY, user: str = AS, data: Path | None = DATA) -> None:
    """End a batch: whoever carries it brings its units into their safe state first."""
    _told(f"batch {batch} is to be aborted", _ordered(batch, "abort", why, user, data))


def _ordered(batch: str, order: Order, why: str, user: str, data: Path | None) -> Recorded:
    with acting(data) as desk:
        with refusing(desk.people.registrar, ACTS[order], f"batch/{batch}"):
            seen = to_order(desk.ledger, batch, order, why)
        show_what_is_signed(seen.shown, seen.digest)
        entered = sign_order(desk.people, signer(user), seen)
    with suppress(UserError):  # the workers find it by themselves, later
        wake(desk.folder, batch)
    return entered


def _told(what: str, written: Recorded) -> None:
    out.print(f"{what} (entry {written.entry.sequence})", highlight=False, soft_wrap=True)
