"""Exporting a batch as a bundle: what it holds, what the record keeps of it, what a check says."""

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import pytest
from tests import bundles
from tests.bundles import BATCH, SIGNER, bundle, record

from cytoloop.app.bundle import Source, export
from cytoloop.app.bundle_check import check_bundle
from cytoloop.app.bundle_trust import Trust
from cytoloop.app.keyring import Keyring, rotate_key
from cytoloop.app.publishing import publish
from cytoloop.core.entry import Draft
from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.facts.people import ActRefused, SignedIn
from cytoloop.core.facts.production import BatchFinished
from cytoloop.core.facts.record import BundleExported
from cytoloop.core.store import Attestation
from cytoloop.core.telemetry import Tag, microseconds, readings
from cytoloop.core.time import after
from cytoloop.record.codec import ALL_FACTS, Codec
from cytoloop.record.container import unpack
from cytoloop.record.ledger import Ledger
from cytoloop.record.merkle import leaf_hash
from cytoloop.record.note import COSIGNATURE, cosign_text, parse_key, parse_note, verifier_of
from cytoloop.record.segment import decode
from cytoloop.testing.builders import START

NEEDED = {
    "README.en.md", "README.zh.md", "checkpoint.txt", "entries.jsonl", "keys.json", "manifest.json", "manifest.note",
    "proofs.json", "recipe.json", "report.en.html", "report.zh.html", "rules.json", "verify.py",
}  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """A record with one batch."""
    return record(tmp_path)


def say(source: Source, stream: str, *facts: object) -> None:
    """Append facts to a stream."""
    drafts = [Draft(fact=fact, actor="system:test", happened_at=START) for fact in facts]  # type: ignore[arg-type]
    source.ledger.append(stream, drafts, expected=source.ledger.position(stream))


def test_a_bundle_holds_everything_that_is_needed_to_check_it(source: Source, tmp_path: Path) -> None:
    files = unpack(bundle(source, tmp_path / "b.zip"))
    assert files.keys() >= NEEDED
    assert "telemetry/B-T001-1.segment" in files
    names = {json.loads(line)["name"] for line in files["entries.jsonl"].splitlines()}
    schemas = {f"schema/{name.replace('/', '-')}.json" for name in {*names, "entry", "keys", "manifest", "proofs"}}
    assert schemas == {n for n in files if n.startswith("schema/")}


def test_a_schema_says_what_a_field_is_for_also_inside_another(source: Source, tmp_path: Path) -> None:
    files = unpack(bundle(source, tmp_path / "b.zip"))
    created = json.loads(files["schema/batch-created-1.json"])
    assert created["properties"]["weight"]["description"] == "The patient's weight in kg, for limits per kilogram."
    signed = json.loads(files["schema/disposition-signed-1.json"])["$defs"]["Signature"]["properties"]
    assert signed["zone"]["description"] == "IANA name of the signer's time zone."
    assert "leaf index" in json.loads(files["schema/entry.json"])["properties"]["sequence"]["description"]


def test_the_readme_reads_the_readings(source: Source, tmp_path: Path) -> None:
    """The lines in it, as they stand there, give back what was sealed."""
    files = unpack(bundle(source, tmp_path / "b.zip"))
    (tmp_path / "NAME.segment").write_bytes(files["telemetry/B-T001-1.segment"])
    for language in ("en", "zh"):
        lines = files[f"README.{language}.md"].decode().splitlines()
        code = [line[4:] for line in lines[lines.index("    import json, pathlib, struct") :][:5]]
        found: dict[str, tuple[float, ...]] = {}
        exec("\n".join(code).replace("telemetry/", f"{tmp_path}/"), found)
        sealed = decode(files["telemetry/B-T001-1.segment"])
        assert found["value"] == tuple(memoryview(sealed.value))
        assert found["status"] == tuple(memoryview(sealed.status))


@dataclass(frozen=True, slots=True, kw_only=True)
class LampLit:
    """A fact that only a later version knows."""

    NAME: ClassVar[str] = "lamp-lit/1"
    lamp: int


