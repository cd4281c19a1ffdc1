"""Identities: every look is an entry before anything is shown, erasing is for good, and no person is in the record."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.staff import Staff, again, founded

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.fhir import Identity
from cytoloop.adapters.vault import Vault
from cytoloop.app.bootstrap import readable_record, writable_record
from cytoloop.app.demo import START
from cytoloop.app.identities import (
    PASSPHRASE,
    PLAIN,
    VAULT,
    erase,
    erased,
    keep_imported,
    look_up,
    open_vault,
    rekey,
)
from cytoloop.app.importing import import_fhir
from cytoloop.core.entry import document
from cytoloop.core.errors import RefusedError, UserError
from cytoloop.core.facts.record import IdentityErased, IdentityLookedUp

ANN = Identity(
    subject="S-1",
    reference="Patient/p1",
    file="p.json",
    names=("Ann Secretname",),
    birth_date="1970-02-03",
    identifiers=("mrn MRN77",),
)
WHY = "adverse reaction, the ward must be told"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Staff:
    made = founded(tmp_path_factory.mktemp("house"))
    made.enrolled("dr.who", "clinician")
    made.enrolled("pi.lead", "principal_investigator")
    keep_imported(made.ledger, open_vault(made.folder), [ANN])
    return made


@pytest.fixture
def staff(house: Staff, tmp_path: Path) -> Staff:
    return again(house, tmp_path)


def test_the_entry_stands_before_the_identity_is_read(staff: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    read, seen = Vault.identity, list[int]()

    def watching(vault: Vault, subject: str) -> Any:
        seen.append(staff.ledger.position("identity/S-1"))
        return read(vault, subject)

    monkeypatch.setattr(Vault, "identity", watching)
    found = look_up(staff.people, open_vault(staff.folder), staff.signer("dr.who"), "S-1", WHY)
    assert seen == [1], "the look-up was in the record when the vault was asked, and it was asked once"
    assert (found["names"], found["birth_date"]) == (["Ann Secretname"], "1970-02-03")
    (recorded,) = staff.ledger.stream("identity/S-1")
    assert isinstance(recorded.fact, IdentityLookedUp)
    assert (recorded.fact.reason, recorded.fact.signature.signer, recorded.entry.actor) == (
        WHY, "dr.who", "person:dr.who",
    )  # fmt: skip


def test_when_the_entry_cannot_be_written_nothing_is_shown(staff: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise UserError("the disk is full")

    monkeypatch.setattr(Vault, "identity", lambda *_: pytest.fail("an identity was read without an entry"))
    monkeypatch.setattr(staff.store, "append", failing)
    with pytest.raises(UserError, match="the disk is full"):
        look_up(staff.people, open_vault(staff.folder), staff.signer("dr.who"), "S-1", WHY)


def test_who_may_not_look_is_shown_nothing_and_the_refusal_is_an_entry(staff: Staff) -> None:
    with pytest.raises(RefusedError, match="may not look-up-identity"):
        look_up(staff.people, open_vault(staff.folder), staff.signer("ad.min"), "S-1", WHY)
    assert staff.ledger.position("identity/S-1") == 0
    refusal = staff.refusals()[-1]
    assert (refusal.act, refusal.subject, refusal.user) == ("look-up-identity", "identity/S-1", "ad.min")


@pytest.mark.parametrize(
    ("subject", "why", "said"), [("S-9", WHY, "no identity of S-9"), ("S-1", "  ", "for a reason")]
)
def test_a_look_at_nobody_or_for_no_reason_is_refused(staff: Staff, subject: str, why: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        look_up(staff.people, open_vault(staff.folder), staff.signer("dr.who"), subject, why)


def test_an_erased_identity_is_gone_for_good_and_the_pseudonym_stays(staff: Staff) -> None:
    vault = open_vault(staff.folder)
    with pytest.raises(RefusedError, match="may not erase-identity"):
        erase(staff.people, vault, staff.signer("dr.who"), "S-1", "the patient asked")
    erase(staff.people, vault, staff.signer("pi.lead"), "S-1", "the patient asked")
    assert vault.subjects() == ()
    assert erased(staff.ledger) == {"S-1"}
    with pytest.raises(UserError, match="was erased"):
        look_up(staff.people, vault, staff.signer("dr.who"), "S-1", WHY)
    assert keep_imported(staff.ledger, vault, [ANN]) == ("S-1",)
    assert vault.subjects() == (), "importing the same patient again does not bring the identity back"


def test_an_erasure_that_was_cut_short_is_finished(staff: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(Vault, "remove", killed)
    with pytest.raises(KeyboardInterrupt):
        erase(staff.people, open_vault(staff.folder), staff.signer("pi.lead"), "S-1", "the patient asked")
    monkeypatch.undo()
    (recorded,) = staff.ledger.stream("identity/S-1")
    assert isinstance(recorded.fact, IdentityErased)
    with pytest.raises(UserError, match="was erased"):
        look_up(staff.people, open_vault(staff.folder), staff.signer("dr.who"), "S-1", WHY)
    keep_imported(staff.ledger, open_vault(staff.folder), [])
    assert open_vault(staff.folder).subjects() == ()


def test_a_new_key_is_an_act_of_an_administrator(staff: Staff) -> None:
    before = (staff.folder / "keys" / "identities.key").read_bytes()
    with pytest.raises(RefusedError, match="may not rekey-identities"):
        rekey(staff.people, open_vault(staff.folder), staff.signer("pi.lead"), "yearly")
    assert rekey(staff.people, open_vault(staff.folder), staff.signer("ad.min"), "yearly") == 1
    assert (staff.folder / "keys" / "identities.key").read_bytes() != before
    assert open_vault(staff.folder).identity("S-1") is not None
    assert [each.entry.name for each in staff.ledger.stream("identities")] == ["identities-rekeyed/1"]


def test_identities_that_an_earlier_version_kept_in_the_clear_are_encrypted_and_removed(tmp_path: Path) -> None:
    (tmp_path / PLAIN).write_text(json.dumps({"S-1": {"reference": "Patient/p1", "file": "p.json"}}))
    assert open_vault(tmp_path).identity("S-1") == {"reference": "Patient/p1", "file": "p.json"}
    assert not (tmp_path / PLAIN).exists()
    assert b"Patient/p1" not in (tmp_path / VAULT).read_bytes()


def test_a_plain_file_that_cannot_be_read_is_named_and_left(tmp_path: Path) -> None:
    (tmp_path / PLAIN).write_text("[1, 2]")
    with pytest.raises(UserError, match=r"identities\.json holds no identities"):
        open_vault(tmp_path)
    assert (tmp_path / PLAIN).exists()


def test_the_passphrase_comes_from_the_environment(tmp_path: Path) -> None:
    open_vault(tmp_path, {PASSPHRASE: "seven boats"}).keep({"S-1": {"reference": "Patient/p1"}})
    with pytest.raises(UserError, match="CYTOLOOP_VAULT_PASSPHRASE"):
        open_vault(tmp_path, {}).subjects()
    assert open_vault(tmp_path, {PASSPHRASE: "seven boats"}).subjects() == ("S-1",)


def personal(source: Path) -> set[str]:
    """Every text of the patients that says who somebody is, and every reference to one.

    Walked: whole and in words the names, business identifiers, birth dates, addresses, telephone numbers and contacts
    of each Patient, the ids of all resources, and how other resources name a patient. Left out: what says nothing of a
    person (systems, uses, types, periods, gender, `NOBODY`), and texts of fewer than 4 characters, which occur in any
    file by chance.
    """
    found: set[str] = set()
    for path in sorted(source.glob("*.json")):
        body = json.loads(path.read_text(encoding="utf-8-sig"))
        if body["resourceType"] == "Patient":
            parts = [body.get(part) for part in ("name", "identifier", "birthDate", "address", "telecom", "contact")]
            found |= {text for part in parts for text in texts(part)} | {f"Patient/{body['id']}", body["id"]}
        else:
            found |= {body["id"]} | set(shown_for_patients(body))
    words = {word for text in found for word in re.split(r"[\s,;]+", text)}
    return {text for text in found | words if len(text) >= 4} - NOBODY


NOBODY = {"Unknown", "unspecified"}
"""Words of the country of one example, "Unknown or unspecified"."""
SAYS_NOTHING = ("system", "use", "type", "period", "extension", "relationship", "gender", "rank")


def texts(value: Any) -> Iterator[str]:
    """Texts of a part of a Patient, besides fields that say nothing of the person."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name not in SAYS_NOTHING:
                yield from texts(each)


