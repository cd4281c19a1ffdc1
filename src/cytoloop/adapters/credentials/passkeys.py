"""Passkeys: registration and assertion (WebAuthn Level 3 §7.1, §7.2). The owner is always verified, not only present.

A passkey is two components in one device: something the person has, opened by something they know or are.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cytoloop.adapters.credentials.account import Passkey
from cytoloop.core.errors import RefusedError
from cytoloop.core.json import JSON
from cytoloop.core.signature import PasskeyAssertion
from cytoloop.core.words import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingParty:
    """The site that passkeys are made for. A passkey answers no other."""

    id: str
    """Domain, "batch.example.org"."""
    name: str
    origins: tuple[str, ...]
    """Where pages are served, "https://batch.example.org"."""


def registration_options(
    site: RelyingParty, *, user: str, printed_name: str, challenge: bytes, known: Sequence[Passkey]
) -> dict[str, JSON]:
    """What a browser needs to make a passkey (`navigator.credentials.create`)."""
    from webauthn import generate_registration_options, options_to_json  # noqa: PLC0415  (loaded only by who signs)
    from webauthn.helpers.structs import (  # noqa: PLC0415
        AuthenticatorSelectionCriteria,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options = generate_registration_options(
        rp_id=site.id,
        rp_name=site.name,
        user_name=user,
        user_display_name=printed_name,
        user_id=sha256(f"cytoloop-person/{user}".encode()).digest(),
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=_descriptors(known),
    )
    return _plain(options_to_json(options))


def assertion_options(site: RelyingParty, *, challenge: bytes, known: Sequence[Passkey]) -> dict[str, JSON]:
    """What a browser needs to ask a passkey (`navigator.credentials.get`)."""
    from webauthn import generate_authentication_options, options_to_json  # noqa: PLC0415
    from webauthn.helpers.structs import UserVerificationRequirement  # noqa: PLC0415

    options = generate_authentication_options(
        rp_id=site.id,
        challenge=challenge,
        allow_credentials=_descriptors(known),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return _plain(options_to_json(options))


def registered(site: RelyingParty, response: Mapping[str, JSON], *, challenge: bytes, name: str) -> Passkey:
    """The passkey that a browser answered with; RefusedError when the answer does not hold."""
    from webauthn import verify_registration_response  # noqa: PLC0415
    from webauthn.helpers import bytes_to_base64url  # noqa: PLC0415
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

    try:
        found = verify_registration_response(
            credential=dict(response),
            expected_challenge=challenge,
            expected_rp_id=site.id,
            expected_origin=list(site.origins),
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError) as error:
        raise RefusedError(
            Words(
                en=f"the passkey's answer does not hold ({error}); begin again on this site's page",
                zh=f"通行密钥的应答无效（{error}）；请在本站点页面重新开始",
            )
        ) from error
    return Passkey(
        credential=bytes_to_base64url(found.credential_id),
        public_key=bytes_to_base64url(found.credential_public_key),
        sign_count=found.sign_count,
        name=name.strip()[:60] or "passkey",
        transports=_transports(response),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asserted:
    """What came of checking a passkey's answer."""

    right: bool
    sign_count: int = 0
    copied: bool = False
    """The answer is good but its counter went back: there may be a copy of the passkey (WebAuthn §6.1.1)."""


def asserted(site: RelyingParty, passkey: Passkey, given: PasskeyAssertion, *, challenge: bytes) -> Asserted:
    """Check `given` against the passkey as it was registered."""
    from webauthn import verify_authentication_response  # noqa: PLC0415
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

    try:
        found = verify_authentication_response(
            credential=_response(given),
            expected_challenge=challenge,
            expected_rp_id=site.id,
            expected_origin=list(site.origins),
            credential_public_key=_bytes(passkey.public_key),
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError):
        return Asserted(right=False)
    count, before = found.new_sign_count, passkey.sign_count
    copied = (count > 0 or before > 0) and count <= before
    return Asserted(right=not copied, sign_count=count, copied=copied)


def _response(given: PasskeyAssertion) -> dict[str, Any]:
    return {
        "id": given.credential,
        "rawId": given.credential,
        "type": "public-key",
        "response": {
            "clientDataJSON": given.client_data,
            "authenticatorData": given.authenticator_data,
            "signature": given.signature,
        },
    }


def _descriptors(known: Sequence[Passkey]) -> list[Any]:
    from webauthn.helpers.structs import AuthenticatorTransport, PublicKeyCredentialDescriptor  # noqa: PLC0415

    names = {each.value for each in AuthenticatorTransport}
    return [
        PublicKeyCredentialDescriptor(
            id=_bytes(each.credential),
            transports=[AuthenticatorTransport(way) for way in each.transports if way in names],
        )
        for each in known
    ]


def _transports(response: Mapping[str, JSON]) -> tuple[str, ...]:
    inner = response.get("response")
    ways = inner.get("transports") if isinstance(inner, dict) else None
    return tuple(str(way) for way in ways)[:8] if isinstance(ways, list) else ()


def _bytes(text: str) -> bytes:
    from webauthn.helpers import base64url_to_bytes  # noqa: PLC0415

    return base64url_to_bytes(text)


def _plain(text: str) -> dict[str, JSON]:
    data: dict[str, JSON] = json.loads(text)
    return data
