"""What people do to a record from the command line: what is shown, signed, refused and left behind."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess

import pyotp
import pytest
from tests.staff import Staff, entry_of, founded, on_disk, secret_of, typed_batch

from cytoloop.adapters.fhir import Identity
from cytoloop.app.bootstrap import readable_record
from cytoloop.app.identities import keep_imported, open_vault
from cytoloop.app.production import read_batch

Command = Callable[..., CompletedProcess[str]]
ANN = Identity(subject="S-1", reference="Patient/p1", file="p.json", names=("Ann Secretname",), birth_date="1970-02-03")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Staff:
    made = founded(tmp_path_factory.mktemp("house"))
    made.enrolled("op.zhou", "operator")
    made.enrolled("qa.two", "qa")
    made.enrolled("dr.who", "clinician")
    made.enrolled("qp.lan", "qualified_person")
    typed_batch(made.ledger)
    keep_imported(made.ledger, open_vault(made.folder), [ANN])
    return made


@pytest.fixture
def folder(house: Staff, tmp_path: Path) -> Path:
    on_disk(house, tmp_path)
    return tmp_path


@pytest.fixture
def as_user(house: Staff, monkeypatch: pytest.MonkeyPatch, cytoloop: Command) -> Command:
    """The command line with somebody's password and code of this moment in the environment."""

    def command(user: str, *arguments: str | Path) -> CompletedProcess[str]:
        monkeypatch.setenv("CYTOLOOP_SECRET", secret_of(user))
        monkeypatch.setenv("CYTOLOOP_CODE", pyotp.TOTP(house.codes[user]).at(datetime.now(UTC)))
        return cytoloop(*arguments, "--as", user)

    return command


def correction(house: Staff, folder: Path, to: str = "6.5") -> list[str]:
    entry = str(entry_of(house.ledger))
    where = ["--entry", entry, "--field", "transport_temperature", "--to", to]
    return ["batch", "correct", "B-1", *where, "--why", "read off the wrong line", "--data", str(folder)]


def names(folder: Path, stream: str) -> list[str]:
    with readable_record(folder) as ledger:
        return [each.entry.name for each in ledger.stream(stream)]


def test_a_correction_shows_what_is_signed_and_is_in_the_audit_trail(
    house: Staff, folder: Path, as_user: Command, cytoloop: Command, tmp_path: Path
) -> None:
    done = as_user("op.zhou", *correction(house, folder))
    assert done.returncode == 0, done.stderr
    for shown in ("transport_temperature", "5.0", "6.5", "read off the wrong line", "signed is the SHA-256 of this"):
        assert shown in done.stdout
    assert "transport_temperature of entry" in done.stdout
    told = json.loads(cytoloop("audit", "--changes", "--batch", "B-1", "--json", "--data", folder).stdout)
    assert [(each["entry"], each["who"]["user"], each["reason_prompted"]) for each in told] == [
        ("value-corrected/1", "op.zhou", True)
    ]
    file = tmp_path / "trail.csv"
    assert cytoloop("audit", "--csv", file, "--data", folder).returncode == 0
    with file.open(newline="", encoding="utf-8") as lines:
        assert sum(line["entry"] == "value-corrected/1" for line in csv.DictReader(lines)) == 1