def shown_for_patients(body: Any) -> Iterator[str]:
    for name in ("subject", "patient"):
        about = body.get(name)
        if isinstance(about, dict):
            yield from (str(about[part]) for part in ("reference", "display") if part in about)


def held(folder: Path, texts: set[str]) -> dict[str, list[str]]:
    """File -> the texts whose bytes stand in it, in UTF-8 or UTF-16, in any capital or small letters.

    A number counts where it stands by itself: six digits do occur inside hashes and fractions.
    """
    found: dict[str, list[str]] = {}
    for path in (each for each in sorted(folder.rglob("*")) if each.is_file()):
        content = path.read_bytes().lower()
        hits = [text for text in texts if any(_stands(text.lower().encode(code), content) for code in CODES)]
        if hits:
            found[str(path.relative_to(folder))] = sorted(hits)
    return found


CODES = ("utf-8", "utf-16-le")


def _stands(text: bytes, content: bytes) -> bool:
    if text not in content or not text.isdigit():
        return text in content
    return re.search(rb"(?<![0-9a-f.])" + text + rb"(?![0-9a-f])", content) is not None


def words_of(folder: Path) -> set[str]:
    """Every word of every text of every entry, in which even a short name would show."""
    with readable_record(folder) as ledger:
        told = json.dumps([document(each.entry) for each in ledger.entries()], ensure_ascii=False)
    return set(re.findall(r"\w+", told))


