"""Private keys for signing checkpoints: one Ed25519 key in one file that only its owner may read.

PKCS#8 in PEM (RFC 8410, RFC 7468) under a line that says whose key it is; encrypted when the environment names a
passphrase. A file is written beside, made durable, and then takes its name, so that nobody ever sees half a key.
"""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from cytoloop.adapters.files import keep, promise_names
from cytoloop.core.errors import StoreError, UserError

PASSPHRASE = "CYTOLOOP_KEY_PASSPHRASE"
"""Name of the environment variable with the passphrase of the private keys."""
_BEGIN = "-----BEGIN"


class SigningKey:
    """A private key and the name its signatures carry. The private half never leaves it but into its file."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self.name = name
        self._private = private

    @property
    def public(self) -> bytes:
        """The public half, 32 bytes (RFC 8032)."""
        return self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature of `message`, 64 bytes; the same each time."""
        return self._private.sign(message)

    def named(self, name: str) -> "SigningKey":
        """The same key under another name."""
        return SigningKey(name, self._private)

    def pem(self) -> bytes:
        """What its file holds."""
        body = self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, _encryption())
        return f"Key of {self.name}\n".encode() + body


def new_key(name: str) -> SigningKey:
    """A fresh key; it is nowhere yet."""
    return SigningKey(name, Ed25519PrivateKey.generate())


def load_key(path: Path) -> SigningKey:
    """The key in the file `path`; UserError when it is not there, not a key, or its passphrase is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the key in {path} cannot be read ({error}); restore the file from a copy") from error
    heading, begin, rest = text.partition(_BEGIN)
    named = heading.strip().removeprefix("Key of ")
    if not begin or not named:
        raise UserError(f"{path} is not a key of Cytoloop: it must say whose key it is, and then hold one in PEM")
    passphrase = os.environ.get(PASSPHRASE)
    try:
        private = load_pem_private_key((begin + rest).encode(), passphrase.encode() if passphrase else None)
    except TypeError as error:
        raise UserError(_passphrase_help(path, bool(passphrase))) from error
    except ValueError as error:
        raise UserError(f"the key in {path} cannot be opened ({error}); is the passphrase right?") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise UserError(f"the key in {path} is not an Ed25519 key; name another file")
    return SigningKey(named, private)


def save_new(key: SigningKey, path: Path) -> None:
    """Write the key into a file that must not be there yet; UserError when it is, or when it cannot be written."""
    if path.exists():
        raise UserError(f"{path} is there already and was not touched; name another file for the key")
    save_key(key, path)


def save_key(key: SigningKey, path: Path) -> None:
    """Write the key into `path`, whole or not at all; what the file held before is gone. StoreError when it cannot."""
    keep(path, key.pem())


def promote(successor: Path, path: Path) -> None:
    """The key in `successor` takes the place of the one in `path`, which is gone then. StoreError when it cannot."""
    try:
        successor.replace(path)
        promise_names(path.parent)
    except OSError as error:
        raise StoreError(f"{path} cannot be replaced ({error.strerror}); free space and try again") from error


def _encryption() -> KeySerializationEncryption:
    passphrase = os.environ.get(PASSPHRASE)
    return BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()


def _passphrase_help(path: Path, given: bool) -> str:
    if given:
        return f"the key in {path} has no passphrase; unset {PASSPHRASE} and try again"
    return f"the key in {path} is encrypted; put its passphrase into the environment variable {PASSPHRASE}"
