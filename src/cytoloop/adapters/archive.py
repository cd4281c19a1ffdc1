"""A backup as one file: a zip with a manifest of every part's size and SHA-256, keys sealed with a passphrase.

Plain zip (ISO/IEC 21320-1), so that thirty years on any tool opens it. Keys are AES-256-GCM under a key that scrypt
(RFC 7914) makes of the passphrase. Written beside and named at the end: nobody ever sees half a backup.
"""

import base64
import json
import os
import secrets
import struct
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import scrypt, sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from cytoloop.adapters.files import promise_names
from cytoloop.core.errors import FindingError, StoreError, UserError
from cytoloop.core.json import JSON, canonical

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORMAT = "cytoloop-backup/1"
MANIFEST = "manifest.json"
SEALED = "keys.sealed"
PIECE = 1 << 20
"""Bytes copied at a time."""
COST = 1 << 15
"""scrypt's N; with r = 8 and p = 1 it takes 32 MiB and about a tenth of a second."""
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, TypeError, ValueError, AttributeError,
    NotImplementedError, RuntimeError,
)  # fmt: skip
"""What reading a zip raises of which some bits are not as they were."""
_STORED = frozenset({"telemetry.db"})
"""Parts that are compressed already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A backup whose manifest was read."""

    path: Path
    about: Mapping[str, JSON]
    """What was said of it when it was made."""
    parts: Mapping[str, Mapping[str, JSON]]
    """Name of a part -> its `size`, `sha256` and `mode` (of the file)."""

    @property
    def has_keys(self) -> bool:
        """Whether it holds keys, sealed with a passphrase."""
        return SEALED in self.parts


def write_archive(
    to: Path, about: Mapping[str, JSON], files: Mapping[str, Path], keys: Mapping[str, bytes], passphrase: str
) -> str:
    """Write `files` (name -> where it lies) and `keys` (name -> content) into the new file `to`; its SHA-256.

    StoreError when it cannot be written; nothing is left then.
    """
    beside = to.with_name(f".{to.name}.new")
    try:
        with beside.open("w+b") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
                parts = {name: _pack(packed, name, path) for name, path in sorted(files.items())}
                if keys:
                    parts[SEALED] = _pack_bytes(packed, SEALED, seal(keys, passphrase))
                whole: JSON = {"format": FORMAT, "about": dict(about), "parts": cast(JSON, parts)}
                packed.writestr(MANIFEST, canonical(whole))
            _sync(file)
            digest = _digest(file)
        beside.replace(to)
        promise_names(to.parent)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise StoreError(
            f"the backup {to} could not be written ({error.strerror}); nothing of it was kept; free space or name "
            "another file"
        ) from error
    return digest


def read_archive(path: Path) -> Archive:
    """The backup in the file `path`. UserError when it is none, cut off, or of a later version."""
    try:
        with zipfile.ZipFile(path) as packed:
            manifest = json.loads(packed.read(MANIFEST))
        kind, about, parts = manifest["format"], manifest["about"], dict(manifest["parts"])
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}); name a file that `cytoloop backup` wrote"
        ) from error
    except _DAMAGE as error:
        raise UserError(
            f"{path} is no backup of Cytoloop, or its end is cut off ({error}); fetch it again from where it was kept"
        ) from error
    if kind != FORMAT:
        raise UserError(f"{path} is a backup of format {kind!r} and this version reads {FORMAT!r}; use a newer version")
    return Archive(path=path, about=about, parts=parts)


def unpack(archive: Archive, name: str, to: Path) -> None:
    """Write the part `name` to the new file `to`. FindingError when it is not what the manifest says."""
    said = archive.parts[name]
    try:
        with zipfile.ZipFile(archive.path) as packed, packed.open(name) as source, to.open("xb") as target:
            to.chmod(int(str(said["mode"])) & 0o777)
            found, size = _copy(source, target)
            _sync(target)
    except _DAMAGE as error:
        raise FindingError(
            f"{name} in the backup {archive.path} is damaged ({error}); use another copy of it"
        ) from error
    except OSError as error:
        raise StoreError(f"{to} could not be written ({error.strerror}); free space and try again") from error
    if (found, size) != (said["sha256"], said["size"]):
        raise FindingError(f"{name} in the backup {archive.path} is not what was backed up; use another copy of it")


def keys_of(archive: Archive, passphrase: str) -> dict[str, bytes]:
    """The keys in it, by name; UserError when the passphrase is not theirs or they were changed."""
    try:
        with zipfile.ZipFile(archive.path) as packed:
            sealed = packed.read(SEALED)
    except (OSError, *_DAMAGE) as error:
        raise FindingError(f"the keys in the backup {archive.path} are damaged ({error}); use another copy") from error
    return unseal(sealed, passphrase)


def seal(keys: Mapping[str, bytes], passphrase: str) -> bytes:
    """`keys` encrypted under the passphrase: salt (16 bytes), nonce (12 bytes), AES-256-GCM of their JSON."""
    plain = canonical({name: base64.b64encode(content).decode() for name, content in keys.items()})
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    return salt + nonce + _cipher(passphrase, salt).encrypt(nonce, plain, FORMAT.encode())


def unseal(sealed: bytes, passphrase: str) -> dict[str, bytes]:
    """The keys that `seal` made this of; UserError when the passphrase is another or a bit was changed."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415  (loaded only by who backs up keys)

    salt, nonce, body = sealed[:16], sealed[16:28], sealed[28:]
    try:
        plain = json.loads(_cipher(passphrase, salt).decrypt(nonce, body, FORMAT.encode()))
    except (InvalidTag, ValueError) as error:
        raise UserError("the passphrase does not open the keys of this backup; nothing was restored") from error
    return {str(name): base64.b64decode(content) for name, content in plain.items()}


def _cipher(passphrase: str, salt: bytes) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  (as above)

    return AESGCM(scrypt(passphrase.encode(), salt=salt, n=COST, r=8, p=1, maxmem=1 << 27, dklen=32))


def _pack(packed: zipfile.ZipFile, name: str, path: Path) -> dict[str, JSON]:
    member = zipfile.ZipInfo(name) if name in _STORED else name  # by name: compressed as the whole file is
    with path.open("rb") as source, packed.open(member, "w", force_zip64=True) as target:
        digest, size = _copy(source, target)
    return {"size": size, "sha256": digest, "mode": path.stat().st_mode & 0o777}


def _pack_bytes(packed: zipfile.ZipFile, name: str, content: bytes) -> dict[str, JSON]:
    packed.writestr(zipfile.ZipInfo(name), content)
    return {"size": len(content), "sha256": sha256(content).hexdigest(), "mode": 0o600}


def _copy(source: IO[bytes], target: IO[bytes]) -> tuple[str, int]:
    """Copy all of it; SHA-256 and size of what was copied."""
    found, size = sha256(), 0
    while piece := source.read(PIECE):
        found.update(piece)
        target.write(piece)
        size += len(piece)
    return found.hexdigest(), size


def _digest(file: IO[bytes]) -> str:
    file.seek(0)
    found = sha256()
    while piece := file.read(PIECE):
        found.update(piece)
    return found.hexdigest()


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
