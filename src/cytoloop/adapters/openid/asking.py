"""Asking: small JSON answers over https. No redirects, no large bodies, no waiting for ever."""

import json
from collections.abc import Mapping
from http.client import HTTPException
from typing import cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from cytoloop.core.errors import CytoloopError
from cytoloop.core.json import JSON

PATIENCE = 10.0
"""Seconds that a provider has for each answer."""
LARGEST = 256 * 1024
"""Bytes of the largest answer."""
HERE = ("localhost", "127.0.0.1", "::1")


class UnansweredError(CytoloopError):
    """The provider gave no answer that can be used. Nobody was let in."""


class _Stay(HTTPRedirectHandler):
    """A redirect could lead a secret to another host: it is an error here."""

    def redirect_request(self, *_: object) -> None:
        return None


def asked(address: str, form: Mapping[str, str] | None = None, authorization: str = "") -> dict[str, JSON]:
    """The JSON object at `address`, asked with POST when there is a form; UnansweredError when there is none."""
    secure(address)
    headers = {"Accept": "application/json", **({"Authorization": authorization} if authorization else {})}
    request = Request(address, urlencode(form).encode() if form is not None else None, headers)
    text = _body(request)
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UnansweredError(f"{address} answered something else than JSON; {_ADVICE}") from error
    if not isinstance(found, dict):
        raise UnansweredError(f"{address} answered something else than a JSON object; {_ADVICE}")
    return found


_ADVICE = "sign in another way, or tell who runs the sign-in provider"


def secure(address: str) -> None:
    """UnansweredError unless `address` is https, or on this machine: what goes there is secret."""
    parts = urlsplit(address)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname in HERE:
        return
    raise UnansweredError(f"{address or 'an empty address'} is not https, so nothing is asked there; {_ADVICE}")


def _body(request: Request) -> bytes:
    local = urlsplit(request.full_url).hostname in HERE
    opener = build_opener(_Stay, *((ProxyHandler({}),) if local else ()))
    try:
        with opener.open(request, timeout=PATIENCE) as answer:
            body = cast(bytes, answer.read(LARGEST + 1))
    except HTTPError as error:
        with error:
            raise UnansweredError(f"{request.full_url} answered {error.code}; {_ADVICE}") from error
    except (URLError, OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise UnansweredError(f"{request.full_url} gave no answer ({reason}); {_ADVICE}") from error
    if len(body) > LARGEST:
        raise UnansweredError(f"{request.full_url} answered more than {LARGEST} bytes; {_ADVICE}")
    return body
