"""Credentials: the accounts of a data folder. Several processes may use them at once."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as keyed
from pathlib import Path

from cytoloop.adapters.credentials import codes, keeping, passwords
from cytoloop.adapters.credentials.account import (
    ALERTED_AFTER,
    LOCKED_AFTER,
    SPREAD,
    SPREAD_MINUTES,
    Account,
    Book,
    Invitation,
    Passkey,
    Staged,
    Tried,
    WrongTry,
)
from cytoloop.adapters.credentials.passkeys import RelyingParty, registered
from cytoloop.adapters.credentials.proving import Proven, Question, password_fingerprint, prove
from cytoloop.core.errors import RefusedError, UserError
from cytoloop.core.json import JSON
from cytoloop.core.signature import Proof
from cytoloop.core.time import Instant
from cytoloop.core.words import Words

INVITED_HOURS = 24
"""A code to set a credential with is good for so long."""
ISSUER = "Cytoloop"
WRONG_CODE = Words(
    en="this code is not good for this account, or no longer; ask an administrator for a new one",
    zh="该注册码不适用于此账户或已失效；请向管理员索取新的注册码",
)
NOT_NOW = Words(
    en="this is not the code of the moment; look at the authenticator app again",
    zh="这不是当前的动态码；请再看一次身份验证器应用",
)
SET_ALREADY = Words(
    en="this passkey is set for an account already; one credential belongs to one person",
    zh="该通行密钥已用于某个账户；一个凭证只属于一个人",
)
NOTHING_SET = Words(en="nothing is being set for this account; begin again", zh="该账户没有正在设置的凭证；请重新开始")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioning:
    """What a person's authenticator app needs once."""

    uri: str
    """otpauth:// address, shown as a QR picture."""
    secret: str
    """The same secret, to type where no camera is."""


