"""Outcomes: what a device remembers of commands by their keys, so that none acts twice."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.json import JSON
from cytoloop.core.reading import Reading
from cytoloop.core.time import Instant


@dataclass(slots=True)
class Outcomes:
    """The outcomes of one device, for good. A real controller's memory ends somewhere; a driver says where."""

    unit: str
    effects: Counter[str] = field(default_factory=Counter)
    """Key -> how often its command took effect: set-points written, a program or an assay begun."""
    _ended: dict[str, Outcome] = field(default_factory=dict)

    def of(self, key: str) -> Outcome | None:
        """What the command came to; None when it has not ended or never arrived."""
        return self._ended.get(key)

    def done(
        self, command: Command, at: Instant, values: Mapping[str, JSON], readings: tuple[Reading, ...] = ()
    ) -> None:
        """The command ended well."""
        self._keep(Outcome(key=command.key, ok=True, at=at, by=self._by, values=values, readings=readings))

    def refused(self, command: Command, at: Instant, why: str) -> None:
        """The command ended without success."""
        self._keep(Outcome(key=command.key, ok=False, at=at, by=self._by, note=why))

    @property
    def _by(self) -> str:
        return f"equipment:{self.unit}"

    def _keep(self, outcome: Outcome) -> None:
        self._ended.setdefault(outcome.key, outcome)
