"""Codes: one-time codes of the moment (TOTP, RFC 6238; six digits, 30 s), their secrets encrypted at rest.

AES-256-GCM with the user id as associated data, under a key in a file of its own: the accounts' file alone, in a copy
or a backup, gives no codes away.
"""

import secrets
from base64 import b64decode, b64encode
from hmac import compare_digest
from pathlib import Path

from cytoloop.adapters.files import keep, make_folder
from cytoloop.core.errors import UserError
from cytoloop.core.time import Instant

STEP = 30
"""Seconds of a time step."""
DRIFT = 1
"""Steps that a person's device may be early or late (RFC 6238 §5.2)."""
NONCE = 12
"""Bytes."""


def new_secret() -> str:
    """A new secret for codes, base32, 160 bits (RFC 4226 §4)."""
    import pyotp  # noqa: PLC0415  (loaded only by who sets a credential)

    return pyotp.random_base32()


def uri(secret: str, user: str, issuer: str) -> str:
    """What an authenticator app reads from a QR picture."""
    import pyotp  # noqa: PLC0415

    return pyotp.TOTP(secret).provisioning_uri(name=user, issuer_name=issuer)


def step_of(secret: str, code: str, at: Instant, after: int) -> int | None:
    """The time step whose code `code` is, near `at` and later than step `after`; None when it is none."""
    import pyotp  # noqa: PLC0415

    given = code.replace(" ", "")
    generator, now = pyotp.TOTP(secret), int(at.timestamp()) // STEP
    near = [step for step in range(now - DRIFT, now + DRIFT + 1) if step >= 0]
    fitting = [step for step in near if compare_digest(generator.generate_otp(step).encode(), given.encode())]
    return next((step for step in fitting if step > after), None)


def key_in(path: Path, *, make: bool) -> bytes:
    """The key in `path`; made when `make` and there is none. UserError when it is missing or no key."""
    if make and not path.exists():
        make_folder(path.parent, mode=0o700)
        keep(path, secrets.token_bytes(32))
    try:
        key = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"the key of the accounts, {path}, cannot be read ({error.strerror}); restore it from a copy"
        ) from error
    if len(key) != 32:
        raise UserError(f"{path} is no key of accounts: it has {len(key)} bytes, not 32; restore it from a copy")
    return key


def seal(secret: str, user: str, key: bytes) -> str:
    """`secret` encrypted, as text."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    nonce = secrets.token_bytes(NONCE)
    return b64encode(nonce + AESGCM(key).encrypt(nonce, secret.encode(), user.encode())).decode()


def unseal(sealed: str, user: str, key: bytes) -> str:
    """The secret again; UserError when the key is another or the text was changed."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    try:
        data = b64decode(sealed, validate=True)
        return AESGCM(key).decrypt(data[:NONCE], data[NONCE:], user.encode()).decode()
    except (InvalidTag, ValueError) as error:
        raise UserError(
            f"the code's secret of {user} does not open with the key of the accounts: key or accounts were changed; "
            "restore both from one copy"
        ) from error
