"""The command line as a person and a machine use it: what it prints, what it exits with."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from zipfile import ZipFile

import pytest

from cytoloop import __version__

Cytoloop = Callable[..., CompletedProcess[str]]

COMMANDS = ("demo", "serve", "verify", "batch", "recipe", "pack", "import", "twin", "plant")
HAN = re.compile(r"[\u4e00-\u9fff]")


def tampered(folder: Path, to: Path, sequence: int) -> Path:
    """A copy of the data folder in which one entry's actor was changed behind the record's back."""
    shutil.copytree(folder, to)
    connection = sqlite3.connect(to / "record.db")
    connection.execute("DROP TRIGGER entry_is_final")
    (body,) = connection.execute("SELECT body FROM entry WHERE sequence = ?", (sequence,)).fetchone()
    other = body.replace(b'"actor":"', b'"actor":"person:somebody else for ')
    assert other != body
    connection.execute("UPDATE entry SET body = ? WHERE sequence = ?", (other, sequence))
    connection.commit()
    connection.close()
    return to


def test_help_names_every_command(cytoloop: Cytoloop) -> None:
    done = cytoloop("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"│ {command}\s", done.stdout)


def test_version(cytoloop: Cytoloop) -> None:
    assert cytoloop("--version").stdout == f"cytoloop {__version__}\n"


def test_demo_writes_the_figures_as_json(demo_folder: Path) -> None:
    figures = json.loads((demo_folder.parent / "demo.json").read_text(encoding="utf-8"))
    assert set(figures) == {"seed", "patients", "arms", "recipe_versions", "record", "seconds"}
    assert set(figures["arms"]) == {"fixed", "closed_loop"}
    for arm in figures["arms"].values():
        assert set(arm) == {
            "batches",
            "released_in_specification",
            "viable_car_cells_median",
            "vein_to_vein_days_median",
            "deviations",
        }
        assert arm["batches"] == figures["patients"] == 3
    assert set(figures["record"]) == {"entries", "tree_head"}


def test_demo_figures_are_those_of_its_record(cytoloop: Cytoloop, demo_folder: Path) -> None:
    figures = json.loads((demo_folder.parent / "demo.json").read_text(encoding="utf-8"))
    verified = json.loads(cytoloop("verify", demo_folder, "--json").stdout)
    assert verified["verified"] is True
    assert {name: verified[name] for name in figures["record"]} == figures["record"]
    assert verified["telemetry"]["unsealed"] == 0


def test_verify_takes_the_noted_tree_head_and_no_other(cytoloop: Cytoloop, demo_folder: Path) -> None:
    head = json.loads(cytoloop("verify", demo_folder, "--json").stdout)["tree_head"]
    assert cytoloop("verify", demo_folder, "--head", head).returncode == 0
    other = cytoloop("verify", demo_folder, "--head", "0" * 64)
    assert other.returncode == 1
    assert head in other.stderr


def test_verify_names_the_entry_that_was_tampered_with(cytoloop: Cytoloop, demo_folder: Path, tmp_path: Path) -> None:
    done = cytoloop("verify", tampered(demo_folder, tmp_path / "copy", 40))
    assert done.returncode == 1
    assert done.stdout == ""
    assert "cytoloop: entry 40 does not fit: its content" in done.stderr


def test_batch_list_shows_every_batch(cytoloop: Cytoloop, demo_folder: Path) -> None:
    listed = json.loads(cytoloop("batch", "list", "--data", demo_folder, "--json").stdout)
    numbers = [each["batch"] for each in listed]
    assert numbers == ["B-F001", "B-F002", "B-F003", "B-C001", "B-C002", "B-C003"]
    shown = cytoloop("batch", "list", "--data", demo_folder).stdout
    for number in numbers:
        assert number in shown


def test_batch_show_reads_from_the_study_to_the_outcome(cytoloop: Cytoloop, demo_folder: Path) -> None:
    done = cytoloop("batch", "show", "B-F001", "--data", demo_folder)
    assert done.returncode == 0
    told = ("study ST-DEMO-1 registered", "order O-F001", "chain of identity", "batch B-F001 created", "release result")
    places = [done.stdout.index(words) for words in told]
    assert places == sorted(places)
    sequences = [int(line.split()[0]) for line in done.stdout.splitlines()]
    assert sequences == sorted(sequences)


def test_batch_show_in_chinese(cytoloop: Cytoloop, demo_folder: Path) -> None:
    done = cytoloop("batch", "show", "B-F001", "--data", demo_folder, "--lang", "zh", "--no-steps")
    assert done.returncode == 0
    assert "登记研究 ST-DEMO-1" in done.stdout
    own = [line for line in done.stdout.splitlines() if "CN-SC818" not in line]
    assert all(HAN.search(line) for line in own)


def test_batch_show_leaves_steps_out_when_asked(cytoloop: Cytoloop, demo_folder: Path) -> None:
    whole = json.loads(cytoloop("batch", "show", "B-C001", "--data", demo_folder, "--json").stdout)
    turning = json.loads(cytoloop("batch", "show", "B-C001", "--data", demo_folder, "--json", "--no-steps").stdout)
    assert "step-started/1" in {each["name"] for each in whole}
    assert "step-started/1" not in {each["name"] for each in turning}
    assert len(turning) < len(whole)


@pytest.fixture(scope="module")
def exporting(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demonstration that may be exported from: an export is an entry."""
    return Path(shutil.copytree(demo_folder, tmp_path_factory.mktemp("exporting") / "data"))


