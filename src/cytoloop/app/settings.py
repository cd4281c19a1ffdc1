"""Settings: `cytoloop.yaml` in a data folder says where its record is kept and what its site is called.

Read strictly: an unknown key or a value of the wrong kind is named with file and line. Secrets never stand in it: a
database's password comes from the environment or a password file, a client's secret from the variable named here.
"""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from cytoloop.adapters.files import keep
from cytoloop.adapters.postgres.address import hidden
from cytoloop.core.errors import UserError
from cytoloop.production.recipe_text import Document, read
from cytoloop.production.yaml_text import Mistake

FILE = "cytoloop.yaml"
ZONE = "Asia/Shanghai"

HERE = ("localhost", "127.0.0.1", "::1")
"""Hosts that need no https: what is sent there stays on this machine."""

HEAD = "# Settings of this data folder. Secrets do not belong here: see docs/how-to/use-postgresql.md.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenId:
    """The house's OpenID Connect provider, for signing in (never for signing)."""

    issuer: str
    """Its address, "https://id.example.org/realms/site"."""
    client_id: str
    client_secret_env: str = "CYTOLOOP_OPENID_SECRET"
    """Name of the environment variable that holds the client's secret."""
    user_claim: str = "preferred_username"
    """The claim that is the user id of a person of the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkeys:
    """What passkeys of this site are bound to (WebAuthn §4, relying party)."""

    rp_id: str = "localhost"
    """Domain name of the pages."""
    origins: tuple[str, ...] = ("http://localhost:8818",)
    """Addresses from which a passkey is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `cytoloop.yaml` says; the defaults hold for a folder without one."""

    store: str | None = None
    """ "postgresql://role@host:port/database?schema=name" without a password; None: `record.db` in the folder."""
    origin: str | None = None
    """The record's name on its checkpoints (C2SP tlog-checkpoint); None: made from its first key."""
    zone: str = ZONE
    """IANA name of the site's time zone."""
    telemetry: Literal["whole", "part"] = "whole"
    """whole: the readings of every batch are in this folder. part: other folders that share the record keep some."""
    passkeys: Passkeys | None = None
    openid: OpenId | None = None


def read_settings(folder: Path) -> Settings:
    """The settings of `folder`, the defaults when it has none; UserError with file and line for a mistake."""
    path = folder / FILE
    if not path.exists():
        return Settings()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}); save it as UTF-8 text") from error
    if not any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()):
        return Settings()
    document = read(text, FILE, Settings)
    return _accepted(document, f"{path} cannot be used")


def write_settings(folder: Path, settings: Settings) -> None:
    """Write `settings` into `folder` (made when it is not there), whole or not at all; StoreError when it cannot."""
    keep(folder / FILE, settings_text(folder, settings).encode(), mode=0o644)


def settings_text(folder: Path, settings: Settings) -> str:
    """`settings` as the file of `folder` says them; UserError when they may not stand there."""
    kept = {key: value for key, value in asdict(settings).items() if value is not None}
    text = HEAD + yaml.safe_dump(_plain(kept), sort_keys=False, allow_unicode=True)
    _accepted(read(text, FILE, Settings), f"{folder / FILE} was not written")
    return text


def _accepted(document: Document[Settings], refused: str) -> Settings:
    mistakes = [*document.mistakes, *(_mistakes(document, document.value) if document.value else ())]
    if mistakes or document.value is None:
        raise UserError(f"{refused}: {'; '.join(map(str, mistakes))}")
    return document.value


def _plain(value: object) -> object:
    """Tuples as lists, so that the YAML is plain."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _mistakes(document: Document[Settings], said: Settings) -> list[Mistake]:
    found = {
        ("store",): _store(said.store),
        ("origin",): _origin(said.origin),
        ("zone",): _zone(said.zone),
        ("passkeys", "origins"): _origins(said.passkeys),
        ("openid", "issuer"): _issuer(said.openid),
        ("openid", "client_secret_env"): _variable(said.openid),
    }
    return [document.text.mistake(path, message) for path, message in found.items() if message]


def _store(url: str | None) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return f"found {hidden(url)!r}, expected postgresql://role@host:port/database"
    if parts.scheme not in ("postgresql", "postgres"):
        return f"found {hidden(url)!r}, expected postgresql://role@host:port/database"
    if password is not None or re.search(r"[?&](password|passfile|sslpassword)=", url):
        return "found a password, expected none: put it into the environment (PGPASSWORD) or a file (PGPASSFILE)"
    return None


def _origin(origin: str | None) -> str | None:
    if origin is None or (origin and not re.search(r"[\s+]", origin)):
        return None
    return f"found {origin!r}, expected a name without spaces or '+', for example example.org/site-a/record"


def _zone(zone: str) -> str | None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f"found {zone!r}, expected an IANA name of a time zone, for example Asia/Shanghai"
    return None


def _origins(passkeys: Passkeys | None) -> str | None:
    """Addresses that no browser would make a passkey of this site for (WebAuthn Level 3 §5.1.3, step 8)."""
    if passkeys is None:
        return None
    wrong = next((each for each in passkeys.origins if not _belongs(each, passkeys.rp_id)), None)
    if wrong is None and passkeys.origins:
        return None
    return (
        f"found {wrong or 'none'!r}, expected the pages' addresses, https://{passkeys.rp_id} or a host below it, "
        "without a path (http:// for localhost only)"
    )


def _belongs(origin: str, rp_id: str) -> bool:
    try:
        parts = urlsplit(origin)
        host = parts.hostname or ""
    except ValueError:
        return False
    secure = parts.scheme == "https" or (parts.scheme == "http" and host == "localhost")
    below = host == rp_id or host.endswith(f".{rp_id}")
    return secure and below and origin == f"{parts.scheme}://{parts.netloc}"


def _issuer(openid: OpenId | None) -> str | None:
    if openid is None:
        return None
    try:
        parts = urlsplit(openid.issuer)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if host and not parts.query and not parts.fragment and (parts.scheme == "https" or host in HERE):
        return None
    return f"found {openid.issuer!r}, expected the provider's address as it calls itself, https://… without ? and #"


def _variable(openid: OpenId | None) -> str | None:
    """A name that is none is not told: it may be the secret."""
    if openid is None or re.fullmatch(r"([A-Za-z_]\w*)?", openid.client_secret_env, re.ASCII):
        return None
    return "found something else than the name of an environment variable; the client's secret itself belongs into it"
