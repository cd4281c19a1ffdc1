"""Credentials: who may sign, and the proof that it is they. A file beside the record, never in it.

Secrets are kept as Argon2id hashes (RFC 9106; 19 MiB, two passes, one lane: the least that OWASP advises). Five wrong
secrets lock an account (21 CFR 11.300(d)).
"""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cytoloop.core.errors import RefusedError, UserError
from cytoloop.core.signature import Meaning, Signature
from cytoloop.core.time import Instant

if TYPE_CHECKING:
    from argon2 import PasswordHasher

LOCKED_AFTER = 5
"""Wrong secrets in a row before an account is locked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One account."""

    user: str
    printed_name: str
    role: str
    zone: str
    secret_hash: str
    failures: int = 0


class CredentialFile:
    """Accounts in a JSON file that only its owner may read; a `core.signature.Signing`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._people = _load(path)
        self._hasher = _hasher()

    def enroll(self, *, user: str, printed_name: str, role: str, zone: str, secret: str) -> None:
        """Make an account; UserError when the user id is taken."""
        if user in self._people:
            raise UserError(f"the user id {user!r} is taken; choose another one")
        hashed = self._hasher.hash(secret)
        self._keep(Person(user=user, printed_name=printed_name, role=role, zone=zone, secret_hash=hashed))

    def sign(self, *, signer: str, secret: str, meaning: Meaning, digest: str, at: Instant) -> Signature:
        """The signature, after both components were checked again."""
        person = self._checked(signer, secret)
        return Signature(
            signer=person.user,
            printed_name=person.printed_name,
            role=person.role,
            meaning=meaning,
            signed_at=at,
            zone=person.zone,
            digest=digest,
            components=("user-id", "password"),
        )

    def _checked(self, user: str, secret: str) -> Person:
        from argon2.exceptions import VerifyMismatchError  # noqa: PLC0415  (loaded only by who signs)

        person = self._people.get(user)
        if person is None:
            raise RefusedError("user id and secret do not match; nothing was signed")
        if person.failures >= LOCKED_AFTER:
            raise RefusedError(
                f"the account {user!r} is locked after {LOCKED_AFTER} wrong secrets; ask an administrator"
            )
        try:
            self._hasher.verify(person.secret_hash, secret)
        except VerifyMismatchError as error:
            self._keep(replace(person, failures=person.failures + 1))
            raise RefusedError("user id and secret do not match; nothing was signed") from error
        if person.failures:
            self._keep(replace(person, failures=0))
        return person

    def _keep(self, person: Person) -> None:
        self._people[person.user] = person
        text = json.dumps([asdict(each) for each in self._people.values()], ensure_ascii=False, indent=1)
        beside = self._path.with_suffix(".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)


def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # noqa: PLC0415  (loaded only by who signs)

    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def _load(path: Path) -> dict[str, Person]:
    if not path.exists():
        return {}
    try:
        return {each["user"]: Person(**each) for each in json.loads(path.read_text(encoding="utf-8"))}
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"the accounts in {path} cannot be read ({error}); restore the file from a copy") from error