def test_a_fact_of_a_later_version_goes_along_and_its_missing_schema_is_told(source: Source, tmp_path: Path) -> None:
    later = Ledger(source.store, source.clock, codec=Codec([*ALL_FACTS, LampLit]))
    draft = Draft(fact=LampLit(lamp=1), actor="system:test", happened_at=START)
    later.append(f"batch/{BATCH}", [draft], expected=later.position(f"batch/{BATCH}"))
    archive = bundle(replace(source, ledger=Ledger(source.store, source.clock)), tmp_path / "b.zip")
    absent = {each["name"] for each in json.loads(unpack(archive)["manifest.json"])["absent"]}
    assert "schema/lamp-lit-1.json" in absent
    assert check_bundle(archive).reports_compared


def test_readings_that_are_not_sealed_yet_are_told_and_not_in_it(source: Source, tmp_path: Path) -> None:
    assert export(source, BATCH, tmp_path / "a.zip", typeset=None).unsealed == 0
    assert source.telemetry is not None
    late = microseconds(after(START, 2000))
    source.telemetry.write([readings(BATCH, [(Tag("bioreactor-01/ph", "pH"), late, late, 7.2, 0)])])
    assert export(source, BATCH, tmp_path / "b.zip", typeset=None).unsealed == 1
    absent = json.loads(unpack((tmp_path / "b.zip").read_bytes())["manifest.json"])["absent"]
    assert {"name": "telemetry/", "why": "1 readings were not sealed yet"} in absent
    assert check_bundle((tmp_path / "b.zip").read_bytes()).segments == 1


def test_its_entries_are_the_bytes_that_were_hashed(source: Source, tmp_path: Path) -> None:
    files = unpack(bundle(source, tmp_path / "b.zip"))
    kept = {row.leaf_hash for row in source.store.rows()}
    lines = files["entries.jsonl"].removesuffix(b"\n").split(b"\n")
    assert {leaf_hash(line) for line in lines} <= kept
    own = [line for line in lines if json.loads(line)["stream"] == f"batch/{BATCH}"]
    assert len(own) == source.ledger.position(f"batch/{BATCH}")


def test_a_good_bundle_fits(source: Source, tmp_path: Path) -> None:
    checked = check_bundle(bundle(source, tmp_path / "b.zip"))
    assert (checked.batch, checked.passkeys, checked.segments) == (BATCH, 2, 1)
    assert checked.reports_compared
    assert not checked.trusted


def test_a_batch_numbered_in_chinese_is_exported_and_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "BATCH", "批-1")
    archive = bundle(record(tmp_path), tmp_path / "b.zip")
    assert "telemetry/批-1-1.segment" in unpack(archive)
    assert check_bundle(archive).segments == 1


def test_the_record_keeps_that_it_was_exported(source: Source, tmp_path: Path) -> None:
    files = unpack(bundle(source, tmp_path / "b.zip"))
    (kept,) = [each.fact for each in source.ledger.entries() if isinstance(each.fact, BundleExported)]
    assert kept.batch == BATCH
    assert kept.manifest_sha256 == sha256(files["manifest.json"]).hexdigest()
    assert kept.tree_size == check_bundle((tmp_path / "b.zip").read_bytes()).head.size


def test_a_second_export_stands_on_the_same_checkpoint(source: Source, tmp_path: Path) -> None:
    first, second = (check_bundle(bundle(source, tmp_path / name)) for name in ("1.zip", "2.zip"))
    assert first.head == second.head


def test_an_entry_after_the_checkpoint_asks_for_a_new_one(source: Source, tmp_path: Path) -> None:
    first = check_bundle(bundle(source, tmp_path / "1.zip"))
    say(source, f"batch/{BATCH}", BatchFinished())
    second = check_bundle(bundle(source, tmp_path / "2.zip"))
    assert second.head.size > first.head.size
    assert second.entries == first.entries + 1


def test_two_exports_at_one_moment_are_the_same_bytes(source: Source, tmp_path: Path) -> None:
    assert bundle(source, tmp_path / "1.zip") == bundle(source, tmp_path / "2.zip")


