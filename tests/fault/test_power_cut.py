"""The power goes at any write of any command: nothing acknowledged is lost, and the folder can be used again."""

import gzip
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import count
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from tests.fault.ceremony import finished
from tests.fault.disk import lay_out
from tests.fault.power_cut import ROOT, Cut, Promise, Told, cuts, judge_files, judge_record, run_told
from tests.fault.rekeyed import WHO, vault_in

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.app.records import RECORD, readable_record, readable_store, writable_record
from cytoloop.app.verifying_telemetry import verify_telemetry_of
from cytoloop.bench.killing import draft
from cytoloop.core.time import Instant
from cytoloop.record.verify import verify

Cytoloop = Callable[..., CompletedProcess[str]]

PATIENTS: dict[str, dict[str, object]] = {
    "patient-1.json": {"resourceType": "Patient", "id": "p1", "gender": "female"},
    "patient-2.json": {"resourceType": "Patient", "id": "p2", "gender": "male"},
    "weight-1.json": {
        "resourceType": "Observation",
        "id": "w1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-05-01T08:00:00+08:00",
        "valueQuantity": {"value": 61.5, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    },
}


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    """A folder of FHIR files of two patients."""
    folder = tmp_path / "fhir"
    folder.mkdir()
    for name, resource in PATIENTS.items():
        (folder / name).write_text(json.dumps(resource))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder whose disk tells."""
    (tmp_path / "root").mkdir()
    return (tmp_path / "root").resolve()


Judge = Callable[[Path, Cut], None]
"""Judges what a cut left in a folder further."""


@dataclass(frozen=True, slots=True)
class Power:
    """Runs commands on a disk that tells, and cuts the power."""

    shim: Path
    root: Path
    scratch: Path
    start: Instant
    long: bool

    def run(self, *words: str | Path, program: str = "driven") -> Told:
        return run_told(self.shim, self.root, self.scratch / "log", *words, program=program)

    def cut(
        self,
        told: Told,
        *,
        moments: int | None = 40,
        before: Promise | None = None,
        whole: Sequence[str] = (),
        judge: Judge | None = None,
    ) -> int:
        """Judge what so many cuts could have left; how many states they were. Without `judge`: there is a record."""
        done, folder = 0, self.scratch / "cut"
        for cut in cuts(told, random.Random(1), None if self.long else moments, before):
            lay_out(cut.state, folder)
            try:
                judge_files(cut.state, told, cut.promise, whole)
                (judge or self.record)(folder, cut)
            except Exception as error:
                error.add_note(f"cut after operation {cut.after} of {len(told.operations)}, with {cut.how}")
                raise
            done += 1
        return done

    def record(self, folder: Path, cut: Cut) -> None:
        """The folder's record holds what was promised, and goes on."""
        judge_record(folder / "data" / RECORD, cut.promise, self.start)


@pytest.fixture
def power(shim: Path, root: Path, tmp_path: Path, start: Instant, long: bool) -> Power:
    return Power(shim, root, tmp_path, start, long)


def kept_before(folder: Path) -> Promise:
    """What the record of `folder` holds now, as a promise."""
    with readable_store(folder) as store:
        head = store.head()
        attested = frozenset(sha256(each.body).hexdigest() for each in store.attestations())
    return Promise(size=head.size, root=head.root.hex(), attested=attested) if head else Promise()


@pytest.fixture
def data(root: Path, start: Instant) -> Path:
    """A data folder with a small record."""
    with writable_record(root / "data", SimulatedClock(start)) as ledger:
        for number in range(5):
            ledger.append("study/1", [draft(number)], expected=number)
    return root / "data"


def test_the_power_goes_while_patients_are_imported(power: Power, root: Path, patients: Path) -> None:
    assert power.cut(power.run("import", "fhir", patients, "--data", root / "data"), moments=None) > 200


def test_an_import_that_was_cut_off_can_be_done_again(
    power: Power, root: Path, patients: Path, cytoloop: Cytoloop
) -> None:
    def again(folder: Path, cut: Cut) -> None:
        done = cytoloop("import", "fhir", patients, "--data", folder / "data", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["subjects"] == 2
        with readable_record(folder / "data") as ledger:
            names = Counter(each.entry.name for each in ledger.entries())
        assert names["subject-enrolled/1"] == 2, "a patient is there twice, or not at all"

    power.cut(power.run("import", "fhir", patients, "--data", root / "data"), moments=5, judge=again)


def test_the_power_goes_while_batches_run(power: Power, root: Path) -> None:
    told = power.run("demo", "--patients", "1", "--no-serve", "--data", root / "data")

    def with_readings(folder: Path, cut: Cut) -> None:
        power.record(folder, cut)
        if (folder / "data" / RECORD).exists():
            telemetry = verify_telemetry_of(folder / "data")
            assert telemetry.readings + telemetry.unsealed >= cut.promise.readings, "an acknowledged reading is lost"

    assert power.cut(told, moments=25, judge=with_readings) > 50


def test_the_power_goes_while_a_folder_is_made(power: Power, root: Path) -> None:
    told = power.run("init", root / "data", "--origin", "example.org/record")

    def is_there(folder: Path, cut: Cut) -> None:
        power.record(folder, cut)
        assert not cut.promise.done or (folder / "data" / RECORD).exists(), "the record is gone"

    power.cut(told, whole=["data/cytoloop.yaml"], judge=is_there)


def test_the_power_goes_while_a_checkpoint_is_published(power: Power, root: Path, data: Path) -> None:
    before = kept_before(data)
    told = power.run("checkpoint", "publish", "--data", data, "--to", root / "note.txt")
    assert power.cut(told, before=before, whole=["note.txt"]) > 30


def test_a_checkpoint_can_be_published_whatever_the_power_cut_left_of_its_key(
    power: Power, data: Path, start: Instant, cytoloop: Cytoloop
) -> None:
    assert cytoloop("checkpoint", "publish", "--data", data).returncode == 0
    before = kept_before(data)
    told = power.run("checkpoint", "rotate-key", "--reason", "a year has passed", "--data", data)

    def again(folder: Path, cut: Cut) -> None:
        power.record(folder, cut)
        done = cytoloop("checkpoint", "publish", "--data", folder / "data")
        assert done.returncode == 0, done.stderr
        assert cytoloop("verify", folder / "data").returncode == 0

    power.cut(told, moments=8, before=before, judge=again)


def test_the_power_goes_while_a_backup_is_made(power: Power, root: Path, data: Path) -> None:
    before = kept_before(data)
    told = power.run("backup", "--data", data, "--to", root / "copy.zip")
    assert power.cut(told, before=before, whole=["copy.zip"]) > 30


def test_the_power_goes_while_a_backup_is_restored(power: Power, root: Path, data: Path, cytoloop: Cytoloop) -> None:
    (data / "accounts.json").write_text("[]\n" * 2_000, encoding="utf-8")
    assert cytoloop("backup", "--data", data, "--to", root / "copy.zip").returncode == 0
    shutil.rmtree(data)
    told = power.run("restore", root / "copy.zip", "--to", data, "--why", "the disk broke")

    def again(folder: Path, cut: Cut) -> None:
        if not (folder / "data" / RECORD).exists():
            assert not cut.promise.done, "the restored record is gone"
            done = cytoloop("restore", folder / "copy.zip", "--to", folder / "data", "--why", "once more")
            assert done.returncode == 0, done.stderr
        assert cytoloop("verify", folder / "data").returncode == 0

    power.cut(told, moments=8, judge=again, whole=["data/accounts.json"])


def test_the_power_goes_while_a_record_is_upgraded(power: Power, root: Path, cytoloop: Cytoloop) -> None:
    (root / "data").mkdir()
    packed = ROOT / "tests" / "data" / "stores" / "0.1.0" / "record.db.gz"
    (root / "data" / RECORD).write_bytes(gzip.decompress(packed.read_bytes()))
    before = kept_before(root / "data")
    told = power.run("upgrade", root / "data")

    def again(folder: Path, cut: Cut) -> None:
        with readable_store(folder / "data") as store:
            assert verify(store).entries >= before.size + cut.promise.done, "what the upgrade did is undone"
        done = cytoloop("upgrade", folder / "data")
        assert done.returncode == 0, done.stderr
        power.record(folder, replace(cut, promise=replace(cut.promise, size=before.size, root=before.root)))

    power.cut(told, moments=8, judge=again)


def test_the_power_goes_while_a_batch_is_exported(power: Power, root: Path, demo_folder: Path) -> None:
    shutil.copytree(demo_folder, root / "data")
    before = kept_before(root / "data")
    told = power.run("batch", "export", "B-C001", "--data", root / "data", "--to", root / "bundle.zip", "--no-pdf")
    power.cut(told, moments=8, before=before, whole=["bundle.zip"])


def test_the_power_goes_while_people_get_their_accounts(power: Power, root: Path) -> None:
    told = power.run(root / "data", program="ceremony")
    states = count()

    def again(folder: Path, cut: Cut) -> None:
        power.record(folder, cut)
        if next(states) % 5 == 0 or cut.promise.done:  # half a second each: passwords take their time
            lay_out(cut.state, folder)
            finished(folder / "data", cut.promise.said)

    assert power.cut(told, moments=25, judge=again) > 50


def test_the_power_goes_while_identities_are_sealed_again(power: Power, root: Path) -> None:
    told = power.run(root / "data", program="rekeyed")

    def whoever(folder: Path, cut: Cut) -> None:
        vault, done = vault_in(folder / "data"), {json.loads(said)["done"] for said in cut.promise.said}
        found = {subject: vault.identity(subject) for subject in vault.subjects()}
        assert all(who == WHO[subject] for subject, who in found.items())
        assert "kept" not in done or "S-2" in found, "an identity is lost"
        assert "erased" not in done or "S-1" not in found, "an identity came back"
        vault.keep(WHO)
        assert vault.rekey() == 2

    assert power.cut(told, moments=None, judge=whoever) > 20


def test_the_disk_would_find_a_store_that_does_not_wait_for_it(power: Power, root: Path) -> None:
    told = power.run(root / "data", program="hasty")
    with pytest.raises(AssertionError, match=r"is gone|is lost"):
        power.cut(told)
