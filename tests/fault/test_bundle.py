"""Bundles that were changed, by strangers and by whoever holds the record's key: found by our check and by verify.py.

verify.py runs as an inspector runs it: a Python that knows `cryptography` and not one line of Cytoloop.
"""

import errno
import io
import json
import os
import random
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cryptography
import pytest
from tests.bundles import BATCH, Passkey, bundle, passkeys, record

from cytoloop.adapters.keys import load_key, new_key
from cytoloop.app.bundle import Source, export
from cytoloop.app.bundle_check import check_bundle
from cytoloop.app.bundle_parts import shipped
from cytoloop.app.bundle_trust import Trust
from cytoloop.core.errors import CytoloopError, FindingError, UserError
from cytoloop.core.facts.record import BundleExported
from cytoloop.core.json import canonical
from cytoloop.core.store import TreeHead
from cytoloop.record import bundle as form
from cytoloop.record.checkpoint import checkpoint_text
from cytoloop.record.container import pack, unpack
from cytoloop.record.note import Note, Signer, parse_key, sign_text

Files = dict[str, bytes]
Verifier = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A record with one batch."""
    return record(tmp_path_factory.mktemp("record"))


@pytest.fixture(scope="module")
def archive(source: Source) -> bytes:
    """Its bundle."""
    return bundle(source, source.folder / "good.zip")


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    """verify.py in a Python that has the standard library, `cryptography`, and nothing else."""
    packages = tmp_path_factory.mktemp("packages")
    installed = Path(cryptography.__file__).parents[1]
    for each in ("cryptography", "cffi", "pycparser", *(path.name for path in installed.glob("_cffi_backend*"))):
        if (installed / each).exists():
            (packages / each).symlink_to(installed / each)
    program = packages / "verify.py"
    program.write_bytes(shipped("verify.py"))
    start = (
        "import runpy, sys; sys.path.append(sys.argv.pop(1)); sys.argv.pop(0)\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-S", "-c", start, packages, program, *arguments]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=60)

    return run


def sealed(files: Files, signer: Signer) -> bytes:
    """The files as a bundle whose manifest fits them, signed by `signer`: what a forger makes."""
    old = form.read_manifest(files[form.MANIFEST])
    content = form.manifest_bytes(replace(old, files=form.members(files)))
    text = form.manifest_text(old.batch, content)
    note = Note(text, (sign_text(text, signer),)).document.encode()
    return pack({**files, form.MANIFEST: content, form.MANIFEST_NOTE: note})


def own_key(source: Source) -> Signer:
    """The record's own key: a forger who holds it is the hardest one to find."""
    return load_key(source.folder / "keys" / "record.pem")


def edited(files: Files, name: str, edit: Callable[[object], object]) -> Files:
    """The files with a JSON file edited."""
    return {**files, name: canonical(edit(json.loads(files[name])))}  # type: ignore[arg-type]


def entries_edited(files: Files, edit: Callable[[list[bytes]], list[bytes]]) -> Files:
    """The files with the entries edited."""
    return {**files, form.ENTRIES: form.lines(edit(form.bodies(files[form.ENTRIES])))}


def without(files: Files, number: int) -> Files:
    """The files with one entry and its proof left out."""
    proofs = json.loads(files[form.PROOFS])
    del proofs["inclusion"][number]
    manifest = json.loads(files[form.MANIFEST])
    manifest["entries"] -= 1
    manifest["batch_entries"] -= 1
    kept = entries_edited(files, lambda bodies: [*bodies[:number], *bodies[number + 1 :]])
    return {**kept, form.PROOFS: canonical(proofs), form.MANIFEST: canonical(manifest)}


@dataclass(frozen=True)
class Forgery:
    """A change of the files, and what our check says of it when the forger holds the record's key."""

    change: Callable[[Files], Files]
    said: str
    independent: bool = True
    """Whether verify.py must find it too; else it is beyond what that small program looks at."""


def swapped(bodies: list[bytes]) -> list[bytes]:
    """Two entries in each other's place."""
    return [*bodies[:9], bodies[10], bodies[9], *bodies[11:]]


