"""Alarms on the command line: seen, acknowledged by who may, once."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess

import pyotp
import pytest
from tests.staff import Staff, founded, on_disk, secret_of, typed_batch

from cytoloop.app.audit.changes import reason_of
from cytoloop.app.production import read_batch
from cytoloop.app.records import readable_record
from cytoloop.app.views import Shelf, batch_view
from cytoloop.core.entry import Draft, Fact
from cytoloop.core.facts.monitoring import AlarmCleared, AlarmRaised
from cytoloop.testing.builders import START

Command = Callable[..., CompletedProcess[str]]
WARM = "bioreactor-01/temperature/limit/20260601T100000Z"
LOST = "bioreactor-01/unreachable/20260601T090000Z"


def raised(alarm: str, kind: str, value: float | None) -> AlarmRaised:
    low, high = (36.0, 38.0) if value is not None else (None, None)
    return AlarmRaised(
        alarm=alarm, tag=alarm.rpartition("/")[0].rpartition("/")[0], kind=kind, priority="high", since=START, at=START,  # type: ignore[arg-type]
        value=value, unit="°C", low=low, high=high,
    )  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Staff:
    made = founded(tmp_path_factory.mktemp("house"))
    made.enrolled("op.zhou", "operator")
    made.enrolled("dr.who", "clinician")
    typed_batch(made.ledger, finished=False)
    facts: list[Fact] = [
        raised(WARM, "high", 39.04),
        raised(LOST, "unreachable", None),
        AlarmCleared(alarm=LOST, at=START, why="returned"),
        AlarmCleared(alarm="never/raised", at=START, why="returned"),
    ]
    drafts = [Draft(fact=fact, actor="system:historian", happened_at=START) for fact in facts]
    made.ledger.append("batch/B-1", drafts, expected=made.ledger.position("batch/B-1"))
    return made


@pytest.fixture
def folder(house: Staff, tmp_path: Path) -> Path:
    on_disk(house, tmp_path)
    return tmp_path


@pytest.fixture
def acknowledged(house: Staff, folder: Path, monkeypatch: pytest.MonkeyPatch, cytoloop: Command) -> Command:
    def command(user: str, alarm: str, why: str = "the heater was set right") -> CompletedProcess[str]:
        monkeypatch.setenv("CYTOLOOP_SECRET", secret_of(user))
        monkeypatch.setenv("CYTOLOOP_CODE", pyotp.TOTP(house.codes[user]).at(datetime.now(UTC)))
        return cytoloop("alarm", "acknowledge", "B-1", alarm, "--why", why, "--as", user, "--data", folder)

    return command


def listed(cytoloop: Command, folder: Path, *words: str) -> dict[str, str]:
    done = cytoloop("alarm", "list", "--json", "--data", folder, *words)
    assert done.returncode == 0, done.stderr
    return {each["alarm"]: each["state"] for each in json.loads(done.stdout)}


def test_alarms_that_ask_for_somebody_are_listed(folder: Path, cytoloop: Command) -> None:
    assert listed(cytoloop, folder) == {LOST: "returned", WARM: "active"}
    plain = cytoloop("alarm", "list", "--batch", "B-1", "--data", folder)
    assert "39" in plain.stdout
    assert cytoloop("alarm", "list", "--batch", "B-9", "--data", folder).returncode == 2


def test_an_alarm_is_acknowledged_once_with_a_reason_and_a_signature(
    folder: Path, acknowledged: Command, cytoloop: Command
) -> None:
    done = acknowledged("op.zhou", WARM)
    assert done.returncode == 0, done.stderr
    for shown in (WARM, "39.04", "the heater was set right", "signed is the SHA-256 of this"):
        assert shown in done.stdout
    assert listed(cytoloop, folder) == {LOST: "returned", WARM: "active-acknowledged"}
    with readable_record(folder) as ledger:
        batch = read_batch(ledger, "B-1")
        told = batch.alarms[WARM].acknowledged
        assert told is not None
        assert (told.fact.signature.signer, told.fact.signature.meaning) == ("op.zhou", "reviewed")
        assert reason_of(told.fact) == ("the heater was set right", True)
        assert "op.zhou" in batch.people
        assert batch_view(Shelf(ledger), "B-1").alarms[-1].signature == told.fact.signature
    again = acknowledged("op.zhou", WARM)
    assert again.returncode == 2
    assert "has acknowledged alarm" in again.stderr


def test_what_is_over_and_acknowledged_is_listed_only_when_asked_for(
    folder: Path, acknowledged: Command, cytoloop: Command
) -> None:
    assert acknowledged("op.zhou", LOST).returncode == 0
    assert listed(cytoloop, folder) == {WARM: "active"}
    assert listed(cytoloop, folder, "--all") == {LOST: "over", WARM: "active"}


def test_who_may_not_acknowledge_is_refused_and_it_is_an_entry(folder: Path, acknowledged: Command) -> None:
    done = acknowledged("dr.who", WARM)
    assert done.returncode == 2
    assert "may not acknowledge-alarm" in done.stderr
    with readable_record(folder) as ledger:
        assert [each.entry.name for each in ledger.stream("access/refusals")] == ["act-refused/1"]
        assert read_batch(ledger, "B-1").alarms[WARM].acknowledged is None


@pytest.mark.parametrize(("alarm", "why", "said"), [("no/such", "seen", "has no alarm"), (WARM, "  ", "in a sentence")])
def test_what_cannot_be_acknowledged_is_said(acknowledged: Command, alarm: str, why: str, said: str) -> None:
    done = acknowledged("op.zhou", alarm, why)
    assert done.returncode == 2
    assert said in done.stderr
