"""The transcription model: balances that close, exact beside SciPy, fitted and checked on tables."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from typer.testing import CliRunner

from cytoloop.adapters.tables import read_tables
from cytoloop.cli import twin_ivt
from cytoloop.cli.main import app_of
from cytoloop.core.errors import UserError
from cytoloop.feedback.models import ivt
from cytoloop.feedback.models.ivt import FIXED, PARAMETERS, STATES, C, N, Q, R, Reaction, pools, react
from cytoloop.feedback.models.kernel import Floats
from cytoloop.feedback.published.ivt_fit import IvtFit, IvtScore, fit_ivt
from cytoloop.feedback.published.ivt_tables import (
    PUBLISHED,
    RATES,
    ROSA,
    SOLUBILITY,
    TRAJECTORIES,
    published,
    read_runs,
)

BELIEVED = np.array([each.figure for each in PARAMETERS])
BASES = (231.0, 246.0, 189.0, 202.0)


def reaction(ntp: float = 8e-4, magnesium: float = 8e-3, ppiase: float = 0.0, polymerase: float = 1e-7) -> Reaction:
    return Reaction(
        polymerase=polymerase,
        template=7.4,
        atp=ntp,
        utp=ntp,
        ctp=ntp,
        gtp=ntp,
        magnesium=magnesium,
        buffer=0.04,
        bases=BASES,
        ppiase=ppiase,
    )


def figures(of: Reaction) -> Floats:
    return np.array([*BELIEVED, *(each.figure for each in FIXED), *of.row()])


def test_a_reaction_is_exact_beside_scipy() -> None:
    of, times = reaction(), np.array([0.25, 0.5, 1.0, 2.0])
    found = react(BELIEVED[None], [of], times[None], rtol=1e-6)[0, 0]
    values = figures(of)

    def slopes(_: float, y: Floats) -> Floats:
        out = np.zeros(5)
        ivt.rates_plain(np.maximum(y, 0.0), values, np.zeros(2), out)
        return out

    solved = solve_ivp(slopes, (0.0, 2.0), [0, 0, 0, 7.4, 0], "LSODA", times, rtol=1e-8, atol=1e-14)
    size = np.maximum(np.abs(solved.y.T), 1e3 * np.array([state.floor for state in STATES]))
    assert np.max(np.abs(found - solved.y.T) / size) < 1e-4


@settings(max_examples=15, deadline=None, database=None)
@given(
    ntp=st.floats(1e-4, 1e-2),
    magnesium=st.floats(2e-3, 8e-2),
    ppiase=st.sampled_from([0.0, 1e-5, 0.004]),
    polymerase=st.floats(1e-8, 5e-7),
)
def test_phosphate_magnesium_and_bases_are_kept(ntp: float, magnesium: float, ppiase: float, polymerase: float) -> None:
    of = reaction(ntp, magnesium, ppiase, polymerase)
    states = react(BELIEVED[None], [of], np.array([[0.1, 0.5, 2.0]]), rtol=1e-4)[0, 0]
    assert np.isfinite(states).all()
    assert states.min() >= 0.0
    found = pools(of, states)
    ntps = found["atp"] + found["utp"] + found["ctp"] + found["gtp"]
    assert min(values.min() for values in found.values()) > -1e-2 * ntp * 1e3
    phosphate = 3.0 * ntps + 2.0 * found["ppi"] + found["phosphate"]
    phosphate += 2e3 * states[:, C] + 1e3 * states[:, R] * (sum(BASES) + 2.0)
    assert phosphate == pytest.approx(np.full(3, 12e3 * ntp), rel=1e-9)
    assert found["magnesium"] + 2e3 * states[:, C] == pytest.approx(np.full(3, 1e3 * magnesium), rel=1e-9)
    grown = states[:, [R, C, Q, N]]
    assert np.all(np.diff(grown, axis=0) >= -1e-4 * grown.max(axis=0) - 1e-12), (
        "nothing goes back, but for the tolerance"
    )


def test_both_balances_of_the_complexes_close() -> None:
    """Free magnesium and protons put back into equation (2) give the magnesium and the charge there is."""
    of = reaction()
    values, room = figures(of), np.zeros(2)
    ntp, ppi, mg, pi, rna = 3.2e-3, 5e-4, 7e-3, 1e-4, 1e-6
    free, mgntp, mgppi, mg2ppi = ivt._complexes_plain(values, room, (ntp, ppi, mg, pi, rna))
    k = {each.name: value for each, value in zip((*PARAMETERS, *FIXED), values, strict=False)}
    h = np.exp(room[0])
    n = {"N": 1.0, "H": h * k["K_HNTP"], "M": free * k["K_MgNTP"]}
    n |= {"HM": n["H"] * free * k["K_HMgNTP"], "MM": n["M"] * free * k["K_Mg2NTP"]}
    share = ntp / sum(n.values())
    p = {"P": 1.0, "H": h * k["K_HPPi"], "M": free * k["K_MgPPi"]}
    p |= {"HM": p["H"] * free * k["K_HMgPPi"], "HH": p["H"] * h * k["K_H2PPi"], "MM": p["M"] * free * k["K_Mg2PPi"]}
    p |= {"HHM": p["HH"] * free * k["K_H2MgPPi"]}
    part = ppi / sum(p.values())
    i = {"I": 1.0, "H": h * k["K_HPi"], "M": free * k["K_MgPi"]}
    bit = pi / sum(i.values())
    bound = share * (n["M"] + n["HM"] + 2 * n["MM"]) + part * (p["M"] + p["HM"] + p["HHM"] + 2 * p["MM"])
    assert free + bound + bit * i["M"] == pytest.approx(mg, rel=1e-8)
    assert (mgntp, mgppi, mg2ppi) == pytest.approx((share * n["M"], part * p["M"], part * p["MM"]), rel=1e-9)
    negative = share * (4 + 3 * n["H"] + 2 * n["M"] + n["HM"]) + part * (
        4 + 3 * p["H"] + 2 * p["M"] + p["HM"] + 2 * p["HH"]
    )
    row = of.row()
    hydrogen = h * 10**8.1
    negative += bit * (2 + i["H"]) + row[5] + row[6] + 1e-14 / h + rna
    assert negative == pytest.approx(row[4] + h + 0.04 * hydrogen / (1 + hydrogen) + 2 * free, rel=1e-8)
    assert 7.0 < -np.log10(h) < 9.0


def test_pyrophosphatase_keeps_magnesium_in_solution() -> None:
    times = np.array([[2.0], [2.0]])
    plain, treated = react(BELIEVED[None], [reaction(), reaction(ppiase=0.01)], times)[0, :, 0]
    assert plain[C] > 1e-4
    assert treated[C] < 0.1 * plain[C]
    assert treated[Q] > 0.0


def written(folder: Path, truth: Floats) -> None:
    """Tables as the published ones, told by the model itself."""
    minutes = np.array([5.0, 15.0, 30.0, 60.0, 90.0, 120.0])
    lines = ["Time (min)\tT7RNAP (uM)\tNTP (mM)\tMgOAc (mM)\tRNA Yield (uM)\tStd\tPpi Conc (mM)\tPpi Std"]
    for ntp, mg in ((0.8, 8.0), (0.8, 14.0), (1.6, 14.0)):
        of = reaction(1e-3 * ntp, 1e-3 * mg)
        told = pools(of, react(truth[None], [of], minutes[None] / 60.0, rtol=1e-7)[0, 0])
        lines += [
            f"{minute}\t0.1\t{ntp}\t{mg}\t{rna}\t0.02\t{ppi}\t0.02"
            for minute, rna, ppi in zip(minutes, told["rna"], told["ppi"], strict=True)
        ]
    (folder / TRAJECTORIES).write_text("\n".join(lines), encoding="utf-8")
    (folder / PUBLISHED).write_text("\n".join(str(each) for each in np.log10(BELIEVED)), encoding="utf-8")


def test_a_fit_foretells_runs_left_out_on_the_command_line(tmp_path: Path) -> None:
    truth = BELIEVED.copy()
    truth[[0, 7, 9]] *= (1.8, 2.5, 0.5)
    written(tmp_path, truth)
    done = CliRunner().invoke(app_of("twin"), ["twin", "fit", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout.splitlines()[-1])
    scores = {each["observable"]: each for each in found["scores"]}
    assert scores["rna"]["fitted"] < 0.01
    assert scores["rna"]["left_out"] < 0.05
    assert scores["rna"]["published"] > 0.05, "the figures believed beforehand are not the truth"
    assert found["parameters"]["k_i"][0] == pytest.approx(np.log10(truth[0]), abs=0.1)


def test_a_fit_is_shown_beside_the_published_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score = IvtScore(
        table=TRAJECTORIES, observable="rna", runs=3, values=18, fitted=0.05, left_out=0.06, published=None
    )
    found = IvtFit(parameters={"k_i": (3.0, 0.1)}, scores=(score,), unidentified=("k_on",))
    monkeypatch.setattr(twin_ivt, "fit_ivt", lambda runs, paper: found)
    written(tmp_path, BELIEVED)
    shown = CliRunner().invoke(app_of("twin"), ["twin", "fit", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    assert "6.0%" in shown.output
    assert "the tables say little of: k_on" in shown.output


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (TRAJECTORIES, "a\tb\n1\t2\n", "2 cells; expected 8"),
        (TRAJECTORIES, "a\tb\n", "a header and no rows"),
        (RATES, "a\tb\tc\td\n1\t2\tx\t1\n", "'x'; expected a number"),
        (SOLUBILITY, "a,b,c,d\n1,2,nan,1\n", "'nan'; expected a number"),
        (ROSA, "a,b\n" + ",".join(["3", '"(1,2)"', *["1"] * 16, '"(1,2)"', "1"]), "species 3; expected one of"),
        (ROSA, "a,b\n" + ",".join(["2", '"(1,2)"', *["1"] * 16, '"(1)"', "1"]), "2 times, 1 values"),
        (ROSA, "a,b\n1,2", "2 cells; expected 20"),
    ],
)
def test_a_wrong_table_is_said_with_its_line(name: str, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_runs({name: text})


def test_one_run_is_too_little() -> None:
    with pytest.raises(UserError, match="fewer than two trajectories"):
        fit_ivt([])
    with pytest.raises(UserError, match="holds 2 figures"):
        published({PUBLISHED: "1\n2"})


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    place = shared / "data" / "ivt_mrna" / "stover_braatz"
    if not (place / TRAJECTORIES).exists():
        pytest.skip(f"the transcription tables are not here: put them at {place}")
    return place


def test_the_published_parameters_tell_the_real_tables(folder: Path) -> None:
    """The equations are the paper's: its parameters foretell RNA and pyrophosphate in all 13 trajectories."""
    tables = read_tables(folder)
    runs, paper = read_runs(tables), published(tables)
    assert paper is not None
    assert len(runs) == 13 + 25 + 50 + 3 + 5
    trajectories = [run for run in runs if run.table == TRAJECTORIES]
    times = np.array([run.times for run in trajectories])
    states = react(paper[None], [run.reaction for run in trajectories], times)[0]
    for of, bound in (("rna", 0.08), ("ppi", 0.18)):
        told = np.array([pools(run.reaction, row)[of] for run, row in zip(trajectories, states, strict=True)])
        seen = np.array([run.seen[of][0] for run in trajectories])
        assert np.abs(told - seen).sum() / seen.sum() < bound


def test_the_whole_fit(folder: Path, long: bool) -> None:
    if not long:
        pytest.skip("the fit to all tables takes most of a minute: --long")
    tables = read_tables(folder)
    found = fit_ivt(read_runs(tables), published(tables))
    scores = {(each.table, each.observable): each for each in found.scores}
    rna = scores[TRAJECTORIES, "rna"]
    assert rna.published is not None
    assert rna.left_out < 0.10
    assert rna.fitted < rna.published + 0.01
