"""In-silico campaigns: the same batches whatever the workers, what was stopped, and who died."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from cytoloop.adapters.processes import processes
from cytoloop.app.campaign import Subject, Workers, workers_of
from cytoloop.app.campaign_files import Begun, Finished, begin, carry, resumed
from cytoloop.core.errors import UserError
from cytoloop.feedback.in_silico.plan import CampaignPlan, Design

SPACE = {"expansion.perfusion_rate": (0.3, 1.5), "transduction.moi": (2.0, 5.0)}


def begun(folder: Path, *, batches: int = 120, design: Design = "sobol", pack: str = "car_t_cd19") -> Begun:
    plan = CampaignPlan(batches=batches, space=SPACE, design=design, seed=3, rounds=4)
    return begin(folder, Subject(pack=pack), plan)


def done(campaign: Begun, workers: Workers) -> Finished:
    return carry(campaign, workers, lambda _: None)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The batches of the campaign, made in this process."""
    folder = tmp_path_factory.mktemp("alone") / "campaign"
    with processes(1) as workers:
        done(begun(folder), workers)
    return (folder / "batches.csv").read_bytes()


def test_two_processes_make_the_same_batches(tmp_path: Path, alone: bytes) -> None:
    with processes(2) as workers:
        done(begun(tmp_path / "campaign"), workers)
    assert (tmp_path / "campaign" / "batches.csv").read_bytes() == alone


class Stopping:
    """Workers that stop after so many blocks, as after Ctrl-C."""

    def __init__(self, blocks: int) -> None:
        self.left = blocks

    def each(self, work, items):  # type: ignore[no-untyped-def]
        for item in items:
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            yield work(item)


def test_what_was_stopped_is_gone_on_with(tmp_path: Path, alone: bytes) -> None:
    folder = tmp_path / "campaign"
    with pytest.raises(KeyboardInterrupt):
        done(begun(folder), Stopping(2))
    (folder / "parts" / "000000000.json").write_text('{"plan": "cut of')  # the disk lost one
    again = resumed(folder)
    assert again.done == 50
    with processes(1) as workers:
        done(again, workers)
    assert (folder / "batches.csv").read_bytes() == alone
    with pytest.raises(UserError, match="not empty"):
        begun(folder)


def test_a_changed_pack_is_not_gone_on_with(tmp_path: Path) -> None:
    folder, source = tmp_path / "campaign", Path(__file__).parents[3] / "src/cytoloop/packs/car_t_cd19"
    pack = tmp_path / "pack"
    pack.mkdir()
    for file in source.iterdir():
        (pack / file.name).write_bytes(file.read_bytes())
    begun(folder, pack=str(pack))
    text = (pack / "product.yaml").read_text(encoding="utf-8")
    (pack / "product.yaml").write_text(text.replace("low: 0.70", "low: 0.75"), encoding="utf-8")
    with pytest.raises(UserError, match="limits changed"):
        resumed(folder)
    with pytest.raises(UserError, match="holds no campaign"):
        resumed(tmp_path)


def test_an_optimisation_goes_on_with_the_rounds_it_had(tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    with processes(1) as workers:
        done(begun(whole, design="optimise", batches=40), workers)
        with pytest.raises(KeyboardInterrupt):
            done(begun(stopped, design="optimise", batches=40), Stopping(2))
        done(resumed(stopped), workers)
    assert (whole / "batches.csv").read_bytes() == (stopped / "batches.csv").read_bytes()
    settings = {line.split(",")[2] for line in (whole / "batches.csv").read_text().splitlines()[1:]}
    assert len(settings) == 4


def test_a_factor_that_is_none_is_told(tmp_path: Path) -> None:
    plan = CampaignPlan(batches=10, space={"stirring": (0.0, 1.0)})
    for subject in (Subject(pack="car_t_cd19"), Subject(pack="car_t_cd19", on="twin")):
        with pytest.raises(UserError, match=r"stirring.*transduction\.moi"):
            begin(tmp_path / "x", subject, plan)


def test_the_twin_makes_batches_too(tmp_path: Path) -> None:
    plan = CampaignPlan(batches=60, space={"transduction.moi": (1.0, 5.0)}, donors=20)
    with processes(1) as workers:
        found = done(begin(tmp_path / "x", Subject(pack="car_t_cd19", on="twin"), plan), workers)
    car = next(row for row in found.effects if row["attribute"] == "car_fraction")
    assert isinstance(car["rank_correlation_low"], float)
    assert car["rank_correlation_low"] > 0.3
    shares = {row["attribute"]: row["value"] for row in found.summary if row["figure"] == "share in specification"}
    assert "sterility" not in shares
    assert found.manifest["batches_sha256"] == found.manifest["files"]["batches.csv"]  # type: ignore[index,call-overload]


# -- on a cluster: a scheduler and two workers in processes of their own -----------------------------------------------


@contextmanager
def dask(*arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]]
    process = subprocess.Popen(command, **quiet)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _free() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_cluster_makes_the_same_batches_though_a_worker_dies(tmp_path: Path, alone: bytes) -> None:
    pytest.importorskip("distributed")
    port, folder = _free(), str(tmp_path)
    address = f"tcp://127.0.0.1:{port}"
    worker = ("dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", folder)
    with ExitStack() as running:
        running.enter_context(dask("dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"))
        first = running.enter_context(dask(*worker))
        running.enter_context(dask(*worker))
        with workers_of(1, address) as workers:
            carry(begun(tmp_path / "campaign"), workers, lambda _: first.kill())
    assert (tmp_path / "campaign" / "batches.csv").read_bytes() == alone


def test_a_cluster_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("cytoloop.adapters.cluster.PATIENCE", 0.3)
    with pytest.raises(UserError, match="dask scheduler"), workers_of(1, f"tcp://127.0.0.1:{_free()}"):
        pass
