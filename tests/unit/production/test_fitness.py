"""Fitness: why a unit or a person may not be used now, from what the record says."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytoloop.core.entry import Entry, Fact, Recorded
from cytoloop.core.facts.equipment import (
    EquipmentCalibrated,
    EquipmentCleaned,
    EquipmentRegistered,
    EquipmentReturnedToService,
    EquipmentTakenOutOfService,
    Need,
    PersonQualified,
    QualificationWithdrawn,
)
from cytoloop.core.facts.production import StepStarted
from cytoloop.core.time import Instant, after
from cytoloop.core.words import Words
from cytoloop.production.fitness import why_not, why_not_qualified
from cytoloop.production.register import Register, fold
from cytoloop.testing.builders import START, signature

UNIT, CLASS = "bioreactor-01", "bioreactor"


@dataclass
class Told:
    """A register to which facts are told at hours from the start."""

    entries: list[Recorded] = field(default_factory=list)

    def tell(self, stream: str, fact: Fact, hour: float) -> None:
        position = sum(each.entry.stream == stream for each in self.entries)
        entry = Entry(
            sequence=len(self.entries), stream=stream, position=position, name=fact.NAME, actor="system:test",
            happened_at=after(START, hour), recorded_at=after(START, hour), data={},
        )  # fmt: skip
        self.entries.append(Recorded(entry, fact))

    def registered(self, *needs: Need, hour: float = 0.0) -> None:
        fact = EquipmentRegistered(
            equipment=UNIT, equipment_class=CLASS, device_type="", serial="7", door="", needs=needs, unverified="",
            signature=signature(),
        )  # fmt: skip
        self.tell(f"equipment/{UNIT}", fact, hour)

    def on_unit(self, fact: type[Fact], hour: float, **fields: Any) -> None:
        self.tell(f"equipment/{UNIT}", fact(equipment=UNIT, signature=signature(), **fields), hour)  # type: ignore[call-arg]

    def calibrated(self, hour: float, *, until: float) -> None:
        self.on_unit(EquipmentCalibrated, hour, certificate="C-1", valid_until=after(START, until))

    def cleaned(self, hour: float, *, until: float | None = None) -> None:
        valid = None if until is None else after(START, until)
        self.on_unit(EquipmentCleaned, hour, procedure="SOP-9", valid_until=valid)

    def used(self, batch: str, hour: float, *, verb: str = "program", target: str = UNIT, **arguments: Any) -> None:
        fact = StepStarted(step="a/b", attempt=1, key=f"{batch}/a/b#1", target=target, verb=verb, arguments=arguments)
        self.tell(f"batch/{batch}", fact, hour)

    def qualified(self, user: str, subject: str = CLASS, *, until: float) -> None:
        fact = PersonQualified(
            user=user, subject=subject, evidence="T-1", valid_until=after(START, until), signature=signature()
        )
        self.tell(f"qualification/{user}", fact, 0.0)

    def register(self) -> Register:
        return fold(Register(), self.entries)

    def why(self, hour: float, batch: str = "B-1") -> str:
        """Why not at that hour; empty when it may."""
        return _said(why_not(self.register(), UNIT, batch, after(START, hour)))

    def why_person(self, user: str, hour: float, subject: str = CLASS) -> str:
        return _said(why_not_qualified(self.register(), user, subject, after(START, hour)))


def _said(words: Words | None) -> str:
    if words is None:
        return ""
    assert words.zh != words.en, "in both languages"
    assert "{" not in words.en + words.zh, "every place is filled"
    return words.en


@pytest.fixture
def told() -> Told:
    return Told()


def test_what_nobody_registered_is_not_looked_at(told: Told) -> None:
    told.calibrated(0.0, until=-5.0)
    told.used("B-9", 1.0)
    assert told.why(2.0) == ""


def test_what_needs_nothing_may_be_used_until_it_is_out_of_service(told: Told) -> None:
    told.registered()
    assert told.why(1.0) == ""
    told.on_unit(EquipmentTakenOutOfService, 2.0, reason="the pump leaks")
    assert told.why(3.0) == (
        "bioreactor-01 is out of service since 2026-06-01 10:00 UTC: the pump leaks; repair it and return it "
        "(`cytoloop equipment return bioreactor-01`)"
    )
    told.on_unit(EquipmentReturnedToService, 4.0, reason="new pump")
    assert told.why(5.0) == ""


def test_a_calibration_is_demanded_and_runs_out(told: Told) -> None:
    told.registered("calibration")
    assert "no calibration on record" in told.why(0.0)
    told.calibrated(1.0, until=10.0)
    assert told.why(9.9) == ""
    assert "ran out on 2026-06-01 18:00 UTC (certificate C-1)" in told.why(10.0)
    told.calibrated(11.0, until=20.0)
    assert told.why(12.0) == ""


def test_a_cleaning_by_time_runs_out_also_while_it_is_used(told: Told) -> None:
    told.registered("cleaning")
    assert "no cleaning on record" in told.why(0.0)
    told.cleaned(1.0, until=10.0)
    told.used("B-1", 2.0)
    told.used("B-2", 3.0)
    assert told.why(9.0) == ""
    assert "the cleaning of bioreactor-01 ran out" in told.why(10.0)
    told.cleaned(11.0)
    assert told.why(10_000.0) == ""


def test_a_unit_that_another_batch_used_is_dirty_until_it_is_cleaned(told: Told) -> None:
    told.registered("cleaning-between-batches")
    told.cleaned(1.0)
    told.used("B-1", 2.0)
    assert told.why(3.0, "B-1") == "", "its own batch goes on"
    assert told.why(3.0, "B-2") == (
        "bioreactor-01 was used for batch B-1 on 2026-06-01 10:00 UTC and not cleaned since; clean it "
        "(`cytoloop equipment clean bioreactor-01`)"
    )
    told.cleaned(4.0)
    assert told.why(5.0, "B-2") == ""
    told.used("B-2", 5.0)
    assert "used for batch B-2" in told.why(6.0, "B-1")
    assert told.why(6.0, "B-2") == "", "B-1 used it before it was cleaned"


def test_how_long_it_stays_clean_matters_until_it_is_used(told: Told) -> None:
    told.registered("cleaning-between-batches")
    told.cleaned(1.0, until=10.0)
    assert "ran out" in told.why(11.0)
    told.used("B-1", 9.0)
    assert told.why(200.0) == "", "the culture that is in it goes on"


def test_what_is_used_at_the_moment_of_the_cleaning_is_used_after_it(told: Told) -> None:
    told.registered("cleaning-between-batches")
    told.cleaned(1.0)
    told.used("B-1", 1.0)
    assert "used for batch B-1" in told.why(2.0, "B-2")


@pytest.mark.parametrize("verb", ["add", "transfer"])
def test_a_person_who_brings_something_to_a_unit_uses_it(told: Told, verb: str) -> None:
    told.registered("cleaning-between-batches")
    told.cleaned(1.0)
    told.used("B-1", 2.0, target="person:operator", verb="ask", to=UNIT)
    assert told.why(3.0, "B-2") == ""
    told.used("B-1", 2.0, target="person:operator", verb=verb, to=UNIT)
    assert "used for batch B-1" in told.why(3.0, "B-2")


def test_somebody_must_be_qualified_for_the_class(told: Told) -> None:
    told.registered("qualification")
    assert told.why(0.0) == (
        "nobody is qualified for bioreactor, which bioreactor-01 is, now; qualify an operator "
        "(`cytoloop equipment qualify USER bioreactor`)"
    )
    told.qualified("op.zhou", "closed_processor", until=99.0)
    assert "nobody is qualified" in told.why(0.0)
    told.qualified("op.zhou", until=10.0)
    assert told.why(9.0) == ""
    assert "nobody is qualified" in told.why(10.0)


def test_who_answers_must_be_qualified_once_it_is_demanded(told: Told) -> None:
    assert told.why_person("op.li", 1.0) == "", "nothing is demanded in a house that registered nothing"
    told.registered("qualification")
    assert "op.li is not qualified for bioreactor" in told.why_person("op.li", 1.0)
    told.qualified("op.zhou", until=10.0)
    assert told.why_person("op.zhou", 1.0) == ""
    assert "ran out on 2026-06-01 18:00 UTC" in told.why_person("op.zhou", 10.0)
    assert told.why_person("op.li", 1.0, "SOP-4") == "", "nobody was ever qualified for it"
    told.qualified("op.zhou", "SOP-4", until=10.0)
    assert "op.li is not qualified for SOP-4" in told.why_person("op.li", 1.0, "SOP-4")
    fact = QualificationWithdrawn(user="op.zhou", subject="SOP-4", reason="retrained", signature=signature())
    told.tell("qualification/op.zhou", fact, 2.0)
    assert "op.zhou is not qualified for SOP-4" in told.why_person("op.zhou", 3.0, "SOP-4"), "it stays demanded"


def test_saying_anew_what_a_unit_is_replaces_its_needs_and_keeps_its_log(told: Told) -> None:
    told.registered("calibration")
    told.calibrated(1.0, until=10.0)
    told.registered("calibration", "cleaning", hour=2.0)
    assert "no cleaning on record" in told.why(3.0)
    told.registered("calibration", hour=4.0)
    assert told.why(5.0) == ""
    assert told.register().units[UNIT].position == 4


USES = st.lists(st.tuples(st.sampled_from(["B-1", "B-2", "B-3", "clean"]), st.integers(0, 20)), max_size=25)


@given(story=USES, batch=st.sampled_from(["B-1", "B-2", "B-4"]))
def test_the_last_two_uses_are_enough_to_know(story: list[tuple[str, int]], batch: str) -> None:
    """The same as reading the whole history: did another batch use it since it was last cleaned?"""
    told, hour, uses, cleaned = Told(), 1.0, list[tuple[str, float]](), 1.0
    told.registered("cleaning-between-batches")
    told.cleaned(1.0)
    for what, later in story:
        hour += later
        if what == "clean":
            told.cleaned(hour)
            cleaned = hour
        else:
            told.used(what, hour)
            uses.append((what, hour))
    expected = any(at >= cleaned for other, at in uses if other != batch)
    assert bool(told.why(hour + 1.0, batch)) == expected


def test_a_moment_in_a_sentence_says_its_zone(told: Told) -> None:
    told.registered("calibration")
    told.calibrated(0.0, until=1.0)
    moment: Instant = after(START, 2.0)
    why = why_not(told.register(), UNIT, "B-1", moment)
    assert why is not None
    assert "2026-06-01 09:00 UTC" in why.en
    assert "2026-06-01 09:00 UTC" in why.zh
