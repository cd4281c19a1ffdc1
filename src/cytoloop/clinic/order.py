"""Order: one dose for one subject, from the clinician's order to the outcome; and its chain of identity number."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cytoloop.core.entry import Recorded
from cytoloop.core.facts.clinic import MaterialCollected, OrderPlaced, OutcomeRecorded, ProductAdministered
from cytoloop.core.time import Instant

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order and how far it has come."""

    placed: OrderPlaced
    placed_at: Instant
    collected: MaterialCollected | None = None
    collected_at: Instant | None = None
    administered: ProductAdministered | None = None
    administered_at: Instant | None = None
    outcomes: tuple[OutcomeRecorded, ...] = ()

    @property
    def coi(self) -> str | None:
        """The chain of identity; None before collection."""
        return self.collected.coi if self.collected else None


def order(entries: Iterable[Recorded]) -> Order | None:
    """The order of a stream; None before it is placed."""
    found: Order | None = None
    for recorded in entries:
        found = _with(found, recorded)
    return found


def _with(found: Order | None, recorded: Recorded) -> Order | None:
    at = recorded.entry.happened_at
    match recorded.fact:
        case OrderPlaced() as fact:
            return Order(placed=fact, placed_at=at)
        case MaterialCollected() as fact if found:
            return replace(found, collected=fact, collected_at=at)
        case ProductAdministered() as fact if found:
            return replace(found, administered=fact, administered_at=at)
        case OutcomeRecorded() as fact if found:
            return replace(found, outcomes=(*found.outcomes, fact))
        case _:
            return found


def coi_number(facility: str, year: int, serial: int) -> str:
    """A chain of identity number: facility code, two digits of the year, six of a serial, check character.

    The check character is ISO/IEC 7064 MOD 37,36: it finds every wrong character and nearly every swap of
    neighbours. ValueError when a part does not fit.
    """
    if not (1 <= len(facility) <= 5 and all(character in _ALPHABET for character in facility)):
        raise ValueError(f"{facility!r} is no facility code; use one to five capital letters or digits")
    if not 0 <= serial <= 999_999:
        raise ValueError(f"serial {serial} does not fit six digits; begin a new year or facility code")
    body = f"{facility}{year % 100:02d}{serial:06d}"
    return body + check_character(body)


def coi_is_sound(code: str) -> bool:
    """Whether a scanned code carries the right check character."""
    known = len(code) > 1 and all(character in _ALPHABET for character in code)
    return known and check_character(code[:-1]) == code[-1]


def check_character(body: str) -> str:
    """The ISO/IEC 7064 MOD 37,36 check character of `body` (capital letters and digits)."""
    product = 36
    for character in body:
        total = (product + _ALPHABET.index(character)) % 36 or 36
        product = total * 2 % 37
    return _ALPHABET[(37 - product) % 36]
