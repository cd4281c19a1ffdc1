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
from cytoloop.core.words import Words

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
        raise _unanswered(address, "answered something else than JSON", "的应答不是 JSON") from error
    if not isinstance(found, dict):
        raise _unanswered(address, "answered something else than a JSON object", "的应答不是 JSON 对象")
    return found


_ADVICE = Words(
    en="sign in another way, or tell who runs the sign-in provider", zh="请用其他方式登录，或告知登录服务的管理者"
)


def _unanswered(address: str, en: str, zh: str) -> UnansweredError:
    return UnansweredError(Words(en=f"{address} {en}; {_ADVICE.en}", zh=f"{address} {zh}；{_ADVICE.zh}"))


def secure(address: str) -> None:
    """UnansweredError unless `address` is https, or on this machine: what goes there is secret."""
    parts = urlsplit(address)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname in HERE:
        return
    raise _unanswered(
        address or "an empty address", "is not https, so nothing is asked there", "不是 https，未向其查询"
    )


def _body(request: Request) -> bytes:
    local = urlsplit(request.full_url).hostname in HERE
    opener = build_opener(_Stay, *((ProxyHandler({}),) if local else ()))
    try:
        with opener.open(request, timeout=PATIENCE) as answer:
            body = cast(bytes, answer.read(LARGEST + 1))
    except HTTPError as error:
        with error:
            raise _unanswered(request.full_url, f"answered {error.code}", f"应答为 {error.code}") from error
    except (URLError, OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise _unanswered(request.full_url, f"gave no answer ({reason})", f"没有应答（{reason}）") from error
    if len(body) > LARGEST:
        raise _unanswered(request.full_url, f"answered more than {LARGEST} bytes", f"的应答超过 {LARGEST} 字节")
    return body
