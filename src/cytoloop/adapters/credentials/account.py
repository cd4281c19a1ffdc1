"""What is kept of one account: secrets as hashes, sealed codes, passkeys, wrong tries. Never who the person is.

Names, roles and whether the account may be used stand in the record (streams "person/<user id>"); the two are held
together by fingerprints (`credential-set/1`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from cytoloop.core.signature import PasskeyAssertion
from cytoloop.core.time import Instant

SetMethod = Literal["password+code", "passkey"]

LOCKED_AFTER = 5
"""Wrong tries in a row before an account is locked (21 CFR 11.300(d))."""
ALERTED_AFTER = 3
"""Wrong tries in a row before somebody is told."""
SPREAD, SPREAD_MINUTES = 2, 15
"""More accounts than this tried wrongly from one place within so many minutes: somebody is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """One passkey of a person (WebAuthn Level 3); binary fields are base64url without padding."""

    credential: str
    public_key: str
    """COSE key."""
    sign_count: int
    name: str
    """What its owner calls it."""
    transports: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the COSE key's text."""
        return sha256(self.public_key.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A one-time code that lets its owner set a credential."""

    code_sha256: str
    expires_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A credential its owner is setting, not in force yet."""

    method: SetMethod
    password: str = ""
    sealed: str = ""
    passkey: Passkey | None = None
    fingerprint: str
    step: int = -1
    """Time step of the code that its owner showed: that code is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The credentials of one user id."""

    user: str
    scripted: bool = False
    """An invented person of a demonstration: signs by password alone, and only for the program that plays them."""
    password: str = ""
    """Argon2id, in its own text form."""
    sealed: str = ""
    """The code's secret, encrypted (see `codes`)."""
    fingerprint: str = ""
    """Of password and code's secret together."""
    last_step: int = -1
    """Newest time step whose code was taken: a code is taken once (RFC 6238 §5.2)."""
    passkeys: tuple[Passkey, ...] = ()
    failures: int = 0
    invitation: Invitation | None = None
    staged: Staged | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongTry:
    """A wrong try, remembered for minutes only."""

    at: Instant
    source: str
    who: str
    """Keyed hash of the user id that was typed: people type their password there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """All accounts."""

    accounts: Mapping[str, Account] = field(default_factory=dict, hash=False)
    wrong: tuple[WrongTry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of one try to prove who one is."""

    right: bool
    failures: int = 0
    """Wrong tries in a row, this one included."""
    alarms: tuple[str, ...] = ()
    """What looks like misuse and was not told before."""
    fingerprint: str = ""
    """Of the credential that was right; empty for scripted people."""
    components: tuple[str, ...] = ()
    passkey: PasskeyAssertion | None = None

    @property
    def locks(self) -> bool:
        """Whether the account is locked by now."""
        return self.failures >= LOCKED_AFTER
