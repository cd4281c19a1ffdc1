#!/usr/bin/env python3
"""Check a batch's bundle ("cytoloop-bundle/1") without Cytoloop: Python 3.11 or later and `pip install cryptography`.

    python verify.py BUNDLE [--key VERIFIER_KEY]

BUNDLE is the file as exported, or a folder it was unpacked into. --key is the record's verifier key as you got it by
another way; without it you only learn that the bundle fits itself. Exit code: 0 everything fits, 1 something does not
(the first thing is named), 2 this is no bundle.
"""

import argparse
import hashlib
import json
import pathlib
import sys
import zipfile
from base64 import b64decode, urlsafe_b64decode
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256


def must(fits: object, otherwise: str) -> None:
    if not fits:
        raise ValueError(otherwise)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def read_files(path: pathlib.Path) -> dict[str, bytes]:
    if path.is_dir():
        return {each.relative_to(path).as_posix(): each.read_bytes() for each in path.rglob("*") if each.is_file()}
    with zipfile.ZipFile(path) as archive:
        held = archive.infolist()
        must(len(held) == len({each.filename for each in held}), "a name stands twice in the archive")
        must(sum(each.file_size for each in held) < 100 * path.stat().st_size, "it unpacks to far too much")
        return {each.filename: archive.read(each) for each in held}


