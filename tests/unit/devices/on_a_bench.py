"""One device of the library with a clock that a test turns."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cytoloop.adapters.devices.library import LIBRARY
from cytoloop.adapters.devices.model import Model
from cytoloop.adapters.devices.simulator import Simulator
from cytoloop.core.equipment import Command, Outcome, Verb
from cytoloop.core.json import JSON
from cytoloop.core.time import Instant, after
from cytoloop.testing.builders import START

MINUTE = 1.0 / 60.0


@dataclass
class Turned:
    """A clock."""

    moment: Instant = START

    def now(self) -> Instant:
        return self.moment

    async def until(self, when: Instant) -> None:
        self.moment = max(self.moment, when)


@dataclass
class Table:
    """A device that a test works on by hand."""

    model: Model
    seed: int = 1
    clock: Turned = field(default_factory=Turned)
    sent: int = 0

    def __post_init__(self) -> None:
        self.device = Simulator(self.model, "unit-01", clock=self.clock, seed=self.seed)

    def wait(self, hours: float) -> None:
        self.clock.moment = after(self.clock.moment, hours)

    def send(self, verb: Verb, **arguments: JSON) -> str:
        self.sent += 1
        key = f"B-1/step#{self.sent}"
        self.device.submit(Command(key=key, target="unit-01", verb=verb, arguments=arguments))
        return key

    def run(self, program: str, **parameters: float) -> Outcome:
        """A program to its end."""
        return self.ended(self.send("program", program=program, parameters=dict(parameters)))

    def test(self, *attributes: str) -> Mapping[str, float]:
        """A sample to its end: attribute -> value."""
        outcome = self.ended(self.send("sample", attributes=list(attributes)))
        results = outcome.values["results"]
        assert isinstance(results, dict), outcome.note
        found: dict[str, float] = {}
        for attribute, result in results.items():
            assert isinstance(result, dict)
            value = result["value"]
            assert isinstance(value, float)
            found[attribute] = value
        return found

    def ended(self, key: str) -> Outcome:
        """The outcome, once time enough has passed."""
        for _ in range(3000):
            outcome = self.device.outcome(key)
            if outcome is not None:
                return outcome
            self.wait(MINUTE)
        raise AssertionError(f"{key} does not end")

    def set(self, **values: float) -> Outcome:
        return self.ended(self.send("set", **values))

    def shown(self, signal: str) -> float:
        """What the newest reading of a signal says."""
        return self.series(signal)[-1]

    def series(self, signal: str, since: Instant | None = None) -> list[float]:
        """Every reading of a signal that is kept, oldest first."""
        return [reading.value for reading in self.device.measured(since) if reading.signal == signal]


def table(device_type: str, *, seed: int = 1) -> Table:
    """A device of that type."""
    return Table(LIBRARY[device_type], seed=seed)
