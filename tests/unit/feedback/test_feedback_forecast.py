"""The public way in: a twin from any plant's batches, its forecasts, and what is refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cytoloop.bench.forecast_plants import Assays, Case, gompertz
from cytoloop.core.errors import UserError
from cytoloop.feedback.dataset import BatchHistory
from cytoloop.feedback.forecast import Forecast, NotEnoughData
from cytoloop.feedback.given import histories
from cytoloop.feedback.learned import default
from cytoloop.feedback.twin import Twin


def plain(case: Case) -> dict[str, Any]:
    """The case as anybody would hand it in."""
    seen = case.seen
    return {
        "batch": seen.batch,
        "start": {"seeding_density": seen.start.seeding_density, "volume": seen.start.volume},
        "controls": [{"at": c.at, "perfusion_rate": c.perfusion_rate, "il2": c.il2} for c in seen.controls],
        "readings": {name: list(pairs) for name, pairs in seen.observations.items()},
        "harvest_at": seen.harvest_at,
    }


def told(twin: Twin, case: Case, at: float, **more: Any) -> Forecast:
    """The forecast of the harvest from hour `at`."""
    found = twin.forecast(case.seen, at, harvest_at=case.at, draws=64, **more)
    assert isinstance(found, Forecast)
    return found


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Fourteen donors of a plant of other equations."""
    return [gompertz(donor, Assays()) for donor in range(14)]


@pytest.fixture(scope="module")
def twin(cases: list[Case]) -> Twin:
    """The twin of six of them, handed in as plain mappings."""
    return Twin.fit([plain(case) for case in cases[:6]], seed=1)


def test_unseen_donors_of_another_structure_are_foretold(twin: Twin, cases: list[Case]) -> None:
    errors, inside = [], []
    for case in cases[6:]:
        found = told(twin, case, case.at - 60.0).truths["viable_cell_density"]
        errors.append(abs(found.median / case.truth["viable_cell_density"] - 1.0))
        inside.append(found.low <= case.truth["viable_cell_density"] <= found.high)
    assert np.mean(errors) < 0.12
    assert np.mean(inside) >= 0.7


def test_the_same_batches_and_seed_give_the_same_twin(cases: list[Case]) -> None:
    one, other = (Twin.fit(batches, seed=1) for batches in ([c.seen for c in cases[:3]], [plain(c) for c in cases[:3]]))
    assert one.sha256 == other.sha256


def test_a_fit_says_what_it_could_not_learn(twin: Twin) -> None:
    assert any(note.startswith("il2 was the same in all 6 batches") for note in twin.notes)
    assert any("not identified" in note for note in twin.notes)
    assert any("finished product" in note for note in twin.notes)


def test_a_fitted_twin_comes_back_from_its_figures(twin: Twin, cases: list[Case]) -> None:
    again = default().with_figures(twin.figures(), version=twin.version, batches=twin.batches)
    assert (
        set(again.residual) == set(twin.residual) == {"viable_cell_density", "viability", "memory_fraction", "glucose"}
    )
    mine = told(again, cases[9], 150.0).made.quantities["viable_cell_density"]
    assert mine.median == pytest.approx(told(twin, cases[9], 150.0).made.quantities["viable_cell_density"].median)


def test_an_old_fact_without_residual_still_makes_a_twin() -> None:
    known = default()
    old = {name: pair for name, pair in known.figures().items() if not name.startswith(("residual:", "noise:"))}
    assert known.with_figures(old, version=3, batches=("B-1",)).residual == {}


def test_each_attribute_has_its_own_chance(twin: Twin, cases: list[Case]) -> None:
    limits = {"viability": (0.01, None), "viable_car_cells": (1e9, None), "sterility": (None, 0.0)}
    found = told(twin, cases[10], 150.0, limits=limits)
    assert found.made.chances == {"viability": 1.0, "viable_car_cells": 0.0}
    assert found.made.in_specification == 0.0
    assert found.ready is None
    easy = told(twin, cases[10], 150.0, limits={"viability": (0.01, None)})
    assert easy.ready is not None
    assert easy.ready.median == 150.0


