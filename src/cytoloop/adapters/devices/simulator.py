"""Simulator: a device in this process. What every controller does alike stands here; what differs is its body.

Time passes for it when somebody looks, in whole steps from the moment it was made; a command takes effect at once,
between two steps. So what happens depends on what was commanded and when, never on who looked. Outcomes stay by key
for good, readings for a while, and each command's effects are counted.
"""

from collections.abc import Mapping
from datetime import timedelta
from random import Random

from cytoloop.adapters.devices.judging import attributes_of, program_of, set_points_of, signals_of
from cytoloop.adapters.devices.model import CannotError, Model, Run, StoppedError
from cytoloop.adapters.devices.outcomes import Outcomes
from cytoloop.adapters.devices.probes import Probes
from cytoloop.core.device import DeviceState, DeviceType
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.errors import UserError
from cytoloop.core.reading import Reading
from cytoloop.core.time import Clock, Instant

KEEPS = 72.0
"""Hours for which a device keeps its readings."""
QUEUE = 20
"""Samples that an analyser takes before it takes no more."""


class Simulator:
    """One device of the library. Satisfies `core.device.Device`.

    `disturb`, `mend`, `fail`, `hold`, `go_on` and `switch` are what happens at the device itself, not over a door.
    """

    def __init__(self, model: Model, unit: str, *, clock: Clock, seed: int = 0, keeps: float = KEEPS) -> None:
        self._model, self._unit, self._clock = model, unit, clock
        self.body = model.body(Random(f"{seed}/{unit}/body"))
        self._outcomes = Outcomes(unit)
        dice = Random(f"{seed}/{unit}/probes")
        self._probes = Probes(unit=unit, kind=model.kind, spread=model.spread, dice=dice, keeps=keeps)
        self._targets = dict(model.idle)
        self._runs: list[Run] = []
        self._alarm, self._held, self._on = "", False, True
        self._begun, self._steps = clock.now().replace(microsecond=0), 0
        self._probes.scan(self._begun, self.body.shows())

    # -- what it is and does ------------------------------------------------------------------------------------------

    @property
    def unit(self) -> str:
        return self._unit

    @property
    def kind(self) -> DeviceType:
        return self._model.kind

    @property
    def effects(self) -> Mapping[str, int]:
        """Key -> how often its command took effect: set-points written, a program or an assay begun."""
        return self._outcomes.effects

    def state(self) -> DeviceState:
        self._settle()
        if not self._on:
            return "off"
        if self._alarm:
            return "failed"
        if not self._runs:
            return "idle"
        return "held" if self._held else "running"

    def targets(self) -> Mapping[str, float]:
        return dict(self._targets)

    def submit(self, command: Command) -> None:
        self._settle()
        if self.seen(command.key):
            return
        try:
            self._begin(command)
        except CannotError as why:
            self._outcomes.refused(command, self._clock.now(), str(why))

    def seen(self, key: str) -> bool:
        return self._outcomes.of(key) is not None or any(run.command.key == key for run in self._runs)

    def outcome(self, key: str) -> Outcome | None:
        self._settle()
        return self._outcomes.of(key)

    def measured(self, since: Instant | None) -> tuple[Reading, ...]:
        self._settle()
        return self._probes.since(since)

    # -- what happens at the device itself ----------------------------------------------------------------------------

    def disturb(self, what: str) -> None:
        """Something goes wrong: one of the model's mishaps, or "drift:temperature" for a probe. UserError otherwise."""
        self._settle()
        fault, _, signal = what.partition(":")
        if signal:
            self._probes.disturb(fault, signal, self._at())
        elif what in self._model.mishaps:
            self.body.mishaps.add(what)
        else:
            known = ", ".join((*self._model.mishaps, "drift:<signal>", "stuck:<signal>", "lost:<signal>"))
            raise UserError(f"{what!r} cannot happen to {self.unit}; what can is {known}")

    def mend(self) -> None:
        """Put everything right that was disturbed, and acknowledge the alarm."""
        self._settle()
        self.body.mishaps.clear()
        self._probes.faults.clear()
        self._alarm = ""

    def fail(self, why: str = "somebody pressed the emergency stop") -> None:
        """Stop with an alarm; what is underway ends without success. `mend` makes it take commands again."""
        self._settle()
        self._stop(why, self._clock.now())

    def hold(self) -> None:
        """The program stands still; nothing when none is underway."""
        self._settle()
        self._held = bool(self._runs)

    def go_on(self) -> None:
        """The program that stands still goes on."""
        self._settle()
        self._held = False

    def switch(self, *, on: bool) -> None:
        """Switch it on or off; a program that is underway is lost with an alarm."""
        self._settle()
        if self._runs and not on:
            self.fail("it was switched off")
        self._on = on

    # -- commands -----------------------------------------------------------------------------------------------------

    def _begin(self, command: Command) -> None:
        if command.target != self.unit:
            raise CannotError(f"there is no {command.target} here; this is {self.unit}")
        if not self._on:
            raise CannotError(f"{self.unit} is switched off; switch it on")
        match command.verb:
            case "read":
                readings = self._probes.newest(signals_of(self.kind, command))
                self._outcomes.done(command, self._clock.now(), {}, readings)
            case "set":
                self._set(command, set_points_of(self.kind, command))
            case "program":
                name, parameters = program_of(self.kind, command)
                self._start(Run(command=command, name=name, parameters=parameters))
            case "sample":
                attributes_of(self.kind, command)
                self._start(Run(command=command, name="sample"))
            case _:
                raise CannotError(f"{self.unit} cannot {command.verb}; ask a person")

    def _set(self, command: Command, values: Mapping[str, float]) -> None:
        self._demand_sound()
        self._targets.update(values)
        self._outcomes.effects[command.key] += 1
        self._outcomes.done(command, self._clock.now(), dict(values))

    def _start(self, run: Run) -> None:
        self._demand_sound()
        if self._runs and not (run.name == "sample" and len(self._runs) < QUEUE):
            raise CannotError(f"{self.unit} is running {self._runs[0].name}; wait for its end")
        if not self._runs:
            self.body.begin(run)
        self._runs.append(run)
        self._outcomes.effects[run.command.key] += 1

    def _demand_sound(self) -> None:
        if self._alarm:
            raise CannotError(f"{self.unit} stopped with an alarm ({self._alarm}); look at it and acknowledge it there")

    # -- time ---------------------------------------------------------------------------------------------------------

    def _at(self) -> Instant:
        return self._begun + timedelta(seconds=self._steps * self._model.step)

    def _settle(self) -> None:
        """Let the time pass that has passed. A clock that went back lets none pass."""
        due = int((self._clock.now() - self._begun).total_seconds() // self._model.step)
        while self._steps < due:
            self._step()

    def _step(self) -> None:
        run = None if self._held or not self._runs else self._runs[0]
        hours = self._model.step / 3600.0
        self._steps += 1
        try:
            self.body.step(hours, self._targets if self._on else {}, run)
        except StoppedError as why:
            self._stop(str(why), self._at())
            run = None
        if run is not None:
            run.hours += hours
            self._finish(run)
        if self._on and self._steps % self._model.scan == 0:
            self._probes.scan(self._at(), self.body.shows())

    def _stop(self, why: str, at: Instant) -> None:
        self._alarm = why
        for run in self._runs:
            self._outcomes.refused(run.command, at, f"{run.name} on {self.unit} was stopped by an alarm: {why}")
        self._runs, self._held = [], False

    def _finish(self, run: Run) -> None:
        values = self.body.done(run)
        if values is None:
            return
        self._runs.pop(0)
        self._outcomes.done(run.command, self._at(), values)
        while self._runs and not self._begins(self._runs[0]):
            self._runs.pop(0)

    def _begins(self, waiting: Run) -> bool:
        """Whether what waited can begin; what cannot has its outcome by that."""
        try:
            self.body.begin(waiting)
        except CannotError as why:
            self._outcomes.refused(waiting.command, self._at(), str(why))
            return False
        return True
