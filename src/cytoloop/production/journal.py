"""Journal: where the runner writes what it has decided, before it acts and after."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cytoloop.core.entry import Draft, Recorded
from cytoloop.record.ledger import Ledger


class Journal(Protocol):
    """Appends for a coroutine."""

    async def append(self, stream: str, drafts: Sequence[Draft], *, expected: int) -> tuple[Recorded, ...]:
        """As `Ledger.append`: returns once the entries are durable; ConflictError when others were first."""
        ...


@dataclass(frozen=True, slots=True)
class Direct:
    """Writes into the ledger at once and never lets another coroutine in between: simulated time stays repeatable."""

    ledger: Ledger

    async def append(self, stream: str, drafts: Sequence[Draft], *, expected: int) -> tuple[Recorded, ...]:
        return self.ledger.append(stream, drafts, expected=expected)
