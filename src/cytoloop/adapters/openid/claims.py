"""Claims: whether an id token was made by this provider, for us, for this one attempt, and is still good. Pure.

OpenID Connect Core 1.0 §3.1.3.7, each number a step of it. The signature is checked before (`tokens`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest

from cytoloop.core.errors import RefusedError
from cytoloop.core.json import JSON
from cytoloop.core.time import Instant
from cytoloop.core.words import Words

LEEWAY = 60
"""Seconds that the provider's clock and ours may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the token of one attempt must say."""

    issuer: str
    client_id: str
    nonce: str
    user_claim: str
    began: Instant
    """When the attempt began."""
    now: Instant


def user_in(claims: Mapping[str, JSON], expected: Expected) -> str:
    """The user id that the token names; RefusedError with the first thing that does not fit."""
    for why in (_issuer(claims, expected), _audience(claims, expected), _times(claims, expected)):
        if why:
            raise RefusedError(
                Words(
                    en=f"the sign-in provider's token {why}; nobody was signed in",
                    zh=f"登录服务的令牌无效（{why}），无人登录；请告知其管理者",
                )
            )
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not compare_digest(nonce.encode(), expected.nonce.encode()):
        raise RefusedError("the sign-in provider's token belongs to another attempt; nobody was signed in, begin again")
    return _user(claims, expected.user_claim)


def _issuer(claims: Mapping[str, JSON], expected: Expected) -> str:
    """Step 2; and there is a subject (§2)."""
    if claims.get("iss") != expected.issuer:
        return "names another issuer"
    return "" if isinstance(claims.get("sub"), str) and claims["sub"] else "names no subject"


def _audience(claims: Mapping[str, JSON], expected: Expected) -> str:
    """Steps 3 to 5."""
    audience, party = claims.get("aud"), claims.get("azp")
    many = audience if isinstance(audience, list) else [audience]
    if expected.client_id not in many:
        return "was made for another client"
    if (party is None and len(many) > 1) or (party is not None and party != expected.client_id):
        return "was made for another party"
    return ""


def _times(claims: Mapping[str, JSON], expected: Expected) -> str:
    """Steps 9 and 10, "nbf" (RFC 7519 §4.1.5), and, where it is told, that the person proved themselves just now."""
    now, began = expected.now.timestamp(), expected.began.timestamp()
    ends, made = _seconds(claims, "exp"), _seconds(claims, "iat")
    if ends is None or made is None:
        return "does not say when it was made and until when it is good"
    if ends <= now - LEEWAY:
        return "is too old"
    if made > now + LEEWAY or (_seconds(claims, "nbf") or 0) > now + LEEWAY:
        return "comes from the future: one of the two clocks is wrong"
    if made < began - LEEWAY:
        return "was made before this attempt began"
    proved = _seconds(claims, "auth_time")
    if proved is not None and proved < began - LEEWAY:
        return "tells of an earlier proof: the provider did not ask again who is there"
    return ""


def _seconds(claims: Mapping[str, JSON], name: str) -> float | None:
    value = claims.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _user(claims: Mapping[str, JSON], claim: str) -> str:
    user = claims.get(claim)
    if not isinstance(user, str) or not user:
        raise RefusedError(f"the sign-in provider's token has no {claim!r} to tell a user id; tell who runs it")
    if claim == "email" and claims.get("email_verified") is not True:
        raise RefusedError("the sign-in provider did not verify the e-mail address; nobody was signed in")
    return user
