"""Proving: whether what somebody gave is the credential of an account. Changes nothing."""

from dataclasses import dataclass, replace
from hashlib import sha256

from cytoloop.adapters.credentials.account import Account, Passkey
from cytoloop.adapters.credentials.codes import step_of, unseal
from cytoloop.adapters.credentials.passkeys import RelyingParty, asserted
from cytoloop.adapters.credentials.passwords import fits
from cytoloop.core.signature import PasskeyAssertion, Password, Proof
from cytoloop.core.time import Instant

COPIED = "a passkey's counter went back: there may be a copy of it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What checking a proof gave."""

    account: Account | None = None
    """As it is after a right proof; None: wrong."""
    fingerprint: str = ""
    components: tuple[str, ...] = ()
    passkey: PasskeyAssertion | None = None
    alarm: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a proof is checked against besides the account."""

    at: Instant
    key: bytes | None
    """Of the codes' secrets; None when no account has one."""
    site: RelyingParty | None
    challenge: bytes
    """What a passkey had to answer to."""


def prove(account: Account | None, proof: Proof, asked: Question) -> Proven:
    """Check `proof`. Takes as long for a user id that nobody has."""
    if isinstance(proof, Password):
        return _password(account, proof, asked)
    return _passkey(account, proof, asked)


def _password(account: Account | None, proof: Password, asked: Question) -> Proven:
    good = fits(account.password if account else "", proof.secret)
    if account is None or not good:
        return Proven()
    if account.scripted:
        return Proven(account=account, components=("user-id", "password"))
    if asked.key is None or not account.sealed:
        return Proven()
    secret = unseal(account.sealed, account.user, asked.key)
    step = step_of(secret, proof.code, asked.at, account.last_step)
    if step is None:
        return Proven()
    return Proven(
        account=replace(account, last_step=step),
        fingerprint=password_fingerprint(account.password, secret),
        components=("user-id", "password", "one-time-code"),
    )


def password_fingerprint(hashed: str, code_secret: str) -> str:
    """SHA-256 that holds for this password hash and this code's secret together."""
    return sha256(f"password+code\n{hashed}\n{code_secret}\n".encode()).hexdigest()


def _passkey(account: Account | None, proof: PasskeyAssertion, asked: Question) -> Proven:
    known = account.passkeys if account else ()
    passkey = next((each for each in known if each.credential == proof.credential), None)
    if account is None or passkey is None or asked.site is None:
        return Proven()
    found = asserted(asked.site, passkey, proof, challenge=asked.challenge)
    if not found.right:
        return Proven(alarm=COPIED if found.copied else "")
    moved_on = replace(passkey, sign_count=found.sign_count)
    return Proven(
        account=replace(account, passkeys=_with(account.passkeys, moved_on)),
        fingerprint=passkey.fingerprint,
        components=("user-id", "passkey"),
        passkey=replace(proof, public_key=passkey.public_key),
    )


def _with(passkeys: tuple[Passkey, ...], changed: Passkey) -> tuple[Passkey, ...]:
    return tuple(changed if each.credential == changed.credential else each for each in passkeys)
