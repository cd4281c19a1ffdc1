"""The hierarchy: draws that are what they claim to be, and what the batches do not identify."""

from pathlib import Path

import numpy as np
import pytest
import yaml

import cytoloop
from cytoloop.core.errors import UserError
from cytoloop.feedback.calibrate import HUBER
from cytoloop.feedback.dataset import BatchHistory, Control, Start, history
from cytoloop.feedback.hierarchy import Chains, Posterior, sample
from cytoloop.feedback.mixing import effective, split_rhat
from cytoloop.feedback.rank_check import huber_draws, rank_check, world
from cytoloop.feedback.twin import NAMES, Twin

DAYS = (72.0, 120.0, 168.0, 216.0)
KNOWN = ("mu_max", "glucose_uptake", "medium_glucose", "lactate_yield")


@pytest.fixture(scope="module")
def prior() -> Twin:
    """The pack's twin."""
    path = Path(cytoloop.__file__).parent / "packs" / "car_t_cd19" / "twin.yaml"
    return Twin.from_data(yaml.safe_load(path.read_text("utf-8")))


def templates(count: int) -> list[BatchHistory]:
    """What is read of each batch, and when."""
    return [
        history(
            batch=f"B-{place}",
            start=Start(seeding_density=1.0, volume=200.0),
            controls=(Control(at=48.0, perfusion_rate=0.5 + 0.5 * place, il2=100.0),),
            observations={name: [(d, 1.0) for d in DAYS] for name in ("viable_cell_density", "glucose", "lactate")},
        )
        for place in range(count)
    ]


@pytest.fixture(scope="module")
def posterior(prior: Twin) -> Posterior:
    """Draws given four batches of a population the prior believes in."""
    generator = np.random.default_rng(1)
    _, batches = world(prior, templates(4), generator)
    return sample(prior, batches, generator, chains=Chains(chains=2, sweeps=80))


def test_it_says_what_the_batches_do_not_identify(posterior: Posterior) -> None:
    contraction = posterior.contraction()
    assert contraction["mu_max"] > 0.4
    assert contraction["vector_copies"] < 0.4
    assert any(line.startswith("not identified") for line in posterior.told())
    assert any("R-hat" in line for line in posterior.told())
    assert 0.05 < posterior.accepted < 0.95
    assert 0.0 < posterior.accepted_shift < 1.0


def test_draws_have_the_shapes_and_signs_they_promise(posterior: Posterior) -> None:
    assert posterior.means.shape == posterior.spreads.shape == (2, 40, len(NAMES))
    assert posterior.donors.shape == (2, 40, 4, len(NAMES))
    assert np.all(posterior.spreads > 0)
    assert set(posterior.population()) == set(NAMES)


@pytest.mark.parametrize(("narrow", "right"), [(1.0, True), (0.2, False)])
def test_ranks_are_even_and_a_posterior_too_narrow_is_caught(
    prior: Twin, request: pytest.FixtureRequest, narrow: float, right: bool
) -> None:
    """Short form: 24 ranks; `--long`: 240."""
    long = bool(request.config.getoption("--long"))
    found = rank_check(
        prior, templates(2), np.random.default_rng(3), names=KNOWN, replicates=60 if long else 6,
        chains=Chains(chains=2, sweeps=200 if long else 50),
        distort=lambda draws: draws.mean(axis=0) + narrow * (draws - draws.mean(axis=0)),
    )  # fmt: skip
    assert (found.chance(bins=8 if long else 4) > 0.005) is right


def test_one_batch_is_no_population(prior: Twin) -> None:
    with pytest.raises(UserError, match="two or more"):
        sample(prior, templates(1), np.random.default_rng(1))


def test_chains_that_disagree_are_seen() -> None:
    generator = np.random.default_rng(1)
    good = generator.standard_normal((4, 400))
    apart = good + np.arange(4.0)[:, None]
    slow = np.cumsum(generator.standard_normal((4, 400)), axis=1)
    assert split_rhat(good) < 1.02
    assert split_rhat(apart) > 1.3
    assert split_rhat(slow) > 1.1
    assert effective(good) > 1000
    assert effective(slow) < 60
    assert split_rhat(np.zeros((2, 10))) == 1.0


def test_the_noise_drawn_is_the_noise_believed() -> None:
    drawn = huber_draws(40_000, np.random.default_rng(2))
    beyond = np.abs(drawn) > HUBER
    assert drawn.mean() == pytest.approx(0.0, abs=0.02)
    assert beyond.mean() == pytest.approx(0.0140, abs=0.002), "2 exp(-h^2/2)/h over the whole mass"
    assert (np.abs(drawn[beyond]) - HUBER).mean() == pytest.approx(1.0 / HUBER, abs=0.06)
