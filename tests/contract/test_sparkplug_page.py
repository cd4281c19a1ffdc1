"""The how-to page runs as it is written, on a real broker."""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from tests.contract.mqtt_broker import running_broker
from tests.spec.test_tutorial import missing, run_in, shown_commands

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "run-over-sparkplug.md"
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_page(tmp_path: Path) -> None:
    with running_broker() as broker:
        page = PAGE.read_text(encoding="utf-8").replace("127.0.0.1:1883", f"127.0.0.1:{broker.port}")
        (program,) = PYTHON.findall(page)
        (tmp_path / "drive.py").write_text(program, encoding="utf-8")
        serve, *others = shown_commands(page)
        assert len(others) == 2
        output = tmp_path / "served"
        with output.open("wb") as file:
            words = shlex.split(serve.command.removesuffix("&"))
            program_file = Path(sys.executable).with_name(words[0])
            serving = subprocess.Popen(
                [program_file, *words[1:]], cwd=tmp_path, stdout=file, env={**os.environ, "COLUMNS": "120"}
            )
        try:
            for _ in range(200):
                if missing(serve.expected, output.read_text(encoding="utf-8")) is None:
                    break
                time.sleep(0.1)
            assert missing(serve.expected, output.read_text(encoding="utf-8")) is None
            time.sleep(1.0)
            for each in others:
                told = run_in(tmp_path, each.command)
                absent = missing(each.expected, told)
                assert absent is None, f"$ {each.command}\nthe page shows {absent!r}; the output is\n{told}"
        finally:
            serving.kill()
            serving.wait()
        assert (tmp_path / "edge" / "bdseq").read_text(encoding="ascii") == "0\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sparkplug", "--broker", "http://x"), "no address of a broker"),
        (("sparkplug", "--group", "a/b"), "cannot be a group"),
        (("sparkplug", "--mqtt", "4"), "MQTT 4 is not spoken here"),
        (("listen", "--broker", "mqtt://127.0.0.1:1", "--seconds", "0.3"), "does not answer"),
    ],
)
def test_mistakes_are_said_in_a_sentence(
    cytoloop: Callable[..., CompletedProcess[str]], arguments: tuple[str, ...], said: str
) -> None:
    done = cytoloop("plant", *arguments)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


def test_a_group_in_which_nobody_speaks_is_said(cytoloop: Callable[..., CompletedProcess[str]]) -> None:
    with running_broker() as broker:
        done = cytoloop("plant", "listen", "--broker", broker.address, "--seconds", "0.5")
    assert done.returncode == 2
    assert "no edge node of group site was heard" in " ".join(done.stderr.split())
