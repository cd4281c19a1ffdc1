"""The tutorial of the process scientist runs as it is written: every ```console block, in order, in an empty folder."""

from pathlib import Path

from tests.spec.test_tutorial import missing, run_in, shown_commands

PAGE = Path(__file__).parents[2] / "docs" / "tutorials" / "from-tables-to-a-signed-change.md"


def test_from_tables_to_a_signed_change(tmp_path: Path) -> None:
    commands = shown_commands(PAGE.read_text(encoding="utf-8"))
    assert len(commands) > 12
    for shown in commands:
        output = run_in(tmp_path, shown.command)
        absent = missing(shown.expected, output)
        assert absent is None, f"$ {shown.command}\nthe page shows {absent!r}; the output is\n{output}"
