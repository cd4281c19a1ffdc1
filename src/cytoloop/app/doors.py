"""Doors: one door in front of many, by the target's name."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cytoloop.core.equipment import Command, Door, Outcome
from cytoloop.core.errors import UserError


@dataclass(frozen=True, slots=True)
class Doors:
    """Sends each command to the door of its target, and asks the door it was sent to again.

    A key says nothing of its target, so a key that this process has not sent is asked of every door: the one that
    knows it answers.
    """

    by_prefix: Mapping[str, Door]
    """Beginning of a target ("person:", "") -> its door; the longest that fits is taken."""
    sent: dict[str, Door] = field(default_factory=dict)

    async def perform(self, command: Command) -> Outcome:
        door = self._door(command.target)
        self.sent[command.key] = door
        return await door.perform(command)

    async def recall(self, key: str) -> Outcome | None:
        if key in self.sent:
            return await self.sent[key].recall(key)
        for door in self.by_prefix.values():
            outcome = await door.recall(key)
            if outcome is not None:
                return outcome
        return None

    def _door(self, target: str) -> Door:
        fitting = [prefix for prefix in self.by_prefix if target.startswith(prefix)]
        if not fitting:
            raise UserError(f"no door leads to {target!r}; name its equipment in the plant")
        return self.by_prefix[max(fitting, key=len)]
