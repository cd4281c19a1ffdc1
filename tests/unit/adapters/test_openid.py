"""OpenID Connect against a small real provider: who it proves, and everything that is refused."""

import hmac
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.staff import Wall
from tests.web.provider import CLIENT, SECRET, Keys, Provider, providing

from cytoloop.adapters.openid import Answer, Attempt, Client, UnansweredError, begin, proven
from cytoloop.adapters.openid.tokens import claims_of
from cytoloop.core.errors import RefusedError

BACK = "http://localhost:1/openid/back"
CLOCK = Wall()
KEYS, OTHERS = Keys(), Keys()


@pytest.fixture
def provider() -> Iterator[Provider]:
    with providing(CLOCK) as made:
        made.keys = KEYS
        yield made


def client(provider: Provider, **changed: str) -> Client:
    return replace(Client(issuer=provider.issuer, client_id=CLIENT, secret=SECRET), **changed)


def begun(provider: Provider, **changed: str) -> tuple[Attempt, Answer]:
    """An attempt, and what a browser brings back from the provider."""
    attempt, address = begin(client(provider, **changed), BACK, CLOCK.now())
    question = {name: each[0] for name, each in parse_qs(urlsplit(address).query).items()}
    given = {name: each[0] for name, each in parse_qs(urlsplit(provider.authorize(question)).query).items()}
    answer = Answer(state=given["state"], code=given.get("code", ""), error=given.get("error", ""), issuer=given["iss"])
    return attempt, answer


def key_set(keys: Iterable[Any]) -> dict[str, Any]:
    return {"keys": list(keys)}


def user(provider: Provider, **changed: str) -> str:
    attempt, answer = begun(provider, **changed)
    return proven(client(provider, **changed), attempt, answer, CLOCK.now())


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_the_provider_says_who_somebody_is(provider: Provider, algorithm: str) -> None:
    provider.algorithm = algorithm
    assert user(provider) == "qa.li"


def test_the_question_carries_state_nonce_and_pkce_and_asks_for_a_new_proof(provider: Provider) -> None:
    attempt, _ = begun(provider)
    (asked,) = provider.asked
    assert (asked["response_type"], asked["code_challenge_method"], asked["prompt"]) == ("code", "S256", "login")
    assert "openid" in asked["scope"].split()
    assert (asked["state"], asked["nonce"], asked["redirect_uri"]) == (attempt.state, attempt.nonce, BACK)
    assert attempt.verifier not in str(asked)
    other, _ = begun(provider)
    assert len({attempt.state, attempt.nonce, attempt.verifier, other.state, other.nonce, other.verifier}) == 6


def test_a_secret_goes_into_the_form_where_the_provider_takes_it_only_there(provider: Provider) -> None:
    provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert user(provider) == "qa.li"


def test_a_key_without_a_name_is_found_when_there_is_one_only(provider: Provider) -> None:
    provider.header = {"kid": None}
    with pytest.raises(RefusedError, match="not signed by a key"):
        user(provider)


def test_another_claim_may_be_the_user_id(provider: Provider) -> None:
    provider.claims = lambda claims: {**claims, "staff_id": "op.sun"}
    assert user(provider, user_claim="staff_id") == "op.sun"


def test_a_proxy_in_the_environment_is_not_asked_for_what_is_on_this_machine(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert user(provider) == "qa.li"


NOW = int(CLOCK.now().timestamp())
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another nonce": ({"nonce": "another"}, "belongs to another attempt"),
    "no nonce": ({"nonce": None}, "belongs to another attempt"),
    "another issuer": ({"iss": "https://id.example.org"}, "names another issuer"),
    "an issuer with a slash more": ({"iss": "http://127.0.0.1/"}, "names another issuer"),
    "no subject": ({"sub": None}, "names no subject"),
    "another audience": ({"aud": "payroll"}, "made for another client"),
    "other audiences": ({"aud": ["payroll", "canteen"]}, "made for another client"),
    "no audience": ({"aud": None}, "made for another client"),
    "two audiences and nobody named": ({"aud": [CLIENT, "payroll"]}, "made for another party"),
    "another party": ({"azp": "payroll"}, "made for another party"),
    "old": ({"exp": NOW - 61}, "is too old"),
    "no end": ({"exp": None}, "does not say when"),
    "an end that is a word": ({"exp": "tomorrow"}, "does not say when"),
    "an end that is a truth": ({"exp": True}, "does not say when"),
    "no beginning": ({"iat": None}, "does not say when"),
    "from the future": ({"iat": NOW + 61}, "from the future"),
    "not good yet": ({"nbf": NOW + 61}, "from the future"),
    "made before": ({"iat": NOW - 61}, "made before this attempt"),
    "an earlier proof": ({"auth_time": NOW - 3600}, "earlier proof"),
    "nobody named": ({"preferred_username": None}, "has no 'preferred_username'"),
    "a name that is a number": ({"preferred_username": 7}, "has no 'preferred_username'"),
}


