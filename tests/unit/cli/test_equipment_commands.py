"""`cytoloop equipment`: types, the register, and acts that are signed."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess

import pyotp
import pytest
from tests.staff import Staff, founded, on_disk, secret_of

from cytoloop.app.bootstrap import readable_record

Command = Callable[..., CompletedProcess[str]]
LATER = f"{datetime.now(UTC) + timedelta(days=200):%Y-%m-%d}"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Staff:
    made = founded(tmp_path_factory.mktemp("house"))
    made.enrolled("op.zhou", "operator")
    return made


@pytest.fixture
def folder(house: Staff, tmp_path: Path) -> Path:
    on_disk(house, tmp_path)
    return tmp_path


@pytest.fixture
def as_user(house: Staff, folder: Path, monkeypatch: pytest.MonkeyPatch, cytoloop: Command) -> Command:
    """The command line as one person whose codes are new each time."""
    used: dict[str, int] = {}

    def command(user: str, *arguments: str) -> CompletedProcess[str]:
        used[user] = used.get(user, -1) + 1
        moment = datetime.now(UTC) + timedelta(seconds=30 * (used[user] - 1))
        monkeypatch.setenv("CYTOLOOP_SECRET", secret_of(user))
        monkeypatch.setenv("CYTOLOOP_CODE", pyotp.TOTP(house.codes[user]).at(moment))
        return cytoloop("equipment", *arguments, "--as", user, "--data", folder)

    return command


def names(folder: Path, stream: str) -> list[str]:
    with readable_record(folder) as ledger:
        return [each.entry.name for each in ledger.stream(stream)]


REGISTER = ("register", "bioreactor-03", "--type", "perfusion_bioreactor", "--serial", "SN-7")


def test_types_say_loudly_what_never_met_its_device(cytoloop: Command) -> None:
    shown = cytoloop("equipment", "types")
    assert shown.stdout.count("unverified: this driver has never met its device") == 7
    told = json.loads(cytoloop("equipment", "types", "--json").stdout)
    assert len(told) == 7
    assert all(each["unverified"].startswith("unverified: ") and each["met"] == "" for each in told)
    assert told[0]["programs"]["seed"] == ["volume", "seeding_density"]


def test_a_unit_goes_into_the_register_and_is_told_to_be_unverified(
    as_user: Command, folder: Path, cytoloop: Command
) -> None:
    done = as_user("qa.founder", *REGISTER, "--need", "calibration")
    assert done.returncode == 0, done.stderr
    for shown in (
        "equipment-registered/1",
        "SN-7",
        "signed is the SHA-256 of this",
        "unverified: this driver has never",
    ):
        assert shown in done.stdout
    assert names(folder, "equipment/bioreactor-03") == ["equipment-registered/1"]
    listed = cytoloop("equipment", "list", "--data", folder).stdout
    assert "bioreactor-03: unverified: this driver has never met its device" in listed
    (unit,) = json.loads(cytoloop("equipment", "list", "--json", "--data", folder).stdout)
    assert "no calibration on record" in unit["why_not"]
    assert unit["needs"] == ["calibration"]


def test_a_unit_is_calibrated_and_shown_with_its_log(as_user: Command, folder: Path, cytoloop: Command) -> None:
    assert as_user("qa.founder", *REGISTER, "--need", "calibration").returncode == 0
    done = as_user("qa.founder", "calibrate", "bioreactor-03", "--certificate", "C-1", "--until", LATER)
    assert done.returncode == 0, done.stderr
    unit = json.loads(cytoloop("equipment", "show", "bioreactor-03", "--json", "--data", folder).stdout)
    assert unit["why_not"] is None
    shown = cytoloop("equipment", "show", "bioreactor-03", "--data", folder).stdout
    assert "bioreactor-03 calibrated, certificate C-1" in shown


def test_an_operator_cleans_and_stops_a_unit_and_may_not_return_it(as_user: Command, folder: Path) -> None:
    assert as_user("qa.founder", *REGISTER).returncode == 0
    stopped = as_user("op.zhou", "out-of-service", "bioreactor-03", "--why", "the pump leaks")
    assert stopped.returncode == 0, stopped.stderr
    refused = as_user("op.zhou", "return", "bioreactor-03", "--why", "looks fine")
    assert refused.returncode == 2
    assert "may not return-equipment" in refused.stderr
    returned = as_user("qa.founder", "return", "bioreactor-03", "--why", "new pump")
    assert returned.returncode == 0, returned.stderr
    assert names(folder, "equipment/bioreactor-03") == [
        "equipment-registered/1",
        "equipment-taken-out-of-service/1",
        "equipment-returned-to-service/1",
    ]


def test_a_unit_is_cleaned(as_user: Command, folder: Path) -> None:
    assert as_user("qa.founder", *REGISTER, "--need", "cleaning-between-batches").returncode == 0
    done = as_user("op.zhou", "clean", "bioreactor-03", "--procedure", "SOP-9", "--until", LATER)
    assert done.returncode == 0, done.stderr
    assert names(folder, "equipment/bioreactor-03")[-1] == "equipment-cleaned/1"


def test_a_person_is_qualified_and_it_is_withdrawn(as_user: Command, folder: Path, cytoloop: Command) -> None:
    done = as_user("qa.founder", "qualify", "op.zhou", "bioreactor", "--evidence", "T-1", "--until", LATER)
    assert done.returncode == 0, done.stderr
    assert "op.zhou qualified for bioreactor" in done.stdout
    assert "op.zhou" in cytoloop("equipment", "list", "--data", folder).stdout
    withdrawn = as_user("qa.founder", "withdraw", "op.zhou", "bioreactor", "--why", "was away for a year")
    assert withdrawn.returncode == 0, withdrawn.stderr
    assert names(folder, "qualification/op.zhou") == ["person-qualified/1", "qualification-withdrawn/1"]


def test_mistakes_are_told_in_one_sentence(as_user: Command, folder: Path, cytoloop: Command) -> None:
    for arguments, said in (
        (("show", "bioreactor-09", "--data", folder), "bioreactor-09 is not registered"),
        (("calibrate", "b-1", "--certificate", "C", "--until", "soon", "--as", "x", "--data", folder), "is no day"),
        (("register", "u-1", "--type", "toaster", "--as", "x", "--data", folder), "choose from perfusion_bioreactor"),
    ):
        failed = cytoloop("equipment", *arguments)
        assert failed.returncode == 2
        assert said in failed.stderr
