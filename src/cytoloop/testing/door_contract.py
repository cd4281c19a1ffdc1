"""What every door must do. A test module hands a `DoorCase` to `check_door`; every driver passes the same suite."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cytoloop.core.equipment import Command, Door, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorCase:
    """A door with commands to try on it."""

    door: Door
    good: Command
    """A command that succeeds."""
    effects: Callable[[], Awaitable[float]]
    """A number that grows with every time `good` takes effect."""
    unknown: Command
    """A command the target cannot do: answered, not raised."""


async def check_door(case: DoorCase) -> None:
    """The whole suite, in order. Raises AssertionError with a sentence for the first promise that is broken."""
    await check_unknown_key(case)
    await check_same_key_acts_once(case)
    await check_recall(case)
    await check_refusal_is_an_answer(case)


async def check_unknown_key(case: DoorCase) -> None:
    """A key that never arrived is recalled as None: certainly not done."""
    assert await case.door.recall("never/sent#1") is None, "recall of a key never sent must be None"


async def check_same_key_acts_once(case: DoorCase) -> None:
    """The same key twice: the same outcome and no second effect."""
    before = await case.effects()
    first = await case.door.perform(case.good)
    once = await case.effects()
    second = await case.door.perform(case.good)
    twice = await case.effects()
    assert first.ok, f"the good command must succeed, but: {first.note}"
    assert first == second, "the same key must give the first outcome again"
    assert once > before, "the good command must take effect"
    assert twice == once, "the same key must not take effect a second time"


async def check_recall(case: DoorCase) -> None:
    """A command that was performed is recalled with its outcome."""
    performed = await case.door.perform(case.good)
    recalled: Outcome | None = await case.door.recall(case.good.key)
    assert recalled == performed, "recall must give the outcome of the command"
    assert performed.key == case.good.key, "an outcome carries the key of its command"


async def check_refusal_is_an_answer(case: DoorCase) -> None:
    """What cannot be done comes back as an outcome that is not ok and says what it was."""
    refused = await case.door.perform(case.unknown)
    assert not refused.ok, "a command the target cannot do must not be ok"
    assert refused.note, "a refusal must say what happened"
    assert await case.door.recall(case.unknown.key) == refused, "a refusal is remembered like any outcome"
