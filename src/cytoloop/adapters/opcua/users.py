"""Who may sign in to a server: a file with a user name and an Argon2id hash a line."""

from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from cytoloop.adapters.files import keep
from cytoloop.core.errors import UserError

NOBODY = PasswordHasher().hash("nobody has this password")
"""What an unknown name is compared with, so that it takes as long as a known one."""


@dataclass(frozen=True, slots=True)
class Users:
    """Names and hashes."""

    hashes: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> "Users":
        """From a file; UserError when it cannot be read or a line is not as it should be."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise UserError(
                f"the users' file {path} cannot be read ({error.strerror}); make one with `cytoloop plant user`"
            ) from error
        hashes: dict[str, str] = {}
        for number, line in enumerate(lines, 1):
            name, colon, digest = line.partition(":")
            if not line.strip():
                continue
            if not colon or not name or not digest.startswith("$argon2"):
                raise UserError(f"{path}, line {number}: not a name and a hash; make it with `cytoloop plant user`")
            hashes[name] = digest
        return cls(hashes)

    def match(self, name: str, password: str) -> bool:
        """Whether this is the user's password."""
        try:
            PasswordHasher().verify(self.hashes.get(name, NOBODY), password)
        except (VerificationError, InvalidHashError):
            return False
        return name in self.hashes


def add_user(path: Path, name: str, password: str) -> None:
    """Give a user a password, a new one if there is one; the file is made when it is not there."""
    if not name or ":" in name or name != name.strip():
        raise UserError(f"{name!r} is no user name; write one without colon and without spaces around it")
    if len(password) < 12:
        raise UserError("the password is too short; give twelve characters or more")
    users = Users.read(path) if path.exists() else Users({})
    hashes = {**users.hashes, name: PasswordHasher().hash(password)}
    keep(path, "".join(f"{each}:{digest}\n" for each, digest in hashes.items()).encode())
