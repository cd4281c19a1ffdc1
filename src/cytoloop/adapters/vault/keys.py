"""Keys of a vault: a file that only its owner may read, optionally wrapped with a passphrase (scrypt, RFC 7914)."""

import os
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from cytoloop.adapters.files import keep
from cytoloop.adapters.vault.files import read_object
from cytoloop.adapters.vault.sealed import seal, unseal
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON, canonical

FORMAT = "cytoloop-vault-key/1"
COST = 2**17
"""scrypt's N, with r = 8 and p = 1: 128 MiB, what OWASP advises."""
MOST_COST = 2**20
"""A key file that asks for more is not ours."""


@dataclass(frozen=True, slots=True)
class Key:
    """A data key under the name that is on file."""

    id: str
    secret: bytes = field(repr=False)


class KeyFile:
    """The keys of one vault. `passphrase` opens them when they are wrapped, and wraps those that are made."""

    def __init__(self, path: Path, passphrase: str | None = None, *, cost: int = COST) -> None:
        self._path, self._passphrase, self._cost = path, passphrase, cost

    def make(self) -> Key:
        """The first key; one that is on file already when its vault was never written."""
        return self._read()[0] if self._path.exists() else self.add()

    def add(self) -> Key:
        """A new key beside those on file."""
        secret = os.urandom(32)
        key = Key(_name(secret), secret)
        self._write([*(self._read() if self._path.exists() else []), key])
        return key

    def keep_only(self, key: Key, passphrase: str | None = None) -> None:
        """Drop every other key; wrap with `passphrase` from now on, as before when None."""
        self._passphrase = passphrase or self._passphrase
        self._write([key])

    def key(self, name: str, of: Path) -> Key:
        """The key of that name, which `of` was sealed with; UserError when it is not here."""
        if not self._path.exists():
            raise UserError(
                f"the key {self._path} of {of} is missing; restore it from a copy: without it nobody can be looked up"
            )
        for each in self._read():
            if each.id == name:
                return each
        raise UserError(f"{of} was sealed with the key {name}, which is not in {self._path}; restore the right key")

    def _read(self) -> list[Key]:
        content = read_object(self._path, FORMAT)
        wrap, kept = content.get("wrap"), content.get("keys")
        if not isinstance(kept, dict) or not kept:
            raise UserError(f"{self._path} holds no key; restore it from a copy")
        wrapping = self._wrapping(wrap) if isinstance(wrap, dict) else None
        return [self._opened(name, str(value), wrapping) for name, value in kept.items()]

    def _opened(self, name: str, value: str, wrapping: bytes | None) -> Key:
        secret = _decoded(value) if wrapping is None else unseal(wrapping, value, name.encode())
        if secret is None and wrapping is not None:
            raise UserError(f"the passphrase does not open {self._path}; nothing was decrypted")
        if secret is None or _name(secret) != name:
            raise UserError(f"the key {name} in {self._path} is damaged; restore the file from a copy")
        return Key(name, secret)

    def _wrapping(self, wrap: dict[str, JSON]) -> bytes:
        cost, salt = wrap.get("n"), _decoded(str(wrap.get("salt")))
        if not isinstance(cost, int) or not 2 <= cost <= MOST_COST or salt is None:
            raise UserError(f"{self._path} says of its passphrase what this version does not read; restore the file")
        if self._passphrase is None:
            raise UserError(f"{self._path} is wrapped with a passphrase; give it in CYTOLOOP_VAULT_PASSPHRASE")
        return _stretched(self._passphrase, salt, cost)

    def _write(self, keys: list[Key]) -> None:
        wrap: JSON = None
        kept = {key.id: b64encode(key.secret).decode() for key in keys}
        if self._passphrase is not None:
            salt = os.urandom(16)
            wrap = {"kdf": "scrypt", "n": self._cost, "r": 8, "p": 1, "salt": b64encode(salt).decode()}
            wrapping = _stretched(self._passphrase, salt, self._cost)
            kept = {key.id: seal(wrapping, key.secret, key.id.encode()) for key in keys}
        keep(self._path, canonical({"format": FORMAT, "wrap": wrap, "keys": dict(kept)}) + b"\n")


def _name(secret: bytes) -> str:
    return sha256(b"cytoloop-vault-key/1\n" + secret).hexdigest()[:16]


def _stretched(passphrase: str, salt: bytes, cost: int) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt  # noqa: PLC0415  (loaded only with a passphrase)

    return Scrypt(salt=salt, length=32, n=cost, r=8, p=1).derive(passphrase.encode())


def _decoded(value: str) -> bytes | None:
    try:
        return b64decode(value, validate=True)
    except ValueError:
        return None
