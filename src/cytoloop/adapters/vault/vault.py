"""Vault: identities by pseudonym, each sealed by itself, in one file.

Each is bound to its pseudonym (associated data), so that none can be put under another's; a seal over all of them
shows one that was changed, taken out or put back by something else. Personal information is kept apart from the record
and encrypted (PIPL Art. 51; GDPR Art. 32(1)(a)). An older whole file in its place is not found: keep it as safe as the
key.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import cast

from cytoloop.adapters.files import keep, make_folder
from cytoloop.adapters.vault.files import read_object
from cytoloop.adapters.vault.keys import Key, KeyFile
from cytoloop.adapters.vault.sealed import seal, unseal
from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.json import JSON, canonical, parse

FORMAT = "cytoloop-vault/1"
ALL = "all identities"
"""What the seal over everything is bound to; no pseudonym holds a blank."""

Identity = Mapping[str, JSON]
"""What is known of a person, as plain JSON."""


class Vault:
    """Identities by pseudonym. Several processes may use it at once."""

    def __init__(self, path: Path, keys: KeyFile) -> None:
        self._path, self._keys = path, keys

    def subjects(self) -> tuple[str, ...]:
        """The pseudonyms whose identity is kept, in order. No identity is decrypted."""
        return tuple(sorted(self._read()[1]))

    def identity(self, subject: str) -> Identity | None:
        """Who `subject` is; None when that is not kept. FindingError when it was tampered with."""
        key, sealed = self._read()
        return None if key is None or subject not in sealed else self._opened(key, subject, sealed[subject])

    def keep(self, identities: Mapping[str, Identity]) -> None:
        """Keep these as well, in place of what was kept of the same pseudonyms."""
        if not identities:
            return
        with self._alone():
            key, sealed = self._read()
            self._write(key or self._keys.make(), sealed, identities)

    def remove(self, subjects: Iterable[str]) -> int:
        """Forget these; how many were kept until now. Removing twice does no harm."""
        gone = set(subjects)
        with self._alone():
            key, sealed = self._read()
            rest = {subject: each for subject, each in sealed.items() if subject not in gone}
            if key is not None and len(rest) < len(sealed):
                self._write(key, rest, {})
            return len(sealed) - len(rest)

    def rekey(self, passphrase: str | None = None) -> int:
        """Seal everything again under a new key, wrapped with `passphrase` (as before when None); how many.

        Both keys are on file until the new vault is: a crash at any moment leaves a vault that opens.
        """
        with self._alone():
            key, sealed = self._read()
            if key is None:
                raise UserError(f"there is no identity map at {self._path}; nothing was done")
            opened = {subject: self._opened(key, subject, each) for subject, each in sealed.items()}
            new = self._keys.add()
            self._write(new, {}, opened)
            self._keys.keep_only(new, passphrase)
            return len(opened)

    def _opened(self, key: Key, subject: str, sealed: str) -> Identity:
        content = unseal(key.secret, sealed, _bound(subject))
        if content is None:
            raise self._tampered(f"the identity of {subject}")
        return cast(dict[str, JSON], parse(content))

    def _read(self) -> tuple[Key | None, dict[str, str]]:
        """The key and the sealed identities, after the seal over all of them was checked."""
        if not self._path.exists():
            return None, {}
        content = read_object(self._path, FORMAT)
        kept = content.get("identities")
        if not isinstance(kept, dict):
            raise UserError(f"{self._path} holds no identities; restore it from a copy")
        sealed = {subject: str(each) for subject, each in kept.items()}
        key = self._keys.key(str(content.get("key")), self._path)
        if unseal(key.secret, str(content.get("seal")), _bound(ALL)) != _whole(sealed):
            raise self._tampered("an identity")
        return key, sealed

    def _tampered(self, what: str) -> FindingError:
        return FindingError(
            f"{what} in {self._path} was changed, taken out or put in by something else than Cytoloop; restore the "
            "file from a copy, and ask who could write to it"
        )

    def _write(self, key: Key, sealed: Mapping[str, str], more: Mapping[str, Identity]) -> None:
        fresh = {subject: seal(key.secret, canonical(dict(each)), _bound(subject)) for subject, each in more.items()}
        kept = {**sealed, **fresh}
        whole = seal(key.secret, _whole(kept), _bound(ALL))
        content = {"format": FORMAT, "key": key.id, "seal": whole, "identities": kept}
        keep(self._path, json.dumps(content, indent=1, sort_keys=True).encode())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process changes the vault meanwhile."""
        make_folder(self._path.parent)
        descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _bound(subject: str) -> bytes:
    return f"{FORMAT}\n{subject}".encode()


def _whole(sealed: Mapping[str, str]) -> bytes:
    return sha256(canonical(dict(sealed))).digest()
