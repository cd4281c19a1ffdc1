"""The dataset of a demonstration: each cell from an entry, every batch in it, nobody's name; and back again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.web.story import write_story

from cytoloop.app.bootstrap import readable_record, readable_store
from cytoloop.app.dataset import history_of
from cytoloop.app.dataset_check import check, read_manifest, values_of
from cytoloop.app.dataset_files import MANIFEST, export
from cytoloop.app.dataset_tables import batches_from_tables
from cytoloop.app.joining import tables_of
from cytoloop.app.packs import read_pack
from cytoloop.app.views import Shelf
from cytoloop.core.errors import UserError
from cytoloop.core.facts.production import BatchAborted
from cytoloop.core.time import after
from cytoloop.feedback.dataset import BatchHistory, Control
from cytoloop.feedback.joined.tables import TidyTable, sources_of
from cytoloop.testing.builders import START, Book


@pytest.fixture(scope="module")
def shelf(demo_folder: Path) -> Iterator[Shelf]:
    with readable_record(demo_folder) as ledger:
        yield Shelf(ledger)


@pytest.fixture(scope="module")
def tables(shelf: Shelf) -> dict[str, TidyTable]:
    return {table.form.name: table for table in tables_of(shelf)}


@pytest.fixture(scope="module")
def dataset(shelf: Shelf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset") / "tables"
    export(shelf, folder)
    return folder


def column(table: TidyTable, name: str) -> list[object]:
    return [row.cells.get(name) for row in table.rows]


def test_every_row_names_an_entry_by_the_hash_that_the_store_keeps(
    demo_folder: Path, tables: dict[str, TidyTable]
) -> None:
    with readable_store(demo_folder) as store:
        kept = {(row.stream, row.position): row.leaf_hash.hex() for row in store.rows()}
    sources = sources_of(tables.values())
    assert len(sources) > 400
    assert [each for each in sources if kept[each.stream, each.position] != each.entry] == []


def test_parameters_are_as_executed_beside_the_plan(shelf: Shelf, tables: dict[str, TidyTable]) -> None:
    rows = [row.cells for row in tables["parameters"].rows if row.cells["parameter"] == "activation.seeding_density"]
    for batch, row in zip(shelf.batches(), rows, strict=True):
        assert row["batch"] == batch.number
        assert row["executed"] == batch.steps["activation/seed"].values["seeded_density"]
        assert row["planned"] == batch.master.recipe.parameters()["activation.seeding_density"].target
        assert row["reported"] is True
    lasted = [row.cells for row in tables["parameters"].rows if row.cells["parameter"] == "activation.duration"]
    assert all(abs(float(str(row["executed"])) - 24.0) < 1.0 and not row["reported"] for row in lasted)


def test_outcomes_and_limits_stand_beside_the_batch(shelf: Shelf, tables: dict[str, TidyTable]) -> None:
    for row in tables["batches"].rows:
        batch = shelf.batch(str(row.cells["batch"]))
        assert batch.disposition is not None
        assert row.cells["disposition"] == batch.disposition.fact.disposition
        assert row.cells["in_specification"] is (batch.disposition.fact.disposition == "released")
        assert row.cells["administered"] is (row.cells.get("response") is not None)
        assert row.others["disposition"][0].position == batch.disposition.position
    assert set(column(tables["results"], "judgement")) <= {"in", "out", "no-limit"}
    doses = [row.cells for row in tables["results"].rows if row.cells["attribute"] == "viable_car_cells"]
    assert all(float(str(dose["low"])) > 80 for dose in doses), "2e6 a kilogram, times the weight"


def test_batches_that_failed_are_held_or_run_are_in_it() -> None:
    book = Book()
    write_story(book, read_pack("car_t_cd19").master)
    batches = tables_of(Shelf(book.ledger))[0]
    assert column(batches, "batch") == ["FX-001", "CL-001", "FX-002", "CL-002"]
    assert column(batches, "state") == ["finished", "finished", "held", "running"]
    assert column(batches, "disposition") == ["rejected", "released", None, None]
    assert column(batches, "reached")[2] == "expansion"
    assert column(batches, "ended_hours")[2] is None
    aborted = BatchAborted(deviation="", reason="ordered")
    book.tell("batch/FX-002", aborted, after(START, 24 * 20))
    told = tables_of(Shelf(book.ledger))
    assert column(told[0], "state")[2] == "aborted"
    assert column(told[0], "ended_hours")[2] is not None
    lasted = [row.cells for row in told[2].rows if row.cells["batch"] == "FX-002"]
    assert {row["parameter"]: row["executed"] for row in lasted}["expansion.culture_duration"] is None
    assert {row["parameter"]: row["planned"] for row in lasted}["expansion.culture_duration"] == 192.0
    only = tables_of(Shelf(book.ledger), line="fixed")[0]
    assert column(only, "batch") == ["FX-001", "FX-002"]


def test_nobody_is_named_and_no_chain_of_identity_leaves(shelf: Shelf, dataset: Path) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in dataset.glob("*.csv"))
    assert all(batch.created.subject in text for batch in shelf.batches())
    assert not any(batch.created.coi in text for batch in shelf.batches())
    assert not any(user in text for user in shelf.users() if "-" not in user)


def test_the_same_record_gives_the_same_bytes_and_the_check_finds_nothing(
    shelf: Shelf, demo_folder: Path, dataset: Path, tmp_path: Path
) -> None:
    export(shelf, tmp_path / "again")
    for path in dataset.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name
    with readable_record(demo_folder) as ledger:
        found = check(dataset, ledger)
    assert found.problems == ()
    assert found.cells is not None
    assert found.cells > 10_000
    assert check(dataset).cells is None


def test_a_changed_cell_is_named_with_the_entry_that_says_otherwise(
    shelf: Shelf, demo_folder: Path, tmp_path: Path
) -> None:
    export(shelf, tmp_path)
    path = tmp_path / "results.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    cells = lines[3].split(",")
    cells[5] = "0.99"
    path.write_text("\n".join([*lines[:3], ",".join(cells), *lines[4:]]) + "\n", encoding="utf-8")
    (tmp_path / "outcomes.csv").unlink()
    with readable_record(demo_folder) as ledger:
        problems = check(tmp_path, ledger).problems
    assert any(problem.startswith("results.csv is not as it was written") for problem in problems)
    assert any(
        problem.startswith(f"results, row 3, column 'value': 0.99; {cells[-3]} position {cells[-2]} says")
        for problem in problems
    )
    assert any("outcomes.csv cannot be read" in problem for problem in problems)


def test_a_dataset_of_another_record_is_told(shelf: Shelf, demo_folder: Path, tmp_path: Path) -> None:
    export(shelf, tmp_path)
    manifest = json.loads((tmp_path / MANIFEST).read_text(encoding="utf-8"))
    manifest["record"]["tree_head"] = "00" * 32
    (tmp_path / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    with readable_record(demo_folder) as ledger:
        assert any("another record" in problem for problem in check(tmp_path, ledger).problems)
        manifest["record"]["size"] += 1
        (tmp_path / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
        with pytest.raises(UserError, match="name its record"):
            check(tmp_path, ledger)


def changed(controls: tuple[Control, ...]) -> list[tuple[float, float]]:
    """The set-points, those alone that differ from the ones before."""
    pairs = [(each.perfusion_rate, each.il2) for each in controls]
    return [now for before, now in zip([None, *pairs], pairs, strict=False) if now != before]


def same(one: BatchHistory, other: BatchHistory) -> bool:
    """Whether two histories tell the twin the same; set-points that repeat the one before change nothing."""
    changes = [changed(each.controls) for each in (one, other)]
    hours = [h.harvest_at or 0.0 for h in (one, other)]
    return (
        one.start.seeding_density == other.start.seeding_density
        and one.start.volume == other.start.volume
        and one.start.viability == other.start.viability
        and changes[0] == changes[1]
        and hours[0] == pytest.approx(hours[1], abs=1e-3)
        and dict(one.product) == dict(other.product)
        and {n: [v for _, v in p] for n, p in one.observations.items()}
        == {n: [v for _, v in p] for n, p in other.observations.items()}
    )


def test_tables_give_the_histories_that_the_record_gives(shelf: Shelf, dataset: Path) -> None:
    read = batches_from_tables(dataset)
    by_name = {each.batch: each for each in read.batches}
    for batch in shelf.batches():
        told = history_of(batch)
        assert told is not None
        assert same(by_name[batch.number], told), batch.number


def test_parquet_holds_the_same_rows(shelf: Shelf, demo_folder: Path, dataset: Path, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    export(shelf, tmp_path / "p", form="parquet")
    assert not list((tmp_path / "p").glob("*.csv"))
    plain, parquet = read_manifest(dataset), read_manifest(tmp_path / "p")
    assert values_of(tmp_path / "p", parquet, "results") == values_of(dataset, plain, "results")
    with readable_record(demo_folder) as ledger:
        assert check(tmp_path / "p", ledger).problems == ()
    assert len(batches_from_tables(tmp_path / "p").batches) == len(shelf.batches())


def test_without_its_extra_parquet_says_how_to_get_it(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("cytoloop.adapters.tables.import_module", absent)
    with pytest.raises(UserError, match=r"pip install 'cytoloop\[parquet\]'"):
        export(shelf, tmp_path, form="parquet")


def test_what_cannot_be_exported_is_said(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no batch yet"):
        export(Shelf(Book().ledger), tmp_path)
    with pytest.raises(UserError, match="no batch is of line 'third'; this record has closed_loop, fixed"):
        export(shelf, tmp_path, line="third")
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="holds other files"):
        export(shelf, tmp_path)
    with pytest.raises(UserError, match=r"holds no manifest\.json"):
        check(tmp_path)
