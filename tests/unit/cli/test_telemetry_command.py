"""`cytoloop telemetry show`: each signal in one line, every reading in a file."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from cytoloop.app.historian import writable_telemetry
from cytoloop.app.records import open_record
from cytoloop.core.telemetry import Tag, microseconds, readings
from cytoloop.core.time import Instant, after

Command = Callable[..., CompletedProcess[str]]
PH, GLUCOSE = Tag("bioreactor-01/ph", "pH"), Tag("bioreactor-01/glucose", "mmol/L")
NAN = float("nan")


@pytest.fixture
def folder(tmp_path: Path, start: Instant) -> Path:
    """Five readings of pH, of which one is bad and one has no value, and one of glucose; three are sealed."""
    open_record(tmp_path, create=True).close()
    at = [microseconds(after(start, hour)) for hour in range(5)]
    values = [(7.0, 0), (7.25, 0x4000_0000), (9.9, 0x8000_0000), (NAN, 0), (7.5, 0)]
    rows = [(PH, when, when + 1, value, status) for when, (value, status) in zip(at, values, strict=True)]
    with writable_telemetry(tmp_path) as store:
        store.write([readings("B-1", [*rows, (GLUCOSE, at[0], at[0], 5.5, 0)])])
        store.seal("B-1", at[2])
    return tmp_path


def test_each_signal_is_told_in_one_line(folder: Path, cytoloop: Command) -> None:
    told = json.loads(cytoloop("telemetry", "show", "B-1", "--data", folder, "--json").stdout)
    assert (told["segments"], told["unsealed"]) == (1, 3)
    glucose, ph = told["signals"]
    assert (glucose["tag"], glucose["least"], glucose["most"]) == (GLUCOSE.name, 5.5, 5.5)
    assert (ph["least"], ph["median"], ph["most"], ph["not_good"], ph["readings"]) == (7.0, 7.25, 7.5, 2, 5)
    assert (ph["first"], ph["last"]) == ("2026-06-01T08:00:00+00:00", "2026-06-01T12:00:00+00:00")
    plain = cytoloop("telemetry", "show", "B-1", "--data", folder)
    assert plain.returncode == 0
    assert "6 readings; the batch has 1 sealed segments and 3 readings not sealed yet" in plain.stdout


def test_every_reading_goes_into_a_file_with_both_times_and_its_quality(
    folder: Path, tmp_path: Path, cytoloop: Command
) -> None:
    file = tmp_path / "readings.csv"
    chosen = ("--tag", PH.name, "--from", "2026-06-01T17:00:00+08:00", "--to", "2026-06-01T12:00:00Z")
    assert cytoloop("telemetry", "show", "B-1", *chosen, "--csv", file, "--data", folder).returncode == 0
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    assert [(row["value"], row["quality"], row["status"]) for row in rows] == [
        ("7.25", "uncertain", "0x40000000"),
        ("9.9", "bad", "0x80000000"),
        ("", "good", "0x00000000"),
    ]
    assert rows[0]["measured_at"] == "2026-06-01T09:00:00+00:00"
    assert rows[0]["received_at"] == "2026-06-01T09:00:00.000001+00:00"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("B-7",), "there are no readings of batch B-7 here"),
        (("B-1", "--tag", "bioreactor-01/il2"), "batch B-1 has no readings of bioreactor-01/il2 at that time"),
        (("B-1", "--from", "yesterday"), "'yesterday' is no time"),
        (("B-1", "--to", "2026-06-01T08:00:00"), "names no offset from UTC"),
    ],
)
def test_what_is_not_there_and_what_is_no_time_is_said(
    folder: Path, arguments: tuple[str, ...], said: str, cytoloop: Command
) -> None:
    told = cytoloop("telemetry", "show", *arguments, "--data", folder)
    assert (told.returncode, told.stdout) == (2, "")
    assert said in " ".join(told.stderr.split())


def test_a_folder_without_telemetry_is_said(tmp_path: Path, cytoloop: Command) -> None:
    open_record(tmp_path, create=True).close()
    told = cytoloop("telemetry", "show", "B-1", "--data", tmp_path)
    assert told.returncode == 2
    assert "there are no readings of batch B-1" in told.stderr
    assert not (tmp_path / "telemetry.db").exists()