class Credentials:
    """The accounts in `<folder>/accounts.json`, their key in `<folder>/keys/accounts.key`."""

    def __init__(self, folder: Path, *, site: RelyingParty | None = None) -> None:
        """`site`: whom passkeys are made for; without it they are refused."""
        self._path = folder / "accounts.json"
        self._key_path = folder / "keys" / "accounts.key"
        self.site = site

    def account(self, user: str) -> Account:
        """What is kept of `user`; an empty account for somebody unknown."""
        return keeping.read(self._path).accounts.get(user, Account(user=user))

    def cast(self, user: str, secret: str) -> None:
        """An account for a scripted person; UserError when a real person has the user id."""
        account = Account(user=user, scripted=True, password=passwords.hashed(secret))
        with keeping.alone(self._path):
            book = keeping.read(self._path)
            before = book.accounts.get(user)
            if before is not None and not before.scripted:
                raise UserError(f"the user id {user!r} belongs to a person; use another folder for a demonstration")
            self._write(book, account)

    def invite(self, user: str, at: Instant) -> str:
        """A new one-time code for `user`. Whatever credential there was is gone."""
        code = "-".join(secrets.token_hex(2) for _ in range(5))
        made = Invitation(code_sha256=_hash(code), expires_at=at + timedelta(hours=INVITED_HOURS))
        self._change(user, lambda _: Account(user=user, invitation=made))
        return code

    def demand_invited(self, user: str, code: str, at: Instant) -> None:
        """RefusedError unless `code` is the invitation of `user` and still good."""
        _demand_code(self.account(user), code, at)

    def stage_password(self, user: str, code: str | None, secret: str, at: Instant) -> Provisioning:
        """Begin to set a password with codes. `code`: the invitation's; None only where a caller checked otherwise.

        RefusedError for a code that is not good, UserError for a password that will not do.
        """
        passwords.demand(user, secret)
        fresh, hashed = codes.new_secret(), passwords.hashed(secret)

        def staged(account: Account) -> Account:
            _demand_code(account, code, at)
            sealed = codes.seal(fresh, user, self._key(make=True))
            made = Staged(
                method="password+code", password=hashed, sealed=sealed, fingerprint=password_fingerprint(hashed, fresh)
            )
            return replace(account, staged=made)

        self._change(user, staged)
        return Provisioning(uri=codes.uri(fresh, user, ISSUER), secret=fresh)

    def stage_passkey(
        self, user: str, code: str | None, response: Mapping[str, JSON], *, challenge: bytes, name: str, at: Instant
    ) -> None:
        """Begin to set a passkey from a browser's answer to `challenge`; RefusedError when it does not hold."""
        site = self._site()
        _demand_code(self.account(user), code, at)
        passkey = registered(site, response, challenge=challenge, name=name)
        if any(each.credential == passkey.credential for each in self._passkeys()):
            raise RefusedError(SET_ALREADY)

        def staged(account: Account) -> Account:
            _demand_code(account, code, at)
            return replace(account, staged=Staged(method="passkey", passkey=passkey, fingerprint=passkey.fingerprint))

        self._change(user, staged)

    def ready(self, user: str, code: str | None, one_time: str, at: Instant) -> Staged:
        """What is staged, once its owner showed that it works; RefusedError otherwise.

        `one_time`: the authenticator app's code of the moment, for a password; not asked of a passkey, which has
        answered. Wrong ones count: after five the invitation is void.
        """
        with keeping.alone(self._path):
            book = keeping.read(self._path)
            account = book.accounts.get(user, Account(user=user))
            _demand_code(account, code, at)
            staged = account.staged
            if staged is None:
                raise RefusedError(NOTHING_SET)
            if staged.method == "passkey":
                return staged
            step = codes.step_of(codes.unseal(staged.sealed, user, self._key()), one_time, at, -1)
            if step is None:
                self._write(book, _miscounted(account))
                raise RefusedError(NOT_NOW)
            return replace(staged, step=step)

    def renewed(self, user: str, secret: str) -> Staged:
        """Another password for an account that has one, with the same codes; UserError when it will not do."""
        passwords.demand(user, secret)
        account = self.account(user)
        if not account.sealed:
            raise UserError(f"{user} has no password to change; ask an administrator for a code to set one")
        hashed = passwords.hashed(secret)
        fingerprint = password_fingerprint(hashed, codes.unseal(account.sealed, user, self._key()))
        return Staged(method="password+code", password=hashed, sealed=account.sealed, fingerprint=fingerprint)

    def settle(self, user: str, staged: Staged) -> None:
        """Put what is staged in force. The invitation is used up."""

        def settled(account: Account) -> Account:
            clean = replace(account, staged=None, invitation=None, failures=0)
            if staged.passkey is not None:
                others = tuple(each for each in clean.passkeys if each.credential != staged.passkey.credential)
                return replace(clean, passkeys=(*others, staged.passkey))
            # The same codes keep their place, so that none is taken twice.
            step = account.last_step if staged.sealed == account.sealed else staged.step
            return replace(
                clean, password=staged.password, sealed=staged.sealed, fingerprint=staged.fingerprint, last_step=step
            )

        self._change(user, settled)

    def unlock(self, user: str) -> None:
        """Forget the wrong tries."""
        self._change(user, lambda account: replace(account, failures=0))

    def drop(self, user: str) -> None:
        """Forget every credential of `user`."""
        self._change(user, lambda _: Account(user=user))

    def try_(
        self, user: str, proof: Proof, *, challenge: bytes, at: Instant, source: str = "", barred: bool = False
    ) -> Tried:
        """Check `proof` and count it. `barred`: the account may not be used; nothing is right, it takes as long."""
        with keeping.alone(self._path):
            book = keeping.read(self._path)
            account = None if barred else book.accounts.get(user)
            if account is not None and account.failures >= LOCKED_AFTER:
                account = None
            key = self._key() if account is not None and account.sealed else None
            found = prove(account, proof, Question(at=at, key=key, site=self.site, challenge=challenge))
            if found.account is not None:
                self._took(book, found.account)
                return Tried(
                    right=True, fingerprint=found.fingerprint, components=found.components, passkey=found.passkey
                )
            return self._wrong(book, user, account, found, WrongTry(at=at, source=source, who=self._veiled(user)))

    def _took(self, book: Book, account: Account) -> None:
        clean = replace(account, failures=0)
        if clean != book.accounts[account.user]:
            self._write(book, clean)

    def _wrong(self, book: Book, user: str, account: Account | None, found: Proven, wrong: WrongTry) -> Tried:
        recent = [each for each in book.wrong if wrong.at - each.at < timedelta(minutes=SPREAD_MINUTES)]
        alarms = [found.alarm] if found.alarm else []
        before = {each.who for each in recent if each.source == wrong.source}
        if len(before) == SPREAD and wrong.who not in before:
            alarms.append(f"wrong tries at {SPREAD + 1} accounts within {SPREAD_MINUTES} minutes{_from(wrong.source)}")
        known = book.accounts.get(user)
        failures = known.failures if known else 0
        book = replace(book, wrong=(*recent, wrong)[-200:])
        if account is not None:
            failures = account.failures + 1
            alarms += [f"{failures} wrong tries in a row"] if failures == ALERTED_AFTER else []
            self._write(book, replace(account, failures=failures))
        else:
            keeping.write(self._path, book)
        return Tried(right=False, failures=failures, alarms=tuple(alarms))

    def _veiled(self, user: str) -> str:
        return keyed(self._key(make=True), user.encode(), "sha256").hex()[:16]

    def _key(self, *, make: bool = False) -> bytes:
        sealed = make and any(each.sealed for each in keeping.read(self._path).accounts.values())
        return codes.key_in(self._key_path, make=make and not sealed)

    def _passkeys(self) -> list[Passkey]:
        return [passkey for account in keeping.read(self._path).accounts.values() for passkey in account.passkeys]

    def _site(self) -> RelyingParty:
        if self.site is None:
            raise UserError("passkeys are set on the pages, not here: open them with `cytoloop serve`")
        return self.site

    def _change(self, user: str, change: Callable[[Account], Account]) -> None:
        with keeping.alone(self._path):
            book = keeping.read(self._path)
            self._write(book, change(book.accounts.get(user, Account(user=user))))

    def _write(self, book: Book, account: Account) -> None:
        keeping.write(self._path, replace(book, accounts={**book.accounts, account.user: account}))


def _demand_code(account: Account, code: str | None, at: Instant) -> None:
    """RefusedError unless `code` is the account's invitation and still good."""
    if code is None:
        return
    invitation = account.invitation
    given = _hash(code.strip().lower())
    fits = compare_digest(given, invitation.code_sha256 if invitation else _hash(""))
    if invitation is None or not fits or at >= invitation.expires_at:
        raise RefusedError(WRONG_CODE)


def _miscounted(account: Account) -> Account:
    """One wrong code more while setting a credential; at five the invitation is void."""
    failures = account.failures + 1
    if failures >= LOCKED_AFTER and account.invitation is not None:
        return replace(account, failures=0, invitation=None, staged=None)
    return replace(account, failures=failures)


def _from(source: str) -> str:
    return f" from {source}" if source else ""


def _hash(code: str) -> str:
    return sha256(code.encode()).hexdigest()
