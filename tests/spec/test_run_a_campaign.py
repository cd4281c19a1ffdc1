"""The how-to of campaigns runs as it is written."""

from pathlib import Path

from tests.spec.test_tutorial import missing, run_in, shown_commands

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "run-a-campaign.md"


def test_run_a_campaign(tmp_path: Path) -> None:
    for shown in shown_commands(PAGE.read_text(encoding="utf-8")):
        output = run_in(tmp_path, shown.command)
        absent = missing(shown.expected, output)
        assert absent is None, f"$ {shown.command}\nthe page shows {absent!r}; the output is\n{output}"
