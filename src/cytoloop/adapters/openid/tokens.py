"""Tokens: whether an id token carries a signature of one of the provider's keys (RFC 7515, RFC 7517)."""

from collections.abc import Mapping
from typing import Any

from cytoloop.core.errors import RefusedError, UserError
from cytoloop.core.json import JSON

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Public keys only. "none" signs nothing, and a key of an HS algorithm is a secret that a provider hands to many."""
SHORTEST_RSA = 2048
"""Bits (NIST SP 800-131A)."""
FALSE = "the sign-in provider's token is not signed by a key that the provider shows; nobody was signed in"


def installed() -> None:
    """UserError when the extra is missing."""
    try:
        import joserfc  # noqa: F401, PLC0415  (an extra)
    except ImportError as error:
        raise UserError("signing in with OpenID needs its packages: pip install 'cytoloop[openid]'") from error


def claims_of(token: str, keys: Mapping[str, JSON]) -> dict[str, Any]:
    """What `token` says, once its signature holds under a key of the set `keys`; RefusedError otherwise."""
    from joserfc import jws, jwt  # noqa: PLC0415
    from joserfc.errors import JoseError  # noqa: PLC0415

    usable = _public(keys)
    if not usable:
        raise RefusedError("the sign-in provider shows no key that can be used; nobody was signed in")
    registry = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    try:
        return jwt.decode(token, _set(usable), algorithms=ALGORITHMS, registry=registry).claims
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise RefusedError(FALSE) from error


def _set(keys: list[Any]) -> Any:
    from joserfc.jwk import KeySet  # noqa: PLC0415

    return KeySet(keys)


def _public(keys: Mapping[str, JSON]) -> list[Any]:
    """The keys that may have signed. One that cannot be read is left out: a provider may show other kinds."""
    given = keys.get("keys")
    found = [_key(each) for each in given if isinstance(each, dict)] if isinstance(given, list) else []
    return [key for key in found if key is not None]


def _key(data: dict[str, JSON]) -> Any:
    from joserfc.errors import JoseError  # noqa: PLC0415
    from joserfc.jwk import import_key  # noqa: PLC0415

    kind = data.get("kty")
    if kind not in ("RSA", "EC") or data.get("use", "sig") != "sig" or (kind == "RSA" and _bits(data) < SHORTEST_RSA):
        return None
    plain: dict[str, Any] = {name: value for name, value in data.items() if isinstance(value, str | list)}
    try:
        return import_key(plain, "RSA") if kind == "RSA" else import_key(plain, "EC")
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _bits(data: Mapping[str, JSON]) -> int:
    """Bits of an RSA key, from its modulus as base64url."""
    modulus = data.get("n")
    return len(modulus.rstrip("=")) * 6 if isinstance(modulus, str) else 0
