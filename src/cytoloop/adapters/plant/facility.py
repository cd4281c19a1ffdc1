"""The facility as one door: every piece of equipment, on a clock that is handed in.

A command becomes work with an end; work whose end has passed is done before anything else happens, in order of
its end. So the plant carries on when nobody waits for it (a platform that stopped can `recall` later), and what
happens does not depend on who asks first. State is in this process only; the OPC UA server outlives the platform.

Arguments of commands (`coi` may be left out where the unit holds the material):
  scan {"label", "coi"} · set {"<set-point>": number} · program {"program", "coi", "parameters": {name: number}}
  read {"signals": [...]} · sample {"plan", "attributes", "from", "volume", "coi"}
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import floor

from cytoloop.adapters.plant import laboratory
from cytoloop.adapters.plant.chain import Chain, ImpossibleError
from cytoloop.adapters.plant.culture import GLUCOSE, LACTATE
from cytoloop.adapters.plant.donors import Distribution, Donor, draw_donor
from cytoloop.adapters.plant.faults import Faults, draw_misfortunes
from cytoloop.adapters.plant.material import Bag, collected, harvested
from cytoloop.adapters.plant.programs import PROGRAMS, Program, Work
from cytoloop.adapters.plant.streams import stream
from cytoloop.adapters.plant.vessel import RANGES, Vessel
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON
from cytoloop.core.product import Plant
from cytoloop.core.reading import Reading
from cytoloop.core.telemetry import Readings
from cytoloop.core.time import Clock, Instant, after, hours_between


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What work came to."""

    values: Mapping[str, JSON]
    readings: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Underway:
    """Work that was begun: when it ends, and what then happens."""

    command: Command
    end: Instant
    finish: Callable[[], Result]


