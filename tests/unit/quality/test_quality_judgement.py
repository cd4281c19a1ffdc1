"""Specification, deviations and release of a batch built from its facts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files as package_files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytoloop.core.batch import Batch, apply, begin
from cytoloop.core.entry import Entry, Fact, Recorded
from cytoloop.core.errors import RefusedError
from cytoloop.core.facts.production import (
    BatchAborted,
    BatchCreated,
    BatchFinished,
    ReadingsRecorded,
    StepFailed,
    StepStarted,
)
from cytoloop.core.facts.quality import (
    Decision,
    DeviationClosed,
    DeviationOpened,
    DispositionKind,
    DispositionSigned,
    RecordReviewed,
    ResultRecorded,
)
from cytoloop.core.product import Stage
from cytoloop.core.reading import Quality, Reading
from cytoloop.core.signature import Meaning, Signature
from cytoloop.core.words import Words
from cytoloop.production.pack import PACK_FILES, Pack, load_pack
from cytoloop.quality.deviation import needed
from cytoloop.quality.obstacles import Obstacle
from cytoloop.quality.release import Review, allowed, review, sign_off
from cytoloop.quality.specification import judge

BEGIN = datetime(2026, 6, 1, tzinfo=UTC)
UNIT = {
    "viable_car_cells": "1e6 cells",
    "vector_copy_number": "copies/cell",
    "endotoxin": "EU/mL",
    "sterility": "CFU",
    "bead_residual": "beads/cell",
}
GOOD = {
    "viability": 0.9,
    "cd3_purity": 0.97,
    "car_fraction": 0.4,
    "memory_fraction": 0.5,
    "viable_car_cells": 300.0,
    "vector_copy_number": 2.0,
    "endotoxin": 0.5,
    "sterility": 0.0,
    "bead_residual": 0.01,
}


def pack() -> Pack:
    folder = package_files("cytoloop") / "packs" / "car_t_cd19"
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in PACK_FILES[:4]}
    loaded = load_pack({**texts, "twin.yaml": "twin: stand-in", "donors.yaml": "donors: stand-in"})
    assert isinstance(loaded, Pack)
    return loaded


MASTER = pack().master


def told(fact: Fact, position: int) -> Recorded:
    at = BEGIN + timedelta(hours=position)
    entry = Entry(
        sequence=position,
        stream="batch/B-1",
        position=position,
        name=fact.NAME,
        actor="person:test",
        happened_at=at,
        recorded_at=at,
        data={},
    )
    return Recorded(entry, fact)


def batch_of(*facts: Fact, weight: float = 70.0) -> Batch:
    created = BatchCreated(
        batch="B-1",
        order="O-1",
        subject="S-1",
        study="ST-1",
        coi="COI-1",
        product="car_t_cd19",
        line="line-1",
        recipe="car_t_cd19",
        recipe_version=1,
        recipe_sha256="0" * 64,
        weight=weight,
        equipment={"bioreactor": "bioreactor-01"},
    )
    return more(begin(told(created, 0), MASTER), *facts)


def more(batch: Batch, *facts: Fact) -> Batch:
    for fact in facts:
        batch = apply(batch, told(fact, batch.position))
    return batch


def result(attribute: str, value: float, stage: Stage = "release", unit: str | None = None) -> ResultRecorded:
    return ResultRecorded(
        sample="release_testing/release_sample",
        attribute=attribute,
        stage=stage,
        value=value,
        unit=unit or UNIT.get(attribute, "fraction"),
        method="test",
        tested_by="equipment:qc-laboratory-01",
    )


def readings(values: list[float], *, begin_hour: int = 0, quality: Quality = "good") -> ReadingsRecorded:
    """Hourly temperatures of the bioreactor."""
    return ReadingsRecorded(
        step="expansion/expand[0]/read",
        readings=tuple(
            Reading(
                signal="temperature",
                value=value,
                unit="°C",
                at=BEGIN + timedelta(hours=begin_hour + hour),
                quality=quality,
                source="bioreactor-01",
            )
            for hour, value in enumerate(values)
        ),
    )


def signature(digest: str = "0" * 64, meaning: Meaning = "released", role: str = "qualified_person") -> Signature:
    return Signature(
        signer="qp",
        printed_name="Q. P.",
        role=role,
        meaning=meaning,
        signed_at=BEGIN,
        zone="Asia/Shanghai",
        digest=digest,
        components=("user-id", "password"),
    )


def closed(deviation: DeviationOpened, decision: Decision = "continue") -> DeviationClosed:
    return DeviationClosed(
        deviation=deviation.deviation, decision=decision, reason="looked into", signature=signature()
    )


def failed(verb: str = "program", **values: Any) -> tuple[StepStarted, StepFailed]:
    step = "fill/scan_final_bag"
    started = StepStarted(step=step, attempt=1, key="k", target="t", verb=verb, arguments={})
    return started, StepFailed(step=step, attempt=1, reason="it did not work", values=values)


def reviewed(batch: Batch) -> Batch:
    """The batch after somebody reviewed its record as it is now."""
    signed = signature(meaning="reviewed", role="qa")
    return more(batch, RecordReviewed(batch="B-1", position=batch.position, remarks="", signature=signed))


def unread(**changes: float) -> Batch:
    return batch_of(*(result(name, value) for name, value in {**GOOD, **changes}.items()), BatchFinished())


def finished(**changes: float) -> Batch:
    return reviewed(unread(**changes))


@pytest.mark.parametrize(
    ("attribute", "value", "judgement"),
    [
        ("viability", 0.70, "in"),
        ("viability", 0.6999, "out"),
        ("sterility", 0.0, "in"),
        ("sterility", 1.0, "out"),
        ("vector_copy_number", 5.0, "in"),
        ("vector_copy_number", 5.01, "out"),
        ("viable_car_cells", 140.0, "in"),
        ("viable_car_cells", 139.9, "out"),
        ("cd4_fraction", 0.0, "no-limit"),
        ("viability", float("nan"), "cannot-judge"),
        ("viability", float("inf"), "cannot-judge"),
        ("colour", 1.0, "cannot-judge"),
    ],
)
def test_limits_are_part_of_the_specification(attribute: str, value: float, judgement: str) -> None:
    assert judge(result(attribute, value), MASTER.product, 70.0).judgement == judgement


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan")])
def test_a_dose_without_a_weight_cannot_be_judged(weight: float) -> None:
    assert judge(result("viable_car_cells", 1e6), MASTER.product, weight).judgement == "cannot-judge"


def test_another_unit_cannot_be_judged() -> None:
    assert judge(result("viability", 90.0, unit="%"), MASTER.product, 70.0).judgement == "cannot-judge"


@given(st.floats(1, 200), st.floats(0, 2000))
def test_the_dose_is_judged_per_kilogram(weight: float, cells: float) -> None:
    judgement = judge(result("viable_car_cells", cells), MASTER.product, weight).judgement
    assert judgement == ("in" if cells >= 2.0 * weight else "out")


def test_an_out_of_specification_result_opens_one_deviation_once() -> None:
    batch = batch_of(result("viability", 0.5, "in_process"), result("viability", 0.9, "in_process"))
    (opened,) = needed(batch)
    assert (opened.kind, opened.cause, opened.step) == ("out-of-specification", 1, None)
    assert "0.5" in opened.what
    assert needed(more(batch, opened)) == ()
    assert needed(more(batch, opened, closed(opened))) == ()


def test_a_failed_step_opens_a_deviation_for_each_attempt() -> None:
    batch = batch_of(*failed())
    (opened,) = needed(batch)
    assert (opened.kind, opened.step, opened.cause) == ("step-failed", "fill/scan_final_bag", 2)
    again = more(batch, opened, closed(opened, "repeat"))
    assert needed(again) == ()
    (second,) = needed(more(again, *failed()))
    assert second.deviation != opened.deviation


@pytest.mark.parametrize(
    ("verb", "values", "kind"),
    [
        ("scan", {"code": "COI-2"}, "identity-mismatch"),
        ("scan", {}, "step-failed"),
        ("scan", {"code": "COI-1"}, "step-failed"),
        ("ask", {"code": "COI-2"}, "step-failed"),
    ],
)
def test_a_label_of_somebody_else_is_an_identity_mismatch(verb: str, values: dict[str, str], kind: str) -> None:
    assert [each.kind for each in needed(batch_of(*failed(verb, **values)))] == [kind]


@pytest.mark.parametrize(
    ("values", "count"),
    [
        ([37.0] * 6, 0),
        ([39.0, 39.0, 37.0], 0),  # out for one hour: as long as is tolerated
        ([39.0, 39.0, 39.0], 1),
        ([39.0] * 9, 1),
        ([39.0, 39.0, 37.0, 39.0, 39.0], 0),
        ([34.0, 34.0, 34.0, 37.0, 39.0, 39.0, 39.0], 1),  # twice in one entry: one deviation
        ([38.5, 35.5] * 5, 0),
    ],
)
def test_an_excursion_is_outside_for_longer_than_tolerated(values: list[float], count: int) -> None:
    found = needed(batch_of(readings(values)))
    assert [each.kind for each in found] == ["excursion"] * count


def test_an_excursion_over_several_entries_is_one_and_a_new_one_is_another() -> None:
    batch = batch_of(readings([37.0, 39.0]), readings([39.0, 39.0], begin_hour=2))
    (opened,) = needed(batch)
    assert opened.cause == 2
    known = more(batch, opened, readings([39.0, 37.0], begin_hour=4))
    assert needed(known) == ()
    (second,) = needed(more(known, readings([39.0, 39.0, 39.0], begin_hour=6)))
    assert second.deviation != opened.deviation


def test_a_bad_reading_says_nothing_of_the_process() -> None:
    assert needed(batch_of(readings([99.0] * 9, quality="bad"))) == ()


@given(st.lists(st.lists(st.sampled_from([37.0, 39.0]), min_size=1, max_size=4), max_size=8))
def test_reading_a_batch_as_it_grows_opens_what_reading_it_at_the_end_does(rounds: list[list[float]]) -> None:
    batch, hour = batch_of(), 0
    opened: list[DeviationOpened] = []
    for values in rounds:
        batch = more(batch, readings(values, begin_hour=hour))
        hour += len(values)
        found = needed(batch)
        batch = more(batch, *found)
        opened += found
    assert len({each.deviation for each in opened}) == len(opened)
    unnoted = replace(batch, deviations={})
    assert list(needed(unnoted)) == opened


def signed_off(seen: Review, disposition: DispositionKind, reason: str) -> DispositionSigned:
    return sign_off(seen, disposition, reason, signature(seen.digest(disposition, reason)))


def test_a_batch_in_order_may_be_released() -> None:
    seen = review(finished())
    assert seen.obstacles == ()
    assert allowed(seen) == ("released", "rejected")
    signed = signed_off(seen, "released", "all in specification")
    assert signed.disposition == "released"


@pytest.mark.parametrize(
    ("changes", "kinds", "options"),
    [
        ({"viability": 0.5}, {"out-of-specification"}, ("supplied-out-of-specification", "rejected")),
        ({"sterility": 3.0, "endotoxin": 9.0}, {"out-of-specification"}, ("supplied-out-of-specification", "rejected")),
        ({"viability": float("inf")}, {"cannot-judge"}, ("rejected",)),
    ],
)
def test_an_obstacle_leaves_other_dispositions(
    changes: dict[str, float], kinds: set[str], options: tuple[str, ...]
) -> None:
    seen = review(finished(**changes))
    assert {each.kind for each in seen.obstacles} == kinds
    assert allowed(seen) == options


def test_a_missing_result_allows_a_conditional_release_and_later_the_release() -> None:
    facts = [result(name, value) for name, value in GOOD.items() if name != "sterility"]
    batch = reviewed(batch_of(*facts, BatchFinished()))
    seen = review(batch)
    assert [each.kind for each in seen.obstacles] == ["result-missing"]
    assert allowed(seen) == ("conditionally-released", "rejected")
    signed = signed_off(seen, "conditionally-released", "sterility is pending")
    complete = more(batch, signed, result("sterility", 0.0))
    assert allowed(review(complete)) == ("rejected",), "the record grew since it was reviewed"
    assert allowed(review(reviewed(complete))) == ("released", "rejected")


def test_a_better_second_result_does_not_wash_the_first_away() -> None:
    batch = reviewed(more(unread(viability=0.5), result("viability", 0.9)))
    assert "released" not in allowed(review(batch))


def test_an_open_deviation_hinders_release_and_a_closed_one_does_not() -> None:
    batch = unread()
    opened = DeviationOpened(deviation="B-1-D1", kind="excursion", what="warm", cause=1)
    assert allowed(review(reviewed(more(batch, opened)))) == ("rejected",)
    assert allowed(review(reviewed(more(batch, opened, closed(opened))))) == ("released", "rejected")


def test_a_label_of_somebody_else_hinders_release_for_ever() -> None:
    opened = DeviationOpened(deviation="B-1-D1", kind="identity-mismatch", what="label", cause=1)
    seen = review(reviewed(more(unread(), opened, closed(opened))))
    assert [each.kind for each in seen.obstacles] == ["identity"]
    assert allowed(seen) == ("rejected",)


def test_unfinished_aborted_and_signed_batches() -> None:
    running = batch_of(*(result(name, value) for name, value in GOOD.items()))
    assert allowed(review(running)) == ()
    assert allowed(review(more(running, BatchAborted(deviation="D", reason="lost")))) == ("rejected",)
    seen = review(finished())
    signed: DispositionSigned = signed_off(seen, "released", "fine")
    assert allowed(review(more(finished(), signed))) == ()


def test_what_the_law_found_hinders_release() -> None:
    law = Obstacle(kind="law", words=Words(en="no consent", zh="无知情同意"))
    assert allowed(review(finished(), (law,))) == ("rejected",)


@pytest.mark.parametrize(
    ("disposition", "reason", "changes", "said"),
    [
        ("supplied-out-of-specification", "why", {}, "nothing hinders its release"),
        ("released", "why", {"role": "qa"}, "not by a qa"),
        ("released", "why", {"digest": "1" * 64}, "changed after it was shown"),
        ("released", "why", {"meaning": "reviewed"}, "means 'reviewed'"),
        ("rejected", "why", {"meaning": "released"}, "means 'released'"),
        ("released", "  ", {}, "give a reason"),
    ],
)
def test_a_disposition_is_signed_as_shown_or_refused(
    disposition: Any, reason: str, changes: dict[str, Any], said: str
) -> None:
    seen = review(finished())
    with pytest.raises(RefusedError, match=said):
        sign_off(seen, disposition, reason, signature(**{"digest": seen.digest(disposition, reason), **changes}))


def test_a_signature_is_over_the_disposition_and_its_reason_too() -> None:
    seen = review(finished())
    for over in (seen.digest("rejected", "fine"), seen.digest("released", "other")):
        with pytest.raises(RefusedError, match="changed after it was shown"):
            sign_off(seen, "released", "fine", signature(over))


def test_the_digest_binds_to_everything_shown() -> None:
    law = Obstacle(kind="law", words=Words(en="no consent", zh="无知情同意"))
    others = review(unread()), review(finished(viability=0.91)), review(finished(), (law,))
    one = review(finished()).digest("rejected", "why")
    assert one == review(finished()).digest("rejected", "why")
    assert one not in {other.digest("rejected", "why") for other in others}