def test_no_byte_of_a_data_folder_says_who_a_patient_is(tmp_path: Path, shared: Path) -> None:
    """Imported, and then treated: record with its journals, telemetry, keys, accounts, and a batch taken out."""
    source = shared / "data" / "fhir_examples" / "cibmtr_r4"
    says = personal(source)
    assert len(says) > 50, "the examples do name patients"
    assert len(held(source, says)) == 37, "the search finds what is there"
    folder = tmp_path / "data"
    clock = SimulatedClock(START)
    with writable_record(folder, clock) as ledger:
        import_fhir(ledger, clock, folder, source)
        assert held(folder, says) == {}, "while the record is open, with the journal beside it"
    command = [sys.executable, "-m", "cytoloop.cli.main"]
    ran = [*command, "demo", "--patients-from", str(folder), "--patients", "1", "--no-serve", "--data", str(folder)]
    told = [subprocess.run(ran, capture_output=True, check=True).stdout]
    to = ["--to", str(folder / "taken-out"), "--data", str(folder)]
    told.append(subprocess.run([*command, "batch", "export", "B-C001", *to], capture_output=True, check=True).stdout)
    (folder / "told").write_bytes(b"\n".join(told))
    assert held(folder, says) == {}
    assert words_of(folder).isdisjoint({"Doe", "Jane", "John", "Peter", "Grand", "Prarie", "Garland", "Texas"})
    vault = open_vault(folder)
    assert {str((vault.identity(each) or {})["reference"]) for each in vault.subjects()} >= {"Patient/PatientExample1"}
