"""The page on the dataset runs as it is written: every ```console block, in order, on a demonstration's record."""

from pathlib import Path

from tests.spec.test_tutorial import missing, run_in, shown_commands

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "export-the-dataset.md"


def test_the_page_runs_as_it_is_written(demo_folder: Path, tmp_path: Path) -> None:
    commands = shown_commands(PAGE.read_text(encoding="utf-8"))
    assert len(commands) == 5
    (tmp_path / "cytoloop-data").mkdir()
    (tmp_path / "cytoloop-data" / "demo-1").symlink_to(demo_folder, target_is_directory=True)
    for shown in commands:
        output = run_in(tmp_path, shown.command)
        absent = missing(shown.expected, output)
        assert absent is None, f"$ {shown.command}\nthe page shows {absent!r}; the output is\n{output}"