@pytest.mark.parametrize(("changed", "why"), WRONG.values(), ids=WRONG)
def test_a_token_that_does_not_fit_is_refused(provider: Provider, changed: dict[str, Any], why: str) -> None:
    kept = {name for name, value in changed.items() if value is not None}
    provider.claims = lambda claims: {
        name: value for name, value in {**claims, **changed}.items() if name in kept or name not in changed
    }
    with pytest.raises(RefusedError, match=why):
        user(provider)


def test_two_audiences_are_fine_when_we_are_the_party(provider: Provider) -> None:
    provider.claims = lambda claims: {**claims, "aud": [CLIENT, "payroll"], "azp": CLIENT}
    assert user(provider) == "qa.li"


def test_an_email_address_is_a_user_id_only_when_the_provider_verified_it(provider: Provider) -> None:
    provider.claims = lambda claims: {**claims, "email": "li@example.org"}
    with pytest.raises(RefusedError, match="did not verify"):
        user(provider, user_claim="email")
    provider.claims = lambda claims: {**claims, "email": "li@example.org", "email_verified": True}
    assert user(provider, user_claim="email") == "li@example.org"


def _with_public_key_as_secret(data: bytes) -> bytes:
    pem = KEYS.modulus.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return hmac.new(pem, data, sha256).digest()


FORGED: dict[str, Callable[[Provider], None]] = {
    "no signature": lambda provider: _forge(provider, {"alg": "none"}, lambda _: b""),
    "the public key as a secret": lambda provider: _forge(provider, {"alg": "HS256"}, _with_public_key_as_secret),
    "a key that is not shown": lambda provider: setattr(provider, "signs_with", OTHERS),
    "a key of another name": lambda provider: _forge(provider, {"kid": "r2"}),
    "a key in the token": lambda provider: _forge(
        provider, {"kid": "mine", "jwk": {**OTHERS.shown()[0], "kid": "mine"}}, lambda data: OTHERS.sign("RS256", data)
    ),
    "another algorithm than the key's": lambda provider: _forge(provider, {"alg": "RS512"}),
    "the other kind of key": lambda provider: _forge(provider, {"kid": "e1"}),
    "an extension that must be understood": lambda provider: _forge(provider, {"crit": ["ours"], "ours": 1}),
}


def _forge(provider: Provider, header: dict[str, Any], sign: Callable[[bytes], bytes] | None = None) -> None:
    provider.header, provider.signature = header, sign


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_forged_token_is_refused(provider: Provider, forge: Callable[[Provider], None]) -> None:
    forge(provider)
    with pytest.raises(RefusedError, match="not signed by a key that the provider shows"):
        user(provider)


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.c", "....", "é.é.é", "e30.e30.e30"])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(RefusedError, match="not signed by a key"):
        claims_of(text, key_set(KEYS.shown()))


def test_a_set_without_a_usable_key_is_refused() -> None:
    shown = Keys().shown()[0]
    short = {**shown, "n": shown["n"][:170]}
    for keys in ([], [short], [{**shown, "use": "enc"}], [{"kty": "oct", "k": "c2VjcmV0"}], [{"kty": "RSA"}], ["x"]):
        with pytest.raises(RefusedError, match="shows no key"):
            claims_of("a.b.c", key_set(keys))
    with pytest.raises(RefusedError, match="shows no key"):
        claims_of("a.b.c", {})