FORGERIES = {
    "a value in an entry": Forgery(
        lambda files: entries_edited(files, lambda b: [each.replace(b"58.4", b"5.84") for each in b]),
        "is not under the tree head",
    ),
    "a signer's name": Forgery(
        lambda files: entries_edited(files, lambda b: [each.replace(b"Zhou Min", b"Zhao Min") for each in b]),
        "is not under the tree head",
    ),
    "two entries swapped": Forgery(lambda files: entries_edited(files, swapped), "out of order"),
    "an entry of the batch left out with its proof": Forgery(lambda files: without(files, 20), "has a gap"),
    "an entry written in another form": Forgery(
        lambda files: entries_edited(files, lambda b: [b[0].replace(b":", b": ", 1), *b[1:]]), "canonical form"
    ),
    "no proof for an entry": Forgery(
        lambda files: edited(files, form.PROOFS, lambda p: {**p, "inclusion": p["inclusion"][1:]}),  # type: ignore[dict-item, index]
        "does not hold one proof for each entry",
    ),
    "proofs of another tree": Forgery(
        lambda files: edited(files, form.PROOFS, lambda p: {**p, "root": "00" * 32}),  # type: ignore[dict-item]
        "leads to another tree head",
        independent=False,  # it takes the root from the checkpoint and nowhere else
    ),
    "another recipe": Forgery(
        lambda files: {**files, form.RECIPE: files[form.RECIPE].replace(b"37", b"38", 1)}, "is not the recipe"
    ),
    "a reading": Forgery(
        lambda files: {
            name: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:] if name.startswith("telemetry") else content
            for name, content in files.items()
        },
        "is not the segment that entry",
    ),
    "the readings left out": Forgery(
        lambda files: {name: content for name, content in files.items() if not name.startswith("telemetry")},
        "is not the segment that entry",
    ),
    "readings that nobody sealed": Forgery(
        lambda files: {**files, "telemetry/more.segment": b"1"}, "no entry sealed it", independent=False
    ),
    "a report that says something else": Forgery(
        lambda files: {**files, "report.zh.html": files["report.zh.html"].replace(b"5.84", b"4.84")},
        "does not say what the entries say",
        independent=False,
    ),
    "a report left out": Forgery(
        lambda files: {name: content for name, content in files.items() if name != "report.en.html"},
        "report.en.html is missing",
        independent=False,
    ),
    "a verifier that accepts everything": Forgery(
        lambda files: {**files, "verify.py": b"print('fits')\n"}, "not the one that this version ships", False
    ),
    "a duty in other words": Forgery(
        lambda files: edited(files, form.RULES, lambda rules: [{**rules[0], "text_sha256": "00" * 32}]),  # type: ignore[index]
        "does not name the rules",
        independent=False,
    ),
    "a history of the keys that the entries do not tell": Forgery(
        lambda files: edited(files, form.KEYS, lambda k: {**k, "record": []}),  # type: ignore[dict-item]
        "does not say what the entries of record/keys say",
        independent=False,
    ),
    "a schema left out": Forgery(
        lambda files: {name: content for name, content in files.items() if "batch-created" not in name},
        "is missing: entry",
        independent=False,
    ),
    "a time stamp of nothing": Forgery(
        lambda files: {**files, "timestamps/1.data": b"x\n\nx", "timestamps/1.tsr": b"x"}, "signed note"
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forger_with_the_records_own_key_is_found(
    name: str, archive: bytes, source: Source, verifier: Verifier, tmp_path: Path
) -> None:
    forgery = FORGERIES[name]
    forged = sealed(forgery.change(unpack(archive)), own_key(source))
    assert forged != archive
    with pytest.raises(CytoloopError, match=forgery.said):
        check_bundle(forged)
    (tmp_path / "b.zip").write_bytes(forged)
    done = verifier(tmp_path / "b.zip")
    assert done.returncode == (1 if forgery.independent else 0), done.stdout + done.stderr


@pytest.mark.parametrize("name", FORGERIES)
def test_a_stranger_who_changes_a_file_is_found_by_the_manifest(
    name: str, archive: bytes, verifier: Verifier, tmp_path: Path
) -> None:
    forged = FORGERIES[name].change(unpack(archive))
    (tmp_path / "b.zip").write_bytes(pack(forged))
    with pytest.raises(FindingError, match=r"was changed|is missing|does not name it|over another manifest"):
        check_bundle(pack(forged))
    assert verifier(tmp_path / "b.zip").returncode == 1


def test_a_stranger_who_signs_the_manifest_anew_is_found(archive: bytes, verifier: Verifier, tmp_path: Path) -> None:
    stranger = new_key(form.read_manifest(unpack(archive)[form.MANIFEST]).origin)
    forged = sealed(FORGERIES["a report that says something else"].change(unpack(archive)), stranger)
    with pytest.raises(FindingError, match="signed by none of the keys that are trusted"):
        check_bundle(forged)
    (tmp_path / "b.zip").write_bytes(forged)
    done = verifier(tmp_path / "b.zip")
    assert (done.returncode, "signed by none of the keys" in done.stderr) == (1, True)


def test_a_checkpoint_of_another_tree_signed_by_the_record_is_found(
    archive: bytes, source: Source, verifier: Verifier, tmp_path: Path
) -> None:
    files, key = unpack(archive), own_key(source)
    head = form.read_proofs(files[form.PROOFS]).head
    text = checkpoint_text(key.name, TreeHead(head.size, bytes(32)))
    files[form.CHECKPOINT] = Note(text, (sign_text(text, key),)).document.encode()
    forged = sealed(files, key)
    with pytest.raises(FindingError, match="leads to another tree head"):
        check_bundle(forged)
    (tmp_path / "b.zip").write_bytes(forged)
    assert verifier(tmp_path / "b.zip").returncode == 1


def test_a_whole_other_record_is_found_by_the_key_from_elsewhere(
    archive: bytes, verifier: Verifier, tmp_path: Path
) -> None:
    """It fits itself: only a key that came by another way tells it from the true one."""
    (key,) = check_bundle(archive).keys
    forged = bundle(record(tmp_path / "other"), tmp_path / "b.zip")
    assert not check_bundle(forged).trusted
    with pytest.raises(FindingError, match="of another record, or the key is wrong"):
        check_bundle(forged, Trust(key=parse_key(key)))
    assert verifier(tmp_path / "b.zip").returncode == 0
    done = verifier(tmp_path / "b.zip", "--key", key)
    assert (done.returncode, "not by the key you named" in done.stderr) == (1, True)


@pytest.mark.parametrize("passkey", passkeys(), ids=("ES256", "EdDSA", "RS256"))
def test_the_independent_verifier_accepts_a_good_bundle(passkey: Passkey, verifier: Verifier, tmp_path: Path) -> None:
    content = bundle(record(tmp_path, passkey=passkey), tmp_path / "b.zip")
    (key,) = check_bundle(content).keys
    done = verifier(tmp_path / "b.zip", "--key", key)
    assert done.returncode == 0, done.stderr
    assert "1 segments of readings, 2 passkey signatures" in done.stdout
    unpacked = tmp_path / "unpacked"
    for name, each in unpack(content).items():
        (unpacked / name).parent.mkdir(parents=True, exist_ok=True)
        (unpacked / name).write_bytes(each)
    assert verifier(unpacked).returncode == 0


def test_a_passkey_that_was_never_enrolled_is_found(verifier: Verifier, tmp_path: Path) -> None:
    content = bundle(record(tmp_path, enrolled=False), tmp_path / "b.zip")
    with pytest.raises(FindingError, match="had not enrolled it"):
        check_bundle(content)
    done = verifier(tmp_path / "b.zip")
    assert (done.returncode, "it was not enrolled" in done.stderr) == (1, True)


def test_the_independent_verifier_is_independent_and_short() -> None:
    text = shipped("verify.py").decode()
    assert len(text.splitlines()) <= 200
    imported = {
        line.split()[1].partition(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))
    }
    assert imported - sys.stdlib_module_names == {"cryptography"}