def test_batch_export_is_a_bundle_that_verify_checks(cytoloop: Cytoloop, exporting: Path, tmp_path: Path) -> None:
    file = tmp_path / "B-C002.cytoloop.zip"
    told = json.loads(cytoloop("batch", "show", "B-C002", "--data", exporting, "--json").stdout)
    done = cytoloop("batch", "export", "B-C002", "--to", file, "--data", exporting)
    assert done.returncode == 0, done.stderr
    with ZipFile(file) as archive:
        entries = [json.loads(line) for line in archive.read("entries.jsonl").splitlines()]
        assert {"report.en.html", "report.zh.html", "report.en.pdf", "report.zh.pdf", "verify.py"} <= set(
            archive.namelist()
        )
    assert [each for each in entries if each in told] == told
    checked = json.loads(cytoloop("verify", file, "--json").stdout)
    assert (checked["batch"], checked["entries"], checked["reports_compared"]) == ("B-C002", len(entries), True)
    assert checked["signatures_over_what_was_shown"] == checked["signatures"] > 1
    assert cytoloop("verify", exporting).returncode == 0
    shown = cytoloop("verify", file, "--key", checked["keys"][0])
    assert "B-C002: " in shown.stdout
    assert "compare this key" not in shown.stdout


def test_a_bundle_that_was_changed_is_named_with_exit_1(cytoloop: Cytoloop, exporting: Path, tmp_path: Path) -> None:
    file = tmp_path / "b.zip"
    assert cytoloop("batch", "export", "B-C001", "--to", file, "--data", exporting, "--no-pdf").returncode == 0
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    done = cytoloop("verify", file)
    assert done.returncode == 1
    assert done.stderr.startswith("cytoloop: ")
    (tmp_path / "letter.txt").write_text("hello", encoding="utf-8")
    assert cytoloop("verify", tmp_path / "letter.txt").returncode == 2


def test_verify_passes_over_nothing_that_was_asked_of_it(cytoloop: Cytoloop, demo_folder: Path, tmp_path: Path) -> None:
    """An option that would not be looked at, a key that was not read from its file: a mistake, never a pass."""
    letter, unpacked, large = tmp_path / "letter.zip", tmp_path / "unpacked", tmp_path / "large.zip"
    letter.write_text("not a bundle", encoding="utf-8")
    unpacked.mkdir()
    (unpacked / "manifest.json").write_text("{}", encoding="utf-8")
    with large.open("wb") as file:
        file.truncate(5 << 30)
    for arguments, said in (
        ((letter, "--key", ""), "is not a verifier key"),
        ((demo_folder, "--key", ""), "is not a verifier key"),
        ((letter, "--head", "0" * 64), "--head is for a data folder"),
        ((demo_folder, "--tsa-ca", letter), "--tsa-ca is for a bundle"),
        ((tmp_path / "missing.zip",), "there is no data folder and no bundle at"),
        ((unpacked,), "is a bundle that was unpacked"),
        ((large,), "is larger than any bundle"),
    ):
        done = cytoloop("verify", *arguments)
        assert (done.returncode, said in " ".join(done.stderr.split())) == (2, True), (done.stderr, said)


def test_recipe_show_of_the_record_and_of_the_pack(cytoloop: Cytoloop, demo_folder: Path) -> None:
    first = json.loads(cytoloop("recipe", "show", "1", "--data", demo_folder, "--line", "fixed", "--json").stdout)
    shipped = json.loads(cytoloop("recipe", "show", "--pack", "car_t_cd19", "--json").stdout)
    assert first == shipped
    shown = cytoloop("recipe", "show", "1", "--data", demo_folder)
    assert "version 1" in shown.stdout


def test_recipe_diff_of_a_version_with_itself_is_empty(cytoloop: Cytoloop, demo_folder: Path) -> None:
    assert json.loads(cytoloop("recipe", "diff", "1", "1", "--data", demo_folder, "--json").stdout) == []


def test_pack_check_says_what_it_read(cytoloop: Cytoloop) -> None:
    done = cytoloop("pack", "check", "car_t_cd19")
    assert done.returncode == 0
    assert "the pack car_t_cd19 can be used: 16 parameters" in done.stdout
    assert json.loads(cytoloop("pack", "check", "car_t_cd19", "--json").stdout)["usable"] is True


def test_import_twice_brings_nothing_in_twice(cytoloop: Cytoloop, tmp_path: Path) -> None:
    source, data = tmp_path / "fhir", tmp_path / "data"
    source.mkdir()
    (source / "p1.json").write_text('{"resourceType": "Patient", "id": "p1", "gender": "female"}', encoding="utf-8")
    first = json.loads(cytoloop("import", "fhir", source, "--data", data, "--json").stdout)
    again = json.loads(cytoloop("import", "fhir", source, "--data", data, "--json").stdout)
    assert (first["new"], again["new"]) == (1, 0)
    assert first["subjects"] == again["subjects"] == 1


def test_the_newest_data_folder_is_read_when_none_is_named(
    cytoloop: Cytoloop, demo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(demo_folder, tmp_path / "cytoloop-data" / "demo-seed1-1")
    monkeypatch.chdir(tmp_path)
    assert len(json.loads(cytoloop("batch", "list", "--json").stdout)) == 6
