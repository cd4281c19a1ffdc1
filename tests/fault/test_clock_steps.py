"""Somebody sets the machine's clock: what batches wait for stays right, and the record says that time went back."""

import random
from contextlib import closing
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Self

import pytest

from cytoloop.adapters import clocks
from cytoloop.adapters.clocks import ScaledClock
from cytoloop.adapters.sqlite import open_store
from cytoloop.app.packs import read_pack
from cytoloop.app.quality import inspect
from cytoloop.bench.killing import CODEC, draft
from cytoloop.core.batch import fold
from cytoloop.core.entry import Draft
from cytoloop.core.facts.production import BatchCreated
from cytoloop.core.facts.record import ClockStepped
from cytoloop.core.time import Instant, hours_between
from cytoloop.production.runner import Runner
from cytoloop.record.ledger import Ledger
from cytoloop.record.verify import verify
from cytoloop.testing.doors import CountingDoor

FASTER = 3_600_000.0
"""A thousand hours of the batch in a second of the test."""


class Unsteady(datetime):
    """A machine's clock that somebody sets an hour or a day forth or back whenever it is read."""

    dice: ClassVar[random.Random] = random.Random(1)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(hours=cls.dice.choice((-24, -1, 0, 1, 24)))


class Turned:
    """A clock that reads what it is told."""

    def __init__(self, now: Instant) -> None:
        self.moment = now

    def now(self) -> Instant:
        return self.moment

    async def until(self, when: Instant) -> None:
        self.moment = max(self.moment, when)


async def test_a_batch_waits_as_long_as_its_recipe_says_whatever_the_machines_clock_is_set_to(
    tmp_path: Path, start: Instant, monkeypatch: pytest.MonkeyPatch
) -> None:
    master = read_pack("car_t_cd19").master
    monkeypatch.setattr(clocks, "datetime", Unsteady)
    clock = ScaledClock(start, FASTER)
    with closing(open_store(tmp_path / "record.db", create=True)) as store:
        ledger = Ledger(store, clock)
        created = BatchCreated(
            batch="B-1", order="O-1", subject="S-1", study="ST-1", coi="COI-TEST", product=master.product.product,
            line="fixed", recipe=master.recipe.recipe, recipe_version=1, recipe_sha256="0" * 64, weight=70.0,
            equipment={each.equipment_class: f"{each.equipment_class}-01" for each in master.plant.classes},
        )  # fmt: skip
        ledger.append("batch/B-1", [Draft(fact=created, actor="system:test", happened_at=clock.now())], expected=0)
        runner = Runner(ledger=ledger, door=CountingDoor(clock, "COI-TEST"), clock=clock, observers=(inspect,))
        await clock.together(runner.carry(fold(ledger.stream("batch/B-1"), master)))
        batch = fold(ledger.stream("batch/B-1"), master)
        assert verify(store).entries == batch.position, "time did not go back for the record"
    assert batch.finished_at is not None
    culture = [step for name, step in batch.steps.items() if name.startswith("expansion/")]
    cultured = hours_between(culture[0].started_at, batch.steps["harvest/wash"].started_at)
    assert 192.0 <= cultured < 192.0 + 1_000.0


def test_the_record_says_each_time_that_the_clock_went_back_and_stays_in_order(tmp_path: Path, start: Instant) -> None:
    dice, clock, back = random.Random(2), Turned(start), 0
    with closing(open_store(tmp_path / "record.db", create=True)) as store:
        ledger = Ledger(store, clock, CODEC)
        for number in range(200):
            moved = timedelta(seconds=dice.choice((-86_400, -3_600, -2, -0.5, 0, 1, 3_600, 86_400)))
            back += number > 0 and moved < timedelta(seconds=-1)
            clock.moment += moved
            ledger.append("study/1", [draft(number)], expected=number)
        entries = list(ledger.entries())
        steps = [each.fact for each in entries if isinstance(each.fact, ClockStepped)]
        assert verify(store).entries == 200 + back
    assert len(steps) == back > 20
    assert all(each.before > each.after for each in steps)
    assert [each.entry.sequence for each in entries] == list(range(200 + back))
    told = dict(zip([each.after for each in steps], steps, strict=True))
    for earlier, later in pairwise(entries):
        went_back = later.entry.recorded_at < earlier.entry.recorded_at - timedelta(seconds=1)
        assert not went_back or later.entry.recorded_at in told, "time went back and nothing says so"
