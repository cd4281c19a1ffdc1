"""Bad input: one clear sentence that says what, where and what to do, exit code 2, and the record still verifies."""

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from cytoloop.adapters.folder import writing
from cytoloop.adapters.opcua.door import OpcUaDoor
from cytoloop.app.packs import pack_folder
from cytoloop.core.equipment import Command, UnreachableError

Cytoloop = Callable[..., CompletedProcess[str]]

BAR = re.compile(r"^\S.*\d+/\d+ \d+:\d\d:\d\d\s*$")
"""A progress bar as it was left."""

COUNTS = (
    "donor id\tIL-2 conct\tlive count (cells/ml)\tlive %\tsize (um)\tIL2 Source\n4\t500\t500000\t87\t14.23\tSigma\n"
)
PATIENT = '{"resourceType": "Patient", "id": "p1", "gender": "female"}'


def sentence(done: CompletedProcess[str]) -> str:
    """The one sentence a refused command says; fails when it says more, less, or dies."""
    said = [line for line in done.stderr.splitlines() if line.strip() and not BAR.match(line)]
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(said) == 1, done.stderr
    assert said[0].startswith("cytoloop: ")
    assert "Traceback" not in said[0]
    return said[0]


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A copy of the shipped pack, to spoil."""
    return Path(shutil.copytree(pack_folder("car_t_cd19"), tmp_path / "pack"))


@pytest.fixture
def held_port() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def spoil(file: Path, old: str, new: str) -> int:
    """Replace the first `old` in the file; its line."""
    text = file.read_text(encoding="utf-8")
    place = text.index(old)
    file.write_text(text[:place] + new + text[place + len(old) :], encoding="utf-8")
    return text[:place].count("\n") + 1


def test_unknown_unit_in_a_pack(cytoloop: Cytoloop, pack: Path) -> None:
    line = spoil(pack / "recipe.yaml", "unit: mL", "unit: furlong")
    done = cytoloop("pack", "check", pack)
    mistake, verdict = done.stderr.splitlines()
    assert done.returncode == 2
    assert mistake.startswith(f"recipe.yaml:{line}: procedure[2].operations[0].parameters.volume.unit: found unit 'fur")
    assert "expected a house unit" in mistake
    assert verdict.startswith("1 mistake: ")


def test_pack_cut_off_in_the_middle(cytoloop: Cytoloop, pack: Path) -> None:
    text = (pack / "recipe.yaml").read_text(encoding="utf-8")
    (pack / "recipe.yaml").write_text(text[: text.index("T cell selection")], encoding="utf-8")
    done = cytoloop("pack", "check", pack)
    mistake, _ = done.stderr.splitlines()
    assert done.returncode == 2
    assert re.match(r"recipe\.yaml:\d+: ", mistake)
    assert "it may be cut off" in mistake


def test_demo_with_a_spoilt_pack_writes_nothing(cytoloop: Cytoloop, pack: Path, tmp_path: Path) -> None:
    (pack / "product.yaml").unlink()
    done = cytoloop("demo", "--pack", pack, "--data", tmp_path / "data", "--no-serve")
    assert done.returncode == 2
    assert "product.yaml:1: the file is missing" in done.stderr
    assert not (tmp_path / "data").exists()


def test_missing_column_in_a_table(cytoloop: Cytoloop, tmp_path: Path) -> None:
    folder = tmp_path / "guide" / "il2-titration"
    folder.mkdir(parents=True)
    (folder / "il2-sigma-nih-counts.tsv").write_text(COUNTS, encoding="utf-8")
    said = sentence(cytoloop("twin", "fit", tmp_path / "guide"))
    assert "il2-titration/il2-sigma-nih-counts.tsv, line 1: column 'Replicate' is missing; found donor id" in said


def test_duplicate_subject(cytoloop: Cytoloop, tmp_path: Path) -> None:
    source, data = tmp_path / "fhir", tmp_path / "data"
    source.mkdir()
    for name in ("a.json", "b.json"):
        (source / name).write_text(PATIENT, encoding="utf-8")
    assert "a.json and b.json are both Patient/p1; keep one" in sentence(
        cytoloop("import", "fhir", source, "--data", data)
    )
    verified = cytoloop("verify", data)
    assert verified.returncode == 0
    assert verified.stdout.startswith("0 entries fit")


def test_fhir_file_cut_off(cytoloop: Cytoloop, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(PATIENT[:30], encoding="utf-8")
    said = sentence(cytoloop("import", "fhir", tmp_path, "--data", tmp_path / "data"))
    assert "a.json: not JSON" in said
    assert "cut off" in said


async def test_plant_that_is_not_there() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        endpoint = f"opc.tcp://127.0.0.1:{nobody.getsockname()[1]}/cytoloop"
        door = OpcUaDoor(endpoint=endpoint, patience=0.5)
        command = Command(key="B-1/step#1", target="bioreactor-01", verb="read", arguments={"signals": ["ph"]})
        with pytest.raises(UnreachableError, match=re.escape(endpoint)):
            await door.perform(command)
        await door.close()


def test_demo_of_a_plant_that_is_not_there(cytoloop: Cytoloop, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        endpoint = f"opc.tcp://127.0.0.1:{nobody.getsockname()[1]}/cytoloop"
        command = ("demo", "--plant", endpoint, "--realtime", "1000", "--data", tmp_path / "data", "--no-serve")
        said = sentence(cytoloop(*command))
    assert f"the plant at {endpoint} does not answer" in said
    assert not (tmp_path / "data" / "record.db").exists()


def test_plant_on_a_port_in_use(held_port: int) -> None:
    command = [sys.executable, "-m", "cytoloop.cli.main", "plant", "serve", "--port", str(held_port)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert f"127.0.0.1:{held_port}" in sentence(done)


def test_data_folder_in_use(cytoloop: Cytoloop, demo_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "p1.json").write_text(PATIENT, encoding="utf-8")
    data = Path(shutil.copytree(demo_folder, tmp_path / "data"))
    with writing(data):
        said = sentence(cytoloop("import", "fhir", tmp_path, "--data", data))
        assert f"the data folder {data} is in use by another process; wait until it ends or name another" in said
        assert cytoloop("verify", data).returncode == 0


def test_a_disk_that_refuses_a_write(demo_folder: Path, tmp_path: Path, cytoloop: Cytoloop) -> None:
    """A limit on the size of a file: the disk refuses a write, and not because it is full (test_failing_disk.py)."""
    assert demo_folder.is_dir()  # it has run before: its compiled functions need no room any more
    data = tmp_path / "data"
    arguments = ["demo", "--patients", "2", "--no-serve", "--data", str(data)]
    limited = ["sh", "-c", 'ulimit -f 600; exec "$@"', "sh", sys.executable, "-m", "cytoloop.cli.main", *arguments]
    done = subprocess.run(limited, capture_output=True, text=True, check=False, timeout=120)
    said = sentence(done)
    assert f"the record in {data}/record.db could not be written" in said
    assert "whether it was kept shows when the record is opened again" in said
    verified = cytoloop("verify", data)
    assert verified.returncode == 0
    assert not verified.stdout.startswith("0 entries")


def test_data_folder_that_cannot_be_made(cytoloop: Cytoloop, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    said = sentence(cytoloop("demo", "--data", tmp_path / "file" / "data", "--no-serve"))
    assert "could not be made" in said
    assert "name another one" in said


def test_port_in_use(cytoloop: Cytoloop, demo_folder: Path, held_port: int) -> None:
    said = sentence(cytoloop("serve", demo_folder, "--port", str(held_port)))
    assert f"cannot serve on 127.0.0.1 port {held_port}" in said
    assert "choose another with --port" in said


def test_a_file_that_is_no_record(cytoloop: Cytoloop, tmp_path: Path) -> None:
    (tmp_path / "record.db").write_text("this is not a record\n" * 100, encoding="utf-8")
    assert "is not a record of Cytoloop" in sentence(cytoloop("batch", "list", "--data", tmp_path))


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("verify", "{nowhere}"), "there is no data folder and no bundle at"),
        (("serve", "{nowhere}"), "there is no record at"),
        (("batch", "list", "--data", "{nowhere}"), "there is no record at"),
        (("import", "fhir", "{nowhere}", "--data", "{new}"), "is not a folder"),
        (("twin", "fit", "{nowhere}"), "is not a folder"),
        (("pack", "check", "no_such_pack"), "there is no pack 'no_such_pack'"),
        (("batch", "show", "B-X999", "--data", "{demo}"), "there is no batch 'B-X999'"),
        (("batch", "show", "B-F001", "--lang", "fr", "--data", "{demo}"), "name one of en, zh"),
        (("batch", "export", "B-F001", "--to", "{nowhere}/b.json", "--data", "{demo}"), "cannot be written"),
        (("recipe", "show", "9", "--data", "{demo}"), "has no approved version 9"),
        (("recipe", "diff", "1", "9", "--data", "{demo}"), "has no approved version 9"),
        (("demo", "--data", "{demo}", "--no-serve"), "holds a record already"),
        (("demo", "--patients", "0"), "Invalid value for '--patients'"),
        (("demo", "--patients-from", "{nowhere}", "--data", "{new}", "--no-serve"), "is not a folder"),
        (("demo", "--plant", "opc.tcp://127.0.0.1:1/x", "--no-serve"), "name its factor with --realtime"),
        (("batch", "show"), "Missing argument"),
        (("nonsense",), "No such command 'nonsense'"),
    ],
)
def test_what_is_not_there(
    cytoloop: Cytoloop, demo_folder: Path, tmp_path: Path, arguments: tuple[str, ...], what: str
) -> None:
    places = {"nowhere": tmp_path / "nowhere", "new": tmp_path / "new", "demo": demo_folder}
    assert what in sentence(cytoloop(*(each.format(**places) for each in arguments)))


def test_the_demonstration_still_verifies_after_all_of_it(cytoloop: Cytoloop, demo_folder: Path) -> None:
    assert cytoloop("verify", demo_folder).returncode == 0
