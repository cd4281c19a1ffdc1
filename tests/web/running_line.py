"""A line in the middle of its work: batches on their units, people waited for. From a run of the simulated facility."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.memory import MemoryStore
from cytoloop.app.bootstrap import simulated_site
from cytoloop.app.clinic import Clinic
from cytoloop.app.demo import CONSENT_FORM, PROTOCOL, START, STUDY, drawn_patients
from cytoloop.app.line import Line, Patient
from cytoloop.app.live_site import Invented
from cytoloop.app.packs import read_pack
from cytoloop.core.equipment import Command, Door, Outcome
from cytoloop.core.time import Clock, Instant, after
from cytoloop.record.ledger import Ledger

NAME = "closed_loop"
PATIENTS, EVERY, DAYS = 11, 30.0, 27.95
"""Patients, hours from one to the next, and days from the study's registration to the picture."""


class StoppedError(Exception):
    """It is time for the picture."""


@dataclass(frozen=True, slots=True)
class Tired:
    """A door whose people answer no more from some moment on."""

    door: Door
    clock: Clock
    until: Instant
    asks: Callable[[Command], bool]

    async def perform(self, command: Command) -> Outcome:
        if self.clock.now() >= self.until and self.asks(command):
            await self.clock.until(after(self.until, 10_000.0))
        return await self.door.perform(command)

    async def recall(self, key: str) -> Outcome | None:
        return await self.door.recall(key)


def running_line(folder: Path, *, seed: int = 2) -> tuple[Ledger, SimulatedClock]:
    """The record of a line that was stopped in the middle, and its clock at that moment."""
    clock = SimulatedClock(START)
    ledger = Ledger(MemoryStore(), clock)
    with ThreadPoolExecutor(1) as thread:  # browser tests keep an event loop running in this one
        thread.submit(asyncio.run, _run(ledger, clock, folder, seed)).result()
    return ledger, clock


async def _run(ledger: Ledger, clock: SimulatedClock, folder: Path, seed: int) -> None:
    stop = after(START, 24.0 * DAYS)
    site = simulated_site(ledger, clock, read_pack("car_t_cd19"), folder, seed=seed)
    operators = Tired(site.door, clock, after(stop, -3.0), lambda command: command.target == "person:operator")
    quality = Tired(operators, clock, after(stop, -80.0), lambda command: command.target == "person:qa")
    site = replace(site, door=quality)
    clinic = Clinic(registrar=site.registrar, study=STUDY, protocol=PROTOCOL, consent_form=CONSENT_FORM)
    patients = drawn_patients(seed, PATIENTS)
    try:
        await clock.together(_work(site.door, Line(
            name=NAME, prefix="C", site=site, clinic=clinic, seed=seed, serial=1
        ), patients), _stop(clock, stop))  # fmt: skip
    except StoppedError:
        return


async def _work(door: Door, line: Line, patients: list[Patient]) -> None:
    site = line.site
    begins = site.clock.now()
    opening = Invented(
        registrar=site.registrar, clinic=line.clinic, door=door, pack=site.pack, seed=line.seed, begins=begins
    )
    await opening.open(patients, NAME)
    begins = site.clock.now()
    work = (line._treat(number, each, after(begins, EVERY * number)) for number, each in enumerate(patients))
    await asyncio.gather(*work)


async def _stop(clock: SimulatedClock, at: Instant) -> None:
    await clock.until(at)
    raise StoppedError