class Facility:
    """The simulated facility. Satisfies `core.equipment.Door` and `core.telemetry.Source`."""

    def __init__(
        self, *, seed: int, clock: Clock, donors: Distribution, plant: Plant, faults: Faults | None = None
    ) -> None:
        self._seed, self._clock, self._donors = seed, clock, donors
        self._faults = faults or Faults()
        self.units: dict[str, str] = _units(plant)
        """Equipment id -> equipment class."""
        self.vessels = {u: Vessel(unit=u) for u, kind in self.units.items() if kind == "bioreactor"}
        self._chains: dict[str, Chain] = {}
        self._underway: dict[str, Underway] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._target_of: dict[str, str] = {}
        self._free_at: dict[str, Instant] = {}

    # -- material -----------------------------------------------------------------------------------------------

    def draw_donor(self, donor: str) -> Donor:
        """The donor of that name: the same for the same seed, whoever asks and whenever."""
        return draw_donor(self._donors, stream(self._seed, "donor", donor), donor)

    def register_collection(self, coi: str, donor: Donor | None = None, luck: str | None = None) -> Donor:
        """A leukapheresis bag labelled `coi` arrives, of `donor` (drawn under the name `luck` when left out).

        `luck` names the dice of this material; give both arms of a comparison the same and they meet the same noise
        and faults. Left out: the donor's name, or `coi`. UserError when the label is already in the facility.
        """
        if coi in self._chains:
            raise UserError(f"a bag labelled {coi} is already in the facility; every collection needs its own label")
        name = luck or (donor.donor if donor else coi)
        donor = donor or self.draw_donor(name)
        self._chains[coi] = Chain(
            coi=coi,
            stream=name,
            donor=donor,
            misfortunes=draw_misfortunes(self._faults, stream(self._seed, name, "misfortunes")),
            bag=collected(donor),
        )
        return donor

    def code_on(self, coi: str, label: str) -> str:
        """What a scanner reads when a person fetches the item of `coi`: rarely the wrong one."""
        chain = self._chains.get(coi)
        if chain is None:
            return "no such item"
        rng = stream(self._seed, chain.stream, "scan", label, chain.nth(f"scan {label}"))
        if rng.random() >= self._faults.wrong_label:
            return coi
        others = [other for other in self._chains if other != coi]
        return others[int(rng.integers(len(others)))] if others else f"{coi}-OTHER"

    # -- the door -------------------------------------------------------------------------------------------------

    async def perform(self, command: Command) -> Outcome:
        """Do it and return when it has ended; a key seen before gets its first outcome."""
        self.submit(command)
        return await self._ended(command.key)

    async def recall(self, key: str) -> Outcome | None:
        """The outcome of a command sent earlier; None when it never arrived."""
        self._settle()
        if not self.seen(key):
            return None
        return await self._ended(key)

    def submit(self, command: Command) -> None:
        """Begin the work and do not wait; nothing happens for a key seen before."""
        self._settle()
        if self.seen(command.key):
            return
        now = self._clock.now()
        self._target_of[command.key] = command.target
        try:
            self._underway[command.key] = self._begin(command, now)
        except ImpossibleError as why:
            self._outcomes[command.key] = self._outcome(command, now, note=str(why))
        self._settle()

    def seen(self, key: str) -> bool:
        """Whether a command with this key ever arrived."""
        return key in self._outcomes or key in self._underway

    def outcome(self, key: str) -> Outcome | None:
        """The outcome if there is one by now, without waiting."""
        self._settle()
        return self._outcomes.get(key)

    async def _ended(self, key: str) -> Outcome:
        while key not in self._outcomes:
            await self._clock.until(self._underway[key].end)
            self._settle()
        return self._outcomes[key]

    def _settle(self) -> None:
        """Finish all work whose end has come, earliest first."""
        now = self._clock.now()
        due = sorted((w for w in self._underway.values() if w.end <= now), key=lambda w: (w.end, w.command.key))
        for work in due:
            del self._underway[work.command.key]
            try:
                result = work.finish()
                outcome = self._outcome(work.command, work.end, result)
            except ImpossibleError as why:
                outcome = self._outcome(work.command, work.end, note=str(why))
            self._outcomes[work.command.key] = outcome

    @staticmethod
    def _outcome(command: Command, at: Instant, result: Result | None = None, note: str = "") -> Outcome:
        return Outcome(
            key=command.key,
            ok=result is not None,
            at=at,
            by=f"equipment:{command.target}",
            values=result.values if result else {},
            readings=result.readings if result else (),
            note=note,
        )

    # -- verbs ----------------------------------------------------------------------------------------------------

    def _begin(self, command: Command, now: Instant) -> Underway:
        if command.target not in self.units:
            raise ImpossibleError(f"there is no {command.target} in this facility")
        match command.verb:
            case "scan":
                return self._scan(command, now)
            case "set":
                return self._set(command, now)
            case "read":
                return self._read(command, now)
            case "program":
                return self._program(command, now)
            case "sample":
                return self._sample(command, now)
            case "ask" | "add" | "transfer" | "print" | "decide" | "sign":
                raise ImpossibleError(f"{command.target} is equipment: it cannot {command.verb}; ask a person")

    def _scan(self, command: Command, now: Instant) -> Underway:
        coi, label = self._chain(command).coi, str(command.arguments.get("label"))
        code = self.code_on(coi, label)
        return Underway(command=command, end=after(now, 0.02), finish=lambda: Result(values={"code": code}))

    def _set(self, command: Command, now: Instant) -> Underway:
        vessel = self.vessels.get(command.target)
        wanted = {name: value for name, value in command.arguments.items() if name != "coi"}
        accepted: dict[str, float] = {}
        for name, value in wanted.items():
            if vessel is None or name not in RANGES:
                raise ImpossibleError(f"{command.target} has no set-point {name}")
            low, high = RANGES[name]
            if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
                raise ImpossibleError(f"{command.target} takes {name} from {low:g} to {high:g}, not {value}")
            accepted[name] = float(value)

        def finish() -> Result:
            if vessel is not None:
                vessel.advance(now)
                for name, value in accepted.items():
                    vessel.set(name, value)
            return Result(values=dict(accepted))

        return Underway(command=command, end=now, finish=finish)

    def _read(self, command: Command, now: Instant) -> Underway:
        vessel, signals = self.vessels.get(command.target), command.arguments.get("signals")
        wanted = [str(signal) for signal in signals] if isinstance(signals, list) else []

        def finish() -> Result:
            if vessel is None:
                return Result(values={})
            vessel.advance(now)
            return Result(values={}, readings=vessel.read(wanted))

        return Underway(command=command, end=now, finish=finish)

    def _program(self, command: Command, now: Instant) -> Underway:
        name = str(command.arguments.get("program"))
        program = PROGRAMS.get(name)
        kind = self.units[command.target]
        if program is None or program.equipment_class not in (None, kind):
            raise ImpossibleError(f"{command.target} has no program {name}")
        chain = self._chain(command)
        parameters = _numbers(command.arguments.get("parameters"))
        start = max(now, self._free_at.get(command.target, now))
        end = after(start, program.hours)
        if kind != "bioreactor":
            self._free_at[command.target] = end
        finish = self._run(command, program, chain, parameters, end)
        return Underway(command=command, end=end, finish=finish)

    def _run(
        self, command: Command, program: Program, chain: Chain, parameters: Mapping[str, float], end: Instant
    ) -> Callable[[], Result]:
        name = str(command.arguments.get("program"))
        rng = stream(self._seed, chain.stream, "program", name, chain.nth(f"program {name}"))
        failed = rng.random() < self._faults.program_failure

        def finish() -> Result:
            if failed:
                raise ImpossibleError(f"{name} stopped with an alarm before its end; the material is unharmed")
            vessel = self.vessels.get(command.target) or self.vessels.get(chain.unit or "")
            if vessel is not None:
                vessel.advance(end)
            work = Work(chain=chain, vessel=vessel, parameters=parameters, at=end, rng=rng)
            return Result(values=program.effect(work))

        return finish

    def _sample(self, command: Command, now: Instant) -> Underway:
        chain, attributes = self._chain(command), _texts(command.arguments.get("attributes"))
        unknown = [attribute for attribute in attributes if attribute not in laboratory.ASSAYS]
        if unknown:
            raise ImpossibleError(f"the laboratory has no method for {', '.join(unknown)}")
        volume = command.arguments.get("volume")
        sampled = self._taken(chain, float(volume) if isinstance(volume, int | float) else 0.5, now)
        plan = str(command.arguments.get("plan"))
        rng = stream(self._seed, chain.stream, "sample", plan, chain.nth(f"sample {plan}"))
        results: JSON = laboratory.test(sampled, attributes, rng)
        end = after(now, laboratory.turnaround(attributes))
        return Underway(command=command, end=end, finish=lambda: Result(values={"results": results}))

    def _taken(self, chain: Chain, volume: float, now: Instant) -> laboratory.Sampled:
        """Material leaves the culture or the bag; the test finds what was there."""
        vessel = self.vessels.get(chain.unit or "")
        if vessel is not None:
            vessel.advance(now)
        if vessel is not None and vessel.culture is not None:
            culture = vessel.culture
            if volume >= culture.volume:
                raise ImpossibleError(f"{vessel.unit} holds less than the {volume:g} mL asked for")
            vessel.change(lambda before: replace(before, volume=before.volume - volume))
            bag = harvested(culture)
            return laboratory.Sampled(bag=bag, glucose=culture.solute(GLUCOSE), lactate=culture.solute(LACTATE))
        bag = chain.cells()
        if volume >= bag.volume:
            raise ImpossibleError(f"the bag of {chain.coi} holds less than the {volume:g} mL asked for")
        chain.bag = bag.kept(1.0 - volume / bag.volume)
        return laboratory.Sampled(bag=bag)

    def _chain(self, command: Command) -> Chain:
        """The material a command is about: the one named, or the one the unit holds."""
        coi = command.arguments.get("coi")
        if coi is None:
            unit = str(command.arguments.get("from", command.target))
            coi = self.vessels[unit].coi if unit in self.vessels else None
        chain = self._chains.get(str(coi))
        if chain is None:
            raise ImpossibleError(f"there is no material of {coi} at {command.target}")
        return chain

    def measured(self, unit: str, since: Instant | None) -> tuple[Reading, ...]:
        """What the probes of a unit measured after `since` as far as it is kept, oldest first. Changes nothing."""
        vessel = self.vessels.get(unit)
        if vessel is None:
            return ()
        self._live(vessel)
        return vessel.kept(since)

    def runs(self, unit: str) -> bool:
        """Whether a program is underway in this unit."""
        self._settle()
        return any(work.command.target == unit and work.command.verb == "program" for work in self._underway.values())

    def target_of(self, key: str) -> str | None:
        """The unit that a command with this key was for; None when it never arrived."""
        return self._target_of.get(key)

    async def readings(self, batch: str, unit: str, since: Instant, until: Instant) -> Readings | None:
        """The trend of a unit (`core.telemetry.Source`): every ten minutes of the culture that is or was in it.

        Whole hours are lived through, as any look at the vessel would; a culture does not notice who looks.
        """
        vessel = self.vessels.get(unit)
        if vessel is None or vessel.trend is None:
            return None
        self._live(vessel)
        return vessel.trend.readings(batch, since, until, self._clock.now())

    def _live(self, vessel: Vessel) -> None:
        """Let the culture in a vessel live until the last whole hour."""
        self._settle()
        if vessel.seeded_at is not None:
            vessel.advance(after(vessel.seeded_at, floor(hours_between(vessel.seeded_at, self._clock.now()))))

    def product(self, coi: str) -> Bag | None:
        """The bag of `coi` as it truly is: for the simulated clinic, never for the platform."""
        chain = self._chains.get(coi)
        return chain.bag if chain else None


def _units(plant: Plant) -> dict[str, str]:
    return {
        f"{each.equipment_class.replace('_', '-')}-{number:02d}": each.equipment_class
        for each in plant.classes
        for number in range(1, each.count + 1)
    }


def _numbers(value: JSON) -> dict[str, float]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {name: float(number) for name, number in pairs if isinstance(number, int | float)}


def _texts(value: JSON) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else []