@pytest.mark.parametrize("content", [b"", b"not a bundle", b"PK\x05\x06" + bytes(18)])
def test_a_foreign_file_is_no_bundle(content: bytes, verifier: Verifier, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no bundle"):
        check_bundle(content)
    (tmp_path / "b.zip").write_bytes(content)
    assert verifier(tmp_path / "b.zip").returncode == 2


def test_another_archive_and_a_format_of_the_future_are_named(verifier: Verifier, tmp_path: Path) -> None:
    for content, said in (
        (pack({"letter.txt": b"hello"}), "there is no manifest.json"),
        (pack({"manifest.json": b'{"format":"something else"}'}), "does not say format"),
        (pack({"manifest.json": b'{"format":"cytoloop-bundle/2"}'}), "use a newer version"),
        (pack({"manifest.json": b"[]"}), "does not say format"),
        (rezipped({"letter.txt": b"hello"}), "another archive"),
    ):
        with pytest.raises(UserError, match=said):
            check_bundle(content)
        (tmp_path / "b.zip").write_bytes(content)
        assert verifier(tmp_path / "b.zip").returncode == 2


def rezipped(files: dict[str, bytes]) -> bytes:
    """An archive as the tools of others write it, with compression."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in files.items():
            written.writestr(name, content)
    return archive.getvalue()


def test_an_archive_that_swells_is_not_unpacked(archive: bytes, verifier: Verifier, tmp_path: Path) -> None:
    swelling = rezipped({**unpack(archive), "bomb": bytes(1 << 30)})
    (tmp_path / "b.zip").write_bytes(swelling)
    done = verifier(tmp_path / "b.zip")
    assert (done.returncode, "unpacks to far too much" in done.stderr) == (1, True)
    with pytest.raises(FindingError, match="a tool packed it anew"):
        check_bundle(swelling)


def test_a_manifest_nested_without_end_is_found(archive: bytes) -> None:
    with pytest.raises(FindingError, match="nested too deeply"):
        check_bundle(pack({**unpack(archive), "manifest.json": b"[" * 100_000}))


def test_flipped_bits_are_found_wherever_they_are(archive: bytes) -> None:
    """The container's own bytes one by one; of each file's content a few, drawn with a seed."""
    dice = random.Random(3)
    contents = unpack(archive).values()
    spans = [(archive.index(content), len(content)) for content in contents if content]
    inside = {at for start, length in spans for at in range(start, start + length)}
    outside = [at for at in range(len(archive)) if at not in inside]
    drawn = [start + dice.randrange(length) for start, length in spans for _ in range(4)]
    for at in [*dice.sample(outside, 400), *drawn]:
        changed = bytearray(archive)
        changed[at] ^= 1 << dice.randrange(8)
        with pytest.raises((FindingError, UserError)):
            check_bundle(bytes(changed))


def test_a_cut_off_bundle_is_found(archive: bytes) -> None:
    for cut in range(1, len(archive), len(archive) // 23):
        with pytest.raises((FindingError, UserError)):
            check_bundle(archive[:cut])


def test_a_disk_that_fails_leaves_neither_a_file_nor_an_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = record(tmp_path)
    bundle(source, tmp_path / "first.zip")  # the checkpoint is there now
    entries, names = source.ledger.head(), sorted(os.listdir(tmp_path))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="cannot be written"):
        export(source, BATCH, tmp_path / "b.zip", typeset=None)
    monkeypatch.undo()
    assert source.ledger.head() == entries
    assert sorted(os.listdir(tmp_path)) == names


def test_an_export_that_cannot_be_recorded_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = record(tmp_path)
    bundle(source, tmp_path / "first.zip")
    names = sorted(os.listdir(tmp_path))

    def refuse(*_: object, **__: object) -> None:
        raise UserError("the record could not be written")

    monkeypatch.setattr(source.store, "append", refuse)
    with pytest.raises(UserError, match="could not be written"):
        export(source, BATCH, tmp_path / "b.zip", typeset=None)
    assert sorted(os.listdir(tmp_path)) == names


def test_a_target_that_was_there_is_kept_when_the_export_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = record(tmp_path)
    good = bundle(source, tmp_path / "b.zip")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError):
        export(source, BATCH, tmp_path / "b.zip", typeset=None)
    assert (tmp_path / "b.zip").read_bytes() == good


def test_bundles_fit_while_the_record_grows(tmp_path: Path) -> None:
    source, stop = record(tmp_path), threading.Event()

    def grow() -> None:
        from cytoloop.core.entry import Draft
        from cytoloop.core.facts.people import SignedIn
        from cytoloop.testing.builders import START

        position = 0
        while not stop.is_set() and position < 2_000:
            draft = Draft(fact=SignedIn(user="op", method="passkey"), actor="person:op", happened_at=START)
            source.ledger.append("person/op", [draft], expected=position)
            position += 1

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        for number in range(4):
            checked = check_bundle(bundle(source, tmp_path / f"{number}.zip"))
            assert checked.batch == BATCH
    finally:
        stop.set()
        writer.join()
    kept = [each.fact for each in source.ledger.entries() if isinstance(each.fact, BundleExported)]
    assert len(kept) == 4
