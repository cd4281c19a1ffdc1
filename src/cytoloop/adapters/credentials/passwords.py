"""Passwords: Argon2id hashes (RFC 9106), and what a password must be.

19 MiB, two passes, one lane: the least that OWASP advises. Passwords are compared in Unicode form NFKC, so that they
are the same from every keyboard (NIST SP 800-63B §3.1.1.2).
"""

from functools import cache
from typing import TYPE_CHECKING
from unicodedata import normalize

from cytoloop.core.errors import UserError
from cytoloop.core.words import Words

if TYPE_CHECKING:
    from argon2 import PasswordHasher

LEAST, MOST = 12, 256
"""Characters of a password."""


def hashed(secret: str) -> str:
    """The text that is kept of `secret`."""
    return _hasher().hash(_plain(secret))


def fits(kept: str, secret: str) -> bool:
    """Whether `secret` is the one that `kept` was made of; the same work whether it is or not, or nothing is kept."""
    from argon2.exceptions import InvalidHashError, VerifyMismatchError  # noqa: PLC0415  (loaded only by who signs)

    try:
        _hasher().verify(kept or _nobody(), _plain(secret)[:MOST])
        return kept != ""
    except (VerifyMismatchError, InvalidHashError):
        return False


def demand(user: str, secret: str) -> None:
    """UserError unless `secret` will do as the password of `user`."""
    plain = _plain(secret)
    if not LEAST <= len(plain) <= MOST:
        raise UserError(
            Words(
                en=f"a password has {LEAST} to {MOST} characters; a few words in a row are easy to remember",
                zh=f"密码须为 {LEAST} 至 {MOST} 个字符；几个连写的词容易记住",
            )
        )
    if user.casefold() in plain.casefold() or len(set(plain)) < 5:
        raise UserError(
            Words(
                en="a password does not hold the user id and is not one character over and over; choose another",
                zh="密码不得含有用户名，也不得由重复字符组成；请另选一个",
            )
        )


def _plain(secret: str) -> str:
    return normalize("NFKC", secret)


@cache
def _nobody() -> str:
    """Something to compare with when nobody has the user id, so that it takes as long."""
    return hashed("nobody has this user id")


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # noqa: PLC0415  (loaded only by who signs)

    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