def test_refusals_that_concern_the_batch_are_in_it_and_comings_and_goings_are_not(
    source: Source, tmp_path: Path
) -> None:
    refused = ActRefused(act="release", subject=BATCH, user=SIGNER, roles=(), reason="own work")
    say(source, "access/refusals", refused, replace(refused, subject="B-OTHER"))
    say(source, f"person/{SIGNER}", SignedIn(user=SIGNER, method="passkey"))
    lines = unpack(bundle(source, tmp_path / "b.zip"))["entries.jsonl"].splitlines()
    entries = [json.loads(line) for line in lines]
    assert [each["data"]["subject"] for each in entries if each["name"] == "act-refused/1"] == [BATCH]
    assert not [each for each in entries if each["name"] == "signed-in/1"]
    assert [each for each in entries if each["name"] == "person-enrolled/1"]


def test_a_key_from_elsewhere_is_asked_for_and_found(source: Source, tmp_path: Path) -> None:
    archive = bundle(source, tmp_path / "b.zip")
    (key,) = check_bundle(archive).keys
    assert check_bundle(archive, Trust(key=parse_key(key))).trusted
    (tmp_path / "other").mkdir()
    other = record(tmp_path / "other")
    (foreign,) = check_bundle(bundle(other, tmp_path / "o.zip")).keys
    with pytest.raises(FindingError, match="of another record, or the key is wrong"):
        check_bundle(archive, Trust(key=parse_key(foreign)))


def test_a_retired_key_vouches_for_the_one_that_signs_now(source: Source, tmp_path: Path) -> None:
    (old,) = check_bundle(bundle(source, tmp_path / "1.zip")).keys
    ring = Keyring(ledger=source.ledger, store=source.store, folder=source.folder, clock=source.clock)
    for reason in ("yearly", "yearly again"):
        rotate_key(ring, reason)
    archive = bundle(source, tmp_path / "2.zip")
    checked = check_bundle(archive, Trust(key=parse_key(old)))
    assert checked.trusted
    assert old not in checked.keys


def test_a_checkpoint_noted_before_is_continued(source: Source, tmp_path: Path) -> None:
    noted = publish(source.ledger, source.store, source.folder, source.clock)
    say(source, f"batch/{BATCH}", BatchFinished())
    archive = bundle(source, tmp_path / "b.zip")
    assert check_bundle(archive, Trust(checkpoint=noted)).head.size > int(noted.splitlines()[1])
    newer = archive
    say(source, f"batch/{BATCH}", BatchFinished())
    later = publish(source.ledger, source.store, source.folder, source.clock)
    with pytest.raises(UserError, match="newer than the bundle's"):
        check_bundle(newer, Trust(checkpoint=later))


def test_a_checkpoint_of_another_record_is_named(source: Source, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = record(tmp_path / "other")
    noted = publish(other.ledger, other.store, other.folder, other.clock)
    with pytest.raises(FindingError, match="it is of another record, or the key is wrong"):
        check_bundle(bundle(source, tmp_path / "b.zip"), Trust(checkpoint=noted))


def test_witnesses_under_the_checkpoint_are_in_it(source: Source, tmp_path: Path) -> None:
    from cytoloop.adapters.keys import new_key

    witness = new_key("hospital.example/witness")
    (source.folder / "witnesses.txt").write_text(verifier_of(witness, COSIGNATURE).text + "\n", encoding="utf-8")
    note = parse_note(publish(source.ledger, source.store, source.folder, source.clock))
    line = cosign_text(note.text, witness, START)
    size = int(note.text.splitlines()[1])
    source.store.attest(Attestation(size, "cosignature", f"{line.text}\n".encode()))
    checked = check_bundle(bundle(source, tmp_path / "b.zip"))
    assert checked.witnesses == ("hospital.example/witness",)
    assert checked.head.size == size


def test_a_batch_that_is_not_there_changes_nothing(source: Source, tmp_path: Path) -> None:
    before = source.ledger.head()
    with pytest.raises(UserError, match="there is no batch 'B-X'"):
        export(source, "B-X", tmp_path / "b.zip", typeset=None)
    assert source.ledger.head() == before
    assert not (tmp_path / "b.zip").exists()


def test_readings_that_are_not_what_was_sealed_are_not_exported(source: Source, tmp_path: Path) -> None:
    lost = replace(source, telemetry=None)
    with pytest.raises(FindingError, match="segment B-T001/1 is not the one that entry"):
        export(lost, BATCH, tmp_path / "b.zip", typeset=None)
    assert not (tmp_path / "b.zip").exists()