def check_manifest(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    """manifest.json names every other file with its size and SHA-256, and no file more."""
    named = {each["name"]: (each["size"], each["sha256"]) for each in manifest["files"]}
    found = {name: (len(data), sha256(data).hex()) for name, data in files.items()}
    for name in sorted((named.keys() | found.keys()) - {"manifest.json", "manifest.note"}):
        must(named.get(name) == found.get(name), f"{name} is not what the manifest names")


def check_note(note: bytes, keys: set[str]) -> tuple[str, str]:
    """Text of a signed note (c2sp.org/signed-note), and the one of `keys` that signed it.

    A key is "<name>+<key id>+<base64 of a type byte and 32 bytes>"; its id is the hash of the rest, shortened.
    """
    text, _, under = note.decode().rpartition("\n\n")
    for key in sorted(keys):
        name, key_id, material = key.split("+", 2)
        must(sha256(name.encode() + b"\n" + b64decode(material))[:4].hex() == key_id, f"{key} has a wrong key id")
        for _, signer, signature in (line.split(" ") for line in under.splitlines()):
            if (signer, b64decode(signature)[:4].hex()) == (name, key_id):
                public = ed25519.Ed25519PublicKey.from_public_bytes(b64decode(material)[1:])
                public.verify(b64decode(signature)[4:], f"{text}\n".encode())
                return f"{text}\n", key
    raise ValueError("a note is signed by none of the keys that are in force")


def root_from(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    """Root of the tree of `size` leaves in which `leaf` is number `index` (RFC 6962, section 2.1.1, read backwards)."""
    if size == 1:
        must(index == 0 and not proof, "a proof does not lead from its entry to the root")
        return leaf
    half = 1 << ((size - 1).bit_length() - 1)
    if index < half:
        return sha256(b"\x01" + root_from(leaf, index, half, proof[:-1]) + proof[-1])
    return sha256(b"\x01" + proof[-1] + root_from(leaf, index - half, size - half, proof[:-1]))


def check_entries(bodies: list[bytes], proofs: list[Any], manifest: dict[str, Any], size: int, root: bytes) -> None:
    """Every entry is under the tree head; no entry of the batch or of the keys is missing between two others."""
    must(len(bodies) == len(proofs) == manifest["entries"], "the number of entries does not fit")
    places: dict[str, list[int]] = {"record/keys": [], f"batch/{manifest['batch']}": []}
    for body, proof in zip(bodies, proofs, strict=True):
        entry, hashes = json.loads(body), [bytes.fromhex(each) for each in proof["hashes"]]
        found = root_from(sha256(b"\x00" + body), entry["sequence"], size, hashes)
        must(found == root, f"entry {entry['sequence']} is not in the record")
        places.get(entry["stream"], []).append(entry["position"])
    for stream, found_at in places.items():
        must(found_at and found_at == list(range(len(found_at))), f"an entry of {stream} is missing")
    must(len(found_at) == manifest["batch_entries"], "the number of the batch's entries does not fit")


def check_contents(files: dict[str, bytes], entries: list[dict[str, Any]], batch: str) -> str:
    """Recipe and readings have the hashes that stand in the entries; passkeys (WebAuthn) signed what stands there."""
    created = next(entry["data"] for entry in entries if entry["stream"] == f"batch/{batch}")
    must(sha256(files["recipe.json"]).hex() == created["recipe_sha256"], "recipe.json is not the batch's recipe")
    sealed = [entry["data"] for entry in entries if entry["name"] == "telemetry-sealed/1"]
    for each in sealed:
        name = "telemetry/" + each["segment"].replace("/", "-") + ".segment"
        must(sha256(files.get(name, b"")).hex() == each["sha256"], f"{name} is not what was sealed")
    enrolled, count = set(), 0
    for entry in entries:
        if entry["name"] == "credential-set/1":
            enrolled.add((entry["data"]["user"], entry["data"]["fingerprint"]))
        signature = entry["data"].get("signature") or {}
        if passkey := signature.get("passkey"):
            what = f"the passkey under entry {entry['sequence']} does not hold"
            asked = sha256(f"cytoloop-signature/1\n{signature['meaning']}\n{signature['digest']}\n".encode())
            parts = ("client_data", "authenticator_data", "public_key", "signature")
            client, said, public, signed = (urlsafe_b64decode(passkey[part] + "==") for part in parts)
            told = json.loads(client)
            must(told["type"] == "webauthn.get" and urlsafe_b64decode(told["challenge"] + "==") == asked, what)
            must(said[32] & 5 == 5, f"{what}: its owner was not both present and verified")
            check_cose(read_cbor(public, 0)[0], said + sha256(client), signed)
            fingerprint = sha256(passkey["public_key"].encode()).hex()
            must((signature["signer"], fingerprint) in enrolled, f"{what}: it was not enrolled")
            count += 1
    return f"{len(sealed)} segments of readings, {count} passkey signatures"


def read_cbor(data: bytes, at: int) -> tuple[Any, int]:
    """One number, byte string or map in CBOR (RFC 8949), and where the next item begins."""
    kind, value, at = data[at] >> 5, data[at] & 31, at + 1
    if value >= 24:
        width = 1 << (value - 24)
        value, at = int.from_bytes(data[at : at + width], "big"), at + width
    if kind == 2:
        return data[at : at + value], at + value
    if kind != 5:
        return (value if kind == 0 else -1 - value), at
    items = {}
    for _ in range(value):
        label, at = read_cbor(data, at)
        items[label], at = read_cbor(data, at)
    return items, at


def check_cose(key: dict[int, Any], message: bytes, signature: bytes) -> None:
    """ES256, EdDSA or RS256 with a COSE key (RFC 9052, RFC 9053, RFC 8812)."""
    number = {label: int.from_bytes(value, "big") for label, value in key.items() if isinstance(value, bytes)}
    if key[3] == -8:
        return ed25519.Ed25519PublicKey.from_public_bytes(key[-2]).verify(signature, message)
    if key[3] == -7:
        point = ec.EllipticCurvePublicNumbers(number[-2], number[-3], ec.SECP256R1()).public_key()
        return point.verify(signature, message, ec.ECDSA(SHA256()))
    public = rsa.RSAPublicNumbers(number[-2], number[-1]).public_key()
    return public.verify(signature, message, padding.PKCS1v15(), SHA256())


def check_stamps(files: dict[str, bytes]) -> int:
    """Each time stamp is over the checkpoint, or over the one before; `openssl ts -verify` checks who signed it."""
    number, before, checkpoint = 0, b"", files["checkpoint.txt"].rpartition(b"\n\n")[0]
    while (data := files.get(f"timestamps/{number + 1}.data")) is not None:
        token, number = files[f"timestamps/{number + 1}.tsr"], number + 1
        wanted = data == before if before else data.rpartition(b"\n\n")[0] == checkpoint
        hashed = any(hashlib.new(name, data).digest() in token for name in ("sha256", "sha384", "sha512"))
        must(wanted and hashed, f"time stamp {number} is over something else")
        before = token + data
    return number


def verify(files: dict[str, bytes], manifest: dict[str, Any], pinned: str | None) -> str:
    check_manifest(files, manifest)
    # The keys stand in entries; that those are the record's is proven below, under a checkpoint by these very keys.
    bodies = files["entries.jsonl"].removesuffix(b"\n").split(b"\n")
    entries = [json.loads(body) for body in bodies]
    retired = {each["data"]["key"] for each in entries if each["name"] == "key-retired/1"}
    keys = {each["data"]["key"] for each in entries if each["name"] == "key-introduced/1"} - retired
    text, _ = check_note(files["manifest.note"], keys)
    wanted = f"cytoloop-bundle/1\n{manifest['batch']}\n{sha256(files['manifest.json']).hex()}\n"
    must(text == wanted, "manifest.note is over another manifest")
    text, key = check_note(files["checkpoint.txt"], keys)
    origin, size, root = text.split("\n")[:3]
    must((origin, int(size)) == (manifest["origin"], manifest["tree_size"]), "checkpoint.txt is of another record")
    check_entries(bodies, json.loads(files["proofs.json"])["inclusion"], manifest, int(size), b64decode(root))
    must(pinned in {None, key}, f"the checkpoint is signed by {key}, not by the key you named (was it changed?)")
    counts = f"{check_contents(files, entries, manifest['batch'])}, {check_stamps(files)} time stamps"
    trust = "" if pinned else "\nCompare this key with the one you got by another way, or name that one with --key."
    return f"{manifest['batch']}: {len(entries)} entries fit, {counts}; {origin}, signed by {key}{trust}"


def main() -> str:
    parser = argparse.ArgumentParser(description="Check a batch's bundle without Cytoloop.")
    parser.add_argument("bundle", type=pathlib.Path)
    parser.add_argument("--key", help="the record's verifier key, got by another way")
    given = parser.parse_args()
    if not given.bundle.is_dir() and not zipfile.is_zipfile(given.bundle):
        parser.error(f"{given.bundle} is no bundle")  # exit code 2
    files = read_files(given.bundle)
    manifest = json.loads(files.get("manifest.json", b"{}"))
    if not isinstance(manifest, dict) or manifest.get("format") != "cytoloop-bundle/1":
        parser.error(f"{given.bundle} is no bundle of format cytoloop-bundle/1")
    return verify(files, manifest, given.key)


if __name__ == "__main__":
    try:
        print(main())
    except Exception as error:  # noqa: BLE001  (whatever cannot be read does not fit)
        sys.exit(f"verify.py: does not fit: {str(error) or 'a signature is not by its key'}")  # exit code 1
