"""The how-to of answering runs as it is written: every ```console block, in order, with a real line beside it."""

import os
import re
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from tests.spec.test_tutorial import missing, run_in, shown_commands
from tests.staff import Wall, secret_of
from tests.web.staffed import House, enrol, staffed

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.app.answers import find_in
from cytoloop.app.people import people_at
from cytoloop.app.production import read_batch
from cytoloop.app.records import acting_record, readable_record, writable_record

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "answer-at-a-screen.md"
PRINTED = "DEMO260050010"
"""The chain of identity as the page prints it: it holds the year of the collection."""


@pytest.fixture
def site(tmp_path: Path) -> House:
    """The folder `site`, with op.sun and op.li among its people."""
    folder = tmp_path / "site"
    made = House(folder, "", Wall(ScaledClock().now() - timedelta(hours=1)))  # enrolling takes an hour of codes
    with writable_record(folder, ScaledClock()) as ledger:
        people = people_at(folder, ledger, made.clock)
        staffed(made, people)
        enrol(made, people, "op.li", "Li Qiang 李强", "operator")
    return made


def code_of(site: House, user: str, used: set[str]) -> str:
    """A code of the moment that was not used yet; codes change every half minute, and one step of drift is good."""
    generator = pyotp.TOTP(site.codes[user])
    now = ScaledClock().now().timestamp()
    for at in (now, now + 30):
        if (code := generator.at(int(at))) not in used:
            used.add(code)
            return code
    raise AssertionError("no unused code of the moment is left")


def test_the_how_to_runs_as_it_is_written(site: House, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, used = site.folder.parent, set[str]()
    commands = shown_commands(PAGE.read_text(encoding="utf-8"))
    assert len(commands) == 7
    line = _begun(folder, commands[0].command)
    try:
        coi = _coi(site)
        for shown in commands[1:]:
            command = shown.command.replace(PRINTED, coi)
            if user := re.search(r"--as (\S+)", command):
                monkeypatch.setenv("CYTOLOOP_SECRET", secret_of(user.group(1)))
                monkeypatch.setenv("CYTOLOOP_CODE", code_of(site, user.group(1), used))
                _asked(site, re.findall(r"'(B-[^']+)'", command)[0])
            output = run_in(folder, command)
            absent = missing(tuple(each.replace(PRINTED, coi) for each in shown.expected), output)
            assert absent is None, f"$ {command}\nthe page shows {absent!r}; the output is\n{output}"
    finally:
        line.kill()
        line.communicate()


def _begun(folder: Path, command: str) -> "subprocess.Popen[str]":
    assert command.startswith("cytoloop ")
    assert command.endswith(" &")
    words = command.removesuffix(" &").split()[1:]
    program = [sys.executable, "-m", "cytoloop.cli.main", *words]
    return subprocess.Popen(
        program, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ
    )


def _coi(site: House) -> str:
    """The chain of identity of the batch, once the line asks for it."""
    _asked(site, "B-L001/receipt/scan_leukapheresis#1")
    with readable_record(site.folder) as ledger:
        return read_batch(ledger, "B-L001").created.coi


def _asked(site: House, key: str) -> None:
    """Return once the request stands, or is answered."""
    for _ in range(600):
        with acting_record(site.folder) as ledger:
            stream = ledger.stream(f"batch/{key.partition('/')[0]}")
            if find_in(ledger)(key) or any(getattr(each.fact, "key", "") == key for each in stream):
                return
        time.sleep(0.1)
    raise AssertionError(f"{key} is not asked")