def test_a_wrong_password_changes_nothing_and_is_an_entry(
    house: Staff, folder: Path, cytoloop: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYTOLOOP_SECRET", "not the right one at all")
    monkeypatch.setenv("CYTOLOOP_CODE", "000000")
    before = names(folder, "batch/B-1")
    done = cytoloop(*correction(house, folder), "--as", "op.zhou")
    assert done.returncode == 2
    assert "do not match" in done.stderr
    assert names(folder, "batch/B-1") == before
    assert names(folder, "access/refusals") == ["act-refused/1"]


def test_a_correction_that_may_not_be_is_refused_before_anybody_is_asked(
    house: Staff, folder: Path, cytoloop: Command
) -> None:
    result = str(entry_of(house.ledger) + 1)
    asked = ["--entry", result, "--field", "value", "--to", "1", "--why", "better", "--as", "op.zhou", "--data", folder]
    done = cytoloop("batch", "correct", "B-1", *asked)
    assert done.returncode == 2
    assert "holds nothing that a person typed" in done.stderr
    assert names(folder, "access/refusals") == ["act-refused/1"]


def test_a_review_shows_the_changes_and_lets_the_batch_be_released(
    house: Staff, folder: Path, as_user: Command
) -> None:
    assert as_user("op.zhou", *correction(house, folder)).returncode == 0
    done = as_user("qa.two", "batch", "review", "B-1", "--remarks", "in order", "--data", folder)
    assert done.returncode == 0, done.stderr
    for shown in ("transport_temperature", "entries_sha256", "in order", "viable_car_cells"):
        assert shown in done.stdout
    assert names(folder, "batch/B-1")[-1] == "record-reviewed/1"
    with readable_record(folder) as ledger:
        assert read_batch(ledger, "B-1").reviewed is not None


def test_a_qualified_person_releases_a_batch_that_was_reviewed(house: Staff, folder: Path, as_user: Command) -> None:
    asked = ["batch", "dispose", "B-1", "--disposition", "released", "--why", "in specification", "--data", str(folder)]
    early = as_user("qp.lan", *asked)
    assert early.returncode == 2
    assert "batch B-1 cannot be released: nobody has reviewed the record" in early.stderr
    assert as_user("qa.two", "batch", "review", "B-1", "--remarks", "ok", "--data", folder).returncode == 0
    done = as_user("qp.lan", *asked)
    assert done.returncode == 0, done.stderr
    assert "batch B-1 is released (entry" in done.stdout
    assert names(folder, "batch/B-1")[-1] == "disposition-signed/1"
    assert names(folder, "access/refusals") == ["act-refused/1"]


def test_who_may_not_review_is_refused(house: Staff, folder: Path, as_user: Command) -> None:
    assert as_user("qa.two", *correction(house, folder)).returncode == 0
    done = as_user("op.zhou", "batch", "review", "B-1", "--remarks", "in order", "--data", folder)
    assert done.returncode == 2
    assert "may not review-record" in done.stderr
    assert names(folder, "batch/B-1")[-1] == "value-corrected/1"


def test_a_deviation_that_a_correction_showed_is_decided_on(house: Staff, folder: Path, as_user: Command) -> None:
    done = as_user("op.zhou", *correction(house, folder, "12"))
    assert "a deviation is open" in done.stdout
    with readable_record(folder) as ledger:
        (deviation,) = read_batch(ledger, "B-1").deviations
    decided = ["batch", "decide", "B-1", deviation, "--decision", "continue", "--why", "the logger shows 7 °C"]
    done = as_user("qa.two", *decided, "--data", folder)
    assert done.returncode == 0, done.stderr
    assert names(folder, "batch/B-1")[-1] == "deviation-closed/1"


def test_an_identity_is_shown_after_it_is_in_the_record(folder: Path, as_user: Command, cytoloop: Command) -> None:
    assert json.loads(cytoloop("identity", "list", "--json", "--data", folder).stdout) == ["S-1"]
    done = as_user("dr.who", "identity", "show", "S-1", "--why", "adverse reaction", "--data", folder)
    assert done.returncode == 0, done.stderr
    assert "Ann Secretname" in done.stdout
    assert names(folder, "identity/S-1") == ["identity-looked-up/1"]
    refused = as_user("op.zhou", "identity", "show", "S-1", "--why", "curious", "--data", folder)
    assert refused.returncode == 2
    assert "Secretname" not in refused.stdout + refused.stderr
    assert names(folder, "identity/S-1") == ["identity-looked-up/1"]


def test_identities_are_encrypted_anew(folder: Path, as_user: Command) -> None:
    key = (folder / "keys" / "identities.key").read_bytes()
    done = as_user("ad.min", "identity", "rekey", "--why", "yearly", "--data", folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "keys" / "identities.key").read_bytes() != key
    assert open_vault(folder).identity("S-1") is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--role", "king"], "'king' is no role"),
        (["--from", "June"], "is no day or time"),
        (["--zone", "Mars"], "is no time zone"),
        (["--batch", "B-9"], "there is no batch 'B-9'"),
        (["--lang", "fr"], "no language of the house"),
        (["--csv", "/dev/null/trail.csv"], "trail.csv"),
    ],
)
def test_what_cannot_be_asked_of_the_audit_trail_is_said(
    folder: Path, cytoloop: Command, arguments: list[str], said: str
) -> None:
    done = cytoloop("audit", *arguments, "--data", folder)
    assert done.returncode == 2
    assert said in done.stderr


def test_the_audit_trail_is_told_in_chinese(folder: Path, cytoloop: Command) -> None:
    done = cytoloop("audit", "--lang", "zh", "--name", "batch-finished/1", "--data", folder)
    assert "何人" in done.stdout
    assert "配方全部步骤完成" in "".join(done.stdout.split())
