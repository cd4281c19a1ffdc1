"""Passkeys in entries: checked with the public key alone, for each kind of key."""

from dataclasses import replace

import pytest
from tests.bundles import Passkey, passkeys

from cytoloop.core.errors import FindingError
from cytoloop.core.signature import PasskeyAssertion, challenge
from cytoloop.record.passkey import check_passkey

KEYS = passkeys()
EACH_KIND = pytest.mark.parametrize("passkey", KEYS, ids=("ES256", "EdDSA", "RS256"))


def assertion_of(passkey: Passkey) -> PasskeyAssertion:
    """The passkey's answer for a released batch."""
    found = passkey.signature().passkey
    assert found is not None
    return found


@EACH_KIND
def test_what_a_passkey_signed_holds(passkey: Passkey) -> None:
    check_passkey(passkey.signature(), assertion_of(passkey))


@EACH_KIND
def test_it_holds_for_no_other_meaning_and_no_other_content(passkey: Passkey) -> None:
    signature, assertion = passkey.signature(), assertion_of(passkey)
    for other in (replace(signature, meaning="rejected"), replace(signature, digest="cd" * 32)):
        with pytest.raises(FindingError, match="another meaning or other content"):
            check_passkey(other, assertion)


@EACH_KIND
def test_it_holds_with_no_other_key(passkey: Passkey) -> None:
    other = next(each for each in KEYS if each is not passkey)
    with pytest.raises(FindingError):
        check_passkey(passkey.signature(), replace(assertion_of(passkey), public_key=other.public))


@EACH_KIND
def test_a_changed_answer_is_found(passkey: Passkey) -> None:
    assertion = assertion_of(passkey)
    for field in ("client_data", "authenticator_data", "signature", "public_key"):
        text = getattr(assertion, field)
        for place in range(0, len(text), 37):
            changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
            with pytest.raises(FindingError):
                check_passkey(passkey.signature(), replace(assertion, **{field: changed}))


@pytest.mark.parametrize("flags", [0x00, 0x01, 0x04])
def test_the_owner_must_have_been_present_and_verified(flags: int) -> None:
    passkey = KEYS[0]
    signature = passkey.signature()
    answer = passkey.answer(challenge(signature.meaning, signature.digest), flags=flags)
    with pytest.raises(FindingError, match="present and verified"):
        check_passkey(signature, answer)


def test_a_registration_is_no_signature() -> None:
    passkey = KEYS[0]
    signature = passkey.signature()
    answer = passkey.answer(challenge(signature.meaning, signature.digest), kind="webauthn.create")
    with pytest.raises(FindingError):
        check_passkey(signature, answer)
