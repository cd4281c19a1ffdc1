"""The twin as data, and what its equations must obey."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import cytoloop
from cytoloop.core.errors import UserError
from cytoloop.feedback.calibrate import values_of
from cytoloop.feedback.culture import D, Floats, G, L, M, X, begin, schedule, simulate
from cytoloop.feedback.dataset import Control, Start
from cytoloop.feedback.twin import NAMES, Twin

START = Start(seeding_density=1.0, volume=200.0)
PERFUSED = (Control(at=48.0, perfusion_rate=0.5, il2=100.0),)


def pack_data() -> Any:
    """The pack's twin as plain data."""
    return yaml.safe_load((Path(cytoloop.__file__).parent / "packs" / "car_t_cd19" / "twin.yaml").read_text("utf-8"))


def run(twin: Twin, controls: tuple[Control, ...] = PERFUSED, start: Start = START, hours: float = 240.0) -> Floats:
    """The trajectory of the middle donor, shape (steps + 1, 6)."""
    values = values_of(twin, np.zeros((1, len(NAMES))))
    return np.asarray(simulate(twin, values, begin(values, start), schedule(controls, start.il2, hours))[0])


@pytest.fixture
def twin() -> Twin:
    """The pack's twin."""
    return Twin.from_data(pack_data())


def test_every_figure_of_the_pack_names_its_source() -> None:
    data = pack_data()
    for section in ("population", "fixed", "noise", "misfit", "drift"):
        for name, figure in data[section].items():
            assert figure.get("source"), f"{section}.{name}"


def test_version_is_pinned_by_what_it_says(twin: Twin) -> None:
    assert twin.sha256 == Twin.from_data(pack_data()).sha256
    assert twin.key == f"{twin.twin}@{twin.sha256}"
    assert replace(twin, fixed={**twin.fixed, "lysis": 0.5}).sha256 != twin.sha256


def test_figures_of_a_fit_bring_the_same_twin_back(twin: Twin) -> None:
    again = twin.with_figures(twin.figures(), version=twin.version, batches=twin.batches)
    assert again == twin
    assert again.sha256 == twin.sha256


@pytest.mark.parametrize("pair", [(float("nan"), 0.1), (0.0, float("inf")), (0.0, -0.1), (0.0, 0.0)])
def test_poisoned_figures_never_become_a_twin(twin: Twin, pair: tuple[float, float]) -> None:
    with pytest.raises(UserError, match="mu_max"):
        twin.with_figures({**twin.figures(), "mu_max": pair}, version=2, batches=())


def test_figures_of_another_pack_are_refused(twin: Twin) -> None:
    figures = {name: pair for name, pair in twin.figures().items() if name != "lag"}
    with pytest.raises(UserError, match="lag"):
        twin.with_figures(figures, version=2, batches=())


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("population", "mu_max", "median"), -1.0, "population.mu_max.median"),
        (("population", "survival", "median"), 1.2, "population.survival.median"),
        (("population", "lag", "unit"), "d", "population.lag.unit is 'd'; expected 'h'"),
        (("population", "lag", "spread"), 0, "population.lag.spread"),
        (("population", "lag"), None, "population.lag is missing"),
        (("fixed", "lysis", "value"), "much", "fixed.lysis.value is 'much'; expected a number"),
        (("noise", "glucose"), 3, "noise.glucose is not a mapping"),
        (("population", "wings"), {"median": 2}, "population.wings is not a parameter"),
        (("version",), "one", "version is 'one'; expected a number"),
    ],
)
def test_a_mistake_in_the_pack_is_named(path: tuple[str, ...], value: Any, said: str) -> None:
    data = pack_data()
    place = data
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(UserError) as caught:
        Twin.from_data(data, "pack/twin.yaml")
    assert str(caught.value).startswith("pack/twin.yaml")
    assert said in str(caught.value)


def test_cells_lag_then_grow_and_use_glucose(twin: Twin) -> None:
    culture = run(twin)
    assert culture[48, X] < 1.2 * culture[0, X], "hardly any growth in the first day"
    assert culture[240, X] > 2.0 * culture[96, X]
    assert culture[240, G] < culture[0, G]
    assert culture[240, L] > 1.0
    assert np.all(np.diff(culture[:, M]) <= 0), "memory is only lost"
    assert np.all(culture >= 0)


def test_carbon_of_lactate_comes_from_glucose(twin: Twin) -> None:
    closed = run(twin, controls=(Control(at=0.0, perfusion_rate=0.0, il2=100.0),))
    taken = closed[0, G] - closed[-1, G]
    yielded = float(np.exp(twin.population["lactate_yield"][0]))
    assert closed[-1, L] == pytest.approx(yielded * taken, rel=1e-3)


def test_perfusion_feeds_and_washes_lactate_out(twin: Twin) -> None:
    slow, fast = run(twin), run(twin, controls=(Control(at=48.0, perfusion_rate=2.0, il2=100.0),))
    assert fast[-1, X] > slow[-1, X]
    assert fast[-1, L] < slow[-1, L]
    assert fast[-1, D] / fast[-1, X] < slow[-1, D] / slow[-1, X]
