"""A small OpenID provider on this machine: discovery, authorize, token, keys. Tokens are made by hand.

What it does wrong is set on it, so that every refusal can be provoked.
"""

import json
import secrets
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from cytoloop.core.time import Clock

CLIENT, SECRET = "cytoloop at site a", "s3cret with spaces & signs"
PATH = "/realms/site"


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int) -> str:
    return base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@dataclass
class Keys:
    """Both kinds of keys; what is signed with the others is shown to nobody."""

    modulus: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    curve: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def shown(self) -> list[dict[str, str]]:
        public, point = self.modulus.public_key().public_numbers(), self.curve.public_key().public_numbers()
        return [
            {"kty": "RSA", "kid": "r1", "use": "sig", "alg": "RS256", "n": number(public.n), "e": number(public.e)},
            {
                "kty": "EC", "kid": "e1", "use": "sig", "crv": "P-256",
                "x": base64url(point.x.to_bytes(32, "big")), "y": base64url(point.y.to_bytes(32, "big")),
            },
            {"kty": "AKP", "kid": "from-the-future", "pub": "AAAA"},
        ]  # fmt: skip

    def sign(self, algorithm: str, data: bytes) -> bytes:
        if algorithm == "RS256":
            return self.modulus.sign(data, padding.PKCS1v15(), SHA256())
        r, s = decode_dss_signature(self.curve.sign(data, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@dataclass
class Provider:
    """What it knows, and what it is to do wrong."""

    clock: Clock
    address: str = ""
    user: str = "qa.li"
    algorithm: str = "RS256"
    keys: Keys = field(default_factory=Keys)
    signs_with: Keys | None = None
    claims: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
    header: dict[str, Any] = field(default_factory=dict)
    signature: Callable[[bytes], bytes] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    """Questions of browsers, as they came."""
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return self.address + PATH

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            **self.metadata,
        }

    def authorize(self, question: dict[str, str]) -> str:
        """Where the browser goes: back, with a code."""
        self.asked.append(question)
        state = {"state": question["state"], "iss": self.issuer}
        if self.error:
            return f"{question['redirect_uri']}?{urlencode({**state, 'error': self.error})}"
        code = secrets.token_urlsafe(16)
        self._codes[code] = question
        return f"{question['redirect_uri']}?{urlencode({**state, 'code': code})}"

    def token(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """The tokens for a code; None for a wrong one, which is gone all the same."""
        question = self._codes.pop(form["code"], None)
        user, _, secret = b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        pair = (
            (unquote_plus(user), unquote_plus(secret)) if authorization else (form["client_id"], form["client_secret"])
        )
        if question is None or pair != (CLIENT, SECRET) or form["redirect_uri"] != question["redirect_uri"]:
            return None
        if base64url(sha256(form["code_verifier"].encode()).digest()) != question["code_challenge"]:
            return None
        return {"access_token": "unused", "token_type": "Bearer", "id_token": self.id_token(question["nonce"])}

    def id_token(self, nonce: str) -> str:
        now = int(self.clock.now().timestamp())
        claims = self.claims({
            "iss": self.issuer, "sub": "f00d", "aud": CLIENT, "exp": now + 300, "iat": now, "auth_time": now,
            "nonce": nonce, "preferred_username": self.user,
        })  # fmt: skip
        header = {"alg": self.algorithm, "kid": "r1" if self.algorithm == "RS256" else "e1", **self.header}
        text = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        sign = self.signature or (lambda data: (self.signs_with or self.keys).sign(self.algorithm, data))
        return f"{text}.{base64url(sign(text.encode()))}"


def handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == f"{PATH}/.well-known/openid-configuration":
                self._say(provider.discovery())
            elif parts.path == f"{PATH}/keys":
                self._say({"keys": provider.keys.shown()})
            elif parts.path == f"{PATH}/authorize":
                self.send_response(302)
                self.send_header("location", provider.authorize(_single(parts.query)))
                self.end_headers()
            elif parts.path == f"{PATH}/moved":
                self.send_response(302)
                self.send_header("location", f"{provider.issuer}/token")
                self.end_headers()
            else:
                self._say({"error": "nothing here"}, 404)

        def do_POST(self) -> None:
            form = _single(self.rfile.read(int(self.headers["content-length"])).decode())
            found = (
                provider.token(form, self.headers.get("authorization", "")) if self.path.endswith("/token") else None
            )
            self._say(found or {"error": "invalid_grant"}, 200 if found else 400)

        def _say(self, data: dict[str, Any], status: int = 200) -> None:
            body = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _single(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


@contextmanager
def providing(clock: Clock) -> Iterator[Provider]:
    """A provider that answers while the test runs."""
    provider = Provider(clock)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(provider))
    provider.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
