"""The inspector's page runs as it is written, in both languages, on a bundle of the demonstration."""

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from tests.spec.test_tutorial import missing, run_in, shown_commands

PAGES = {
    language: Path(__file__).parents[2] / "docs" / "how-to" / f"verify-a-bundle{suffix}.md"
    for language, suffix in (("en", ""), ("zh", ".zh"))
}


@pytest.fixture(scope="module")
def exported(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle, and the record's key as the site handed it over."""
    folder = tmp_path_factory.mktemp("inspector")
    data = shutil.copytree(demo_folder, folder / "data")
    cytoloop = [sys.executable, "-m", "cytoloop.cli.main"]
    target = ["--to", str(folder / "B-C001.cytoloop.zip"), "--data", str(data)]
    subprocess.run([*cytoloop, "batch", "export", "B-C001", *target, "--no-pdf"], check=True, capture_output=True)
    shown = [*cytoloop, "checkpoint", "show", "--data", str(data)]
    said = subprocess.run(shown, check=True, capture_output=True, encoding="utf-8").stdout
    key = next(line.split()[1] for line in said.splitlines() if line.startswith("key "))
    (folder / "key-from-the-site.txt").write_text(f"{key}\n", encoding="utf-8")
    return folder


def inspected(exported: Path, to: Path) -> Path:
    """The folder as an inspector gets it: the bundle and the key, nothing else."""
    for name in ("B-C001.cytoloop.zip", "key-from-the-site.txt"):
        shutil.copy(exported / name, to / name)
    return to


@pytest.mark.parametrize("language", PAGES)
def test_every_command_of_the_page_runs(language: str, exported: Path, tmp_path: Path) -> None:
    folder = inspected(exported, tmp_path)
    commands = shown_commands(PAGES[language].read_text(encoding="utf-8"))
    assert len(commands) > 12
    for shown in commands:
        output = run_in(folder, shown.command)
        absent = missing(shown.expected, output)
        assert absent is None, f"$ {shown.command}\nthe page shows {absent!r}; the output is\n{output}"


def test_both_pages_show_the_same_commands() -> None:
    english, chinese = (shown_commands(page.read_text(encoding="utf-8")) for page in PAGES.values())
    assert english == chinese


@pytest.mark.parametrize(
    ("change", "step"),
    [
        (("entries.jsonl", b'"actor":"system:production"', b'"actor":"system:someone__xx"'), "sha256sum -c"),
        (("entries.jsonl", b'"actor":"system:production"', b'"actor":"system:someone__xx"'), "inclusion"),
        (("manifest.json", b'"batch":"B-C001"', b'"batch":"B-C002"'), "echo same"),
        (("manifest.note", b"B-C001", b"B-C002"), "pkeyutl"),
        (("checkpoint.txt", b"\n", b"\n1"), "pkeyutl"),
    ],
)
def test_each_step_finds_what_it_is_there_for(
    change: tuple[str, bytes, bytes], step: str, exported: Path, tmp_path: Path
) -> None:
    """The step's commands, alone, on a bundle that was changed."""
    name, old, new = change
    folder = inspected(exported, tmp_path)
    with ZipFile(folder / "B-C001.cytoloop.zip") as archive:
        archive.extractall(folder / "bundle")
    changed = (folder / "bundle" / name).read_bytes()
    assert old in changed
    (folder / "bundle" / name).write_bytes(changed.replace(old, new, 1))
    commands = [shown.command for shown in shown_commands(PAGES["en"].read_text(encoding="utf-8"))][3:]
    failed = []
    for command in commands:
        try:
            run_in(folder, command)
        except AssertionError:
            failed.append(command)
    assert any(step in command for command in failed), failed