def test_more_days_ahead_are_less_certain(twin: Twin, cases: list[Case]) -> None:
    case = cases[11]
    far, near = (told(twin, case, at).truths["viable_cell_density"] for at in (case.at - 108.0, case.at - 36.0))
    assert np.log(far.high / far.low) > np.log(near.high / near.low)


def test_a_biomass_signal_may_have_any_unit(twin: Twin, cases: list[Case]) -> None:
    case = cases[12]
    signal = case.seen.observations["biomass_online"]
    louder = replace(
        case.seen, observations={**case.seen.observations, "biomass_online": tuple((t, 900.0 * v) for t, v in signal)}
    )
    one, other = told(twin, case, 150.0), told(twin, replace(case, seen=louder), 150.0)
    assert one.truths["viable_cell_density"].median == pytest.approx(other.truths["viable_cell_density"].median)


def test_too_little_is_said(twin: Twin, cases: list[Case]) -> None:
    early = twin.forecast(cases[9].seen, 60.0, harvest_at=240.0)
    unplanned = twin.forecast(replace(cases[9].seen, harvest_at=None), 150.0)
    unfitted = default().forecast(cases[9].seen, 150.0, harvest_at=240.0)
    for answer, said in ((early, "no viable cell density"), (unplanned, "no harvest"), (unfitted, "on no batch")):
        assert isinstance(answer, NotEnoughData)
        assert said in answer.reason


def changed(case: Case, **more: Any) -> dict[str, Any]:
    """A batch with something wrong."""
    return {**plain(case), **more}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"readings": {"viable_cell_density": [(72.0, 1.9e6)]}}, "cells/mL"),
        ({"readings": {"viable_cell_density": [(72.0, float("nan"))]}}, "expected a finite number"),
        ({"readings": {"viable_cell_density": [(72.0, 2.0)], "glucose": [(72.0, 320.0)]}}, "mg/dL"),
        ({"readings": {"viable_cell_density": [(72.0, 2.0)], "viability": [(72.0, 93.0)]}}, "fraction"),
        ({"readings": {"viable_cell_density": [72.0, 2.0]}}, r"expected \(h, value\)"),
        ({"readings": {"wings": [(72.0, 2.0)]}}, "none of wings is known"),
        ({"units": {"glucose": "g/L"}}, "house unit is 'mmol/L'"),
        ({"pack": "msc", "batch": "B-1"}, "different packs"),
        ({"start": {"volume": 200.0}}, "seeding_density is missing"),
        ({"controls": [{"at": 48.0, "perfusion": 1.0}]}, "expected at"),
        ({"harvest": 240.0}, "harvest is not known"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(cases: list[Case], wrong: dict[str, Any], said: str) -> None:
    others = [changed(case, pack="car_t_cd19") for case in cases[:3]]
    with pytest.raises(UserError, match=said):
        Twin.fit([*others, changed(cases[3], **wrong)])


def test_a_batch_on_another_scale_than_the_others_is_refused(cases: list[Case]) -> None:
    def thousandth(seen: BatchHistory) -> BatchHistory:
        counts = tuple((at, value / 1000.0) for at, value in seen.observations["viable_cell_density"])
        return replace(seen, observations={**seen.observations, "viable_cell_density": counts})

    with pytest.raises(UserError, match="contradict each other"):
        Twin.fit([*(case.seen for case in cases[:4]), thousandth(cases[4].seen)])


def test_a_starved_batch_is_no_contradiction(cases: list[Case]) -> None:
    starved = changed(cases[3])
    starved["readings"]["glucose"] = [(at, 0.01) for at, _ in starved["readings"]["glucose"]]
    assert len(histories([*(case.seen for case in cases[:3]), starved])) == 4


def test_two_batches_or_one_twice_are_refused(cases: list[Case]) -> None:
    with pytest.raises(UserError, match=r"2 finished batches .* too few"):
        Twin.fit([case.seen for case in cases[:2]])
    with pytest.raises(UserError, match="more than once"):
        Twin.fit([cases[0].seen, cases[0].seen, cases[1].seen])
