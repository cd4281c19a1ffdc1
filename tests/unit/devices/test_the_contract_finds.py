"""The conformance suite finds what it is there for: each driver here breaks one promise, and a named test fails."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from tests.contract.test_devices import bench_of

from cytoloop.core.equipment import Command, Outcome, UnreachableError
from cytoloop.core.telemetry import Readings, readings
from cytoloop.core.time import Instant
from cytoloop.testing.bench import Bench, Driver
from cytoloop.testing.device_contract import DeviceContract

SUITE = DeviceContract()


@dataclass
class Honest:
    """A driver that passes on what it is told; the broken ones change one thing."""

    bench: Bench
    inner: Driver
    sent: int = 0
    kept: dict[str, Outcome] = field(default_factory=dict)
    unsent: list[Command] = field(default_factory=list)

    async def perform(self, command: Command) -> Outcome:
        return await self.inner.perform(command)

    async def recall(self, key: str) -> Outcome | None:
        return await self.inner.recall(key)

    async def readings(self, batch: str, unit: str, since: Instant, until: Instant) -> Readings | None:
        return await self.inner.readings(batch, unit, since, until)


class NewKeyEachTime(Honest):
    """Sends every command under a key of its own making."""

    async def perform(self, command: Command) -> Outcome:
        self.sent += 1
        outcome = await self.inner.perform(replace(command, key=f"{command.key}/{self.sent}"))
        return replace(outcome, key=command.key)


class ForgetsRefusals(Honest):
    async def recall(self, key: str) -> Outcome | None:
        outcome = await self.inner.recall(key)
        return outcome if outcome is None or outcome.ok else None


class SaysNeverArrived(Honest):
    """Answers None when it cannot ask."""

    async def recall(self, key: str) -> Outcome | None:
        try:
            return await self.inner.recall(key)
        except UnreachableError:
            return None


class RemembersByItself(Honest):
    """Keeps outcomes in the door and not with the device."""

    async def recall(self, key: str) -> Outcome | None:
        return self.kept.get(key)

    async def perform(self, command: Command) -> Outcome:
        outcome = await self.inner.perform(command)
        self.kept[command.key] = outcome
        return outcome


class SendsAgainLater(Honest):
    """Keeps what it could not send, says that it never arrived, and sends it once the line is back."""

    async def perform(self, command: Command) -> Outcome:
        while self.unsent:
            await self.inner.perform(self.unsent.pop())
        try:
            return await self.inner.perform(command)
        except UnreachableError:
            self.unsent.append(command)
            raise

    async def recall(self, key: str) -> Outcome | None:
        known = await self.inner.recall(key)
        return None if any(each.key == key for each in self.unsent) else known


class NewKeyAfterACut(Honest):
    """Believes that what it sent before the cut never arrived, and sends it under a new key: a blind repeat."""

    async def perform(self, command: Command) -> Outcome:
        sent = replace(command, key=f"{command.key}/again") if command in self.unsent else command
        try:
            return replace(await self.inner.perform(sent), key=command.key)
        except UnreachableError:
            self.unsent.append(command)
            raise


class ClipsSetPoints(Honest):
    """Brings a value into range instead of refusing it."""

    async def perform(self, command: Command) -> Outcome:
        if command.verb != "set":
            return await self.inner.perform(command)
        kind, clipped = self.bench.device.kind, dict(command.arguments)
        for name, value in command.arguments.items():
            quantity = kind.set_points.get(name)
            if quantity and isinstance(value, int | float):
                clipped[name] = min(max(float(value), quantity.low), quantity.high)
        return await self.inner.perform(replace(command, arguments=clipped))


class StampsReadingsItself(Honest):
    """Gives readings the time at which it got them."""

    async def perform(self, command: Command) -> Outcome:
        outcome = await self.inner.perform(command)
        later = self.bench.clock.now() + timedelta(seconds=1)
        return replace(outcome, readings=tuple(replace(each, at=later) for each in outcome.readings))


class NoHistory(Honest):
    """Gives the newest reading of each signal only."""

    async def readings(self, batch: str, unit: str, since: Instant, until: Instant) -> Readings | None:
        found = await self.inner.readings(batch, unit, since, until)
        return None if found is None else readings(batch, list({row[0]: row for row in found.rows()}.values()))


class TellsTwice(Honest):
    """Gives each reading twice."""

    async def readings(self, batch: str, unit: str, since: Instant, until: Instant) -> Readings | None:
        found = await self.inner.readings(batch, unit, since, until)
        return None if found is None else readings(batch, [row for row in found.rows() for _ in range(2)])


class Backwards(Honest):
    """Gives readings newest first."""

    async def readings(self, batch: str, unit: str, since: Instant, until: Instant) -> Readings | None:
        found = await self.inner.readings(batch, unit, since, until)
        return None if found is None else readings(batch, list(found.rows())[::-1])


class EmptyWhenCut(Honest):
    async def readings(self, batch: str, unit: str, since: Instant, until: Instant) -> Readings | None:
        try:
            return await self.inner.readings(batch, unit, since, until)
        except UnreachableError:
            return None


class ForgetsUnits(Honest):
    async def perform(self, command: Command) -> Outcome:
        outcome = await self.inner.perform(command)
        return replace(outcome, readings=tuple(replace(each, unit="kelvin") for each in outcome.readings))


class RaisesRefusals(Honest):
    async def perform(self, command: Command) -> Outcome:
        outcome = await self.inner.perform(command)
        if not outcome.ok:
            raise ValueError(outcome.note)
        return outcome


class SaysNo(Honest):
    """Refuses without a sentence."""

    async def perform(self, command: Command) -> Outcome:
        outcome = await self.inner.perform(command)
        return outcome if outcome.ok else replace(outcome, note="error 17")


class MixesKeys(Honest):
    async def perform(self, command: Command) -> Outcome:
        outcome = await self.inner.perform(command)
        self.kept.setdefault("first", outcome)
        return replace(outcome, key=self.kept["first"].key)


class ActsForSomebody(Honest):
    async def perform(self, command: Command) -> Outcome:
        return replace(await self.inner.perform(command), by="system:driver")


class GivesUpPrograms(Honest):
    """Stops whatever runs when its line goes: for a culture of two weeks the wrong thing."""

    async def perform(self, command: Command) -> Outcome:
        try:
            return await self.inner.perform(command)
        except UnreachableError:
            self.bench.device.fail()
            raise


BROKEN: Mapping[type[Honest], str] = {
    NewKeyEachTime: "test_the_same_key_acts_once",
    ForgetsRefusals: "test_a_refusal_is_remembered",
    SaysNeverArrived: "test_nothing_is_recalled_as_none_while_cut",
    RemembersByItself: "test_what_was_done_is_recalled",
    SendsAgainLater: "test_a_line_cut_while_sending_leaves_no_doubt",
    NewKeyAfterACut: "test_a_command_sent_while_cut_never_acts_twice",
    ClipsSetPoints: "test_a_set_point_out_of_range_is_refused_whole",
    StampsReadingsItself: "test_a_reading_says_what_where_when_and_how_good",
    NoHistory: "test_readings_from_while_it_was_cut_come_afterwards",
    TellsTwice: "test_readings_from_while_it_was_cut_come_afterwards",
    Backwards: "test_readings_of_each_signal_come_in_order",
    EmptyWhenCut: "test_readings_that_nobody_can_ask_for_are_not_nothing",
    ForgetsUnits: "test_a_reading_says_what_where_when_and_how_good",
    RaisesRefusals: "test_what_the_type_does_not_have_is_refused",
    SaysNo: "test_a_program_with_a_parameter_missing_is_refused",
    MixesKeys: "test_commands_with_different_keys_do_not_mix",
    ActsForSomebody: "test_an_outcome_says_when_and_by_whom",
    GivesUpPrograms: "test_a_program_outlives_the_connection",
}


def on_the_bench(broken: type[Honest], start: Instant) -> Bench:
    bench = bench_of("perfusion_bioreactor", start)
    second = bench.second

    async def another() -> Driver:
        return broken(bench, await second())

    bench.driver, bench.second = broken(bench, bench.driver), another
    return bench


@pytest.mark.parametrize(("broken", "test"), BROKEN.items())
async def test_a_broken_promise_is_found(broken: type[Honest], test: str, start: Instant) -> None:
    run: Callable[[Bench], Awaitable[None]] = getattr(SUITE, test)
    await run(on_the_bench(Honest, start))
    with pytest.raises((AssertionError, ValueError, pytest.fail.Exception)):
        await run(on_the_bench(broken, start))
