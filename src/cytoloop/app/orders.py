"""Orders: one order as its risk is asked for, from the record alone."""

from collections.abc import Mapping

from cytoloop.app.dataset import culture_began
from cytoloop.app.foreseeing import Asked, Foresight
from cytoloop.app.packs import read_pack
from cytoloop.app.production import in_force
from cytoloop.app.views_shelf import Shelf
from cytoloop.core.batch import Batch
from cytoloop.core.errors import UserError
from cytoloop.core.facts.clinic import OrderPlaced
from cytoloop.core.facts.feedback import TwinFitted, TwinReleased
from cytoloop.core.facts.foresight import RiskAssessed
from cytoloop.core.facts.production import RecipeApproved
from cytoloop.core.time import Instant
from cytoloop.feedback.twin import Twin
from cytoloop.production.recipe_text import from_content
from cytoloop.record.ledger import Ledger


def risk_of_order(
    ledger: Ledger, order: str, *, line: str | None, pack: str, entered: Mapping[str, float], now: Instant
) -> RiskAssessed:
    """The risk of an order now; writes nothing. UserError for an unknown order or line, or a batch that has ended."""
    shelf = Shelf(ledger)
    placed = _placed(shelf, order)
    begun = next((batch for batch in shelf.batches() if batch.created.order == order), None)
    if begun is not None and begun.ended:
        raise UserError(
            f"batch {begun.number} of order {order} has ended; its risk is history (`cytoloop order risks`)"
        )
    if begun is not None and culture_began(begun) is not None:
        raise UserError(
            f"batch {begun.number} of order {order} is seeded; its forecasts tell more (`cytoloop batch show`)"
        )
    wanted = line or (begun.created.line if begun else _only_line(shelf))
    versions = [kept.fact for kept in shelf.facts(RecipeApproved, f"recipe/{wanted}/")]
    if not versions:
        raise UserError(f"no recipe is approved on line {wanted!r}; name another with --line")
    master = begun.master if begun else from_content(in_force(ledger, wanted, versions[-1].recipe, now).content)
    ended = [b for b in shelf.batches() if b.ended and b.created.line == wanted and b.created.product == placed.product]
    twin = released_twin(shelf, wanted, pack)
    asked = Asked(placed=placed, master=master, ended=ended, twin=twin, entered=entered, begun=_unseeded(begun))
    return Foresight().assess(ledger, asked, now)


def released_twin(shelf: Shelf, line: str, pack: str) -> Twin | None:
    """The newest released twin of a line, on the pack's fixed figures; None when none was released there."""
    released = shelf.facts(TwinReleased, f"twin/{line}/")
    if not released:
        return None
    newest = max(released, key=lambda kept: kept.entry.sequence).fact
    fitted = [k.fact for k in shelf.facts(TwinFitted, f"twin/{line}/") if k.fact.sha256 == newest.sha256]
    prior = Twin.from_data(dict(read_pack(pack).twin))
    if not fitted or fitted[-1].twin != prior.twin:
        return None
    return prior.with_figures(fitted[-1].population, version=fitted[-1].version, batches=fitted[-1].batches)


def _placed(shelf: Shelf, order: str) -> OrderPlaced:
    found = [kept.fact for kept in shelf.facts(OrderPlaced, "order/") if kept.fact.order == order]
    if not found:
        known = ", ".join(kept.fact.order for kept in shelf.facts(OrderPlaced, "order/")[-3:])
        raise UserError(f"there is no order {order!r} in this record{f'; the newest are {known}' if known else ''}")
    return found[-1]


def _only_line(shelf: Shelf) -> str:
    lines = sorted({kept.fact.line for kept in shelf.facts(RecipeApproved, "recipe/")})
    if len(lines) != 1:
        raise UserError(f"the order may be made on several lines ({', '.join(lines)}); name one with --line")
    return lines[0]


def _unseeded(batch: Batch | None) -> Batch | None:
    """The batch, when its collection was tested and its culture is not seeded yet."""
    if batch is None:
        return None
    return batch if any(told.fact.stage == "incoming" for told in batch.results) else None
