"""Orders: people hold a batch for a while and let it go on, or end it, while the platform carries it."""

from dataclasses import dataclass

from cytoloop.adapters.faulty.dice import Dice
from cytoloop.adapters.faulty.faults import Rates
from cytoloop.adapters.faulty.network import Note
from cytoloop.app.ordering import MEANING, Order, Ordered, enter
from cytoloop.app.registrar import Registrar
from cytoloop.core.batch import Batch
from cytoloop.core.signature import Signature
from cytoloop.core.time import after

SIGNING = 0.2
"""Hours between what a person is shown and their signature: the batch goes on meanwhile."""
WHO, ROLE = "qa.lin", "qa"


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What people order on the batches of a world."""

    dice: Dice
    rates: Rates
    note: Note

    def drawn(self, number: str) -> tuple[Order, float] | None:
        """What is ordered on a batch, and how many hours after its creation; None for most."""
        for order, kind in (("abort", "abort-ordered"), ("hold", "hold-ordered")):
            if self.rates.get(kind, 0.0) and self.dice.draw(kind, number) < self.rates[kind]:
                return order, self.dice.between(1.0, 330.0, "ordered after", number)  # type: ignore[return-value]
        return None

    async def give(self, registrar: Registrar, batch: Batch, order: Order) -> None:
        """Have somebody give the order on the batch as they see it; it is entered when they have signed."""
        seen = Ordered(batch=batch, order=order, reason="tested by the simulation")
        if order != "resume":
            self.note("abort-ordered" if order == "abort" else "hold-ordered", batch.number)
        clock = registrar.clock
        await clock.until(after(clock.now(), SIGNING))
        signature = Signature(
            signer=WHO, printed_name=WHO, role=ROLE, meaning=MEANING, signed_at=clock.now(), zone="Asia/Shanghai",
            digest=seen.digest, components=("user-id", "password"),
        )  # fmt: skip
        enter(registrar, seen, signature)
