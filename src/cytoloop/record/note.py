"""Signed notes: a text and signatures under it, as tools of others read them (C2SP signed-note, tlog-cosignature).

A line under the text is "— <key name> <base64 of key id and signature>". Ed25519 (RFC 8032) signatures are made and
checked; lines of keys that nobody named are kept and mean nothing. Specification: https://c2sp.org/signed-note.
"""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.time import Instant

Type = Literal[1, 4]

ED25519: Final = 1
"""Signature type of a signature over the text itself."""
COSIGNATURE: Final = 4
"""Signature type of a witness: over "cosignature/v1", the time, and the text (C2SP tlog-cosignature)."""
MOST_LINES = 100
"""Signature lines a note may carry."""

_PUBLIC_KEY, _ID, _TIME, _SIGNATURE = 32, 4, 8, 64
_KEY_FORM = "<name>+<key id>+<base64>"
_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One line under a note's text."""

    name: str
    """Name of the key."""
    key_id: bytes
    """First four bytes of the key's hash."""
    signature: bytes

    @property
    def text(self) -> str:
        """The line as it stands in the note, without its newline."""
        return f"— {self.name} {b64encode(self.key_id + self.signature).decode()}"


@dataclass(frozen=True, slots=True)
class Note:
    """A text, which ends in a newline, and the lines under it."""

    text: str
    lines: tuple[SignatureLine, ...]

    @property
    def document(self) -> str:
        """The note as it is handed out."""
        return f"{self.text}\n" + "".join(f"{line.text}\n" for line in self.lines)


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half of a key, with the name and the signature type it goes under."""

    name: str
    type: Type
    public: bytes
    """32 bytes (RFC 8032)."""

    @property
    def key_id(self) -> bytes:
        """SHA-256(name, newline, type, public key), first four bytes."""
        return sha256(self.name.encode() + b"\n" + bytes([self.type]) + self.public).digest()[:_ID]

    @property
    def text(self) -> str:
        """ "<name>+<key id>+<base64 of type and key>": what a person hands to who shall trust it."""
        return f"{self.name}+{self.key_id.hex()}+{b64encode(bytes([self.type]) + self.public).decode()}"


@dataclass(frozen=True, slots=True)
class Verified:
    """A line that is really by its key."""

    key: VerifierKey
    line: SignatureLine
    at: int | None = None
    """When a witness signed, seconds since 1970; None for a signature over the text itself."""


class Signer(Protocol):
    """Who holds a private key."""

    @property
    def name(self) -> str:
        """Name that its signatures carry."""
        ...

    @property
    def public(self) -> bytes:
        """Its public half, 32 bytes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature, 64 bytes."""
        ...


def check_name(name: str) -> str:
    """The name of a key; UserError when it is empty or has a space, a plus sign or a control character."""
    if not name or "+" in name or any(each.isspace() or not each.isprintable() for each in name):
        raise UserError(f"{name!r} cannot name a key; a name has no space and no plus sign, like example.org/record")
    return name


def verifier_of(signer: Signer, kind: Type = ED25519) -> VerifierKey:
    """The public half of a signer's key, for signatures of this type."""
    return VerifierKey(check_name(signer.name), kind, signer.public)


def parse_key(text: str) -> VerifierKey:
    """The key that "<name>+<key id>+<base64>" writes; UserError when it is none, or of a type not known here."""
    name, _, rest = text.strip().partition("+")
    shown, _, material = rest.partition("+")
    try:
        data = b64decode(material, validate=True)
    except binascii.Error as error:
        raise UserError(f"{text.strip()!r} is not a verifier key ({error}); it reads {_KEY_FORM}") from error
    if len(data) != 1 + _PUBLIC_KEY or data[0] not in {ED25519, COSIGNATURE}:
        raise UserError(f"{text.strip()!r} is not a verifier key for Ed25519; it reads {_KEY_FORM}")
    key = VerifierKey(check_name(name), COSIGNATURE if data[0] == COSIGNATURE else ED25519, data[1:])
    if key.key_id.hex() != shown:
        raise UserError(f"the key id in {text.strip()!r} is not the id of its key ({key.key_id.hex()}); copy it again")
    return key


def parse_note(document: str) -> Note:
    """The note that `document` writes; UserError when it is none (the text alone proves nothing: see `check_note`)."""
    if _CONTROL.search(document):
        raise UserError("this is not a signed note: it has control characters")
    body, blank, under = document.rpartition("\n\n")
    if not blank or not under.endswith("\n"):
        raise UserError("this is not a signed note: a blank line and signature lines must follow the text")
    written = under.removesuffix("\n").split("\n")
    if len(written) > MOST_LINES:
        raise UserError(f"this note has {len(written)} signature lines; more than {MOST_LINES} are not read")
    return Note(f"{body}\n", tuple(map(_line, written)))


def sign_text(text: str, signer: Signer) -> SignatureLine:
    """The signer's line under `text` (type 1)."""
    return SignatureLine(signer.name, verifier_of(signer).key_id, signer.sign(text.encode()))


def cosign_text(text: str, signer: Signer, at: Instant) -> SignatureLine:
    """A witness's line under the checkpoint `text`, dated `at` (type 4)."""
    seconds = int(at.timestamp())
    stamp = seconds.to_bytes(_TIME, "big")
    return SignatureLine(
        signer.name, verifier_of(signer, COSIGNATURE).key_id, stamp + signer.sign(_cosigned(text, seconds))
    )


def check_note(note: Note, keys: Iterable[VerifierKey]) -> tuple[Verified, ...]:
    """The lines that are by one of `keys`, one for each key at most.

    FindingError when a line claims one of them and is not by it, or when there is none at all (C2SP signed-note,
    "Signatures": then the text must not be trusted).
    """
    known = {(key.name, key.key_id): key for key in keys}
    found: dict[VerifierKey, Verified] = {}
    for line in note.lines:
        key = known.get((line.name, line.key_id))
        if key is not None and key not in found:
            found[key] = _checked(note.text, line, key)
    if not found:
        raise FindingError(
            f"the note is signed by none of the keys that are trusted here; it names {_names(note)}: "
            "it is of another record, or the key is wrong"
        )
    return tuple(found.values())


def _line(written: str) -> SignatureLine:
    match = _LINE.fullmatch(written)
    try:
        data = b64decode(match[2], validate=True) if match else b""
    except binascii.Error:
        data = b""
    if match is None or len(data) <= _ID:
        raise UserError(f"this is not a signed note: {written[:80]!r} is not a signature line")
    return SignatureLine(match[1], data[:_ID], data[_ID:])


def _checked(text: str, line: SignatureLine, key: VerifierKey) -> Verified:
    message, signature, at = text.encode(), line.signature, None
    if key.type == COSIGNATURE:
        at = int.from_bytes(signature[:_TIME], "big")
        message, signature = _cosigned(text, at), signature[_TIME:]
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except InvalidSignature as error:
        raise FindingError(
            f"the signature of {key.name} (key {key.key_id.hex()}) is not by its key, or the text was altered after it "
            "was signed"
        ) from error
    return Verified(key, line, at)


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _names(note: Note) -> str:
    return ", ".join(f"{line.name} (key {line.key_id.hex()})" for line in note.lines)
