"""Provider: where to send somebody, and who they are when they come back.

Its addresses and keys are asked anew at each attempt: a key that was withdrawn is good no longer.
"""

import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from urllib.parse import quote_plus, urlencode

from cytoloop.adapters.openid.asking import UnansweredError, asked, secure
from cytoloop.adapters.openid.claims import Expected, user_in
from cytoloop.adapters.openid.tokens import claims_of, installed
from cytoloop.core.errors import RefusedError
from cytoloop.core.json import JSON
from cytoloop.core.time import Instant
from cytoloop.core.words import Words

ELSEWHERE = Words(
    en="this answer belongs to no sign-in that was begun in this browser; begin again",
    zh="该应答不属于在此浏览器中开始的登录；请重新开始",
)
DISCOVERY = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What this site is to the provider."""

    issuer: str
    client_id: str
    secret: str = field(default="", repr=False)
    """Empty: a public client, which proves itself by PKCE alone."""
    user_claim: str = "preferred_username"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to sign in, kept here until the browser comes back. Good once."""

    provider: Mapping[str, JSON] = field(hash=False, repr=False)
    """Its addresses (OpenID Connect Discovery 1.0 §3)."""
    back: str
    """Where the provider sends the browser back to."""
    began: Instant
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)

    @property
    def challenge(self) -> str:
        """SHA-256 of the verifier (RFC 7636 §4.2, S256)."""
        return urlsafe_b64encode(sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the browser brought back from the provider."""

    state: str = ""
    code: str = field(default="", repr=False)
    error: str = ""
    issuer: str = ""


def begin(client: Client, back: str, now: Instant) -> tuple[Attempt, str]:
    """A new attempt, and the provider's address to send the browser to; UnansweredError when there is none.

    Asks the provider to prove the person anew: at a shared screen somebody else's session there lets nobody in here.
    """
    installed()
    attempt = Attempt(provider=_discovered(client), back=back, began=now)
    question = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": back,
        "scope": "openid profile email",
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": attempt.challenge,
        "code_challenge_method": "S256",
        "prompt": "login",
    }
    address = _address(attempt.provider, "authorization_endpoint")
    return attempt, f"{address}{'&' if '?' in address else '?'}{urlencode(question)}"


def proven(client: Client, attempt: Attempt, answer: Answer, now: Instant) -> str:
    """The user id of who the provider proved in `attempt`.

    RefusedError when the answer is not to this attempt or its token does not hold, UnansweredError when the provider
    cannot be asked.
    """
    _fits(client, attempt, answer)
    token = _token(client, attempt, answer.code)
    claims = claims_of(token, asked(_address(attempt.provider, "jwks_uri")))
    expected = Expected(
        issuer=client.issuer, client_id=client.client_id, nonce=attempt.nonce, user_claim=client.user_claim,
        began=attempt.began, now=now,
    )  # fmt: skip
    return user_in(claims, expected)


def _fits(client: Client, attempt: Attempt, answer: Answer) -> None:
    if not compare_digest(answer.state.encode(), attempt.state.encode()):
        raise RefusedError(ELSEWHERE)
    if answer.issuer and answer.issuer != client.issuer:
        raise RefusedError("the answer comes from another sign-in provider; nobody was signed in")
    if not answer.issuer and attempt.provider.get("authorization_response_iss_parameter_supported") is True:
        raise RefusedError("the answer does not say which sign-in provider it comes from; nobody was signed in")
    if answer.error or not answer.code:
        raise RefusedError(
            Words(
                en=f"the sign-in provider let nobody in ({_plain(answer.error)}); try again",
                zh=f"登录服务未允许登录（{_plain(answer.error)}）；请重试",
            )
        )


def _discovered(client: Client) -> dict[str, JSON]:
    found = asked(client.issuer.rstrip("/") + DISCOVERY)
    if found.get("issuer") != client.issuer:
        raise UnansweredError(
            f"the provider at {client.issuer} calls itself {found.get('issuer')!r}; the settings (openid: issuer) must "
            "say exactly that, or it is another provider"
        )
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        secure(_address(found, name))
    return found


def _address(provider: Mapping[str, JSON], name: str) -> str:
    address = provider.get(name)
    return address if isinstance(address, str) else ""


def _token(client: Client, attempt: Attempt, code: str) -> str:
    """The id token for the code (§3.1.3.1)."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": attempt.back,
        "code_verifier": attempt.verifier,
    }
    authorization, more = _credentials(client, attempt.provider)
    found = asked(_address(attempt.provider, "token_endpoint"), {**form, **more}, authorization)
    token = found.get("id_token")
    if not isinstance(token, str):
        raise UnansweredError("the sign-in provider gave no id token; tell who runs it")
    return token


def _credentials(client: Client, provider: Mapping[str, JSON]) -> tuple[str, dict[str, str]]:
    """How the client proves itself: in the header where the provider takes that, as it does by default (§9)."""
    if not client.secret:
        return "", {"client_id": client.client_id}
    ways = provider.get("token_endpoint_auth_methods_supported")
    if isinstance(ways, list) and "client_secret_basic" not in ways:
        return "", {"client_id": client.client_id, "client_secret": client.secret}
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.secret)}"
    return f"Basic {b64encode(pair.encode()).decode()}", {}


def _plain(error: str) -> str:
    """The provider's word, if it is one (RFC 6749 §4.1.2.1): it came through the browser."""
    return error if error and len(error) <= 40 and error.replace("_", "").isalpha() and error.isascii() else "no code"