def test_an_answer_to_another_attempt_is_refused(provider: Provider) -> None:
    attempt, answer = begun(provider)
    _, others = begun(provider)
    with pytest.raises(RefusedError, match="belongs to no sign-in"):
        proven(client(provider), attempt, others, CLOCK.now())
    with pytest.raises(RefusedError, match="another sign-in provider"):
        proven(client(provider), attempt, replace(answer, issuer="https://evil.example"), CLOCK.now())
    assert proven(client(provider), attempt, answer, CLOCK.now()) == "qa.li"


def test_another_attempts_code_is_refused_by_its_verifier(provider: Provider) -> None:
    attempt, _ = begun(provider)
    _, others = begun(provider)
    with pytest.raises(UnansweredError, match="answered 400"):
        proven(client(provider), attempt, replace(others, state=attempt.state), CLOCK.now())


def test_an_answer_must_name_its_provider_where_the_provider_says_it_does(provider: Provider) -> None:
    provider.metadata = {"authorization_response_iss_parameter_supported": True}
    attempt, answer = begun(provider)
    with pytest.raises(RefusedError, match="does not say which"):
        proven(client(provider), attempt, replace(answer, issuer=""), CLOCK.now())


@pytest.mark.parametrize(
    ("error", "told"), [("access_denied", "access_denied"), ("<script>", "no code"), ("x" * 41, "no code")]
)
def test_a_provider_that_lets_nobody_in_is_told(provider: Provider, error: str, told: str) -> None:
    provider.error = error
    attempt, answer = begun(provider)
    with pytest.raises(RefusedError, match=f"let nobody in \\({told}\\)"):
        proven(client(provider), attempt, answer, CLOCK.now())


def test_a_token_that_comes_late_is_refused(provider: Provider) -> None:
    attempt, answer = begun(provider)
    with pytest.raises(RefusedError, match="too old"):
        proven(client(provider), attempt, answer, CLOCK.now() + timedelta(seconds=361))


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"issuer": "https://id.example.org"}, "calls itself 'https://id.example.org'"),
        ({"token_endpoint": "http://id.example.org/token"}, "is not https"),
        ({"jwks_uri": "file:///etc/passwd"}, "is not https"),
        ({"authorization_endpoint": None}, "an empty address is not https"),
    ],
)
def test_a_provider_that_describes_itself_wrongly_is_not_asked(
    provider: Provider, metadata: dict[str, Any], why: str
) -> None:
    provider.metadata = metadata
    with pytest.raises(UnansweredError, match=why):
        begin(client(provider), BACK, CLOCK.now())


def test_a_provider_that_is_away_or_another_service_is_told(provider: Provider) -> None:
    with pytest.raises(UnansweredError, match="gave no answer"):
        begin(client(provider, issuer="http://127.0.0.1:9"), BACK, CLOCK.now())
    with pytest.raises(UnansweredError, match="answered 404"):
        begin(client(provider, issuer=f"{provider.address}/realms/other"), BACK, CLOCK.now())
    with pytest.raises(UnansweredError, match="is not https"):
        begin(client(provider, issuer="http://id.example.org"), BACK, CLOCK.now())


def test_a_redirect_is_not_followed_with_a_secret(provider: Provider) -> None:
    provider.metadata = {"jwks_uri": f"{provider.issuer}/moved"}
    attempt, answer = begun(provider)
    with pytest.raises(UnansweredError, match="answered 302"):
        proven(client(provider), attempt, answer, CLOCK.now())


def test_an_answer_that_is_too_large_is_not_read(provider: Provider) -> None:
    provider.metadata = {"more": "x" * 300_000}
    with pytest.raises(UnansweredError, match="more than 262144 bytes"):
        begin(client(provider), BACK, CLOCK.now())


def test_a_token_endpoint_that_gives_no_token_is_told(provider: Provider) -> None:
    provider.metadata = {"token_endpoint": f"{provider.issuer}/nothing"}
    attempt, answer = begun(provider)
    with pytest.raises(UnansweredError, match="answered 400"):
        proven(client(provider), attempt, answer, CLOCK.now())


def test_secrets_are_not_printed(provider: Provider) -> None:
    attempt, answer = begun(provider)
    printed = repr((client(provider), attempt, answer))
    for secret in (SECRET, attempt.verifier, attempt.nonce, attempt.state, answer.code):
        assert secret not in printed.replace(f"state='{answer.state}'", "")
